//! Kinds, documents, configurations, profiles, memory.

use serde_json::{Value, json};
use vitrine_insights::model::{DocumentTag, MemoryFilter, NewDocument, NewMemory, PageRequest};
use vitrine_insights::service::{
    Documents as _, Error, Insights as _, Kinds as _, Memories as _, Outcome, ProfilePatch, Profiles as _,
};

use crate::server::{Server, identity, kind, with_trend, writer, writer_with_key};
use crate::writes::insight;

fn document(title: &str) -> NewDocument {
    NewDocument { title: title.to_owned(), content: json!({"text": title}) }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_change_under_the_revision_that_was_seen() {
    let server = Server::start().await;
    let store = server.store();
    with_trend(&store).await;
    let (ada, me) = (writer("acme"), identity("acme"));
    let first = store.kind(&me, "trend").await.unwrap();
    assert_eq!(store.put_kind(&ada, first.kind.clone(), None).await.unwrap().outcome, Outcome::Unchanged);
    let other = store.put_kind(&ada, kind("trend", json!({"type": "array"})), None).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
    let wrong = store.put_kind(&ada, kind("trend", json!({"type": 7})), Some(DocumentTag(first.revision))).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");
    let second = store.put_kind(&ada, kind("trend", json!(true)), Some(DocumentTag(first.revision))).await.unwrap();
    assert_eq!(second.outcome, Outcome::Updated);
    match store.put_kind(&ada, kind("trend", json!({})), Some(DocumentTag(first.revision))).await {
        Err(Error::Stale { current }) => assert_eq!(current, second.record.revision),
        other => panic!("{other:?}"),
    }
    store.create_insight(&ada, insight(None, "x")).await.unwrap();
    let used = store.delete_kind(&ada, "trend", DocumentTag(second.record.revision)).await;
    assert!(matches!(used, Err(Error::Conflict(_))), "{used:?}");
    let unused = store.put_kind(&ada, kind("unused", json!({})), None).await.unwrap().record;
    store.delete_kind(&ada, "unused", DocumentTag(unused.revision)).await.unwrap();
    assert!(matches!(store.kind(&me, "unused").await, Err(Error::NotFound(_))));
    // Made again, it is not at the revision that was seen before.
    let again = store.put_kind(&ada, kind("unused", json!({})), None).await.unwrap().record;
    assert!(again.revision > unused.revision);
    assert!(store.kinds(&identity("other")).await.unwrap().is_empty());
    assert_eq!(store.kinds(&me).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_keep_every_revision() {
    let server = Server::start().await;
    let store = server.store();
    let (ada, me) = (writer("acme"), identity("acme"));
    let one = store.put_document(&ada, "persona", "ceo", document("One"), None).await.unwrap();
    assert_eq!((one.outcome, one.record.revision), (Outcome::Created, DocumentTag(1)));
    assert_eq!(
        store.put_document(&ada, "persona", "ceo", document("One"), None).await.unwrap().outcome,
        Outcome::Unchanged
    );
    assert!(matches!(store.put_document(&ada, "persona", "ceo", document("x"), None).await, Err(Error::Conflict(_))));
    let seen = Some(DocumentTag(1));
    // Ten change it at once: one wins.
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store.put_document(&writer("acme"), "persona", "ceo", document(&format!("v{number}")), seen).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::Stale { current: 2 }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    assert!(matches!(
        store.delete_document(&ada, "persona", "ceo", DocumentTag(1)).await,
        Err(Error::Stale { current: 2 })
    ));
    store.delete_document(&ada, "persona", "ceo", DocumentTag(2)).await.unwrap();
    assert!(matches!(store.document(&me, "persona", "ceo").await, Err(Error::NotFound(_))));
    let again = store.put_document(&ada, "persona", "ceo", document("Four"), None).await.unwrap().record;
    assert_eq!(again.revision, DocumentTag(4));
    let history = store.document_history(&me, "persona", "ceo").await.unwrap();
    assert_eq!(
        history.iter().map(|entry| (entry.revision.0, entry.title.is_some())).collect::<Vec<_>>(),
        [(1, true), (2, true), (3, false), (4, true)]
    );
    assert!(history.iter().all(|entry| entry.changed_by == "ada"));
    for number in 0..12 {
        store.put_document(&ada, "prompt", &format!("p{number:02}"), document("x"), None).await.unwrap();
    }
    let page = store.documents(&me, "prompt", &PageRequest { limit: Some(8), after: None }).await.unwrap();
    let rest = store.documents(&me, "prompt", &PageRequest { limit: Some(8), after: page.next.clone() }).await.unwrap();
    assert_eq!((page.items.len(), rest.items.len(), rest.next), (8, 4, None));
    // An idempotency key answers what it answered, whatever became of the document.
    let keyed = writer_with_key("acme", "doc", 1);
    let made = store.put_document(&keyed, "prompt", "keyed", document("First"), None).await.unwrap().record;
    store.put_document(&ada, "prompt", "keyed", document("Second"), Some(made.revision)).await.unwrap();
    assert_eq!(store.put_document(&keyed, "prompt", "keyed", document("First"), None).await.unwrap().record, made);
    assert!(matches!(store.document(&identity("other"), "prompt", "keyed").await, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_and_profiles_change_field_by_field() {
    let server = Server::start().await;
    let store = server.store();
    let (ada, me) = (writer("acme"), identity("acme"));
    let first = store.put_configuration(&ada, "bob", json!({"theme": "dark"}), None).await.unwrap().record;
    assert_eq!((first.user.as_str(), &first.settings), ("bob", &json!({"theme": "dark"})));
    let second = store.put_configuration(&ada, "bob", json!({"theme": "light"}), Some(first.revision)).await.unwrap();
    assert_eq!(second.outcome, Outcome::Updated);
    assert!(matches!(
        store.put_configuration(&ada, "bob", json!({}), Some(first.revision)).await,
        Err(Error::Stale { .. })
    ));
    assert!(matches!(
        store.put_configuration(&ada, "bob", json!([1]), Some(second.record.revision)).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(store.configuration(&me, "bob").await.unwrap().settings, json!({"theme": "light"}));
    let patch = |fields: Value, roles: Option<Vec<&str>>, seen: Option<i64>| ProfilePatch {
        fields: fields.as_object().unwrap().clone(),
        roles: roles.map(|roles| roles.into_iter().map(str::to_owned).collect()),
        seen: seen.map(DocumentTag),
    };
    let made = store
        .patch_profile(&ada, "bob", patch(json!({"a": {"b": 1, "c": 2}, "d": 3}), Some(vec!["analyst"]), None))
        .await
        .unwrap();
    assert_eq!((made.outcome, made.record.revision.0), (Outcome::Created, 1));
    let changed = store
        .patch_profile(&ada, "bob", patch(json!({"a": {"b": null}, "d": null, "e": 5}), None, Some(1)))
        .await
        .unwrap();
    assert_eq!(Value::Object(changed.record.fields.clone()), json!({"a": {"c": 2}, "e": 5}));
    assert_eq!(changed.record.roles, ["analyst"]);
    assert!(matches!(
        store.patch_profile(&ada, "bob", patch(json!({}), Some(vec![]), Some(1))).await,
        Err(Error::Stale { current: 2 })
    ));
    assert_eq!(
        store.patch_profile(&ada, "bob", patch(json!({"e": 5}), None, None)).await.unwrap().outcome,
        Outcome::Unchanged
    );
    let history = store.profile_history(&me, "bob", &PageRequest { limit: Some(4), after: None }).await.unwrap();
    let fields: Vec<_> = history.items.iter().map(|change| (change.revision.0, change.field.as_str())).collect();
    assert_eq!(fields, [(2, "a"), (2, "d"), (2, "e"), (1, "$roles")]);
    assert_eq!((&history.items[1].before, &history.items[1].after), (&Some(json!(3)), &None));
    let rest = store.profile_history(&me, "bob", &PageRequest { limit: Some(4), after: history.next }).await.unwrap();
    assert_eq!(rest.items.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["a", "d"]);
    assert!(matches!(store.profile(&identity("other"), "bob").await, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn memories_are_kept_found_and_forgotten() {
    let server = Server::start().await;
    let store = server.store();
    let (ada, me) = (writer("acme"), identity("acme"));
    let memory = |value: Value| serde_json::from_value::<NewMemory>(value).unwrap();
    let tea = store
        .remember(&ada, memory(json!({"user": "bob", "session": "s1", "key": "k", "text": "Bob drinks tea"})))
        .await
        .unwrap();
    let again = store
        .remember(&ada, memory(json!({"user": "bob", "session": "s1", "key": "k", "text": "Bob drinks tea"})))
        .await
        .unwrap();
    assert_eq!((again.outcome, again.record.id), (Outcome::Unchanged, tea.record.id));
    let other =
        store.remember(&ada, memory(json!({"user": "bob", "session": "s1", "key": "k", "text": "Coffee"}))).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
    store
        .remember(&ada, memory(json!({"user": "bob", "session": "s2", "key": "k", "text": "Drinks were had"})))
        .await
        .unwrap();
    store.remember(&ada, memory(json!({"text": "The tenant's own"}))).await.unwrap();
    assert!(matches!(store.remember(&ada, memory(json!({"session": "s", "text": "x"}))).await, Err(Error::Invalid(_))));
    let search = |query: &str, session: Option<&str>| MemoryFilter {
        user: Some("bob".to_owned()),
        session: session.map(str::to_owned),
        query: Some(query.to_owned()),
    };
    let found = store.memories(&me, &search("drink", None), &PageRequest::default()).await.unwrap().items;
    assert_eq!(found.len(), 2);
    assert!(found[0].score >= found[1].score && found[1].score.is_some());
    assert_eq!(
        store.memories(&me, &search("drink", Some("s2")), &PageRequest::default()).await.unwrap().items.len(),
        1
    );
    let all =
        store.memories(&me, &MemoryFilter::default(), &PageRequest { limit: Some(2), after: None }).await.unwrap();
    let rest =
        store.memories(&me, &MemoryFilter::default(), &PageRequest { limit: Some(2), after: all.next }).await.unwrap();
    assert_eq!((all.items.len(), rest.items.len(), rest.items[0].id), (2, 1, tea.record.id));
    assert!(matches!(store.forget(&writer("other"), tea.record.id).await, Err(Error::NotFound(_))));
    store.forget(&ada, tea.record.id).await.unwrap();
    assert!(matches!(store.memory(&me, tea.record.id).await, Err(Error::NotFound(_))));
    assert!(matches!(store.forget(&ada, tea.record.id).await, Err(Error::NotFound(_))));
}
