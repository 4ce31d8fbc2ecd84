//! Requests that come twice, writers that come at once.

use serde_json::{Value, json};

use super::client::Client;
use super::{Scene, id, insight, unique};

/// Sends a body twice with one idempotency key, then another body with it.
async fn twice(client: &Client, method: &str, path: &str, headers: &[(&str, &str)], (body, other): (&Value, &Value)) {
    let key = unique("once");
    let mut all = headers.to_vec();
    all.push(("Idempotency-Key", key.as_str()));
    let send = async |body: &Value| match body {
        Value::Null => client.send(method, path, &all, "").await,
        body => client.json(method, path, &all, body).await,
    };
    let first = send(body).await;
    assert!((200..300).contains(&first.status), "{first:?}");
    let again = send(body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body), "{first:?} then {again:?}");
    assert_eq!(again.header("etag"), first.header("etag"));
    if !other.is_null() {
        let reused = send(other).await.is(422).json();
        assert_eq!(reused["type"], "urn:vitrine:problem:idempotency-key-reused");
    }
}

pub(super) async fn the_same_request_again_answers_the_same(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("once").await);
    let other = json!({ "kind": kind, "title": "other" });
    twice(acme, "POST", "/v1/insights", &[], (&json!({ "kind": kind, "title": "keyless" }), &other)).await;
    let listed = acme.get(&format!("/v1/insights?kind={kind}")).await.is(200).items();
    assert_eq!(listed.len(), 1, "the second request made nothing");

    let one = id(&acme.post("/v1/insights", &insight(&kind, "k", "t")).await.is(201));
    let (version, other) = (json!({ "title": "v2" }), json!({ "title": "v3" }));
    twice(acme, "POST", &format!("/v1/insights/{one}/supersede"), &[], (&version, &other)).await;
    let two =
        acme.get(&format!("/v1/insights/{one}/history")).await.is(200).items()[1]["id"].as_str().unwrap().to_owned();
    let evidence = |shape: &str| json!({ "query_shape": shape, "data_as_of": "2026-11-20T12:00:00Z" });
    twice(acme, "POST", &format!("/v1/insights/{two}/evidence"), &[], (&evidence("a"), &evidence("b"))).await;
    assert_eq!(acme.get(&format!("/v1/insights/{two}/evidence")).await.is(200).items().len(), 1);
    let (held, free) = (json!({ "held": true }), json!({ "held": false }));
    twice(acme, "PUT", &format!("/v1/insights/{two}/hold"), &[], (&held, &free)).await;
    acme.put(&format!("/v1/insights/{two}/hold"), &[], &free).await.is(200);
    let (reason, other) = (json!({ "reason": "wrong" }), json!({ "reason": "right" }));
    twice(acme, "POST", &format!("/v1/insights/{two}/retract"), &[], (&reason, &other)).await;

    let path = format!("/v1/documents/prompt/{}", unique("d"));
    let (document, other) = (json!({ "title": "t", "content": {} }), json!({ "title": "u", "content": {} }));
    twice(acme, "PUT", &path, &[("If-None-Match", "*")], (&document, &other)).await;
    let etag = acme.get(&path).await.is(200).header("etag").to_owned();
    twice(acme, "PUT", &path, &[("If-Match", &etag)], (&other, &document)).await;
    let etag = acme.get(&path).await.is(200).header("etag").to_owned();
    twice(acme, "DELETE", &path, &[("If-Match", &etag)], (&Value::Null, &Value::Null)).await;

    let user = unique("u");
    let path = format!("/v1/users/{user}/configuration");
    twice(acme, "PUT", &path, &[("If-None-Match", "*")], (&json!({ "a": 1 }), &json!({ "a": 2 }))).await;
    let (patch, other) = (json!({ "fields": { "a": 1 } }), json!({ "fields": { "a": 2 } }));
    twice(acme, "PATCH", &format!("/v1/users/{user}/profile"), &[], (&patch, &other)).await;
    let (memory, other) = (json!({ "text": "a", "attributes": {} }), json!({ "text": "b", "attributes": {} }));
    twice(acme, "POST", "/v1/memory", &[], (&memory, &other)).await;
    let kept = id(&acme.post("/v1/memory", &json!({ "text": "c", "attributes": {} })).await.is(201));
    twice(acme, "DELETE", &format!("/v1/memory/{kept}"), &[], (&Value::Null, &Value::Null)).await;

    let path = format!("/v1/kinds/{}", unique("k"));
    let (schema, other) = (json!({ "schema": {} }), json!({ "schema": true }));
    twice(acme, "PUT", &path, &[("If-None-Match", "*")], (&schema, &other)).await;
    twice(acme, "DELETE", &path, &[("If-Match", "*")], (&Value::Null, &Value::Null)).await;

    // Another tenant's key of the same name is another key.
    let header: &[(&str, &str)] = &[("Idempotency-Key", "\"shared\"")];
    let acmes = acme.post_with("/v1/memory", header, &json!({ "text": "of acme", "attributes": {} })).await;
    assert!(acmes.status == 201, "{acmes:?}");
    let others = scene.globex.post_with("/v1/memory", header, &json!({ "text": "of globex", "attributes": {} })).await;
    assert_eq!(others.is(201).json()["text"], "of globex");
    acme.post_with("/v1/memory", &[("Idempotency-Key", "")], &memory).await.is(400);
}

