//! The server is killed, or the client goes, in the middle of requests over HTTP: what was acknowledged is there, once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vitrine_insights::store::Settings;

use crate::served;
use crate::server::Server;
use crate::suite::client::Client;
use crate::suite::unique;

/// Insights of one bulk write.
const LINES: usize = 300;

/// Repeats a request under its Idempotency-Key until it is acknowledged, as a client would. Answers how often it was not.
async fn until_acknowledged(client: &Client, path: &str, key: &str, (media, body): (&str, String)) -> u64 {
    let mut refused = 0;
    loop {
        let headers = [("Content-Type", media), ("Idempotency-Key", key)];
        let answer = client.send("POST", path, &headers, body.clone()).await;
        match answer.status {
            200 | 201 => return refused,
            503 => {
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0, "{answer:?}");
                refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => panic!("{answer:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_loses_and_doubles_nothing_of_single_and_bulk_writes_over_http() {
    let server = Arc::new(Server::start().await);
    let patient = Settings { patience: Duration::from_millis(500), ..Settings::default() };
    let client = served(server.store_at(server.port(), &patient)).await;
    let kind = unique("kill");
    client.put(&format!("/v1/kinds/{kind}"), &[("If-None-Match", "*")], &json!({ "schema": {} })).await.is(201);
    let (stop, bulks, singles) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let (client, kind, stop) = (client.clone(), kind.clone(), stop.clone());
            let (bulks, singles) = (bulks.clone(), singles.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut refused) = (Vec::new(), 0);
                for round in 0_u64.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    // No natural key: but for the Idempotency-Key every repetition would be another insight.
                    let name = format!("{number}-{round}");
                    let one = |line: usize| json!({ "kind": kind, "title": format!("{name}/{line}") }).to_string();
                    if number < 2 {
                        let lines: String = (0..LINES).map(|line| one(line) + "\n").collect();
                        refused +=
                            until_acknowledged(&client, "/v1/insights/bulk", &name, ("application/x-ndjson", lines))
                                .await;
                        acknowledged.extend((0..LINES).map(|line| format!("{name}/{line}")));
                        bulks.fetch_add(1, Ordering::SeqCst);
                    } else {
                        refused +=
                            until_acknowledged(&client, "/v1/insights", &name, ("application/json", one(0))).await;
                        acknowledged.push(format!("{name}/0"));
                        singles.fetch_add(1, Ordering::SeqCst);
                    }
                }
                (acknowledged, refused)
            })
        })
        .collect();
    for _ in 0..3 {
        let targets = (bulks.load(Ordering::SeqCst) + 3, singles.load(Ordering::SeqCst) + 30);
        while bulks.load(Ordering::SeqCst) < targets.0 || singles.load(Ordering::SeqCst) < targets.1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.run().await;
    }
    stop.store(true, Ordering::SeqCst);
    let (mut acknowledged, mut refused) = (HashMap::new(), 0);
    for task in tasks {
        let (theirs, failures) = task.await.unwrap();
        acknowledged.extend(theirs.into_iter().map(|title| (title, 0)));
        refused += failures;
    }
    assert!(refused > 0, "no kill met a request");
    let rows = server.client("tools").await.query("SELECT title FROM insights", &[]).await.unwrap();
    for row in &rows {
        *acknowledged.get_mut(row.get::<_, &str>(0)).expect("what nobody was told of") += 1;
    }
    println!("{} acknowledged, {refused} requests refused on the way", acknowledged.len());
    let wrong: Vec<_> = acknowledged.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(wrong.is_empty(), "lost or doubled: {wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_in_the_middle_of_a_request_leaves_all_or_nothing() {
    let server = Server::start().await;
    let client = served(server.store()).await;
    let kind = unique("cut");
    client.put(&format!("/v1/kinds/{kind}"), &[("If-None-Match", "*")], &json!({ "schema": {} })).await.is(201);
    let one = json!({ "kind": kind, "title": "One" }).to_string();
    let lines: String =
        (0..15_000).map(|line| json!({ "kind": kind, "title": format!("Line {line}") }).to_string() + "\n").collect();
    let request = |path: &str, media: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: vitrine\r\nAuthorization: Bearer {}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            client.key,
            body.len()
        )
    };
    for (request, places) in [
        (request("/v1/insights", "application/json", &one), [10, 60, 180, 200].as_slice()),
        (request("/v1/insights/bulk", "application/x-ndjson", &lines), &[300, 100_000, 600_000]),
    ] {
        for place in places.iter().copied().chain([request.len() - 1]) {
            let mut stream = TcpStream::connect(client.address).await.unwrap();
            stream.write_all(&request.as_bytes()[..place.min(request.len() - 1)]).await.unwrap();
            // It is read before the client goes: for a bulk write this far means that batches were taken.
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(stream);
        }
    }
    let count = async || -> i64 {
        server.client("tools").await.query_one("SELECT count(*) FROM insights", &[]).await.unwrap().get(0)
    };
    // Whoever goes without hearing the answer to a whole request finds all of it or nothing, and here nothing was whole.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(count().await, 0);
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    stream.write_all(request("/v1/insights/bulk", "application/x-ndjson", &lines).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(count().await, 15_000);
}
