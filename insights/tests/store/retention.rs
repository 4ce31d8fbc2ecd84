//! Expiry, retention and legal hold.

use chrono::{Duration, Utc};
use serde_json::json;
use vitrine_insights::model::{ChangeKind, InsightFilter, MemoryFilter, PageRequest};
use vitrine_insights::retention;
use vitrine_insights::service::{Error, Feed as _, Insights as _, Kinds as _, Memories as _};

use crate::server::{Server, identity, kind, with_trend, writer, writer_with_key};
use crate::writes::{insight, version};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_unless_it_is_held() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let (ada, me) = (writer("acme"), identity("acme"));
    let mut past = insight(Some("past"), "Past");
    past.expires_at = Some(Utc::now() - Duration::seconds(5));
    let mut held = insight(Some("held"), "Held");
    held.expires_at = past.expires_at;
    let keyed = writer_with_key("acme", "once", 1);
    let past = store.create_insight(&keyed, past).await.unwrap().record;
    let held = store.create_insight(&ada, held).await.unwrap().record;
    store.hold(&ada, held.id, true).await.unwrap();
    let first = store.create_insight(&ada, insight(Some("versions"), "One")).await.unwrap().record;
    let mut second = version("Two");
    second.expires_at = past.expires_at;
    store.supersede(&ada, first.id, second).await.unwrap();
    // A kind of another tenant with a retention, whose insights are old.
    let mut short = kind("trend", json!({}));
    short.retention_days = Some(30);
    store.put_kind(&writer("other"), short, None).await.unwrap();
    let old = store.create_insight(&writer("other"), insight(Some("old"), "Old")).await.unwrap().record;
    store.create_insight(&writer("other"), insight(Some("new"), "New")).await.unwrap();
    let owner = server.client("tools").await;
    owner
        .batch_execute(&format!(
            "ALTER TABLE insights DISABLE TRIGGER keep_version;
             UPDATE insights SET recorded_at = now() - interval '31 days' WHERE id = '{}';
             ALTER TABLE insights ENABLE TRIGGER keep_version",
            old.id.0
        ))
        .await
        .unwrap();
    let memory =
        serde_json::from_value(json!({"text": "gone", "expires_at": Utc::now() - Duration::seconds(5)})).unwrap();
    store.remember(&ada, memory).await.unwrap();
    assert!(store.memories(&me, &MemoryFilter::default(), &PageRequest::default()).await.unwrap().items.is_empty());
    let start = store.latest(&me).await.unwrap();
    let run = retention::run_once(&store).await.unwrap();
    assert_eq!((run.insights, run.memories), (4, 1), "past, both versions, old; the memory");
    assert_eq!(retention::run_once(&store).await.unwrap(), retention::Run::default());
    assert!(matches!(store.insight(&me, past.id).await, Err(Error::NotFound(_))));
    assert!(matches!(store.history(&me, first.id).await, Err(Error::NotFound(_))));
    store.insight(&me, held.id).await.unwrap();
    let theirs = store.insights(&identity("other"), &InsightFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(theirs.items.len(), 1);
    let expired = store.changes(&me, Some(&start), 100).await.unwrap().changes;
    assert_eq!(expired.iter().filter(|change| change.change == ChangeKind::Expired).count(), 4);
    // What was answered once does not outlive it.
    assert!(matches!(store.create_insight(&keyed, insight(Some("past"), "Past")).await, Err(Error::Conflict(_))));
    let kept: Option<serde_json::Value> =
        owner.query_one("SELECT answer FROM vitrine.idempotency_keys WHERE key = 'once'", &[]).await.unwrap().get(0);
    assert_eq!(kept, None);
    store.hold(&ada, held.id, false).await.unwrap();
    assert_eq!(retention::run_once(&store).await.unwrap().insights, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_held_keeps_what_it_gets_later() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let owner = server.client("tools").await;
    owner.batch_execute("UPDATE vitrine.tenants SET legal_hold = true WHERE name = 'acme'").await.unwrap();
    let mut past = insight(Some("past"), "Past");
    past.expires_at = Some(Utc::now() - Duration::seconds(5));
    store.create_insight(&writer("acme"), past).await.unwrap();
    let memory = json!({"text": "gone", "expires_at": Utc::now() - Duration::seconds(5)});
    store.remember(&writer("acme"), serde_json::from_value(memory).unwrap()).await.unwrap();
    let run = retention::run_once(&store).await.unwrap();
    assert_eq!((run.insights, run.memories), (0, 0));
    let refused = owner.batch_execute("DELETE FROM insights").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "23001", "not even by the owner");
    owner.batch_execute("UPDATE vitrine.tenants SET legal_hold = false").await.unwrap();
    let run = retention::run_once(&store).await.unwrap();
    assert_eq!((run.insights, run.memories), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_at_a_time() {
    let server = Server::start().await;
    let store = server.store();
    let other = server.client("tools").await;
    other.query_one("SELECT pg_advisory_lock($1)", &[&retention::LOCK]).await.unwrap();
    let run = retention::run_once(&store).await.unwrap();
    assert!(run.elsewhere);
    other.query_one("SELECT pg_advisory_unlock($1)", &[&retention::LOCK]).await.unwrap();
    assert!(!retention::run_once(&store).await.unwrap().elsewhere);
    // The lock was given back.
    let free: bool = other.query_one("SELECT pg_try_advisory_lock($1)", &[&retention::LOCK]).await.unwrap().get(0);
    assert!(free);
}
