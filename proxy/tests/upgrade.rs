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
