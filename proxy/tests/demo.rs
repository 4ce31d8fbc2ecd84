//! The demo's sample database, and that its tour would notice if nothing stood in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::sync::Arc;

use tokio_postgres::{Client, NoTls};
use vitrine::demo::evidence::Evidence;
use vitrine::demo::postgres::{Options, Server};
use vitrine::demo::sample;
use vitrine::demo::tour::{READS, Tour, WRITES};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn sample_server() -> (Arc<Server>, Client) {
    let mut config: Vec<String> = sample::CONFIG.iter().map(|line| (*line).to_owned()).collect();
    config.push("log_statement = 'all'".to_owned());
    let server = Server::launch(Options { config, ..Options::default() }).await.unwrap();
    sample::create(&connect(&server.superuser_url()).await, "secret").await.unwrap();
    let client = connect(&server.superuser_url_of(sample::DATABASE)).await;
    for step in sample::STEPS {
        sample::load(&client, step).await.unwrap();
    }
    sample::settle(&client).await.unwrap();
    (server, client)
}

/// First the reading role alone; then a superuser straight at the database, where the tour must not be clean.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_is_real_and_the_tour_can_fail() {
    let (server, client) = sample_server().await;
    let rows: i64 = client.query_one("SELECT count(*) FROM sales.order_lines", &[]).await.unwrap().get(0);
    assert!(rows >= 1_000_000, "{rows} order lines");
    let before = Evidence::of(&client).await.unwrap();

    the_reading_role_can_read_and_no_more(&server).await;
    assert_eq!(before.differences(&Evidence::of(&client).await.unwrap()), Vec::<String>::new());

    let tour = Tour { gateway_url: server.superuser_url_of(sample::DATABASE), server: Arc::clone(&server) };
    let outcome = tour.take().await.unwrap();
    assert_eq!(outcome.reads_answered, READS.len(), "{outcome}");
    assert!(!outcome.is_clean() && outcome.writes_passed > WRITES.len() * 3 / 4, "{outcome}");
    assert_eq!(outcome.writes_passed + outcome.writes_late, WRITES.len(), "{outcome}");

    // One attempt terminated every other session.
    let client = connect(&server.superuser_url_of(sample::DATABASE)).await;
    let changes = before.differences(&Evidence::of(&client).await.unwrap()).join("\n");
    for name in [
        "table sales.products",
        "table sales.payments",
        "table sales.copied",
        "table support.satisfaction",
        "sequence sales.orders_id_seq",
        "large objects",
    ] {
        assert!(changes.contains(name), "{name} is not among the changes:\n{changes}");
    }
}

/// It reads the three schemas, not the fourth, and PostgreSQL's own grants hold when nothing is read-only.
async fn the_reading_role_can_read_and_no_more(server: &Server) {
    let reader = connect(&server.url(sample::READER, sample::DATABASE)).await;
    let shared = "SELECT DISTINCT visibility FROM sales.contracts";
    let rows = reader.query(shared, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>(), ["shared"]);
    reader.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    for sql in [
        "SELECT * FROM hr.salaries",
        "DELETE FROM sales.payments",
        "SELECT nextval('sales.orders_id_seq')",
        "SELECT sales.forget_customer(1)",
        "SELECT sales.place_order(1, 1, 1)",
        "CREATE TABLE public.mine ()",
        "CREATE TEMPORARY TABLE mine ()",
    ] {
        let error = reader.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("42501"), "{sql}: {error}");
    }
}
