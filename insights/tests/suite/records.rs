//! Documents, configurations, profiles, memories, kinds.

use serde_json::json;

use super::{Scene, id, insight, unique};

pub(super) async fn documents_have_revisions(scene: &Scene) {
    let (acme, name) = (&scene.acme, unique("ana lyst/é"));
    let path = format!("/v1/documents/persona/{}", encoded(&name));
    let content = |tone: &str| json!({ "title": "Analyst", "content": { "tone": tone } });
    acme.put(&path, &[], &content("dry")).await.is(428);
    acme.put(&path, &[("If-Match", "\"1\"")], &content("dry")).await.is(412);
    acme.put(&path, &[("If-Match", "*")], &content("dry")).await.is(412);
    let made = acme.put(&path, &[("If-None-Match", "*")], &content("dry")).await.is(201);
    assert_eq!((&made.json()["name"], made.header("location")), (&json!(name), path.as_str()));
    acme.put(&path, &[("If-None-Match", "*")], &content("other")).await.is(412);
    let first = made.header("etag").to_owned();
    let read = acme.get(&path).await.is(200);
    assert_eq!((read.json()["content"]["tone"].as_str(), read.header("etag")), (Some("dry"), first.as_str()));
    acme.get_with(&path, &[("If-None-Match", &first)]).await.is(304);
    let changed = acme.put(&path, &[("If-Match", &first)], &content("warm")).await.is(200);
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    acme.put(&path, &[("If-Match", &first)], &content("lost")).await.is(412);
    acme.put(&path, &[("If-Match", &format!("W/{second}"))], &content("lost")).await.is(412);
    let several = format!("{first}, {second}");
    let third = acme.put(&path, &[("If-Match", &several)], &content("cool")).await.is(200).header("etag").to_owned();
    acme.get_with(&path, &[("If-None-Match", &second)]).await.is(200);

    acme.delete(&path, &[]).await.is(428);
    acme.delete(&path, &[("If-Match", &second)]).await.is(412);
    acme.delete(&path, &[("If-Match", &third)]).await.is(204);
    acme.get(&path).await.is(404);
    acme.delete(&path, &[("If-Match", &third)]).await.is(404);
    let history = acme.get(&format!("{path}/history")).await.is(200).items();
    assert_eq!(history.len(), 4, "{history:?}");
    assert!(history.iter().any(|entry| entry["content"].is_null()), "the deletion is there: {history:?}");
    let anew = acme.put(&path, &[("If-None-Match", "*")], &content("new")).await.is(201);
    assert!(![&first, &second, &third].contains(&&anew.header("etag").to_owned()), "no revision comes twice");
    let listed = acme.get("/v1/documents/persona?limit=1000").await.is(200).items();
    assert_eq!(listed.iter().filter(|document| document["name"] == name).count(), 1);
    acme.get("/v1/documents/persona?after=nonsense").await.is(422);
    acme.get("/v1/documents/persona/nobody").await.is(404);
}

pub(super) async fn configurations_have_revisions(scene: &Scene) {
    let (acme, path) = (&scene.acme, format!("/v1/users/{}/configuration", unique("ada")));
    acme.get(&path).await.is(404);
    acme.put(&path, &[], &json!({})).await.is(428);
    let made = acme.put(&path, &[("If-None-Match", "*")], &json!({ "theme": "dark" })).await.is(201);
    let first = made.header("etag").to_owned();
    let read = acme.get(&path).await.is(200);
    assert_eq!((read.json()["settings"]["theme"].as_str(), read.header("etag")), (Some("dark"), first.as_str()));
    acme.get_with(&path, &[("If-None-Match", &first)]).await.is(304);
    acme.put(&path, &[("If-Match", &first)], &json!({ "theme": "light" })).await.is(200);
    acme.put(&path, &[("If-Match", &first)], &json!({ "theme": "lost" })).await.is(412);
    acme.put(&path, &[("If-Match", "*")], &json!([])).await.is(422);
}

