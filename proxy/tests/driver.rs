//! The session driver between a real client and a real PostgreSQL.
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

use std::process::Command;

use support::{front, front_with, postgres};
use vitrine::upstream::PoolLimits;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_reads_and_is_told_what_postgresql_would_say() {
    let server = postgres();
    let front = front(&server, "postgres", "postgres", PoolLimits::default()).await;
    let psql = |sql: &str| {
        let output = Command::new("psql")
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-At", "-d", &front.url("postgres"), "-c", sql])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(psql("SELECT 1 + 1; SELECT 'two'"), (true, "2\ntwo\n".into(), String::new()));
    let (ok, _, stderr) = psql("SELECT 1; SELECT nosuch FROM pg_class");
    assert!(!ok && stderr.contains("column \"nosuch\" does not exist"), "{stderr}");
    assert!(stderr.contains("LINE 1: SELECT 1; SELECT nosuch FROM pg_class"), "{stderr}");
    assert_eq!(
        psql("BEGIN; SET TimeZone = 'Asia/Tokyo'; SHOW TimeZone; ROLLBACK; SHOW TimeZone").1.lines().nth(2),
        Some("Asia/Tokyo")
    );
    assert_eq!(psql("COPY (SELECT generate_series(1, 3)) TO STDOUT").1, "1\n2\n3\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_and_transactions_work_over_few_connections() {
    let server = postgres();
    let limits = PoolLimits { connections_max: 2, ..PoolLimits::default() };
    let front = front(&server, "postgres", "postgres", limits).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(front.client().await);
    }
    let mut statements = Vec::new();
    for client in &clients {
        statements.push(client.prepare("SELECT $1::int4 + 1").await.unwrap());
    }
    for round in 0..5_i32 {
        for (client, statement) in clients.iter().zip(&statements) {
            let row = client.query_one(statement, &[&round]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), round + 1);
        }
    }
    let mut client = front.client().await;
    let transaction = client.transaction().await.unwrap();
    let one: i32 = transaction.query_one("SELECT 1", &[]).await.unwrap().get(0);
    assert_eq!(one, 1);
    let error = transaction.query("SELECT 1/0", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
    let error = transaction.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "25P02");
    transaction.rollback().await.unwrap();
    assert_eq!(client.query_one("SELECT 2", &[]).await.unwrap().get::<_, i32>(0), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_config_is_a_set_for_one_client_alone() {
    let server = postgres();
    let limits = PoolLimits { connections_max: 1, ..PoolLimits::default() };
    let front = front(&server, "postgres", "postgres", limits).await;
    let (one, other) = (front.client().await, front.client().await);
    let jit = async |client: &tokio_postgres::Client| {
        client.query_one("SELECT current_setting('jit')", &[]).await.unwrap().get::<_, String>(0)
    };
    // What asyncpg does before it asks the catalog, and after.
    one.query_one("SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new", &[]).await.unwrap();
    assert_eq!((jit(&one).await, jit(&other).await), ("off".into(), "on".into()));
    one.query_one("SELECT set_config('jit', $1, false)", &[&"on"]).await.unwrap();
    assert_eq!((jit(&one).await, jit(&other).await), ("on".into(), "on".into()));
    // pgAdmin, on each connection.
    let pgadmin =
        "SELECT set_config('bytea_output','escape',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'";
    one.query_one(pgadmin, &[]).await.unwrap();
    for (client, output) in [(&one, "escape"), (&other, "hex")] {
        let row = client.query_one("SELECT current_setting('bytea_output')", &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), output);
    }
    one.query_one("SELECT pg_catalog.set_config('search_path', '', false)", &[]).await.unwrap();
    let error = one.query("SELECT * FROM no_such_table", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
    for refused in [
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('jit', 'off', false) FROM pg_class",
        "SELECT set_config('jit', 'off', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings()",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name <> 'bytea_output'",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'no_such_parameter'",
        "SELECT set_config('jit', 'off', false) WHERE true",
        "SELECT upper(set_config('jit', 'off', false))",
        "SELECT set_config('jit', 'off', false), (SELECT set_config('role', 'x', false))",
        "SELECT set_config('ro' || 'le', 'postgres', false)",
        "SELECT set_config('jit', 'off', false) UNION SELECT 'x'",
        "WITH x AS (SELECT set_config('role', 'x', false)) SELECT set_config('jit', 'off', false)",
    ] {
        let error = other.query(refused, &[]).await.expect_err(refused);
        let code = error.code().map(tokio_postgres::error::SqlState::code);
        assert_eq!(code, Some("42501"), "{refused}: {error:?}");
    }
}

/// A text is reviewed under the search_path that its names will meet, wherever a transaction's end moves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_end_of_a_transaction_moves_names_to_what_was_not_reviewed() {
    let server = postgres();
    server
        .psql_in(
            "postgres",
            "CREATE SCHEMA safe; CREATE SCHEMA evil; CREATE TABLE public.written (at int);
             CREATE VIEW safe.probe AS SELECT 1 AS one;
             CREATE FUNCTION evil.write() RETURNS int LANGUAGE sql AS 'INSERT INTO public.written VALUES (1) RETURNING 1';
             CREATE VIEW evil.probe AS SELECT evil.write() AS one;",
        )
        .unwrap();
    let front = front(&server, "postgres", "postgres", PoolLimits::default()).await;
    let probe = "SELECT one FROM probe";
    for script in [
        // What the session path is, what is done one by one, and the text whose last statement must not meet evil.probe.
        ("evil", vec!["BEGIN", "SET LOCAL search_path = safe"], "COMMIT; SELECT one FROM probe"),
        ("evil", vec!["BEGIN", "SET search_path = safe"], "ROLLBACK; SELECT one FROM probe"),
        ("evil", vec!["BEGIN", "SAVEPOINT s", "SET search_path = safe"], "ROLLBACK TO s; SELECT one FROM probe"),
        ("evil", vec!["BEGIN", "SET search_path = safe", "SELECT 1/0"], "COMMIT; SELECT one FROM probe"),
        ("evil", vec![], "BEGIN; SET search_path = safe; ROLLBACK; SELECT one FROM probe"),
    ] {
        let (path, before, text) = script;
        let client = front.client().await;
        client.batch_execute(&format!("SET search_path = {path}")).await.unwrap();
        for sql in before {
            let _may_fail = client.batch_execute(sql).await;
        }
        refused_by_the_gateway(client.batch_execute(text).await, text);
    }
    let url = format!("{}?options=-csearch_path%3Devil", front.url("postgres"));
    for text in ["RESET search_path", "RESET ALL", "SET search_path TO DEFAULT"] {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("SET search_path = safe").await.unwrap();
        client.batch_execute(probe).await.unwrap();
        let both = format!("{text}; {probe}");
        refused_by_the_gateway(client.batch_execute(&both).await, &both);
        client.batch_execute(text).await.unwrap();
        refused_by_the_gateway(client.batch_execute(probe).await, text);
    }
    assert_eq!(server.psql_in("postgres", "SELECT count(*) FROM public.written").unwrap().trim(), "0");
}

/// Not by the read-only transaction behind it, which is another wall.
fn refused_by_the_gateway(outcome: Result<(), tokio_postgres::Error>, text: &str) {
    let error = outcome.expect_err(text);
    let code = error.code().map(tokio_postgres::error::SqlState::code);
    assert!(matches!(code, Some("42501" | "0A000")), "{text}: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_message_is_not_waited_for_for_ever() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = postgres();
    let environment = [("VITRINE_TIMEOUTS_FRAME_MS", "200")];
    let front = front_with(&server, "postgres", "postgres", PoolLimits::default(), &environment).await;
    let mut socket = tokio::net::TcpStream::connect(front.address).await.unwrap();
    socket.write_all(b"\0\0\0\x27\0\x03\0\0user\0tester\0database\0postgres\0\0").await.unwrap();
    // A Query of 100 bytes of which six come.
    socket.write_all(b"Q\0\0\0\x64S").await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("C08P01") && text.contains("was not completed in time"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_answers_administrators_alone() {
    let server = postgres();
    for (environment, permitted) in [(&[][..], true), (&[("VITRINE_ADMIN_USERS", "ada,bob")][..], false)] {
        let front = front_with(&server, "postgres", "postgres", PoolLimits::default(), environment).await;
        let outcome = tokio_postgres::connect(&front.url("vitrine"), tokio_postgres::NoTls).await;
        match outcome {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                assert!(permitted);
                let rows = client.simple_query("SHOW POOLS").await.unwrap();
                assert_eq!(rows.len(), 3, "a description, one pool and the end: {rows:?}");
                assert!(client.simple_query("SELECT 1").await.is_err());
            }
            Err(error) => {
                assert!(!permitted, "{error:?}");
                assert_eq!(error.code().unwrap().code(), "42501");
            }
        }
    }
}
