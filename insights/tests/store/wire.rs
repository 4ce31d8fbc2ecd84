//! A proxy in front of the server that counts turns of the conversation and can cut it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vitrine_insights::model::{InsightFilter, NewDocument, PageRequest, SearchRequest};
use vitrine_insights::service::{Documents as _, Error, Insights as _, Memories as _};
use vitrine_insights::store::Settings;

use crate::server::{Server, identity, with_trend, writer, writer_with_key};
use crate::writes::{insight, version};

#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    /// How often the client spoke after the server had.
    turns: Arc<AtomicU64>,
    /// Bytes from the client until every connection is cut; negative: never.
    cut_after: Arc<AtomicI64>,
    /// How long an answer is on its way, so that what a client says without waiting comes before it.
    answer_ms: Arc<AtomicU64>,
}

impl Wire {
    pub(crate) async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            turns: Arc::default(),
            cut_after: Arc::new(AtomicI64::new(-1)),
            answer_ms: Arc::default(),
        };
        let (share, to) = (wire.clone(), server.port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, share.clone()));
            }
        });
        wire
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn cut_after(&self, bytes: i64) {
        self.cut_after.store(bytes, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, to: u16, wire: Wire) {
    let Wire { turns, cut_after, answer_ms, .. } = wire;
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let server_spoke = Arc::new(AtomicBool::new(true));
    let spoke = server_spoke.clone();
    let answers = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            tokio::time::sleep(Duration::from_millis(answer_ms.load(Ordering::SeqCst))).await;
            spoke.store(true, Ordering::SeqCst);
            if to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        if server_spoke.swap(false, Ordering::SeqCst) {
            turns.fetch_add(1, Ordering::SeqCst);
        }
        let left = cut_after.load(Ordering::SeqCst);
        if left >= 0 && cut_after.fetch_sub(count as i64, Ordering::SeqCst) - (count as i64) < 0 {
            // What fits before the cut arrives, and no answer comes.
            let fits = usize::try_from(left).unwrap_or(0).min(count);
            answers.abort();
            let _ = to_server.write_all(&buffer[..fits]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            return;
        }
        if to_server.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    answers.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_write_is_one_round_trip_and_one_read_too() {
    let server = Server::start().await;
    let wire = Wire::before(&server).await;
    let settings = Settings { connections_max: 1, ..Settings::default() };
    let store = server.store_at(wire.port, &settings);
    with_trend(&store).await;
    let (ada, me) = (writer("acme"), identity("acme"));
    let mut rich = insight(Some("rich"), "Rich");
    rich.evidence =
        serde_json::from_value(json!([{"query_shape": "SELECT ?", "data_as_of": "2026-01-01T00:00:00Z"}])).unwrap();
    // The first of each prepares its statement.
    let first = store.create_insight(&ada, insight(None, "x")).await.unwrap().record;
    let second = store.supersede(&ada, first.id, version("y")).await.unwrap().record;
    let document = || NewDocument { title: "t".to_owned(), content: json!({"a": 1}) };
    store.put_document(&ada, "persona", "one", document(), None).await.unwrap();
    store.remember(&ada, serde_json::from_value(json!({"text": "x"})).unwrap()).await.unwrap();
    store.retract(&ada, second.id, "x").await.unwrap();
    store.insight(&me, first.id).await.unwrap();
    store.insights(&me, &InsightFilter::default(), &PageRequest::default()).await.unwrap();
    let search = SearchRequest { query: Some("x".to_owned()), ..SearchRequest::default() };
    store.search(&me, &search).await.unwrap();
    wire.turns();
    // A client that does not wait is done within this time, on a busy machine too.
    wire.answer_ms.store(200, Ordering::SeqCst);
    store.create_insight(&writer_with_key("acme", "k", 1), rich).await.unwrap();
    assert_eq!(wire.turns(), 1, "create, with an idempotency key and evidence");
    let other = store.create_insight(&ada, insight(None, "x")).await.unwrap().record;
    assert_eq!(wire.turns(), 1, "create");
    store.put_document(&ada, "persona", "two", document(), None).await.unwrap();
    assert_eq!(wire.turns(), 1, "document");
    store.remember(&ada, serde_json::from_value(json!({"text": "y"})).unwrap()).await.unwrap();
    assert_eq!(wire.turns(), 1, "memory");
    store.retract(&ada, other.id, "x").await.unwrap();
    assert_eq!(wire.turns(), 1, "retract");
    store.insight(&me, first.id).await.unwrap();
    assert_eq!(wire.turns(), 1, "read");
    store.insights(&me, &InsightFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(wire.turns(), 1, "list");
    store.search(&me, &search).await.unwrap();
    assert_eq!(wire.turns(), 1, "search");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_loses_and_doubles_nothing() {
    let server = Server::start().await;
    let wire = Wire::before(&server).await;
    let store = server.store_at(wire.port, &Settings { connections_max: 1, ..Settings::default() });
    with_trend(&store).await;
    store.create_insight(&writer("acme"), insight(Some("warm"), "Warm")).await.unwrap();
    let mut acknowledged = 0;
    for bytes in (0..1_200).step_by(60) {
        let key = format!("cut{bytes}");
        let ada = writer_with_key("acme", &key, 1);
        wire.cut_after(bytes);
        match store.create_insight(&ada, insight(None, &key)).await {
            Ok(_) => acknowledged += 1,
            Err(Error::Unavailable { .. }) => {}
            Err(other) => panic!("{bytes}: {other:?}"),
        }
        wire.cut_after(-1);
        // The client asks again until it is answered.
        let mut tries = 0;
        while store.create_insight(&ada, insight(None, &key)).await.is_err() {
            tries += 1;
            assert!(tries < 50, "{bytes}: never answered again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let client = server.client("tools").await;
    let row = client
        .query_one("SELECT count(*), count(DISTINCT title) FROM insights WHERE title LIKE 'cut%'", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (20, 20));
    assert!(acknowledged < 20, "nothing was cut");
}
