//! What strangers send to break things.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::{Scene, id, unique};

/// Texts that would mean something if a store glued them into SQL, a shell, a search or a pattern.
const TEXTS: &[&str] = &[
    "'; DROP TABLE public.insights; --",
    "\"; DROP TABLE insights; --",
    "$$; SELECT pg_terminate_backend(pid) FROM pg_stat_activity; $$",
    "\\'; RESET ROLE; --",
    "' OR '1'='1",
    "'||(SELECT secret_sha256 FROM vitrine.api_keys LIMIT 1)||'",
    "%' AND 1=0 UNION SELECT version() --",
    "E'\\x27' /* ",
    "acme', true); SELECT set_config('vitrine.tenant', 'globex",
    "a & | ! ( : * <-> b",
    "\"unclosed phrase -\"",
    "{1,NULL,\"a\\\"b\"}",
    "\\. \\N \t \\copy",
    "${jndi:ldap://127.0.0.1/x} {{7*7}} <script>alert(1)</script>",
    "\u{202e}\u{feff}\u{1F600} \u{0301}\u{FFFF}",
];

pub(super) async fn strings_are_only_strings(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("texts").await);
    for text in TEXTS {
        let key = format!("{text}{}", unique(""));
        let evidence = json!({ "query_shape": text, "relations": [text], "data_as_of": "2026-11-20T12:00:00Z",
                               "database": text, "receipt": text, "note": text });
        let new = json!({ "kind": kind, "key": key, "title": text, "body": text, "payload": { *text: [text] },
                          "evidence": [evidence] });
        let made = acme.post("/v1/insights", &new).await.is(201);
        for (field, sent) in
            [("title", &new["title"]), ("body", &new["body"]), ("payload", &new["payload"]), ("key", &new["key"])]
        {
            assert_eq!(&made.json()[field], sent);
        }
        let one = format!("/v1/insights/{}", id(&made));
        assert_eq!(acme.get(&format!("{one}/evidence")).await.is(200).items()[0]["note"], **text);
        let escaped = escaped(text);
        let listed = acme.get(&format!("/v1/insights?relation={escaped}&kind={kind}")).await.is(200).items();
        assert_eq!(listed.len(), 1, "{text}");
        assert_eq!(acme.get(&format!("/v1/insights?kind={escaped}")).await.is(200).items().len(), 0);
        let by_key = format!("/v1/insights?key={}", self::escaped(&key));
        assert_eq!(acme.get(&by_key).await.is(200).items().len(), 1);
        let bulk = json!({ "kind": kind, "key": format!("bulk {key}"), "title": text, "payload": { "x": text } });
        acme.bulk(&[], format!("{bulk}\n")).await.is(200);
        let again = json!({ "title": text, "payload": { "x": text } });
        let superseded = acme.post(&format!("{one}/supersede"), &again).await.is(201);
        acme.post(&format!("/v1/insights/{}/retract", id(&superseded)), &json!({ "reason": text })).await.is(200);
        acme.get(&format!("/v1/search?query={escaped}")).await.is(200);
        acme.post("/v1/search", &json!({ "query": text, "filter": { "kind": text, "relation": text } })).await.is(200);
        acme.get(&format!("/v1/memory?query={escaped}&user={escaped}&session={escaped}")).await.is(200);
        let memory = json!({ "user": text, "session": text, "key": key, "text": text, "attributes": { "a": text } });
        assert_eq!(acme.post("/v1/memory", &memory).await.is(201).json()["text"], **text);
        let path = format!("/v1/users/{escaped}/profile");
        let patched = acme.patch(&path, &[], &json!({ "fields": { *text: text }, "roles": [text] })).await;
        assert!([200, 201].contains(&patched.status), "{patched:?}");
        assert_eq!(acme.get(&path).await.is(200).json()["fields"][*text], **text);
        acme.get(&format!("/v1/users/{escaped}/configuration")).await;
        let path = format!("/v1/documents/texts/{escaped}");
        let put = acme.put(&path, &[("If-None-Match", "*")], &json!({ "title": text, "content": text })).await;
        assert!([201, 412].contains(&put.status), "{put:?}");
        assert_eq!(acme.get(&path).await.is(200).json()["content"], **text);
        let label = acme.post("/v1/keys", &json!({ "label": key, "scopes": ["read"] })).await.is(201).json();
        acme.delete(&format!("/v1/keys/{}", label["key"]["id"].as_str().unwrap()), &[]).await.is(204);
        for path in [format!("/v1/kinds/{escaped}"), format!("/v1/documents/{escaped}/{escaped}")] {
            acme.get(&path).await.is(404);
        }
        for path in ["/v1/insights", "/v1/memory", "/v1/documents/persona"] {
            acme.get(&format!("{path}?after={escaped}")).await.is(422);
        }
        acme.get(&format!("/v1/changes?after={escaped}")).await.is(422);
    }
    acme.get("/v1/kinds").await.is(200);
}

