//! A new process takes the sockets of the running one: no connection is refused, no query is lost, what is open in the
//! old process is finished there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod gateway_process;

use gateway_process::{GatewayProcess, http};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

async fn connect(listen: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&format!("postgres://tester@{listen}/postgres"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What the load has seen.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    connections: AtomicUsize,
    queries: AtomicUsize,
    failures: parking_lot::Mutex<Vec<String>>,
}

impl Load {
    /// Connects, asks a few times, leaves, again and again.
    async fn come_and_go(self: Arc<Self>, listen: String) {
        while !self.stop.load(Ordering::Relaxed) {
            match connect(&listen).await {
                Ok(client) => self.ask(&client, 5).await,
                Err(error) => self.failures.lock().push(format!("connect: {error:?}")),
            }
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Stays on one connection.
    async fn stay(self: Arc<Self>, listen: String) {
        let client = connect(&listen).await.unwrap();
        while !self.stop.load(Ordering::Relaxed) {
            self.ask(&client, 10).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn ask(&self, client: &Client, times: i32) {
        for number in 0..times {
            match client.query_one("SELECT $1::int4 + 1", &[&number]).await {
                Ok(row) => assert_eq!(row.get::<_, i32>(0), number + 1),
                Err(error) => self.failures.lock().push(format!("query: {error:?}")),
            }
            self.queries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_under_load_and_no_query_is_lost() {
    let mut old = GatewayProcess::start(&[]);
    let load = Arc::new(Load::default());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        clients.spawn(Arc::clone(&load).come_and_go(old.listen.clone()));
        clients.spawn(Arc::clone(&load).stay(old.listen.clone()));
    }
    let mut opened = connect(&old.listen).await.unwrap();
    let transaction = opened.transaction().await.unwrap();
    let before: i32 = transaction.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);

    let new = tokio::task::block_in_place(|| old.upgrade("second.log"));
    old.wait_for_log("handing over");
    // Past the five seconds in which both listen.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(old.is_running(), "{}", old.log());
    let after: i32 = transaction.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    assert_eq!(before, after, "the transaction moved");
    transaction.commit().await.unwrap();
    assert_eq!(http(&new.admin, "/readyz").0, 200);

    load.stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    drop(opened);
    // The last session of the old process is gone: so is the old process, long before its time is over.
    assert_eq!(old.wait(Duration::from_secs(5)).code(), Some(0));
    let client = connect(&new.listen).await.unwrap();
    assert_eq!(client.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
    assert!(new.run_dir().join("vitrine.pid").exists());
    let failures = load.failures.lock();
    assert!(failures.is_empty(), "{} lost, first: {:?}", failures.len(), failures.first());
    let (connections, queries) = (load.connections.load(Ordering::Relaxed), load.queries.load(Ordering::Relaxed));
    println!("{connections} connections and {queries} queries across the handover");
    assert!(connections > 100 && queries > 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_stays_is_told_and_a_cancel_reaches_the_old_process() {
    let mut old = GatewayProcess::start(&[("VITRINE_SERVER_UPGRADE_LINGER_MS", "2000")]);
    let (idle, busy) = (connect(&old.listen).await.unwrap(), connect(&old.listen).await.unwrap());
    let cancel = busy.cancel_token();
    let sleeping =
        tokio::spawn(async move { busy.query_one("SELECT count(*) FROM generate_series(1, 1000000000)", &[]).await });
    let new = tokio::task::block_in_place(|| old.upgrade("second.log"));
    old.wait_for_log("handing over");
    // Only the new process listens now: the request reaches it, and the query runs in the old one.
    tokio::time::sleep(Duration::from_secs(6)).await;
    cancel.cancel_query(NoTls).await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(5), sleeping).await.unwrap().unwrap();
    assert_eq!(outcome.unwrap_err().code().map(|code| code.code().to_owned()).as_deref(), Some("57014"));
    assert_eq!(old.wait(Duration::from_secs(10)).code(), Some(0));
    let error = idle.simple_query("SELECT 1").await.unwrap_err();
    assert!(error.is_closed() || error.code().is_some_and(|code| code.code() == "57P01"), "{error:?}");
    drop(new);
}

#[test]
fn a_new_process_that_cannot_serve_leaves_the_sockets_where_they_are() {
    let mut old = GatewayProcess::start(&[]);
    let refused = old
        .command("serve")
        .arg("--upgrade")
        .env("VITRINE_CUSTOMER_URL", "postgres://postgres@127.0.0.1:1/postgres")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("not ready to take over, the running gateway serves on"), "{errors}");
    assert!(old.is_running());
    assert_eq!(http(&old.admin, "/readyz").0, 200);
}

#[test]
fn a_new_process_that_wants_an_address_of_somebody_else_leaves_the_sockets_too() {
    let mut old = GatewayProcess::start(&[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("{},{}", old.listen, taken.local_addr().unwrap());
    let refused = old.command("serve").arg("--upgrade").env("VITRINE_LISTEN", listen).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains(&format!("cannot listen at {}", taken.local_addr().unwrap())), "{errors}");
    assert!(old.is_running());
    assert_eq!(http(&old.admin, "/readyz").0, 200);
}

#[test]
fn upgrade_without_a_running_gateway_starts_one() {
    let mut gateway = GatewayProcess::start(&[]);
    gateway.signal("TERM");
    gateway.wait(Duration::from_secs(10));
    let next = gateway.upgrade("second.log");
    assert!(next.log().contains("starting without one to take over from"), "{}", next.log());
    assert_eq!(http(&next.admin, "/livez").0, 200);
}

/// A client that sends and reads bytes.
struct Wire(TcpStream);

impl Wire {
    fn connect(gateway: &GatewayProcess) -> Self {
        let mut wire = Self(TcpStream::connect(&gateway.listen).unwrap());
        wire.0.set_nodelay(true).unwrap();
        wire.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = b"\0\x03\0\0user\0tester\0database\0postgres\0\0";
        wire.0.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).unwrap();
        wire.0.write_all(body).unwrap();
        wire.until_ready();
        wire
    }

    fn send(&mut self, messages: &[(u8, &[u8])]) {
        let mut bytes = Vec::new();
        for (tag, body) in messages {
            bytes.push(*tag);
            bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            bytes.extend(*body);
        }
        self.0.write_all(&bytes).unwrap();
    }

    /// The next message, or the end; a reset is neither.
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        match self.0.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            read => read.unwrap(),
        }
        let mut body = vec![0; u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4];
        self.0.read_exact(&mut body).unwrap();
        Some((header[0], body))
    }

    /// Tags up to ReadyForQuery.
    fn until_ready(&mut self) -> String {
        let mut tags = String::new();
        while !tags.ends_with('Z') {
            tags.push(self.message().expect("the connection ended").0.into());
        }
        tags
    }

    /// Everything that comes before the end: tags, and SQLSTATEs of errors.
    fn until_the_end(&mut self) -> String {
        let mut said = String::new();
        while let Some((tag, body)) = self.message() {
            said.push(tag.into());
            if tag == b'E' {
                let code = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C')).unwrap();
                said.push_str(&String::from_utf8_lossy(&code[1..]));
            }
        }
        said
    }
}

const QUESTION: (u8, &[u8]) = (b'Q', b"SELECT 'asked while the gateway stops'\0");
const SYNC: (u8, &[u8]) = (b'S', b"");
const PARSE: (u8, &[u8]) = (b'P', b"\0SELECT 'asked while the gateway stops'\0\0\0");
const BIND: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");

/// SIGTERM, and a moment in which sessions have been told to end.
fn stop(gateway: &GatewayProcess) {
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    let since = std::time::Instant::now();
    while TcpStream::connect(&gateway.listen).is_ok() {
        assert!(since.elapsed() < Duration::from_secs(20), "it still listens");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(1));
}

#[test]
fn who_asks_while_the_gateway_stops_is_answered_and_told_with_the_answer() {
    let mut gateway = GatewayProcess::start(&[("VITRINE_SERVER_DRAIN_QUIET_MS", "60000")]);
    let mut clients: [Wire; 6] = std::array::from_fn(|_| Wire::connect(&gateway));
    clients[5].send(&[(b'Q', b"BEGIN\0")]);
    clients[5].until_ready();
    stop(&gateway);
    let [simple, pipelined, prepared, looking, half, in_transaction] = &mut clients;
    simple.send(&[QUESTION]);
    assert_eq!(simple.until_the_end(), "TDCZE57P01");
    // All that was sent before the last words is answered.
    pipelined.send(&[QUESTION, PARSE, BIND, EXECUTE, SYNC, QUESTION]);
    assert_eq!(pipelined.until_the_end(), "TDCZ12DCZTDCZE57P01");
    // Who has prepared comes back to run it, and who looks whether the connection lives comes back with its question.
    prepared.send(&[PARSE, (b'D', b"S\0"), SYNC]);
    assert_eq!(prepared.until_ready(), "1tTZ");
    prepared.send(&[BIND, EXECUTE, SYNC]);
    assert_eq!(prepared.until_the_end(), "2DCZE57P01");
    looking.send(&[(b'Q', b"SELECT 1\0")]);
    assert_eq!(looking.until_ready(), "TDCZ");
    looking.send(&[QUESTION]);
    assert_eq!(looking.until_the_end(), "TDCZE57P01");
    half.0.write_all(b"Q\0\0\0").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    half.0.write_all(b"\x1bSELECT 'in two halves'\0").unwrap();
    assert_eq!(half.until_the_end(), "TDCZE57P01");
    in_transaction.send(&[QUESTION]);
    assert_eq!(in_transaction.until_ready(), "TDCZ");
    in_transaction.send(&[(b'Q', b"COMMIT; SELECT 'and more'\0")]);
    assert_eq!(in_transaction.until_the_end(), "CTDCZE57P01");
    assert!(gateway.is_running(), "clients that were told have not hung up yet");
    drop(clients);
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn a_question_that_crosses_the_last_words_is_not_answered_by_a_reset() {
    let mut gateway = GatewayProcess::start(&[("VITRINE_SERVER_DRAIN_QUIET_MS", "0")]);
    let mut client = Wire::connect(&gateway);
    gateway.signal("TERM");
    // It is told, and does not read it yet.
    assert_eq!(client.0.peek(&mut [0]).unwrap(), 1);
    client.send(&[PARSE]);
    std::thread::sleep(Duration::from_millis(300));
    client.send(&[BIND, EXECUTE, SYNC]);
    assert_eq!(client.until_the_end(), "E57P01");
    drop(client);
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
}

/// A connection of a pool that looks before it asks, as pools do whose driver listens to idle connections. On one thread:
/// what came with an answer is seen before the next question is sent.
async fn as_a_pool(load: Arc<Load>, listen: String, pause: Duration) {
    let mut client = connect(&listen).await.unwrap();
    let mut number = 0;
    while !load.stop.load(Ordering::Relaxed) {
        if client.is_closed() {
            client = connect(&listen).await.unwrap();
            load.connections.fetch_add(1, Ordering::Relaxed);
        }
        load.ask(&client, 1).await;
        number += 1;
        // Seldom silent for as long as an old process waits for.
        tokio::time::sleep(if number % 100 == 0 { Duration::from_secs(1) } else { pause }).await;
    }
}

#[tokio::test]
async fn sessions_of_the_old_process_end_under_load_and_no_question_is_lost() {
    let settings = [("VITRINE_SERVER_UPGRADE_LINGER_MS", "4000"), ("VITRINE_SERVER_DRAIN_QUIET_MS", "300")];
    let mut old = GatewayProcess::start(&settings);
    let load = Arc::new(Load::default());
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..32 {
        let pause = Duration::from_millis(1 + number % 4);
        clients.spawn(as_a_pool(Arc::clone(&load), old.listen.clone(), pause));
    }
    let (old, new) = tokio::task::spawn_blocking(move || {
        let new = old.upgrade("second.log");
        assert_eq!(old.wait(Duration::from_secs(60)).code(), Some(0));
        (old, new)
    })
    .await
    .unwrap();
    // Who was told last finds it out with the next question.
    let since = std::time::Instant::now();
    while load.connections.load(Ordering::Relaxed) < 32 && since.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let failures = load.failures.lock();
    assert!(failures.is_empty(), "{} lost, first: {:?}", failures.len(), failures.first());
    let (again, queries) = (load.connections.load(Ordering::Relaxed), load.queries.load(Ordering::Relaxed));
    println!("{again} connections made anew, {queries} queries");
    assert!(again >= 32 && queries > 1_000);
    drop((old, new));
}
