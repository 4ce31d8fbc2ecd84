//! Errors: all of one form.

use serde_json::json;

use super::Scene;

pub(super) async fn every_error_is_a_problem(scene: &Scene) {
    let acme = &scene.acme;
    acme.get("/nowhere").await.is(404);
    acme.get("/v1/insights/a/b/c").await.is(404);
    acme.get("/").await.is(404);
    let wrong = acme.send("PATCH", "/v1/insights", &[], "").await.is(405);
    assert!(wrong.header("allow").contains("GET") && wrong.header("allow").contains("POST"), "{:?}", wrong.headers);
    acme.send("BREW", "/v1/kinds", &[], "").await.is(405);
    acme.send("POST", "/v1/insights", &[], "{}").await.is(415);
    acme.send("POST", "/v1/insights", &[("Content-Type", "text/plain")], "{}").await.is(415);
    let gzip = &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    acme.send("POST", "/v1/insights", gzip, "{}").await.is(415);
    let json = &[("Content-Type", "application/json")];
    for malformed in ["", "{", "[1,]", "{\"kind\":\"k\"} x", "\u{0}", "nul", "{\"payload\":1e999}", "'x'"] {
        acme.send("POST", "/v1/insights", json, malformed).await.is(400);
    }
    acme.send("POST", "/v1/insights", json, &b"{\"kind\":\"\xc3\x28\"}"[..]).await.is(400);
    acme.send("POST", "/v1/insights", json, vec![b' '; 2 << 20]).await.is(413);
    acme.post("/v1/insights", &json!({})).await.is(422);
    acme.post("/v1/insights", &json!([1])).await.is(422);
    acme.delete("/v1/memory/00000000-0000-7000-8000-000000000000", &[]).await.is(404);
    acme.send("DELETE", "/v1/memory/00000000-0000-7000-8000-000000000000", json, "{}").await.is(400);
    acme.get("/v1/documents/persona/%00").await.is(400);
    acme.get("/v1/documents/persona/%ff").await.is(400);
    acme.get(&format!("/v1/documents/persona/{}", "x".repeat(256))).await.is(400);
    acme.get("/v1/memory?user=%00").await.is(400);
    let answer = acme.get("/v1/kinds").await.is(200);
    assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
}

/// `vtr_<key id>`, and the secret, in which there may be more of the sign between them.
fn halves(key: &str) -> (&str, &str) {
    let sign = key.match_indices('_').nth(1).unwrap().0;
    (&key[..sign], &key[sign + 1..])
}

pub(super) async fn a_stranger_gets_nowhere(scene: &Scene) {
    for key in ["", "vtr_", "vtr_x_y", "hunter2", &format!("vtr_{}_{}", "0".repeat(32), "0".repeat(64))] {
        let answer = scene.stranger.with_key(key).get("/v1/kinds").await.is(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
    }
    // A key with another secret, and a secret with another key.
    let (head, secret) = halves(&scene.acme.key);
    let turned: String = secret.chars().rev().collect();
    let (other, _) = halves(&scene.globex.key);
    for forged in [format!("{head}_{turned}"), format!("{other}_{secret}"), format!("{head}_")] {
        assert_ne!(forged, scene.acme.key);
        scene.stranger.with_key(&forged).get("/v1/kinds").await.is(401);
    }
    for (path, item) in scene.contract.document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
        let path = path.replace("{name}", "n").replace("{kind}", "k").replace("{user}", "u");
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let status = if operation["security"] == json!([]) { 200 } else { 401 };
            scene.stranger.send(&method.to_uppercase(), &path, &[], "").await.is(status);
        }
    }
}