pub(super) async fn what_cannot_be_kept_is_refused(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("unkept").await);
    let nul = "a\u{0}b";
    let document = "/v1/documents/persona/nul";
    let absent: &[(&str, &str)] = &[("If-None-Match", "*")];
    for (method, path, headers, body) in [
        ("POST", "/v1/insights", &[][..], json!({ "kind": kind, "title": nul })),
        ("POST", "/v1/insights", &[], json!({ "kind": nul, "title": "t" })),
        ("POST", "/v1/insights", &[], json!({ "kind": kind, "title": "t", "payload": { nul: 1 } })),
        ("POST", "/v1/insights", &[], json!({ "kind": kind, "title": "t", "payload": { "a": [{ "b": nul }] } })),
        ("POST", "/v1/memory", &[], json!({ "text": nul })),
        ("POST", "/v1/search", &[], json!({ "query": nul })),
        ("POST", "/v1/keys", &[], json!({ "label": nul, "scopes": ["read"] })),
        ("PUT", document, absent, json!({ "title": "t", "content": nul })),
        ("PUT", "/v1/users/u/configuration", absent, json!({ nul: 1 })),
        ("PATCH", "/v1/users/u/profile", &[], json!({ "fields": { "a": nul } })),
        ("PUT", "/v1/kinds/nul", absent, json!({ "schema": { "description": nul } })),
    ] {
        let answer = acme.json(method, path, headers, &body).await.is(422).json();
        assert!(answer["errors"][0]["pointer"].is_string(), "{answer}");
    }
    acme.bulk(&[], format!("{}\n", json!({ "kind": kind, "title": nul }))).await.is(422);
    let json = &[("Content-Type", "application/json")];
    let huge = format!("{{\"kind\":\"{kind}\",\"title\":\"t\",\"payload\":{{\"n\":{}}}}}", "9".repeat(400));
    acme.send("POST", "/v1/insights", json, huge).await.is(400);
    let big = format!("{{\"kind\":\"{kind}\",\"title\":\"t\",\"payload\":{{\"n\":{}}}}}", "9".repeat(40));
    acme.send("POST", "/v1/insights", json, big).await.is(422);
    let exact = format!("{{\"kind\":\"{kind}\",\"title\":\"t\",\"payload\":{{\"n\":{},\"f\":0.1}}}}", i64::MIN);
    let kept = acme.send("POST", "/v1/insights", json, exact).await.is(201).json();
    assert_eq!(kept["payload"], json!({ "n": i64::MIN, "f": 0.1 }));
    let read = acme.get(&format!("/v1/insights/{}", kept["id"].as_str().unwrap())).await.is(200).json();
    assert_eq!(read["payload"], kept["payload"], "a number comes back as it was sent");
}

pub(super) async fn deep_json_is_refused(scene: &Scene) {
    let acme = &scene.acme;
    let json = &[("Content-Type", "application/json")];
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 10_000, 100_000] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            acme.send("POST", "/v1/insights", json, deep.clone()).await.is(400);
            let whole = format!("{{\"kind\":\"k\",\"title\":\"t\",\"payload\":{deep}}}");
            acme.send("POST", "/v1/insights", json, whole.clone()).await.is(400);
            acme.bulk(&[], format!("{whole}\n")).await.is(422);
            acme.send("PUT", "/v1/documents/persona/deep", &[json[0], ("If-None-Match", "*")], whole).await.is(400);
        }
    }
    let wide: Value = (0..50).fold(json!(1), |inner, _| json!([inner]));
    let put = acme
        .put(
            &format!("/v1/documents/persona/{}", unique("wide")),
            &[("If-None-Match", "*")],
            &json!({ "title": "t", "content": wide }),
        )
        .await;
    put.is(201);
}

pub(super) async fn a_body_of_100_mb_is_refused(scene: &Scene) {
    const PIECES: usize = 100;
    let piece = Bytes::from(vec![b'['; 1 << 20]);
    for (path, media) in [("/v1/insights", "application/json"), ("/v1/insights/bulk", "application/x-ndjson")] {
        // In pieces without a length, as a client that wants to be clever would.
        let piece = piece.clone();
        let pieces = stream::iter((0..PIECES).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone()))));
        let headers = [("Content-Type", media)];
        let sent = scene.acme.open("POST", path, &headers, BodyExt::boxed(StreamBody::new(pieces)));
        let response = tokio::time::timeout(Duration::from_secs(60), sent).await.expect("an answer");
        assert_eq!(response.status(), 413, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        // With its length told at once.
        let whole = Bytes::from(vec![b'['; PIECES << 20]);
        scene.acme.send("POST", path, &headers, whole).await.is(413);
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
