//! Two tenants: through every route, neither finds what the other keeps.

use serde_json::json;

use super::{Scene, id, insight, unique};

pub(super) async fn nobody_sees_another_tenant(scene: &Scene) {
    let (acme, globex) = (&scene.acme, &scene.globex);
    let kind = scene.kind("walls").await;
    let word = unique("walrus").replace('-', "");
    let one = id(&acme.post("/v1/insights", &insight(&kind, "k", &word)).await.is(201));
    let (user, name) = (unique("ada"), unique("secret"));
    acme.put(
        &format!("/v1/documents/persona/{name}"),
        &[("If-None-Match", "*")],
        &json!({ "title": "t", "content": 1 }),
    )
    .await
    .is(201);
    acme.put(&format!("/v1/users/{user}/configuration"), &[("If-None-Match", "*")], &json!({ "a": 1 })).await.is(201);
    acme.patch(&format!("/v1/users/{user}/profile"), &[], &json!({ "fields": { "a": 1 } })).await.is(201);
    let memory = id(&acme.post("/v1/memory", &json!({ "user": user, "text": word, "attributes": {} })).await.is(201));
    let label = unique("acmes");
    let key = acme.post("/v1/keys", &json!({ "label": label, "scopes": ["read"] })).await.is(201).json();
    let key = key["key"]["id"].as_str().unwrap().to_owned();

    for path in [
        format!("/v1/insights/{one}"),
        format!("/v1/insights/{one}?as_of=2999-01-01T00:00:00Z"),
        format!("/v1/insights/{one}/history"),
        format!("/v1/insights/{one}/evidence"),
        format!("/v1/kinds/{kind}"),
        format!("/v1/documents/persona/{name}"),
        format!("/v1/documents/persona/{name}/history"),
        format!("/v1/users/{user}/configuration"),
        format!("/v1/users/{user}/profile"),
        format!("/v1/memory/{memory}"),
    ] {
        globex.get(&path).await.is(404);
    }
    for path in [
        format!("/v1/insights?kind={kind}"),
        format!("/v1/search?query={word}"),
        format!("/v1/memory?user={user}"),
        format!("/v1/memory?query={word}"),
    ] {
        assert_eq!(globex.get(&path).await.is(200).items().len(), 0, "{path}");
    }
    assert_eq!(globex.post("/v1/search", &json!({ "query": word })).await.is(200).items().len(), 0);
    let history = globex.get(&format!("/v1/users/{user}/profile/history")).await;
    assert!(history.status == 404 || history.items().is_empty(), "{history:?}");
    let shown = [
        globex.get("/v1/kinds").await.is(200),
        globex.get("/v1/keys").await.is(200),
        globex.get("/v1/documents/persona?limit=1000").await.is(200),
        globex.get("/v1/changes?limit=1000").await.is(200),
        globex.get("/v1/insights?limit=1000").await.is(200),
    ];
    for answer in &shown {
        let text = String::from_utf8_lossy(&answer.body);
        for theirs in [&one, &kind, &name, &user, &memory, &label, &key] {
            assert!(!text.contains(theirs.as_str()), "{theirs} is in {answer:?}");
        }
    }

    // Writing: nothing of the other tenant is there to be changed, and names are free.
    globex.post("/v1/insights", &insight(&kind, "k", "t")).await.is(404);
    globex.bulk(&[], format!("{}\n", insight(&kind, "k", "t"))).await.is(404);
    globex.post(&format!("/v1/insights/{one}/supersede"), &json!({ "title": "taken over" })).await.is(404);
    globex.post(&format!("/v1/insights/{one}/retract"), &json!({ "reason": "because" })).await.is(404);
    let evidence = json!({ "query_shape": "SELECT 1", "data_as_of": "2026-11-20T12:00:00Z" });
    globex.post(&format!("/v1/insights/{one}/evidence"), &evidence).await.is(404);
    globex.put(&format!("/v1/insights/{one}/hold"), &[], &json!({ "held": true })).await.is(404);
    let seen: &[(&str, &str)] = &[("If-Match", "*")];
    globex.put(&format!("/v1/documents/persona/{name}"), seen, &json!({ "title": "t", "content": 2 })).await.is(412);
    globex.delete(&format!("/v1/documents/persona/{name}"), seen).await.is(404);
    globex.put(&format!("/v1/kinds/{kind}"), seen, &json!({ "schema": {} })).await.is(412);
    globex.delete(&format!("/v1/kinds/{kind}"), seen).await.is(404);
    globex.put(&format!("/v1/users/{user}/configuration"), seen, &json!({ "a": 2 })).await.is(412);
    globex.delete(&format!("/v1/memory/{memory}"), &[]).await.is(404);
    globex.delete(&format!("/v1/keys/{key}"), &[]).await.is(404);
    let absent: &[(&str, &str)] = &[("If-None-Match", "*")];
    globex.put(&format!("/v1/documents/persona/{name}"), absent, &json!({ "title": "g", "content": 2 })).await.is(201);
    globex.put(&format!("/v1/kinds/{kind}"), absent, &json!({ "schema": {} })).await.is(201);
    globex.patch(&format!("/v1/users/{user}/profile"), &[], &json!({ "fields": { "a": 2 } })).await.is(201);

    assert_eq!(acme.get(&format!("/v1/insights/{one}")).await.is(200).json()["state"], "current");
    assert_eq!(acme.get(&format!("/v1/insights/{one}")).await.is(200).json()["legal_hold"], false);
    assert_eq!(acme.get(&format!("/v1/documents/persona/{name}")).await.is(200).json()["content"], 1);
    assert_eq!(acme.get(&format!("/v1/users/{user}/profile")).await.is(200).json()["fields"]["a"], 1);
    assert_eq!(acme.get(&format!("/v1/users/{user}/configuration")).await.is(200).json()["settings"]["a"], 1);
    acme.get(&format!("/v1/memory/{memory}")).await.is(200);
}

pub(super) async fn forged_headers_say_nothing(scene: &Scene) {
    let kind = scene.kind("forged").await;
    let one = id(&scene.acme.post("/v1/insights", &insight(&kind, "k", "t")).await.is(201));
    for name in [
        "X-Tenant",
        "X-Tenant-Id",
        "Tenant",
        "X-Vitrine-Tenant",
        "Vitrine-Tenant",
        "X-Forwarded-User",
        "X-User",
        "X-Remote-User",
        "X-Scope-OrgID",
        "X-Original-User",
        "Forwarded",
        "PGOPTIONS",
    ] {
        for value in ["acme", "-c vitrine.tenant=acme"] {
            scene.globex.get_with(&format!("/v1/insights/{one}"), &[(name, value)]).await.is(404);
        }
    }
    scene.globex.get(&format!("/v1/insights/{one}?tenant=acme")).await.is(400);
    let mut new = insight(&kind, "k2", "t");
    new["tenant"] = json!("acme");
    scene.globex.post("/v1/insights", &new).await.is(422);
}