pub(super) async fn of_two_writers_one_wins(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("race").await);
    for round in 0..10 {
        let one = id(&acme.post("/v1/insights", &insight(&kind, &format!("k{round}"), "t")).await.is(201));
        let path = format!("/v1/insights/{one}/supersede");
        let version = |title: &str| json!({ "title": title });
        let (left, right) = (version("left"), version("right"));
        let (left, right) = tokio::join!(acme.post(&path, &left), acme.post(&path, &right));
        let mut both = [left.status, right.status];
        both.sort_unstable();
        assert_eq!(both, [201, 409], "{left:?} {right:?}");
        let history = acme.get(&format!("/v1/insights/{one}/history")).await.is(200).items();
        assert_eq!(history.len(), 2);

        let path = format!("/v1/documents/race/{}", unique("d"));
        let document = |title: &str| json!({ "title": title, "content": {} });
        let (left, right) = (document("left"), document("right"));
        let absent: &[(&str, &str)] = &[("If-None-Match", "*")];
        let (made, lost) = tokio::join!(acme.put(&path, absent, &left), acme.put(&path, absent, &right));
        let mut both = [made.status, lost.status];
        both.sort_unstable();
        assert_eq!(both, [201, 412], "{made:?} {lost:?}");
        let etag = acme.get(&path).await.is(200).header("etag").to_owned();
        let seen: &[(&str, &str)] = &[("If-Match", &etag)];
        let (left, right) = (document("left again"), document("right again"));
        let (left, right) = tokio::join!(acme.put(&path, seen, &left), acme.put(&path, seen, &right));
        let mut both = [left.status, right.status];
        both.sort_unstable();
        assert_eq!(both, [200, 412], "{left:?} {right:?}");
        assert_eq!(acme.get(&format!("{path}/history")).await.is(200).items().len(), 2);
    }
    // The same natural key at once: one insight.
    let new = insight(&kind, "both", "t");
    let (left, right) = tokio::join!(acme.post("/v1/insights", &new), acme.post("/v1/insights", &new));
    let mut both = [left.status, right.status];
    both.sort_unstable();
    assert_eq!((both, id(&left)), ([200, 201], id(&right)), "{left:?} {right:?}");
    // The same idempotency key at once: one memory, and nobody is told otherwise.
    let key = unique("at-once");
    let header: &[(&str, &str)] = &[("Idempotency-Key", &key)];
    let user = unique("race");
    let memory = json!({ "user": user, "text": "once", "attributes": {} });
    let (left, right) =
        tokio::join!(acme.post_with("/v1/memory", header, &memory), acme.post_with("/v1/memory", header, &memory));
    assert!([left.status, right.status].iter().all(|status| [201, 409].contains(status)), "{left:?} {right:?}");
    assert_eq!(acme.get(&format!("/v1/memory?user={user}")).await.is(200).items().len(), 1);
}
