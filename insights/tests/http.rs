//! The HTTP API over a store in memory: routes know the traits alone. The same suite runs over PostgreSQL in
//! `proxy/tests/insights_http.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::too_many_lines, reason = "a story is told in one piece")]

mod suite;
mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use suite::{CHECKS, Scene};
use support::{MemoryStore, key, serve, served};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vitrine_insights::http::{Api, Options};
use vitrine_insights::model::Scope::{Admin, Read, Write};

/// A scene over an empty memory store.
async fn scene(options: Options) -> (Scene, Arc<MemoryStore>, Api) {
    let (address, store, api) = served(options).await;
    let keys = [
        key(&store, "acme", "all", &[Read, Write, Admin]).await,
        key(&store, "globex", "all", &[Read, Write, Admin]).await,
        key(&store, "acme", "reader", &[Read]).await,
        key(&store, "acme", "writer", &[Read, Write]).await,
    ];
    (Scene::at(address, [&keys[0], &keys[1], &keys[2], &keys[3]]).await, store, api)
}

/// No rates: the suite asks faster than any client should.
fn unlimited() -> Options {
    Options { key_requests_per_s: 0, tenant_requests_per_s: 0, key_failures_per_min: 0, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_holds_over_a_store_in_memory() {
    let (scene, _store, api) = scene(unlimited()).await;
    for (name, check) in CHECKS {
        println!("{name}");
        check(&scene).await;
    }
    // Every operation of the document has answered well at least once.
    let seen = scene.contract.seen.lock().clone();
    for (path, item) in scene.contract.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            let answered = seen.iter().any(|(operation, status)| operation == id && *status < 400);
            assert!(answered || id == "streamChanges", "{method} {path} was not tried");
        }
    }
    let counted = api.metrics().read();
    assert!(counted.count > 1_000 && counted.streams == 0, "{counted:?}");
    let made =
        counted.requests.iter().find(|request| (request.route.as_str(), request.status) == ("/v1/insights", 201));
    assert!(made.is_some_and(|made| made.count > 50 && made.method == "POST"), "{counted:?}");
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_its_schemas_are_schemas() {
    let (scene, ..) = scene(unlimited()).await;
    let document = &scene.contract.document;
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let (mut ids, mut operations) = (Vec::new(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'), "{path}");
        let in_path: Vec<&str> =
            path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
        let declared = parameters(item, "path");
        assert_eq!(in_path, declared, "{path}");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            assert!(["get", "post", "put", "patch", "delete"].contains(&method.as_str()), "{path} {method}");
            operations += 1;
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            let mut names = parameters(operation, "query");
            names.extend(parameters(operation, "header"));
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{path} {method}: a parameter is there twice");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{path} {method}");
            for (status, response) in responses {
                assert!(status.len() == 3 && response["description"].is_string(), "{path} {method} {status}");
                contents(response, &scene);
            }
            contents(&operation["requestBody"], &scene);
        }
    }
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!((unique.len(), operations), (ids.len(), ids.len()), "operation ids are unique");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        scene.contract.validator(&json!({ "$ref": format!("#/components/schemas/{name}") }));
    }
    references(document, document);
}

fn parameters<'a>(of: &'a Value, place: &str) -> Vec<&'a str> {
    let all = of["parameters"].as_array().into_iter().flatten();
    let own = all.filter(|parameter| parameter["in"] == place).inspect(|parameter| {
        assert!(parameter["schema"].is_object() && (place != "path" || parameter["required"] == true), "{parameter}");
    });
    own.map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

/// Every content has a schema that is one.
fn contents(of: &Value, scene: &Scene) {
    for (media, content) in of["content"].as_object().into_iter().flatten() {
        assert!(media.contains('/') && content["schema"].is_object(), "{of}");
        scene.contract.validator(&content["schema"]);
    }
}

