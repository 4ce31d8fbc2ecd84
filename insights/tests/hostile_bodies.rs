//! Ten thousand bodies that no client should send, each over real HTTP: every one gets an answer, none a 5xx, and the
//! store keeps nothing that it was not meant to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;
use vitrine_insights::http::Options;
use vitrine_insights::model::Scope::{Admin, Read, Write};

/// Bodies sent.
const CASES: u32 = 10_000;

/// Where a body goes.
#[derive(Debug, Clone, Copy)]
enum Place {
    Insight,
    Bulk,
    Kind,
    Document,
    Configuration,
    Profile,
    Memory,
    Search,
    Key,
}

impl Place {
    const ALL: &[Self] = &[
        Self::Insight,
        Self::Bulk,
        Self::Kind,
        Self::Document,
        Self::Configuration,
        Self::Profile,
        Self::Memory,
        Self::Search,
        Self::Key,
    ];

    fn request(self) -> (&'static str, &'static str) {
        match self {
            Self::Insight => ("POST", "/v1/insights"),
            Self::Bulk => ("POST", "/v1/insights/bulk"),
            Self::Kind => ("PUT", "/v1/kinds/odd"),
            Self::Document => ("PUT", "/v1/documents/odd/one"),
            Self::Configuration => ("PUT", "/v1/users/odd/configuration"),
            Self::Profile => ("PATCH", "/v1/users/odd/profile"),
            Self::Memory => ("POST", "/v1/memory"),
            Self::Search => ("POST", "/v1/search"),
            Self::Key => ("POST", "/v1/keys"),
        }
    }

    /// A body that would do, to be spoiled.
    fn good(self) -> String {
        let evidence =
            json!([{ "query_shape": "SELECT 1", "relations": ["a.b"], "data_as_of": "2026-01-01T00:00:00Z" }]);
        let insight = json!({ "kind": "odd", "key": "k", "title": "t", "payload": { "n": [1, -2.5e3, "\u{e9}\n"] },
            "confidence": 0.5, "valid_from": "2026-01-01T00:00:00Z", "evidence": evidence });
        match self {
            Self::Insight => insight.to_string(),
            Self::Bulk => format!("{insight}\n{insight}\n"),
            Self::Kind => json!({ "schema": { "type": "object" }, "retention_days": 3 }).to_string(),
            Self::Document => json!({ "title": "t", "content": [null, true, "x"] }).to_string(),
            Self::Configuration => json!({ "theme": { "dark": true } }).to_string(),
            Self::Profile => json!({ "fields": { "a": null, "b": 1 }, "roles": ["r"] }).to_string(),
            Self::Memory => json!({ "user": "u", "session": "s", "text": "t", "attributes": {} }).to_string(),
            Self::Search => json!({ "query": "words", "filter": { "kind": "odd" }, "limit": 3 }).to_string(),
            Self::Key => json!({ "label": "l", "scopes": ["read"] }).to_string(),
        }
    }
}

/// One spoiling of a text, at a place given as a share of its length.
#[derive(Debug, Clone)]
enum Spoil {
    Cut(f64),
    Put(f64, Vec<u8>),
    Twice(f64, f64),
    Without(f64, f64),
}

/// Pieces that parsers trip over.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-",
    b"[",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"null",
    b"NaN",
    b"9999999999999999999999",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"'; DROP TABLE insights; --",
    b"[[[[[[[[[[[[[[[[",
];

fn spoiled() -> impl Strategy<Value = Spoil> {
    let share = || 0.0..1.0;
    let piece = prop_oneof![vec(any::<u8>(), 1..4), (0..PIECES.len()).prop_map(|index| PIECES[index].to_vec()),];
    prop_oneof![
        share().prop_map(Spoil::Cut),
        (share(), piece).prop_map(|(at, piece)| Spoil::Put(at, piece)),
        (share(), share()).prop_map(|(from, to)| Spoil::Twice(from, to)),
        (share(), share()).prop_map(|(from, to)| Spoil::Without(from, to)),
    ]
}

fn apply(text: &mut Vec<u8>, spoil: &Spoil) {
    let length = text.len();
    let at = |share: f64| ((length as f64) * share) as usize;
    let range = |from: f64, to: f64| at(from.min(to))..at(from.max(to));
    match spoil {
        Spoil::Cut(share) => text.truncate(at(*share)),
        Spoil::Put(share, piece) => drop(text.splice(at(*share)..at(*share), piece.iter().copied())),
        Spoil::Twice(from, to) => {
            let part = text[range(*from, *to)].to_vec();
            text.splice(at(*from)..at(*from), part);
        }
        Spoil::Without(from, to) => drop(text.drain(range(*from, *to))),
    }
}

fn body() -> impl Strategy<Value = (Place, Vec<u8>)> {
    (0..Place::ALL.len()).prop_flat_map(|index| {
        let place = Place::ALL[index];
        let spoil = vec(spoiled(), 1..5).prop_map(move |spoils| {
            let mut text = place.good().into_bytes();
            spoils.iter().for_each(|spoil| apply(&mut text, spoil));
            text
        });
        let noise = vec(any::<u8>(), 0..200);
        let deep = (0_usize..20_000, any::<bool>())
            .prop_map(|(depth, list)| if list { b"[".repeat(depth) } else { b"{\"a\":".repeat(depth) });
        prop_oneof![8 => spoil, 2 => noise, 1 => deep].prop_map(move |text| (place, text))
    })
}

#[test]
fn ten_thousand_malformed_bodies_are_answered() {
    let runtime = Runtime::new().unwrap();
    let options = Options { key_requests_per_s: 0, tenant_requests_per_s: 0, ..Options::default() };
    let (address, _store, api, key) = runtime.block_on(async {
        let (address, store, api) = support::served(options).await;
        let key = support::key(&store, "acme", "all", &[Read, Write, Admin]).await;
        (address, store, api, key)
    });
    let mut connection = None;
    let mut refused = 0_u32;
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let connection = std::cell::RefCell::new(&mut connection);
    let refused_now = std::cell::RefCell::new(&mut refused);
    runner
        .run(&body(), |(place, text)| {
            let status = runtime.block_on(send(&mut connection.borrow_mut(), address, &key, place, text));
            prop_assert!(!status.is_server_error(), "{place:?}: {status}");
            **refused_now.borrow_mut() += u32::from(status.is_client_error());
            Ok(())
        })
        .unwrap();
    assert!(refused > CASES * 3 / 4, "{refused} of {CASES} were refused: the bodies are not odd enough");
    let broken = api.metrics().read().requests.iter().filter(|request| request.status >= 500).count();
    assert_eq!(broken, 0);
}

/// Over one connection, opened anew where the server closed it.
async fn send(
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    address: SocketAddr,
    key: &str,
    place: Place,
    text: Vec<u8>,
) -> StatusCode {
    if connection.as_ref().is_none_or(SendRequest::is_closed) {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        *connection = Some(sender);
    }
    let (method, path) = place.request();
    let media = if matches!(place, Place::Bulk) { "application/x-ndjson" } else { "application/json" };
    // A patch takes no such precondition.
    let absent = if matches!(place, Place::Profile) { "x-none" } else { "if-none-match" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "vitrine")
        .header("Authorization", format!("Bearer {key}"))
        .header("Content-Type", media)
        .header(absent, "*")
        .body(Full::new(Bytes::from(text)))
        .unwrap();
    let sender = connection.as_mut().unwrap();
    sender.ready().await.unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    if status.is_client_error() {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status.as_u16());
    }
    status
}
