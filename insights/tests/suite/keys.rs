//! Keys and what they allow.

use serde_json::json;

use super::{Scene, unique};

pub(super) async fn scopes_hold(scene: &Scene) {
    let kind = scene.kind("scopes").await;
    let new = json!({ "kind": kind, "title": "t" });
    scene.reader.get("/v1/kinds").await.is(200);
    scene.reader.post("/v1/insights", &new).await.is(403);
    scene.reader.bulk(&[], "").await.is(403);
    scene.reader.post("/v1/search", &json!({ "query": "x" })).await.is(200);
    let one = super::id(&scene.writer.post("/v1/insights", &new).await.is(201));
    for client in [&scene.reader, &scene.writer] {
        client
            .put(&format!("/v1/kinds/{}", unique("k")), &[("If-None-Match", "*")], &json!({ "schema": {} }))
            .await
            .is(403);
        client.delete(&format!("/v1/kinds/{kind}"), &[("If-Match", "*")]).await.is(403);
        client.put(&format!("/v1/insights/{one}/hold"), &[], &json!({ "held": true })).await.is(403);
        client.get("/v1/keys").await.is(403);
        client.post("/v1/keys", &json!({ "label": "mine", "scopes": ["admin"] })).await.is(403);
        client.delete(&format!("/v1/keys/{one}"), &[]).await.is(403);
    }
}

pub(super) async fn a_revoked_key_opens_nothing(scene: &Scene) {
    let (acme, label) = (&scene.acme, unique("temporary"));
    let asked = json!({ "label": label, "scopes": ["read", "read"] });
    let made = acme.post("/v1/keys", &asked).await.is(201).json();
    assert_eq!(made["key"]["scopes"], json!(["read"]));
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("vtr_"), "{secret}");
    acme.post("/v1/keys", &asked).await.is(409);
    let client = acme.with_key(&secret);
    client.get("/v1/kinds").await.is(200);
    client.post("/v1/memory", &json!({ "text": "t", "attributes": {} })).await.is(403);
    let listed = acme.get("/v1/keys").await.is(200);
    let shown = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(shown.contains(&label) && !shown.contains(&secret), "the secret is shown once");
    let secret_part = secret.splitn(3, '_').nth(2).unwrap();
    assert!(!shown.contains(secret_part));
    let id = made["key"]["id"].as_str().unwrap();
    scene.globex.delete(&format!("/v1/keys/{id}"), &[]).await.is(404);
    client.get("/v1/kinds").await.is(200);
    acme.delete(&format!("/v1/keys/{id}"), &[]).await.is(204);
    client.get("/v1/kinds").await.is(401);
    acme.delete("/v1/keys/00000000-0000-7000-8000-000000000000", &[]).await.is(404);
    acme.post("/v1/keys", &json!({ "label": "", "scopes": [] })).await.is(422);
    acme.post("/v1/keys", &json!({ "label": "x", "scopes": ["root"] })).await.is(422);
    acme.post("/v1/keys", &asked).await.is(201);
}

pub(super) async fn a_key_is_made_once_and_ends(scene: &Scene) {
    let (acme, label) = (&scene.acme, unique("once"));
    let key = unique("key");
    let end = chrono::Utc::now() + chrono::Duration::seconds(2);
    let asked = json!({ "label": label, "scopes": ["read"], "expires_at": end });
    let once = [("Idempotency-Key", key.as_str())];
    let made = acme.json("POST", "/v1/keys", &once, &asked).await.is(201).json();
    // What was lost on its way is not told twice; nor is there a second key.
    let again = acme.json("POST", "/v1/keys", &once, &asked).await.is(201).json();
    assert_eq!((&again["key"]["id"], &again["secret"]), (&made["key"]["id"], &serde_json::Value::Null));
    acme.json("POST", "/v1/keys", &once, &json!({ "label": label, "scopes": ["write"] })).await.is(422);
    acme.post("/v1/keys", &json!({ "label": unique("k"), "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z" }))
        .await
        .is(422);
    let own = || async {
        let listed = acme.get("/v1/keys").await.is(200).items();
        let own: Vec<_> = listed.into_iter().filter(|key| key["label"] == json!(label)).collect();
        assert_eq!(own.len(), 1);
        own[0].clone()
    };
    assert_eq!(own().await["last_used_at"], serde_json::Value::Null);
    let client = acme.with_key(made["secret"].as_str().unwrap());
    client.get("/v1/kinds").await.is(200);
    assert!(own().await["last_used_at"].is_string() && own().await["expires_at"].is_string());
    for round in 0.. {
        if client.get("/v1/kinds").await.status == 401 {
            break;
        }
        assert!(round < 300, "it never ends");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(chrono::Utc::now() >= end, "it ended too early");
    // Its label is free again.
    acme.post("/v1/keys", &json!({ "label": label, "scopes": ["read"] })).await.is(201);
}
