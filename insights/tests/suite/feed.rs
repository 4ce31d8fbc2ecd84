//! The change feed: pages and the stream.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::client::Client;
use super::{Scene, id, insight, unique};

pub(super) async fn pages_go_on_where_they_ended(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("feed").await);
    let start = acme.get("/v1/changes?after=latest").await.is(200).json()["cursor"].as_str().unwrap().to_owned();
    let mut wanted = Vec::new();
    for number in 0..7 {
        wanted.push(id(&acme.post("/v1/insights", &insight(&kind, &format!("k{number}"), "t")).await.is(201)));
    }
    let (mut cursor, mut got) = (start, Vec::new());
    loop {
        let page = acme.get(&format!("/v1/changes?limit=3&after={cursor}")).await.is(200).json();
        let changes = page["changes"].as_array().unwrap().clone();
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if changes.is_empty() {
            break;
        }
        got.extend(changes.into_iter().filter(|change| wanted.contains(&change["id"].as_str().unwrap().to_owned())));
    }
    let ids: Vec<&str> = got.iter().map(|change| change["id"].as_str().unwrap()).collect();
    assert_eq!(ids, wanted, "in order, none missed, none twice");
    assert!(got.iter().all(|change| change["subject"] == "insight" && change["change"] == "created"));
    acme.get("/v1/changes?after=nonsense").await.is(422);
    acme.get("/v1/changes/stream?after=nonsense").await.is(422);
}

/// The stream as a client reads it.
pub(crate) struct Stream {
    body: Incoming,
    text: String,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) body: Value,
}

impl Stream {
    pub(crate) async fn open(client: &Client, headers: &[(&str, &str)]) -> Self {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed();
        let response = client.open("GET", "/v1/changes/stream", headers, body).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; None when the stream ended. Heartbeats are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                        .unwrap_or_default()
                        .to_owned()
                };
                if field("event").is_empty() {
                    continue;
                }
                let body = serde_json::from_str(&field("data")).unwrap();
                return Some(Event { id: field("id"), name: field("event"), body });
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await.expect("an event");
            let piece = frame?.ok()?.into_data().ok()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

pub(super) async fn a_stream_misses_nothing_and_repeats_nothing(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("stream").await);
    let mut stream = Stream::open(acme, &[]).await;
    let ready = stream.next().await.unwrap();
    assert_eq!((ready.name.as_str(), &ready.body["cursor"]), ("ready", &json!(ready.id)));
    let writer = {
        let (acme, kind) = (acme.clone(), kind.clone());
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for number in 0..60 {
                ids.push(id(&acme.post("/v1/insights", &insight(&kind, &format!("k{number}"), "t")).await.is(201)));
            }
            ids
        })
    };
    // Read some, break off, come back with the last id, again and again.
    let (mut got, mut last) = (Vec::new(), ready.id);
    'all: for round in 0.. {
        for _ in 0..7 {
            let event = stream.next().await.unwrap();
            last.clone_from(&event.id);
            if event.name == "change" {
                got.push(event.body["id"].as_str().unwrap().to_owned());
            }
            if got.len() >= 60 && got.iter().filter(|id| id.len() == 36).count() >= 60 {
                break 'all;
            }
        }
        if round % 2 == 0 {
            stream = Stream::open(acme, &[("Last-Event-ID", &last)]).await;
            assert_eq!(stream.next().await.unwrap().id, last, "it begins where it was");
        }
    }
    let wanted = writer.await.unwrap();
    let own: Vec<String> = got.into_iter().filter(|id| wanted.contains(id)).collect();
    assert_eq!(own, wanted, "in order, none missed, none twice");

    // Another tenant's stream stays silent: its own next change is its first.
    let mut other = Stream::open(&scene.globex, &[]).await;
    other.next().await.unwrap();
    acme.post("/v1/insights", &insight(&kind, "unseen", "t")).await.is(201);
    let user = unique("globex");
    scene.globex.patch(&format!("/v1/users/{user}/profile"), &[], &json!({ "fields": { "a": 1 } })).await.is(201);
    assert_eq!(other.next().await.unwrap().body["id"], user);
}
