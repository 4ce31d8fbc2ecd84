//! Insights one at a time.

use serde_json::json;
use vitrine_insights::model::Scope;
use vitrine_insights::model::{
    InsightFilter, InsightId, InsightState, NewEvidence, NewInsight, NewVersion, PageRequest,
};
use vitrine_insights::service::{Error, Health as _, Insights as _, Keys as _, Kinds as _, Outcome};

use crate::server::{Server, identity, kind, with_trend, writer, writer_with_key};

pub(crate) fn insight(key: Option<&str>, title: &str) -> NewInsight {
    serde_json::from_value(json!({"kind": "trend", "key": key, "title": title, "payload": {"change": -3}})).unwrap()
}

pub(crate) fn version(title: &str) -> NewVersion {
    serde_json::from_value(json!({"title": title, "payload": {"change": 4}})).unwrap()
}

fn evidence(shape: &str) -> NewEvidence {
    serde_json::from_value(
        json!({"query_shape": shape, "relations": ["public.orders"], "data_as_of": "2026-01-01T00:00:00Z"}),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insight_lives_through_its_versions() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let (ada, me) = (writer("acme"), identity("acme"));
    let mut new = insight(Some("eu"), "Revenue falls");
    new.evidence.push(evidence("SELECT $1"));
    let first = store.create_insight(&ada, new.clone()).await.unwrap();
    assert_eq!((first.outcome, first.record.version, first.record.created_by.as_str()), (Outcome::Created, 1, "ada"));
    // The same again is the same; another content is refused.
    let again = store.create_insight(&ada, new).await.unwrap();
    assert_eq!((again.outcome, again.record.id), (Outcome::Unchanged, first.record.id));
    let other = store.create_insight(&ada, insight(Some("eu"), "Revenue rises")).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
    let before = chrono::Utc::now();
    let second = store.supersede(&ada, first.record.id, version("Revenue rises")).await.unwrap();
    assert_eq!((second.record.version, second.record.key.as_str()), (2, "eu"));
    assert_eq!(
        store.supersede(&ada, first.record.id, version("Revenue rises")).await.unwrap().outcome,
        Outcome::Unchanged
    );
    assert!(matches!(store.supersede(&ada, first.record.id, version("x")).await, Err(Error::Conflict(_))));
    assert!(matches!(store.retract(&ada, first.record.id, "wrong").await, Err(Error::Conflict(_))));
    let then = InsightFilter { as_of: Some(before), ..InsightFilter::default() };
    let as_of = store.insights(&me, &then, &PageRequest::default()).await.unwrap().items;
    assert_eq!(as_of.len(), 1);
    assert_eq!((as_of[0].id, as_of[0].state, as_of[0].superseded_at), (first.record.id, InsightState::Current, None));
    let now = store.insights(&me, &InsightFilter::default(), &PageRequest::default()).await.unwrap().items;
    assert_eq!(now.iter().map(|insight| insight.id).collect::<Vec<_>>(), [second.record.id]);
    let gone = store.retract(&ada, second.record.id, "wrong").await.unwrap();
    assert_eq!((gone.record.state, gone.record.retraction_reason.as_deref()), (InsightState::Retracted, Some("wrong")));
    assert_eq!(store.retract(&ada, second.record.id, "wrong").await.unwrap().outcome, Outcome::Unchanged);
    // What was retracted stays so when its first maker comes again; a new content follows it.
    assert_eq!(
        store.create_insight(&ada, insight(Some("eu"), "Revenue falls")).await.unwrap().record.id,
        first.record.id
    );
    let third = store.create_insight(&ada, insight(Some("eu"), "Revenue stays")).await.unwrap();
    assert_eq!((third.outcome, third.record.version), (Outcome::Created, 3));
    let history = store.history(&me, first.record.id).await.unwrap();
    assert_eq!(history.iter().map(|insight| insight.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(history[0].superseded_by, Some(second.record.id));
    assert_eq!(store.evidence(&me, first.record.id).await.unwrap().len(), 1);
    assert_eq!(
        store.add_evidence(&ada, first.record.id, evidence("SELECT $1")).await.unwrap().outcome,
        Outcome::Unchanged
    );
    assert_eq!(
        store.add_evidence(&ada, first.record.id, evidence("SELECT $2")).await.unwrap().outcome,
        Outcome::Created
    );
    assert_eq!(store.evidence(&me, first.record.id).await.unwrap().len(), 2);
    assert!(matches!(store.insight(&me, InsightId(uuid::Uuid::now_v7())).await, Err(Error::NotFound(_))));
    assert!(matches!(store.insight(&identity("other"), first.record.id).await, Err(Error::NotFound(_))));
    assert!(matches!(store.history(&identity("other"), first.record.id).await, Err(Error::NotFound(_))));
    assert!(matches!(store.supersede(&writer("other"), third.record.id, version("x")).await, Err(Error::NotFound(_))));
    assert!(matches!(store.retract(&writer("other"), third.record.id, "x").await, Err(Error::NotFound(_))));
    assert!(store.capabilities().await.unwrap().schema_version >= 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_answers_once_and_for_all() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let ada = writer_with_key("acme", "k", 1);
    let first = store.create_insight(&ada, insight(None, "One")).await.unwrap();
    let again = store.create_insight(&ada, insight(None, "One")).await.unwrap();
    assert_eq!((again.record.id, again.outcome), (first.record.id, Outcome::Created));
    let other = store.create_insight(&writer_with_key("acme", "k", 2), insight(None, "Two")).await;
    assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
    // Another tenant's keys are its own.
    store.put_kind(&writer("other"), kind("trend", json!({})), None).await.unwrap();
    let theirs = store.create_insight(&writer_with_key("other", "k", 2), insight(None, "Two")).await.unwrap();
    assert_ne!(theirs.record.id, first.record.id);
    // Twenty at once make one.
    let racing = writer_with_key("acme", "race", 1);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, racing) = (store.clone(), racing.clone());
            tokio::spawn(async move { store.create_insight(&racing, insight(None, "Race")).await.unwrap().record.id })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let all = store.insights(&identity("acme"), &InsightFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_one_wins_and_nothing_is_lost() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let first = store.create_insight(&writer("acme"), insight(Some("eu"), "First")).await.unwrap().record;
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(
                async move { store.supersede(&writer("acme"), first.id, version(&format!("v{number}"))).await },
            )
        })
        .collect();
    let (mut won, mut lost) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::Conflict(_)) => lost += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won, lost), (1, 11));
    assert_eq!(store.history(&identity("acme"), first.id).await.unwrap().len(), 2);
    // Twelve make the same natural key with different content.
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store.create_insight(&writer("acme"), insight(Some("us"), &format!("v{number}"))).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::Conflict(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_fits_its_kind_as_it_is_now() {
    let server = Server::start().await;
    let (store, elsewhere) = (server.store(), server.store());
    with_trend(&store).await;
    let ada = writer("acme");
    let mut new = insight(None, "One");
    new.payload = json!({"change": "much"});
    let Err(Error::Unfit(unfit)) = store.create_insight(&ada, new.clone()).await else { panic!("it fits") };
    assert_eq!(unfit[0].pointer, "/change");
    // Another instance changes the kind; this one has the old schema compiled, and must not use it either way.
    let kind_now = elsewhere.kind(&identity("acme"), "trend").await.unwrap();
    let seen = Some(vitrine_insights::model::DocumentTag(kind_now.revision));
    let texts = kind("trend", json!({"properties": {"change": {"type": "string"}}}));
    elsewhere.put_kind(&ada, texts, seen).await.unwrap();
    store.create_insight(&ada, new).await.unwrap();
    assert!(matches!(store.create_insight(&ada, insight(None, "Two")).await, Err(Error::Unfit(_))));
    let mut unknown = insight(None, "x");
    unknown.kind = "nothing".to_owned();
    assert!(matches!(store.create_insight(&ada, unknown).await, Err(Error::NotFound(_))));
    let mut nul = insight(None, "a\0b");
    nul.payload = json!({"change": "x"});
    assert!(matches!(store.create_insight(&ada, nul).await, Err(Error::Invalid(_))));
    let mut early = insight(None, "x");
    early.payload = json!({"change": "x"});
    early.valid_from = Some(chrono::Utc::now());
    early.valid_to = early.valid_from;
    assert!(matches!(store.create_insight(&ada, early).await, Err(Error::Invalid(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_prove_their_tenant_until_they_are_revoked() {
    let server = Server::start().await;
    let store = server.store();
    let acme = identity("acme").tenant;
    let (key, secret) = store.create_key(&acme, "laptop", &[Scope::Read, Scope::Write]).await.unwrap();
    let who = store.identify(&secret).await.unwrap().unwrap();
    assert_eq!((who.tenant, who.scopes), (acme.clone(), vec![Scope::Read, Scope::Write]));
    for wrong in [format!("{secret}x"), secret[..secret.len() - 1].to_owned(), String::new(), "vtr_x_y".to_owned()] {
        assert!(store.identify(&wrong).await.unwrap().is_none(), "{wrong}");
    }
    assert!(matches!(store.create_key(&acme, "laptop", &[Scope::Read]).await, Err(Error::Conflict(_))));
    assert_eq!(store.keys(&acme).await.unwrap().len(), 1);
    assert!(store.keys(&identity("other").tenant).await.unwrap().is_empty());
    assert!(matches!(store.revoke_key(&identity("other").tenant, key.id).await, Err(Error::NotFound(_))));
    store.revoke_key(&acme, key.id).await.unwrap();
    assert!(store.identify(&secret).await.unwrap().is_none());
    let kept: String = server
        .client("tools")
        .await
        .query_one("SELECT string_agg(k::text, '') FROM vitrine.api_keys k", &[])
        .await
        .unwrap()
        .get(0);
    assert!(!kept.contains(secret.rsplit('_').next().unwrap()), "the secret is kept");
}
