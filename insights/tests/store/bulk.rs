//! Many insights at once.

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;
use vitrine_insights::model::{InsightFilter, NewInsight, PageRequest};
use vitrine_insights::service::{BulkCount, Error, Feed as _, Insights as _, Result};

use crate::server::{Server, identity, with_trend, writer, writer_with_key};
use crate::writes::insight;

pub(crate) fn many(count: usize) -> impl Iterator<Item = NewInsight> {
    (0..count).map(|number| {
        serde_json::from_value(json!({
            "kind": "trend", "key": format!("k{number}"), "title": format!("Insight {number}"),
            "body": "Revenue of the region fell, and the cause is the price.", "payload": {"change": number},
            "confidence": 0.5,
            "evidence": [{"query_shape": "SELECT ?", "relations": ["public.orders"], "data_as_of": "2026-01-01T00:00:00Z"}],
        }))
        .unwrap()
    })
}

fn stream_of(insights: Vec<Result<NewInsight>>) -> futures_core::stream::BoxStream<'static, Result<NewInsight>> {
    stream::iter(insights).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_made_or_none() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let ada = writer("acme");
    let all = || stream_of(many(12_000).map(Ok).collect());
    assert_eq!(store.create_insights(&ada, all()).await.unwrap(), BulkCount { created: 12_000, unchanged: 0 });
    assert_eq!(store.create_insights(&ada, all()).await.unwrap(), BulkCount { created: 0, unchanged: 12_000 });
    let client = server.client("tools").await;
    let counts = client
        .query_one("SELECT (SELECT count(*) FROM insights), (SELECT count(*) FROM evidence), (SELECT count(*) FROM changes WHERE subject = 'insight')", &[])
        .await
        .unwrap();
    assert_eq!((counts.get(0), counts.get(1), counts.get(2)), (12_000_i64, 12_000_i64, 12_000_i64));
    // A line that does not fit, one that contradicts what is there, one that is malformed: none is kept.
    let new = |number: usize| Ok(insight(Some(&format!("n{number}")), "New"));
    let mut unfit = insight(Some("u"), "Unfit");
    unfit.payload = json!({"change": "x"});
    for (bad, line) in [(Ok(unfit), 7_001), (Ok(insight(Some("k5"), "Other")), 7_001)] {
        let lines: Vec<_> = (0..7_000).map(new).chain([bad]).chain((7_001..9_000).map(new)).collect();
        match store.create_insights(&ada, stream_of(lines)).await {
            Err(Error::Line { line: at, .. }) => assert_eq!(at, line),
            other => panic!("{other:?}"),
        }
    }
    let malformed = vec![new(0), Err(Error::Invalid("line 2: not JSON".to_owned()))];
    assert!(matches!(store.create_insights(&ada, stream_of(malformed)).await, Err(Error::Invalid(_))));
    let filter =
        InsightFilter { key: Some("n0".to_owned()), kind: Some("trend".to_owned()), ..InsightFilter::default() };
    assert!(store.insights(&identity("acme"), &filter, &PageRequest::default()).await.unwrap().items.is_empty());
    // Twice in one stream is once; with other content, refused.
    let twice = || vec![new(1), new(1), new(2)];
    assert_eq!(store.create_insights(&ada, stream_of(twice())).await.unwrap(), BulkCount { created: 2, unchanged: 1 });
    let contradiction = vec![new(3), Ok(insight(Some("n3"), "Other"))];
    assert!(matches!(store.create_insights(&ada, stream_of(contradiction)).await, Err(Error::Line { line: 2, .. })));
    assert_eq!(
        store.create_insights(&ada, stream_of(Vec::new())).await.unwrap(),
        BulkCount { created: 0, unchanged: 0 }
    );
    // The connection that failed is whole again.
    assert!(!store.changes(&identity("acme"), None, 1).await.unwrap().changes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_write_is_answered_once() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let ada = writer_with_key("acme", "bulk", 1);
    let keyless = || stream_of((0..10).map(|_| Ok(insight(None, "Same"))).collect());
    let first = store.create_insights(&ada, keyless()).await.unwrap();
    assert_eq!(store.create_insights(&ada, keyless()).await.unwrap(), first);
    let reused = store.create_insights(&writer_with_key("acme", "bulk", 2), keyless()).await;
    assert!(matches!(reused, Err(Error::KeyReused)));
    let count: i64 = server.client("tools").await.query_one("SELECT count(*) FROM insights", &[]).await.unwrap().get(0);
    assert_eq!(count, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_bulk_writers_of_the_same_keys_make_each_once() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.create_insights(&writer("acme"), stream_of(many(6_000).map(Ok).collect())).await.unwrap()
            })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        created += task.await.unwrap().created;
    }
    assert_eq!(created, 6_000);
}
