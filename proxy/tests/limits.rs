//! Bounds on results and on idle clients, each reached.
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

use std::thread;
use std::time::{Duration, Instant};

use support::raw::{self, Raw};
use support::{Front, front_with, postgres};
use vitrine::demo::postgres::Server;
use vitrine::upstream::PoolLimits;

struct Stage {
    server: Server,
    front: Front,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(environment: &[(&str, &str)]) -> Self {
        let server = postgres();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let front = runtime.block_on(front_with(&server, "postgres", "postgres", PoolLimits::default(), environment));
        Self { server, front, _runtime: runtime }
    }

    fn client(&self) -> Raw {
        Raw::connect(self.front.address, "postgres", &[("database", "postgres")]).unwrap()
    }

    fn wait_until_nothing_runs(&self) {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                     AND backend_type = 'client backend'";
        let began = Instant::now();
        while self.server.psql(count).unwrap().trim() != "0" {
            assert!(began.elapsed() < Duration::from_secs(30), "the server works on for nobody");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Rows that came, and what came besides them.
fn told(lines: &[String]) -> (usize, Vec<String>) {
    let is_row = |line: &&String| line.starts_with("DataRow") || line.starts_with("CopyData");
    let rest = lines.iter().filter(|line| !is_row(line) && !line.starts_with("RowDescription"));
    (lines.iter().filter(is_row).count(), rest.cloned().collect())
}

#[test]
fn a_result_ends_at_its_bound_of_rows() {
    let stage = Stage::new(&[("VITRINE_LIMITS_RESULT_ROWS_MAX", "1000")]);
    let mut client = stage.client();
    let (rows, rest) = told(&client.query("SELECT generate_series(1, 1000); SELECT generate_series(1, 1000)"));
    assert_eq!((rows, rest.len()), (2000, 3), "{rest:#?}");

    let (rows, rest) = told(&client.query("SELECT generate_series(1, 100000000)"));
    assert_eq!(rows, 1000);
    assert!(rest[0].starts_with("Error ERROR 54000 result is too long"), "{rest:#?}");
    assert_eq!(rest[1..], ["Ready I"]);
    assert_eq!(client.value("SELECT 'goes on'"), "goes on");
    stage.wait_until_nothing_runs();

    let (rows, rest) = told(&client.query("COPY (SELECT generate_series(1, 1001)) TO STDOUT"));
    assert_eq!(rows, 1000);
    assert!(rest.iter().any(|line| line.starts_with("Error ERROR 54000")), "{rest:#?}");

    // Part by part, each is a result.
    client.send(&raw::parse("", "SELECT generate_series(1, 1800)", &[]));
    client.send(&raw::bind_text("", "", &[]));
    client.send(&[raw::execute("", 900), raw::execute("", 900), raw::sync()].concat());
    assert_eq!(told(&client.lines_until_ready(1)).0, 1800);

    // What follows in the batch is skipped.
    client.send(&raw::parse("", "SELECT generate_series(1, 1001)", &[]));
    client.send(&[raw::bind_text("", "", &[]), raw::execute("", 0)].concat());
    client.send(&[raw::parse("skipped", "SELECT 1", &[]), raw::sync()].concat());
    let (rows, rest) = told(&client.lines_until_ready(1));
    assert_eq!((rows, rest.last().unwrap().as_str()), (1000, "Ready I"), "{rest:#?}");
    assert_eq!(rest.len(), 4, "{rest:#?}");
    // Its name is free.
    client.send(&[raw::parse("skipped", "SELECT 'and on'", &[]), raw::bind_text("", "skipped", &[])].concat());
    client.send(&[raw::execute("", 0), raw::sync()].concat());
    assert!(client.lines_until_ready(1).contains(&"DataRow and on".to_owned()));
}

/// As after any other error: the transaction has failed and is the client's to end.
#[test]
fn a_result_that_is_too_long_fails_its_transaction() {
    let stage = Stage::new(&[("VITRINE_LIMITS_RESULT_ROWS_MAX", "1000")]);
    let failed = |lines: Vec<String>, rows_max: usize| {
        let (rows, rest) = told(&lines);
        assert_eq!(rows, rows_max, "{rest:#?}");
        assert_eq!(rest.iter().filter(|line| line.starts_with("Error ERROR 54000")).count(), 1, "{rest:#?}");
        assert!(rest.last().unwrap().starts_with("Ready"), "{rest:#?}");
        rest.last().unwrap().clone()
    };
    // One row too many, which the server has sent before anybody can stop it; and many.
    for last in ["1001", "100000000"] {
        let mut client = stage.client();
        let sql = format!("SELECT generate_series(1, {last})");
        let process = client.value("BEGIN; SELECT pg_backend_pid()");
        client.query("SAVEPOINT a; SET LOCAL search_path = pg_catalog");
        assert_eq!(failed(client.query(&sql), 1000), "Ready E");
        let lines = client.query("SELECT 1");
        assert!(lines[0].starts_with("Error ERROR 25P02"), "{lines:#?}");
        // The savepoint is still there.
        assert_eq!(client.query("ROLLBACK TO a"), ["CommandComplete ROLLBACK", "Ready T"]);
        assert_eq!(client.value("SHOW search_path"), "\"$user\", public");
        assert_eq!(client.value("SELECT pg_backend_pid()"), process);
        // By the extended protocol, with more behind it in the batch.
        client.send(&[raw::parse("", &sql, &[]), raw::bind_text("", "", &[]), raw::execute("", 0)].concat());
        client.send(&[raw::parse("b", "SELECT 2", &[]), raw::bind_text("", "b", &[]), raw::execute("", 0)].concat());
        client.send(&raw::sync());
        assert_eq!(failed(client.lines_until_ready(1), 1000), "Ready E");
        // COMMIT rolls back.
        assert_eq!(client.query("COMMIT"), ["CommandComplete ROLLBACK", "Ready I"]);
        // The next batch is on its way before the client has heard of it.
        client.query("BEGIN");
        client.send(&[raw::query(&sql), raw::query("SELECT 3"), raw::query("ROLLBACK")].concat());
        assert_eq!(failed(client.lines_until_ready(1), 1000), "Ready E");
        let lines = client.lines_until_ready(2);
        assert!(lines[0].starts_with("Error ERROR 25P02") && lines.last().unwrap() == "Ready I", "{lines:#?}");
        // COPY, several statements, and a cursor, which goes on where it was.
        client.query("BEGIN");
        assert_eq!(failed(client.query(&format!("COPY ({sql}) TO STDOUT")), 1000), "Ready E");
        client.query("ROLLBACK");
        assert_eq!(failed(client.query(&format!("SELECT 1; {sql}; SELECT 2")), 1001), "Ready I");
        client.query(&format!("BEGIN; DECLARE c CURSOR FOR {sql}"));
        assert_eq!(told(&client.query("FETCH 1000 FROM c")).0, 1000);
        client.query("ROLLBACK");
        // FETCH makes all of its rows before it sends the first.
        client.query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 2000)");
        assert_eq!(failed(client.query("FETCH ALL FROM c"), 1000), "Ready E");
        assert_eq!(client.query("ROLLBACK"), ["CommandComplete ROLLBACK", "Ready I"]);
        assert_eq!(client.value("SELECT 'goes on'"), "goes on");
        stage.wait_until_nothing_runs();
    }
}

/// What was set in the same batch is as PostgreSQL has it afterwards.
#[test]
fn settings_before_a_result_that_is_too_long_are_followed() {
    let stage = Stage::new(&[("VITRINE_LIMITS_RESULT_ROWS_MAX", "10")]);
    for last in [11, 10_000_000] {
        let plain = stage.client().value("SHOW application_name");
        let mut client = stage.client();
        client.query(&format!("SET application_name = 'before'; SELECT generate_series(1, {last})"));
        let mine = client.value("SELECT current_setting('application_name')");
        assert_eq!(client.value("SHOW application_name"), mine);
        let mut other = stage.client();
        assert_eq!(other.value("SHOW application_name"), plain);
    }
}

#[test]
fn a_result_ends_at_its_bound_of_bytes() {
    let stage = Stage::new(&[("VITRINE_LIMITS_RESULT_BYTES_MAX", "100000")]);
    let mut client = stage.client();
    let (rows, rest) = told(&client.query("SELECT repeat('x', 90000)"));
    assert_eq!((rows, rest[1].as_str()), (1, "Ready I"));
    for _ in 0..2 {
        let (rows, rest) = told(&client.query("SELECT repeat('x', 60000) FROM generate_series(1, 1000)"));
        assert_eq!(rows, 1);
        assert!(rest[0].contains("54000") && rest[0].contains("100000 bytes"), "{rest:#?}");
    }
    let (rows, rest) = told(&client.query("SELECT repeat('x', 1000000)"));
    assert_eq!((rows, rest[1].as_str()), (0, "Ready I"), "a row that is too long does not even begin");
    assert_eq!(client.value("SELECT 'goes on'"), "goes on");
}

#[test]
fn a_client_that_is_idle_for_too_long_is_told_so() {
    let stage = Stage::new(&[("VITRINE_TIMEOUTS_IDLE_SESSION_MS", "400")]);
    let mut client = stage.client();
    assert_eq!(client.value("SELECT 1"), "1");
    let ended = "Error FATAL 57P05 terminating connection due to idle-session timeout";
    assert_eq!(client.lines_until_ready(1), [ended, "closed"]);
    // Not within a transaction, and not while something runs.
    let mut client = stage.client();
    client.query("BEGIN");
    thread::sleep(Duration::from_millis(900));
    assert_eq!(client.value("SELECT 'still here'"), "still here");
    client.query("COMMIT");
    assert_eq!(client.lines_until_ready(1), [ended, "closed"]);
}
