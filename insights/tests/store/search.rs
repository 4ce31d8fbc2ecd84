//! Search by words, by vector, and by both; with pgvector and without.

use std::collections::HashSet;

use serde_json::json;
use vitrine_insights::model::{
    Distance, EmbeddingSpec, InsightFilter, NewInsight, PageRequest, SearchMode, SearchRequest,
};
use vitrine_insights::service::{Error, Health as _, Insights as _, Kinds as _};

use crate::server::{Server, identity, kind, vector_bin, with_trend, writer};

fn titled(title: &str, body: &str, payload: serde_json::Value) -> NewInsight {
    serde_json::from_value(json!({"kind": "trend", "title": title, "body": body, "payload": payload})).unwrap()
}

fn words(query: &str) -> SearchRequest {
    SearchRequest { query: Some(query.to_owned()), ..SearchRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_by_rank_within_the_filter() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let (ada, me) = (writer("acme"), identity("acme"));
    store.create_insight(&ada, titled("Revenue falls in Europe", "Prices rose", json!({"change": 1}))).await.unwrap();
    store.create_insight(&ada, titled("Churn rises", "Revenue follows in Europe", json!({"change": 2}))).await.unwrap();
    store.create_insight(&ada, titled("Nothing", "to see", json!({"change": 3, "a": {"b": [1, 2]}}))).await.unwrap();
    let found = store.search(&me, &words("revenues europe")).await.unwrap();
    assert_eq!(
        found.iter().map(|found| found.insight.title.as_str()).collect::<Vec<_>>(),
        ["Revenue falls in Europe", "Churn rises"]
    );
    assert_eq!((found[0].text_rank, found[1].text_rank), (Some(1), Some(2)));
    assert!(found[0].score > found[1].score);
    assert_eq!(store.search(&me, &words("revenue -churn")).await.unwrap().len(), 1);
    // Quotes, operators and injection are words.
    for strange in ["'; DROP TABLE insights; --", "\"", "a & | !", "%L %s", "the", ""] {
        store.search(&me, &words(strange)).await.unwrap();
    }
    assert!(store.search(&identity("other"), &words("revenue")).await.unwrap().is_empty());
    let mut filter = InsightFilter { payload: Some(json!({"a": {"b": [2]}})), ..InsightFilter::default() };
    let list = store.insights(&me, &filter, &PageRequest::default()).await.unwrap().items;
    assert_eq!(list.iter().map(|insight| insight.title.as_str()).collect::<Vec<_>>(), ["Nothing"]);
    filter.payload = Some(json!({"x": "'); DROP TABLE insights; --"}));
    filter.kind = Some("' OR true --".to_owned());
    filter.relation = Some("' OR true --".to_owned());
    assert!(store.insights(&me, &filter, &PageRequest::default()).await.unwrap().items.is_empty());
    // Without pgvector, an embedding is refused and everything else works.
    let mut embedded = titled("x", "y", json!({}));
    embedded.embedding = Some(vec![1.0]);
    let mut with_vectors = kind("trend", json!({}));
    with_vectors.embedding = Some(EmbeddingSpec { dimension: 1, distance: Distance::Cosine });
    let seen = vitrine_insights::model::DocumentTag(store.kind(&me, "trend").await.unwrap().revision);
    store.put_kind(&ada, with_vectors, Some(seen)).await.unwrap();
    if !store.capabilities().await.unwrap().vector_search {
        assert!(matches!(store.create_insight(&ada, embedded).await, Err(Error::Unsupported(_))));
        let by_vector = SearchRequest {
            embedding: Some(vec![1.0]),
            filter: InsightFilter { kind: Some("trend".to_owned()), ..InsightFilter::default() },
            ..SearchRequest::default()
        };
        assert!(matches!(store.search(&me, &by_vector).await, Err(Error::Unsupported(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_page_by_page() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    for number in 0..25 {
        store.create_insight(&writer("acme"), titled(&format!("{number}"), "", json!({}))).await.unwrap();
    }
    let mut request = PageRequest { limit: Some(10), after: None };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.insights(&identity("acme"), &InsightFilter::default(), &request).await.unwrap();
        seen.extend(page.items.into_iter().map(|insight| insight.title));
        pages += 1;
        // What is made meanwhile shifts nothing.
        store.create_insight(&writer("acme"), titled("late", "", json!({}))).await.unwrap();
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (0..25).rev().map(|number| number.to_string()).collect::<Vec<_>>());
}

/// Vectors on a circle; `group` decides the payload.
fn embedded(number: usize, kind: &str, group: usize) -> NewInsight {
    let angle = number as f32 / 1_000.0;
    serde_json::from_value(json!({
        "kind": kind, "key": format!("v{number}"), "title": format!("Vector {number}"), "payload": {"group": group},
        "embedding": [angle.cos(), angle.sin(), 0.5],
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_vector_search_finds_as_many_as_exist() {
    let server = Server::start_with(&vector_bin(), None, &[]).await;
    let store = server.store();
    let (ada, me) = (writer("acme"), identity("acme"));
    assert!(store.capabilities().await.unwrap().vector_search);
    for (name, distance) in [("cosine", Distance::Cosine), ("ip", Distance::InnerProduct), ("l2", Distance::L2)] {
        let mut spec = kind(name, json!({}));
        spec.embedding = Some(EmbeddingSpec { dimension: 3, distance });
        store.put_kind(&ada, spec, None).await.unwrap();
        // One in a hundred is of group 1, and all of those are far from where is searched.
        let all: Vec<_> = (0..3_000).map(|number| Ok(embedded(number, name, usize::from(number >= 2_970)))).collect();
        let count = store.create_insights(&ada, futures_util::StreamExt::boxed(futures_util::stream::iter(all))).await;
        assert_eq!(count.unwrap().created, 3_000);
        let search = |group: Option<usize>, limit: u32| SearchRequest {
            embedding: Some(vec![1.0, 0.0, 0.5]),
            filter: InsightFilter {
                kind: Some(name.to_owned()),
                payload: group.map(|group| json!({"group": group})),
                ..InsightFilter::default()
            },
            limit: Some(limit),
            ..SearchRequest::default()
        };
        let found = store.search(&me, &search(None, 10)).await.unwrap();
        assert_eq!(found.len(), 10, "{name}");
        assert!(found.is_sorted_by(|a, b| a.distance <= b.distance), "{name}");
        assert_eq!(found[0].insight.title, "Vector 0", "{name}");
        for (limit, wanted) in [(20, 20), (30, 30), (500, 30)] {
            let found = store.search(&me, &search(Some(1), limit)).await.unwrap();
            let distinct: HashSet<_> = found.iter().map(|found| found.insight.id).collect();
            assert_eq!((found.len(), distinct.len()), (wanted, wanted), "{name} {limit}");
            assert_eq!(found[0].insight.title, "Vector 2970", "{name}");
        }
    }
    // Fused: what both lists have comes first.
    let fused = SearchRequest {
        query: Some("\"Vector 3\"".to_owned()),
        embedding: Some(vec![1.0, 0.0, 0.5]),
        mode: Some(SearchMode::Fused),
        filter: InsightFilter { kind: Some("l2".to_owned()), ..InsightFilter::default() },
        limit: Some(5),
    };
    let found = store.search(&me, &fused).await.unwrap();
    assert_eq!(found.len(), 5);
    assert_eq!(found[0].insight.title, "Vector 3");
    assert!(found[0].text_rank.is_some() && found[0].vector_rank.is_some());
    // Another tenant's kind of the same name, and one of another dimension.
    let mut spec = kind("l2", json!({}));
    spec.embedding = Some(EmbeddingSpec { dimension: 2, distance: Distance::L2 });
    store.put_kind(&writer("other"), spec, None).await.unwrap();
    let wrong = SearchRequest { embedding: Some(vec![1.0, 0.0, 0.5]), ..fused.clone() };
    assert!(matches!(store.search(&identity("other"), &wrong).await, Err(Error::Invalid(_))));
    let right = SearchRequest { embedding: Some(vec![1.0, 0.0]), query: None, mode: None, ..fused };
    assert!(store.search(&identity("other"), &right).await.unwrap().is_empty());
    let mut short = embedded(1, "l2", 0);
    short.key = None;
    short.embedding = Some(vec![1.0]);
    assert!(matches!(store.create_insight(&ada, short).await, Err(Error::Invalid(_))));
}