pub(super) async fn profiles_merge_and_remember(scene: &Scene) {
    let (acme, path) = (&scene.acme, format!("/v1/users/{}/profile", unique("ada")));
    acme.get(&path).await.is(404);
    let first = json!({ "fields": { "city": "Paris", "likes": { "tea": true, "rain": false } }, "roles": ["analyst"] });
    let made = acme.patch(&path, &[], &first).await.is(201);
    assert_eq!(made.json()["roles"], json!(["analyst"]));
    let etag = made.header("etag").to_owned();
    let patch = json!({ "fields": { "city": null, "likes": { "rain": null }, "age": 36 } });
    let merged = acme.patch(&path, &[("If-Match", &etag)], &patch).await.is(200);
    assert_eq!(merged.json()["fields"], json!({ "likes": { "tea": true }, "age": 36 }));
    assert_eq!(merged.json()["roles"], json!(["analyst"]), "roles that are not given stay");
    acme.patch(&path, &[("If-Match", &etag)], &patch).await.is(412);
    acme.patch(&path, &[("If-None-Match", "*")], &patch).await.is(400);
    acme.patch(&path, &[], &json!({ "fields": { "$roles": ["root"] } })).await.is(422);
    let read = acme.get(&path).await.is(200);
    acme.get_with(&path, &[("If-None-Match", read.header("etag"))]).await.is(304);
    let history = acme.get(&format!("{path}/history")).await.is(200).items();
    let changes = |field: &str| history.iter().filter(|change| change["field"] == field).cloned().collect::<Vec<_>>();
    let city = changes("city");
    assert_eq!(city.len(), 2, "{history:?}");
    assert_eq!((&city[0]["before"], &city[0]["after"]), (&json!("Paris"), &json!(null)), "latest first");
    assert_eq!((&city[1]["before"], &city[1]["after"]), (&json!(null), &json!("Paris")));
    assert_eq!(changes("age").len(), 1);
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let page = acme.get(&format!("{path}/history?limit=2{after}")).await.is(200);
        seen += page.items().len();
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, history.len());
}

pub(super) async fn memories_are_found_and_forgotten(scene: &Scene) {
    let (acme, user) = (&scene.acme, unique("ada"));
    let memory =
        |text: &str| json!({ "user": user, "session": "s1", "key": "k", "text": text, "attributes": { "n": 1 } });
    let made = acme.post("/v1/memory", &memory("she prefers tables to charts")).await.is(201);
    let again = acme.post("/v1/memory", &memory("she prefers tables to charts")).await.is(200);
    assert_eq!(id(&made), id(&again));
    for number in 0..3 {
        let text = format!("note {number} about harbours");
        acme.post("/v1/memory", &json!({ "user": user, "text": text, "attributes": {} })).await.is(201);
    }
    let list = async |query: &str| acme.get(&format!("/v1/memory?user={user}{query}")).await.is(200).items();
    assert_eq!((list("").await.len(), list("&session=s1").await.len()), (4, 1));
    let found = list("&query=harbours").await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|memory| memory["score"].is_number()), "{found:?}");
    assert_eq!(list("&limit=2").await.len(), 2);
    acme.post("/v1/memory", &json!({ "session": "s1", "text": "whose?" })).await.is(422);
    acme.post("/v1/memory", &json!({ "user": user, "text": "" })).await.is(422);
    let path = format!("/v1/memory/{}", id(&made));
    assert_eq!(acme.get(&path).await.is(200).json()["attributes"], json!({ "n": 1 }));
    acme.delete(&path, &[]).await.is(204);
    acme.get(&path).await.is(404);
    acme.delete(&path, &[]).await.is(404);
}

pub(super) async fn kinds_change_and_go(scene: &Scene) {
    let (acme, name) = (&scene.acme, scene.kind("kinds").await);
    let path = format!("/v1/kinds/{name}");
    let read = acme.get(&path).await.is(200);
    let etag = read.header("etag").to_owned();
    acme.get_with(&path, &[("If-None-Match", &etag)]).await.is(304);
    assert!(acme.get("/v1/kinds").await.is(200).items().iter().any(|kind| kind["name"] == name));
    let narrower = json!({ "name": name, "schema": { "type": "object", "required": ["score"] }, "retention_days": 30 });
    let changed = acme.put(&path, &[("If-Match", &etag)], &narrower).await.is(200);
    assert_eq!(changed.json()["retention_days"], 30);
    acme.put(&path, &[("If-Match", &etag)], &narrower).await.is(412);
    acme.put(&path, &[], &narrower).await.is(428);
    let mut misnamed = narrower.clone();
    misnamed["name"] = json!("another");
    acme.put(&path, &[("If-Match", changed.header("etag"))], &misnamed).await.is(422);
    let broken = json!({ "schema": { "type": "no-such-type" } });
    acme.put(&path, &[("If-Match", changed.header("etag"))], &broken).await.is(422);
    let upper = json!({ "schema": {} });
    let answer = acme.put("/v1/kinds/UPPER%20CASE", &[("If-None-Match", "*")], &upper).await;
    assert!(answer.status == 422 || answer.status == 201, "{answer:?}");
    let one = id(&acme.post("/v1/insights", &insight(&name, "k", "t")).await.is(201));
    acme.delete(&path, &[("If-Match", changed.header("etag"))]).await.is(409);
    acme.get(&format!("/v1/insights/{one}")).await.is(200);
    let empty = scene.kind("empty").await;
    let path = format!("/v1/kinds/{empty}");
    acme.delete(&path, &[("If-Match", "\"0\"")]).await.is(412);
    acme.delete(&path, &[("If-Match", "*")]).await.is(204);
    acme.get(&path).await.is(404);
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
