//! Embeddings over HTTP, with pgvector and without.

use serde_json::{Value, json};

use crate::served;
use crate::server::{Server, vector_bin};
use crate::suite::client::Client;
use crate::suite::{id, unique};

pub(crate) async fn without_pgvector_everything_else_works(client: &Client) {
    let said = client.get("/v1/capabilities").await.is(200).json();
    assert_eq!(said["vector_search"], false, "{said}");
    assert!(!said["vector_detail"].as_str().unwrap().is_empty());
    // A kind may say what its embeddings will be; an embedding is refused, and an insight without one is not.
    let kind = unique("flat");
    let spec = json!({ "schema": {}, "embedding": { "dimension": 3, "distance": "cosine" } });
    client.put(&format!("/v1/kinds/{kind}"), &[("If-None-Match", "*")], &spec).await.is(201);
    let with = json!({ "kind": kind, "title": "With", "embedding": [1, 0, 0] });
    assert_eq!(client.post("/v1/insights", &with).await.status, 501);
    client.post("/v1/insights", &json!({ "kind": kind, "title": "Without" })).await.is(201);
    let search = json!({ "embedding": [1, 0, 0], "filter": { "kind": kind } });
    assert_eq!(client.post("/v1/search", &search).await.status, 501);
    assert_eq!(
        client.post("/v1/search", &json!({ "query": "without", "filter": { "kind": kind } })).await.items().len(),
        1
    );
}

/// The distance that pgvector's operator gives.
fn distance(measure: &str, a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match measure {
        "cosine" => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        "inner_product" => -dot(a, b),
        _ => a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
    }
}

#[allow(clippy::too_many_lines, reason = "a story is told in one piece")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_are_kept_and_searched_over_http() {
    let server = Server::start_with(&vector_bin(), None, &[]).await;
    let client = served(server.store()).await;
    let said = client.get("/v1/capabilities").await.is(200).json();
    assert_eq!(said["vector_search"], true, "{said}");
    assert!(said["vector_detail"].as_str().unwrap().contains("0."), "{said}");
    for (measure, dimension) in [("cosine", 4), ("inner_product", 3), ("l2", 8)] {
        let kind = unique(&measure.replace('_', "-"));
        let spec = json!({ "schema": {}, "embedding": { "dimension": dimension, "distance": measure } });
        client.put(&format!("/v1/kinds/{kind}"), &[("If-None-Match", "*")], &spec).await.is(201);
        let vector = |number: usize| -> Vec<f64> {
            (0..dimension).map(|at| ((number * 31 + at * 17 + 7) % 97) as f64 / 10.0 - 4.0).collect()
        };
        let new = |number: usize| {
            json!({ "kind": kind, "key": format!("k{number}"), "title": format!("Insight {number} of {measure}"),
                    "payload": { "rare": number.is_multiple_of(60) }, "embedding": vector(number) })
        };
        let lines: Vec<String> = (0..200).map(|number| new(number).to_string()).collect();
        assert_eq!(client.bulk(&[], lines.join("\n")).await.is(200).json()["created"], 200);
        client.post("/v1/insights", &new(200)).await.is(201);
        let asked: Vec<f64> = vector(13).iter().map(|number| number + 0.05).collect();
        let mut nearest: Vec<(f64, usize)> =
            (0..=200).map(|number| (distance(measure, &asked, &vector(number)), number)).collect();
        nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
        let search = async |more: Value| {
            let mut request = json!({ "embedding": asked, "filter": { "kind": kind } });
            for (name, value) in more.as_object().unwrap() {
                match (name.as_str(), value) {
                    ("payload", value) => request["filter"]["payload"] = value.clone(),
                    (name, value) => request[name] = value.clone(),
                }
            }
            client.post("/v1/search", &request).await.is(200).items()
        };
        let found = search(json!({ "limit": 10 })).await;
        assert_eq!(found.len(), 10);
        for (found, (wanted, _)) in found.iter().zip(&nearest) {
            let told = found["distance"].as_f64().unwrap();
            assert!((told - wanted).abs() < 1e-4, "{measure}: {told} is not {wanted}");
        }
        // As many as exist, whatever the index thinks: 4 pass this filter.
        let rare = search(json!({ "payload": { "rare": true }, "limit": 50 })).await;
        let wanted: Vec<&(f64, usize)> = nearest.iter().filter(|(_, number)| number.is_multiple_of(60)).collect();
        assert_eq!(rare.len(), wanted.len());
        for (found, (wanted, _)) in rare.iter().zip(wanted) {
            assert!((found["distance"].as_f64().unwrap() - wanted).abs() < 1e-4, "{measure}");
        }
        assert_eq!(search(json!({ "limit": 1_000 })).await.len(), 201);
        // Both: what words and vector agree on comes first.
        let words = format!("\"Insight {}\"", nearest[0].1);
        let fused = search(json!({ "query": words, "mode": "fused", "limit": 5 })).await;
        assert_eq!(fused[0]["insight"]["key"], format!("k{}", nearest[0].1), "{measure}");
        assert!(fused[0]["text_rank"] == 1 && fused[0]["vector_rank"].is_u64(), "{}", fused[0]);
        assert_eq!(fused.len(), 5);
        // A version that takes another's place brings an embedding of its own.
        let one = id(&client
            .post("/v1/insights", &json!({ "kind": kind, "key": "v", "title": "One", "embedding": vector(300) }))
            .await
            .is(201));
        let far = json!({ "title": "Two", "embedding": asked });
        let two = id(&client.post(&format!("/v1/insights/{one}/supersede"), &far).await.is(201));
        let found = search(json!({ "limit": 300 })).await;
        let ids: Vec<&str> = found.iter().map(|found| found["insight"]["id"].as_str().unwrap()).collect();
        assert!(ids.contains(&two.as_str()) && !ids.contains(&one.as_str()));
        // Wrong dimensions, by every way in; and a search without a kind.
        let wrong = json!({ "kind": kind, "title": "Wrong", "embedding": [1, 2] });
        client.post("/v1/insights", &wrong).await.is(422);
        client.bulk(&[], format!("{wrong}\n")).await.is(422);
        client.post("/v1/search", &json!({ "embedding": [1, 2], "filter": { "kind": kind } })).await.is(422);
        client.post("/v1/search", &json!({ "embedding": asked })).await.is(422);
        client
            .post(&format!("/v1/insights/{two}/supersede"), &json!({ "title": "Three", "embedding": [1] }))
            .await
            .is(422);
        let kept = server.client("tools").await;
        let sql = "SELECT count(*) FROM insight_embeddings WHERE kind = $1 AND dimension = $2";
        let count: i64 = kept.query_one(sql, &[&kind, &(dimension as i32)]).await.unwrap().get(0);
        assert_eq!(count, 203);
    }
}