/// Every reference leads somewhere.
fn references(value: &Value, document: &Value) {
    if let Some(Value::String(reference)) = value.get("$ref") {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|inner| references(inner, document)),
        Value::Array(items) => items.iter().for_each(|inner| references(inner, document)),
        _ => {}
    }
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let options = Options { key_requests_per_s: 5, key_failures_per_min: 3, ..Options::default() };
    let (scene, ..) = scene(options).await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = scene.acme.get("/v1/kinds").await;
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        if answer.status == 429 {
            refused += 1;
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert!(refused > 0);
    scene.globex.get("/v1/kinds").await.is(200);
    // Guesses: after three wrong keys the address waits, but a key that is known works on.
    let mut statuses = Vec::new();
    for guess in 0..6 {
        statuses.push(scene.stranger.with_key(&format!("vtr_guess_{guess}")).get("/v1/kinds").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    scene.globex.get("/v1/kinds").await.is(200);
}

#[tokio::test]
async fn trouble_below_is_said_without_its_cause() {
    use support::{SECRET_CAUSE, Trouble};
    let (scene, store, _api) = scene(unlimited()).await;
    scene.acme.get("/v1/kinds").await.is(200);
    for (trouble, status) in [(Trouble::Away, 503), (Trouble::Broken, 500), (Trouble::Panicking, 500)] {
        store.trouble(trouble);
        for answer in [
            scene.acme.get("/v1/kinds").await,
            scene.acme.post("/v1/memory", &json!({ "text": "t" })).await,
            scene.acme.bulk(&[], "{\"kind\":\"k\",\"title\":\"t\"}\n").await,
        ] {
            let text = format!("{answer:?} {:?}", answer.headers);
            assert!(!text.contains(SECRET_CAUSE) && !text.contains("hunter2"), "{text}");
            let answer = answer.is(status);
            if status == 503 {
                assert_eq!(answer.header("retry-after"), "3");
            } else {
                assert!(answer.json()["instance"].as_str().unwrap().starts_with("urn:uuid:"));
            }
        }
    }
    store.trouble(Trouble::None);
    scene.acme.get("/v1/kinds").await.is(200);
}

#[tokio::test]
async fn before_the_store_is_open_every_route_answers_503() {
    let api = Api::new(unlimited());
    let address = serve(api.router()).await;
    let scene = Scene::at(address, ["vtr_a_b", "vtr_c_d", "vtr_e_f", "vtr_g_h"]).await;
    let answer = scene.acme.get("/v1/kinds").await.is(503);
    assert_eq!(answer.header("retry-after"), "2");
    scene.stranger.get("/v1/kinds").await.is(401);
    let store = Arc::new(MemoryStore::default());
    let secret = key(&store, "acme", "late", &[Read]).await;
    api.open(store);
    scene.acme.with_key(&secret).get("/v1/kinds").await.is(200);
}

#[tokio::test]
async fn a_slow_body_is_cut_off() {
    let options = Options { body_pause_max: Duration::from_millis(200), ..unlimited() };
    let (scene, ..) = scene(options).await;
    for path in ["/v1/memory", "/v1/insights/bulk"] {
        let media = if path.ends_with("bulk") { "application/x-ndjson" } else { "application/json" };
        let mut stream = tokio::net::TcpStream::connect(scene.acme.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer {}\r\nContent-Type: {media}\r\nContent-Length: 100\r\n\r\n{{",
            scene.acme.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn closing_ends_streams_and_a_revoked_key_does_too() {
    let options = Options { stream_heartbeat: Duration::from_millis(100), tenant_streams_max: 2, ..unlimited() };
    let (scene, store, api) = scene(options).await;
    let mut first = suite::stream(&scene.acme).await;
    let mut second = suite::stream(&scene.reader).await;
    scene.acme.get("/v1/changes/stream").await.is(429);
    let identity = vitrine_insights::model::Tenant::parse("acme").unwrap();
    let keys = vitrine_insights::service::Keys::keys(store.as_ref(), &identity).await.unwrap();
    let reader = keys.iter().find(|key| key.label == "reader").unwrap();
    vitrine_insights::service::Keys::revoke_key(store.as_ref(), &identity, reader.id).await.unwrap();
    assert!(second.next().await.is_none(), "the key was revoked");
    api.close();
    assert!(first.next().await.is_none(), "the process leaves");
}
