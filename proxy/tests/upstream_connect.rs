//! Logging in to real PostgreSQL servers, by every method, and being refused properly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitrine::demo::postgres::{Auth, Options, Server};
use vitrine::upstream::{ConnectError, Connection, PINNED, Secret, Target, cancel, connect, sql_client, sql_pool};

fn target(url: &str) -> Target {
    Target::from_url(url).expect("a good URL")
}

fn server(options: Options) -> Server {
    Server::start(options).expect("a PostgreSQL server")
}

/// Sends a simple query and returns the bytes up to ReadyForQuery, as text.
async fn ask(connection: &mut Connection, sql: &str) -> String {
    let mut message = vec![b'Q'];
    message.extend(u32::try_from(sql.len() + 5).unwrap().to_be_bytes());
    message.extend(sql.as_bytes());
    message.push(0);
    connection.io.write_all(&message).await.expect("the query is sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        let count = connection.io.read_buf(&mut answer).await.expect("an answer");
        assert_ne!(count, 0, "the server hung up: {}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn trust_over_tcp_and_unix_socket() {
    let server = server(Options::default());
    for url in [server.url("postgres", "postgres"), server.socket_url("postgres", "postgres")] {
        let mut connection = connect(&target(&url), &[]).await.expect(&url);
        assert!(ask(&mut connection, "SELECT 'marco' || 'polo'").await.contains("marcopolo"));
        assert_eq!(connection.facts.role, "postgres");
        assert_eq!(connection.facts.login, "postgres");
        assert_eq!(connection.facts.database, "postgres");
        assert_eq!(connection.facts.search_path, "\"$user\", public");
        assert_eq!(connection.facts.server_version / 10_000, server.version_major());
        assert!(connection.facts.superuser);
        assert!(!connection.facts.standby);
        assert_ne!(connection.key.process_id, 0);
        assert_eq!(connection.parameters.value("CLIENT_ENCODING"), Some("UTF8"));
        assert_eq!(connection.parameters.value("application_name"), Some("vitrine"));
        assert!(connection.rx.is_empty());
    }
}

#[tokio::test]
async fn scram_md5_and_their_refusals() {
    for auth in [Auth::Scram, Auth::Md5] {
        let server =
            server(Options { auth, superuser_password: Some("pässword/@:%".to_owned()), ..Options::default() });
        let mut connection = connect(&target(&server.superuser_url()), &[]).await.expect("the right password");
        assert!(ask(&mut connection, "SELECT 7").await.contains('7'));

        let wrong = connect(&target(&server.url_with_password("postgres", "wrong", "postgres")), &[]).await;
        let error = wrong.expect_err("a wrong password");
        assert_eq!(error.sqlstate().code(), "28P01", "{error}");

        let none = connect(&target(&server.url("postgres", "postgres")), &[]).await.expect_err("no password");
        assert!(matches!(none, ConnectError::Authentication(_)), "{none}");
    }
}

#[tokio::test]
async fn a_password_file_is_read_at_each_connection() {
    let server =
        server(Options { auth: Auth::Scram, superuser_password: Some("first".to_owned()), ..Options::default() });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let mut target = target(&server.url("postgres", "postgres"));
    target.secret = Secret::file(file.path());
    connect(&target, &[]).await.expect("the first password");
    server.psql("ALTER ROLE postgres PASSWORD 'second'").unwrap();
    assert_eq!(connect(&target, &[]).await.expect_err("the old password").sqlstate().code(), "28P01");
    std::fs::write(file.path(), "second\r\n").unwrap();
    connect(&target, &[]).await.expect("the second password");
    std::fs::write(file.path(), "").unwrap();
    assert!(matches!(connect(&target, &[]).await, Err(ConnectError::Secret(_))));
}

#[tokio::test]
async fn a_password_is_not_sent_in_clear_text_over_plain_tcp() {
    let server =
        server(Options { auth: Auth::Password, superuser_password: Some("secret".to_owned()), ..Options::default() });
    let error = connect(&target(&server.superuser_url()), &[]).await.expect_err("clear text");
    assert!(error.to_string().contains("clear text"), "{error}");
}

#[tokio::test]
async fn clear_text_is_fine_on_a_unix_socket() {
    let server = server(Options {
        superuser_password: Some("secret".to_owned()),
        hba: vec!["local all postgres trust".to_owned(), "local all all password".to_owned()],
        ..Options::default()
    });
    server.psql("CREATE ROLE reader LOGIN PASSWORD 'word'").unwrap();
    let mut reader = target(&server.socket_url("reader", "postgres"));
    reader.secret = Secret::inline("word");
    connect(&reader, &[]).await.expect("a password over a unix socket");
    reader.secret = Secret::inline("wrong");
    assert_eq!(connect(&reader, &[]).await.expect_err("wrong").sqlstate().code(), "28P01");
}

#[tokio::test]
async fn the_pinned_settings_beat_role_and_database_defaults_and_survive_reset() {
    let server = server(Options {
        config: vec!["standard_conforming_strings = off".to_owned(), "backslash_quote = on".to_owned()],
        ..Options::default()
    });
    server
        .psql(
            "CREATE ROLE reader LOGIN;
             ALTER ROLE reader SET default_transaction_read_only = off;
             ALTER ROLE reader SET standard_conforming_strings = off;
             ALTER ROLE reader SET transform_null_equals = on;
             ALTER ROLE reader SET client_encoding = 'SJIS';
             ALTER ROLE reader SET search_path = 'shop, \"$user\"';
             ALTER DATABASE postgres SET backslash_quote = on",
        )
        .unwrap();
    let mut connection = connect(&target(&server.url("reader", "postgres")), &[("TimeZone", "Asia/Tokyo")])
        .await
        .expect("a contained session");
    assert_eq!(connection.facts.search_path, "\"shop, \"\"$user\"\"\"");
    assert!(!connection.facts.superuser);
    assert_eq!(connection.parameters.value("TimeZone"), Some("Asia/Tokyo"));
    for reset in ["SELECT 1", "RESET ALL", "DISCARD ALL"] {
        ask(&mut connection, reset).await;
        for (name, value) in PINNED {
            let answer = ask(&mut connection, &format!("SHOW {name}")).await;
            assert!(answer.contains(value), "{name} after {reset}: {answer}");
        }
    }
    let refused = ask(&mut connection, "CREATE TABLE t ()").await;
    assert!(refused.contains("25006"), "{refused}");
}

#[tokio::test]
async fn a_caller_cannot_unpin() {
    let server = server(Options::default());
    let target = target(&server.url("postgres", "postgres"));
    for name in ["default_transaction_read_only", "Client_Encoding", "options", "replication", "user"] {
        let error = connect(&target, &[(name, "off")]).await.expect_err(name);
        assert!(matches!(error, ConnectError::Reserved(_)), "{error}");
    }
}

#[tokio::test]
async fn the_servers_own_refusal_is_carried() {
    let server = server(Options {
        config: vec!["max_connections = 4".to_owned(), "superuser_reserved_connections = 0".to_owned()],
        ..Options::default()
    });
    let error = connect(&target(&server.url("postgres", "nowhere")), &[]).await.expect_err("no such database");
    assert_eq!(error.sqlstate().code(), "3D000");
    assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
    let error = connect(&target(&server.url("nobody", "postgres")), &[]).await.expect_err("no such role");
    assert_eq!(error.sqlstate().code(), "28000");

    let target = target(&server.url("postgres", "postgres"));
    let mut held = Vec::new();
    let full = loop {
        match connect(&target, &[]).await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
        assert!(held.len() < 10);
    };
    assert_eq!(full.sqlstate().code(), "53300", "{full}");
}

#[tokio::test]
async fn a_dead_and_a_silent_server() {
    let server = server(Options::default());
    let mut target = target(&server.url("postgres", "postgres"));
    target.connect_timeout = Duration::from_millis(300);
    server.freeze();
    let before = std::time::Instant::now();
    let error = connect(&target, &[]).await.expect_err("a frozen server");
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    assert!(before.elapsed() < Duration::from_secs(3));
    server.thaw();
    server.stop();
    let error = connect(&target, &[]).await.expect_err("a stopped server");
    assert_eq!(error.sqlstate().code(), "08001", "{error}");
    let error = connect(&self::target("postgres://u@no-such-host.invalid/d?sslmode=disable"), &[]).await;
    assert!(matches!(error, Err(ConnectError::Resolve { .. })));
}

#[tokio::test]
async fn cancel_stops_a_sleeping_query() {
    let server = server(Options::default());
    for url in [server.url("postgres", "postgres"), server.socket_url("postgres", "postgres")] {
        let target = target(&url);
        let mut connection = connect(&target, &[]).await.unwrap();
        let key = connection.key;
        let before = std::time::Instant::now();
        let (answer, cancelled) = tokio::join!(ask(&mut connection, "SELECT pg_sleep(30)"), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel(&target, key).await
        });
        cancelled.expect("the request is delivered");
        assert!(answer.contains("57014"), "{answer}");
        assert!(before.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn tokio_postgres_takes_over_a_session() {
    let server =
        server(Options { auth: Auth::Scram, superuser_password: Some("secret".to_owned()), ..Options::default() });
    let target = target(&server.superuser_url());
    let (client, task) = sql_client(&target).await.expect("a client");
    let row = client.query_one("SELECT $1::int + 1, current_setting('application_name')", &[&41]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
    assert_eq!(row.get::<_, String>(1), "vitrine");
    let refused = client.batch_execute("CREATE TABLE t ()").await.expect_err("read only");
    assert_eq!(refused.code().map(|code| code.code()), Some("25006"));
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("the task ends").unwrap();

    let pool = sql_pool(&target, 2).expect("a pool");
    let client = pool.get().await.expect("a pooled client");
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);

    let pool = sql_pool(&target.with_role("postgres", Secret::inline("wrong")), 2).expect("a pool");
    let error = pool.get().await.map(|_| ()).expect_err("a wrong password");
    assert!(format!("{error:?}").contains("password authentication failed"), "{error:?}");
}
