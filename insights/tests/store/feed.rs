//! The change feed: nothing missed, nothing twice, whatever the order of the commits, also over a restore.

use std::collections::HashSet;

use serde_json::json;
use vitrine_insights::model::{ChangeKind, Subject};
use vitrine_insights::service::{Error, Feed as _, Insights as _, Kinds as _};

use crate::server::{Server, identity, kind, with_trend, writer};
use crate::writes::insight;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_misses_nothing_and_sees_nothing_twice() {
    const WRITERS: usize = 6;
    const EACH: usize = 40;
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let start = store.latest(&identity("acme")).await.unwrap();
    // Transactions that are open for different times, so that they commit in another order than they began.
    let mut tasks = Vec::new();
    for number in 0..WRITERS {
        let mut client = server.client("tools").await;
        tasks.push(tokio::spawn(async move {
            for round in 0..EACH {
                let transaction = client.transaction().await.unwrap();
                transaction.batch_execute("SET LOCAL vitrine.tenant = 'acme'").await.unwrap();
                let sql = format!("INSERT INTO insights (kind, key, title) VALUES ('trend', 'w{number}-{round}', 'x')");
                transaction.batch_execute(&sql).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(((number * 7 + round * 3) % 20) as u64)).await;
                if (number + round) % 5 == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
            }
        }));
    }
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            let (mut cursor, mut seen, mut silent) = (start, Vec::new(), 0);
            while silent < 40 {
                let page = store.changes(&identity("acme"), Some(&cursor), 7).await.unwrap();
                silent = if page.changes.is_empty() { silent + 1 } else { 0 };
                if page.changes.is_empty() {
                    tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                }
                cursor = page.cursor;
                seen.extend(page.changes);
            }
            seen
        }
    });
    for task in tasks {
        task.await.unwrap();
    }
    let seen = reading.await.unwrap();
    let client = server.client("tools").await;
    let committed: Vec<String> =
        client.query("SELECT id::text FROM insights", &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let ids: HashSet<&str> = seen.iter().map(|change| change.id.as_str()).collect();
    assert_eq!(seen.len(), ids.len(), "a change came twice");
    assert_eq!(ids, committed.iter().map(String::as_str).collect::<HashSet<_>>(), "a change was missed or made up");
    assert!(seen.iter().all(|change| change.subject == Subject::Insight && change.change == ChangeKind::Created));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_open_transaction_may_still_precede_waits_for_it() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let start = store.latest(&identity("acme")).await.unwrap();
    let mut client = server.client("tools").await;
    let open = client.transaction().await.unwrap();
    open.batch_execute(
        "SET LOCAL vitrine.tenant = 'acme'; INSERT INTO insights (kind, title) VALUES ('trend', 'early')",
    )
    .await
    .unwrap();
    store.create_insight(&writer("acme"), insight(None, "late")).await.unwrap();
    let page = store.changes(&identity("acme"), Some(&start), 10).await.unwrap();
    assert!(page.changes.is_empty(), "served before a transaction that began earlier: {page:?}");
    open.commit().await.unwrap();
    assert_eq!(store.changes(&identity("acme"), Some(&page.cursor), 10).await.unwrap().changes.len(), 2);
    // Others see none of it.
    assert!(store.changes(&identity("other"), None, 10).await.unwrap().changes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_survives_a_server_whose_transactions_begin_anew() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    store.create_insight(&writer("acme"), insight(None, "before")).await.unwrap();
    let cursor = store.latest(&identity("acme")).await.unwrap();
    // A dump restored on a younger server: rows carry transaction numbers that this server has not reached.
    let owner = server.client("tools").await;
    owner
        .batch_execute("UPDATE changes SET transaction = '99999999'; UPDATE vitrine.feed SET server = 1")
        .await
        .unwrap();
    let era: i32 = owner.query_one("SELECT vitrine.begin_era()", &[]).await.unwrap().get(0);
    assert_eq!(era, 2);
    assert_eq!(owner.query_one("SELECT vitrine.begin_era()", &[]).await.unwrap().get::<_, i32>(0), 2);
    store.create_insight(&writer("acme"), insight(None, "after")).await.unwrap();
    let all = store.changes(&identity("acme"), None, 10).await.unwrap();
    assert_eq!(all.changes.len(), 3, "the restored changes are served, and the new one after them");
    let page = store.changes(&identity("acme"), Some(&cursor), 10).await.unwrap();
    assert_eq!(page.changes.last().map(|change| &change.id), all.changes.last().map(|change| &change.id));
    assert!(store.changes(&identity("acme"), Some(&page.cursor), 10).await.unwrap().changes.is_empty());
    for wrong in ["", "x", "MS4xLjE", "MS45OS4xLjE"] {
        assert!(matches!(store.changes(&identity("acme"), Some(wrong), 10).await, Err(Error::Invalid(_))), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_record_is_in_the_feed() {
    let server = Server::start().await;
    let store = server.store();
    let owner = server.client("tools").await;
    owner
        .batch_execute(
            "SET vitrine.tenant = 'acme'; SET vitrine.actor = 'ada';
             INSERT INTO kinds (name) VALUES ('k'); UPDATE kinds SET description = 'd'; DELETE FROM kinds;
             INSERT INTO documents (kind, name, title, content) VALUES ('p', 'n', 't', '{}'); UPDATE documents SET title = 'u';
             DELETE FROM documents; INSERT INTO profiles (user_name) VALUES ('u'); DELETE FROM profiles;
             INSERT INTO user_configuration (user_name, settings) VALUES ('u', '{}'); DELETE FROM user_configuration;
             INSERT INTO memory (text) VALUES ('m'); UPDATE memory SET text = 'n'; DELETE FROM memory;",
        )
        .await
        .unwrap();
    let changes = store.changes(&identity("acme"), None, 100).await.unwrap().changes;
    let told: Vec<_> = changes.iter().map(|change| (change.subject, change.change)).collect();
    for subject in [Subject::Kind, Subject::Document, Subject::Profile, Subject::Configuration, Subject::Memory] {
        assert!(
            told.contains(&(subject, ChangeKind::Created)) && told.contains(&(subject, ChangeKind::Deleted)),
            "{subject:?}"
        );
    }
    assert!(changes.iter().all(|change| change.by == "ada"));
    assert_eq!(told.len(), 13);
    store.put_kind(&writer("acme"), kind("k", json!({})), None).await.unwrap();
}
