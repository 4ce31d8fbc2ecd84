//! The process: admin port, signals, reload, shutdown, and the handover of its sockets to a new process.
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
use std::time::{Duration, Instant};

#[test]
fn the_admin_port_answers_and_nothing_else_does() {
    let gateway = GatewayProcess::start(&[]);
    assert_eq!(http(&gateway.admin, "/livez"), (200, "ok\n".to_owned()));
    let (status, text) = http(&gateway.admin, "/readyz?verbose");
    assert_eq!(status, 200, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ready"], true, "{text}");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "process" && check["ok"] == true), "{text}");
    assert_eq!(http(&gateway.admin, "/readyz"), (200, "ready\n".to_owned()));
    let (status, text) = http(&gateway.admin, "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("\n# TYPE vitrine_denials_total counter\n"), "{text}");
    assert_eq!(http(&gateway.admin, "/").0, 404);
    let health = gateway.command("health").output().unwrap();
    assert!(health.status.success(), "{health:?}");
}

#[test]
fn health_fails_where_nothing_answers() {
    let mut gateway = GatewayProcess::start(&[]);
    gateway.signal("TERM");
    assert!(gateway.wait(Duration::from_secs(10)).success());
    assert!(!gateway.command("health").output().unwrap().status.success());
}

#[test]
fn sigterm_ends_an_idle_gateway_at_once_and_removes_its_files() {
    let mut gateway = GatewayProcess::start(&[]);
    // The process writes its id once it serves, and says so then.
    gateway.wait_for_log("vitrine serves");
    assert!(gateway.run_dir().join("vitrine.pid").exists());
    let since = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(std::fs::read_dir(gateway.run_dir()).unwrap().count(), 0);
}

#[test]
fn a_slow_http_client_keeps_no_place() {
    use std::io::{Read, Write};
    let gateway = GatewayProcess::start(&[]);
    let mut slow = std::net::TcpStream::connect(&gateway.admin).unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let since = Instant::now();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(since.elapsed() < Duration::from_secs(15));
}

#[test]
fn an_address_in_use_is_said_at_once() {
    let gateway = GatewayProcess::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let second = gateway.command("serve").env("VITRINE_SERVER_RUN_DIR", folder.path().join("run")).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(errors.contains("cannot listen at 127.0.0.1:"), "{errors}");
}

#[test]
fn sigquit_without_a_successor_changes_nothing() {
    let gateway = GatewayProcess::start(&[]);
    gateway.signal("QUIT");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(http(&gateway.admin, "/readyz").0, 200);
    assert!(gateway.log().contains("no new process waits"), "{}", gateway.log());
}

#[test]
fn a_reload_with_a_mistake_leaves_the_old_state_in_force() {
    let gateway = GatewayProcess::start_with_file("users = [\"app:secret\"]\n", &[]);
    gateway.write_file("users = [\"app:secret\", \"broken\"]\n[limits]\nclients_mx = 1\n");
    gateway.signal("HUP");
    gateway.wait_for_log("clients_mx");
    let log = gateway.log();
    assert!(log.contains("entry 2 is not name:password"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    let metrics = http(&gateway.admin, "/metrics").1;
    assert!(
        metrics.contains("vitrine_reloads_refused_total 1\n") && metrics.contains("vitrine_reloads_total 0\n"),
        "{metrics}"
    );
    gateway.write_file("users = [\"app:other\"]\n");
    gateway.signal("HUP");
    gateway.wait_for_log("are read again");
    assert!(http(&gateway.admin, "/metrics").1.contains("vitrine_reloads_total 1\n"));
}

/// A client of the gateway.
async fn connect(gateway: &GatewayProcess, user: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let url = format!("postgres://{user}@{}/postgres", gateway.listen);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| format!("{error:?}"), |code| code.code().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_a_transaction_finish_and_then_says_goodbye() {
    let mut gateway = GatewayProcess::start(&[]);
    let idle = connect(&gateway, "tester").await.unwrap();
    let mut busy = connect(&gateway, "tester").await.unwrap();
    idle.simple_query("SELECT 1").await.unwrap();
    let transaction = busy.transaction().await.unwrap();
    transaction.simple_query("SELECT 1").await.unwrap();
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    let since = Instant::now();
    while !idle.is_closed() {
        assert!(since.elapsed() < Duration::from_secs(20), "an idle session is told while another one works");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(connect(&gateway, "tester").await.is_err(), "nobody new comes in");
    let row = transaction.query_one("SELECT 41 + 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
    transaction.commit().await.unwrap();
    assert_eq!(gateway.wait(Duration::from_secs(20)).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_has_a_bound() {
    let mut gateway = GatewayProcess::start(&[("VITRINE_SERVER_SHUTDOWN_TIMEOUT_MS", "1000")]);
    let mut busy = connect(&gateway, "tester").await.unwrap();
    let transaction = busy.transaction().await.unwrap();
    transaction.simple_query("SELECT 1").await.unwrap();
    let since = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert!(transaction.simple_query("SELECT 1").await.is_err());
    assert!(gateway.log().contains("sessions are cut"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigint_ends_at_once() {
    let mut gateway = GatewayProcess::start(&[]);
    let mut busy = connect(&gateway, "tester").await.unwrap();
    let transaction = busy.transaction().await.unwrap();
    transaction.simple_query("SELECT 1").await.unwrap();
    gateway.signal("INT");
    assert_eq!(gateway.wait(Duration::from_secs(2)).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_brings_policy_users_and_roles_for_sessions_that_live_too() {
    let policy = tempfile::NamedTempFile::new().unwrap();
    let file = |users: &str, rest: &str| format!("users = [{users}]\npolicy = \"{}\"\n{rest}", policy.path().display());
    let gateway = GatewayProcess::start_with_file(&file("\"app:one\"", ""), &[]);
    gateway
        .postgres
        .psql("CREATE TABLE secret (x int); CREATE ROLE analyst_read LOGIN; GRANT SELECT ON secret TO analyst_read")
        .unwrap();
    let app = connect(&gateway, "app:one").await.unwrap();
    // A name that is asked for right after a look at the catalog is not looked for again at once.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    app.simple_query("SELECT count(*) FROM secret").await.unwrap();
    assert_eq!(code(&connect(&gateway, "analyst:two").await.unwrap_err()), "28P01");

    std::fs::write(policy.path(), "hidden_relations = [\"public.secret\"]\n").unwrap();
    let analyst = "[[user]]\nname = \"analyst\"\nupstream_user = \"analyst_read\"\n";
    gateway.write_file(&file("\"app:one\", \"analyst:two\"", analyst));
    gateway.signal("HUP");
    gateway.wait_for_log("are read again");
    let refused = app.simple_query("SELECT count(*) FROM secret").await.unwrap_err();
    assert_eq!(code(&refused), "42501", "the new policy holds for a session that lives");
    let analyst = connect(&gateway, "analyst:two").await.unwrap();
    let row = analyst.query_one("SELECT current_user::text", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "analyst_read");
    let row = app.query_one("SELECT current_user::text", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "postgres");

    std::fs::write(policy.path(), "hidden_relation = []\n").unwrap();
    gateway.signal("HUP");
    gateway.wait_for_log("hidden_relation");
    assert_eq!(code(&app.simple_query("SELECT count(*) FROM secret").await.unwrap_err()), "42501");
}

/// A database that a reload brings is served, its catalog is watched, and both are told to whoever measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_brings_a_database_and_the_watch_over_its_catalog() {
    let watch = "[watch]\ncatalog_refresh_ms = 1000\n";
    let gateway = GatewayProcess::start_with_file(watch, &[]);
    gateway.postgres.psql("CREATE DATABASE second").unwrap();
    let second = gateway.postgres.url("postgres", "second");
    gateway.write_file(&format!("{watch}[[database]]\nurl = \"{second}\"\n"));
    gateway.signal("HUP");
    gateway.wait_for_log("are read again");
    let url = format!("postgres://tester@{}/second", gateway.listen);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    gateway.postgres.psql_in("second", "CREATE TABLE later (n int4); INSERT INTO later VALUES (7)").unwrap();
    let row = client.query_one("SELECT n FROM later", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
    // The timer alone, without an unknown name, brings a change: what was a table is a view over a forbidden function.
    let change = "DROP TABLE later; CREATE VIEW later AS SELECT 7 AS n FROM pg_sleep(0)";
    gateway.postgres.psql_in("second", change).unwrap();
    let since = Instant::now();
    while client.query_one("SELECT n FROM later", &[]).await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(30), "the catalog of the new database is not watched");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let metrics = http(&gateway.admin, "/metrics").1;
    for database in ["postgres", "second"] {
        assert!(metrics.contains(&format!("vitrine_catalog_age_seconds{{database=\"{database}\"}} ")), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_counted_and_logged_without_literals() {
    let gateway = GatewayProcess::start(&[]);
    let client = connect(&gateway, "tester").await.unwrap();
    client.query("SELECT generate_series(1, 7)", &[]).await.unwrap();
    client.simple_query("SELECT 1/0").await.unwrap_err();
    let refused = client.simple_query("DELETE FROM pg_class WHERE relname = 'hunter2'").await.unwrap_err();
    assert_eq!(code(&refused), "25006");
    let metrics = http(&gateway.admin, "/metrics").1;
    let value = |sample: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(sample)).unwrap_or_else(|| panic!("{sample}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value("vitrine_rows_total ") >= 7.0);
    assert!(value("vitrine_upstream_errors_total ") >= 1.0);
    assert!(value("vitrine_clients ") >= 1.0);
    assert!(value("vitrine_statement_seconds_count ") >= 2.0);
    assert!(value("vitrine_client_received_bytes_total ") > 100.0);
    assert_eq!(value("vitrine_statements_total{verdict=\"deny\"} "), 1.0);
    assert_eq!(value("vitrine_denials_total{rule=\"write\"} "), 1.0);
    assert!(value("vitrine_pool_size{database=\"postgres\",role=\"postgres\"} ") >= 1.0);
    let log = gateway.log();
    assert!(log.contains("DELETE FROM pg_class WHERE relname =") && log.contains("rule"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_configuration_hold() {
    let gateway = GatewayProcess::start(&[
        ("VITRINE_LIMITS_CLIENTS_MAX", "2"),
        ("VITRINE_TIMEOUTS_STATEMENT_MS", "300"),
        ("VITRINE_TIMEOUTS_IDLE_IN_TRANSACTION_MS", "300"),
        ("VITRINE_LIMITS_STATEMENT_BYTES_MAX", "1024"),
    ]);
    let first = connect(&gateway, "tester").await.unwrap();
    let mut second = connect(&gateway, "tester").await.unwrap();
    assert_eq!(code(&connect(&gateway, "tester").await.unwrap_err()), "53300");
    let slow = first.simple_query("SELECT count(*) FROM generate_series(1, 1000000000)").await.unwrap_err();
    assert_eq!(code(&slow), "57014");
    let long = first.simple_query(&format!("SELECT 1 -- {}", "x".repeat(2_000))).await.unwrap_err();
    assert_eq!(code(&long), "54000");
    let transaction = second.transaction().await.unwrap();
    transaction.simple_query("SELECT 1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = transaction.simple_query("SELECT 1").await.unwrap_err();
    assert!(late.is_closed() || code(&late) == "25P03", "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_listens_at_unix_sockets_and_is_not_ready_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join(".s.PGSQL.6432");
    let listen = format!("unix:{}", socket.display());
    let mut gateway =
        GatewayProcess::start(&[("VITRINE_LISTEN", &listen), ("VITRINE_WATCH_CATALOG_REFRESH_MS", "1000")]);
    let ask = || {
        std::process::Command::new("psql")
            .args([
                "-X",
                "-At",
                "-h",
                &folder.path().display().to_string(),
                "-p",
                "6432",
                "-U",
                "tester",
                "-d",
                "postgres",
                "-c",
                "SELECT 42",
            ])
            .output()
            .unwrap()
    };
    assert_eq!(String::from_utf8_lossy(&ask().stdout), "42\n");
    gateway.postgres.stop();
    let since = Instant::now();
    while http(&gateway.admin, "/readyz").0 == 200 {
        assert!(since.elapsed() < Duration::from_secs(20), "still ready without a database");
        let _refused = ask();
        std::thread::sleep(Duration::from_millis(200));
    }
    gateway.postgres.start_again().unwrap();
    let since = Instant::now();
    while http(&gateway.admin, "/readyz").0 != 200 {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", http(&gateway.admin, "/readyz?verbose").1);
        let _perhaps = ask();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(String::from_utf8_lossy(&ask().stdout), "42\n");
    gateway.signal("TERM");
    gateway.wait(Duration::from_secs(10));
    assert!(!socket.exists());
}

#[test]
fn a_database_that_says_nothing_makes_it_not_ready() {
    let gateway = GatewayProcess::start(&[
        ("VITRINE_WATCH_CATALOG_REFRESH_MS", "1000"),
        ("VITRINE_WATCH_CATALOG_AGE_MAX_MS", "2000"),
    ]);
    // The postmaster, and the process that serves the catalog's connection.
    let backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let backends = gateway.postgres.psql(backends).unwrap();
    let signal = |name: &str| {
        for pid in backends.split_whitespace() {
            std::process::Command::new("kill").args([name, pid]).status().unwrap();
        }
    };
    gateway.postgres.freeze();
    signal("-STOP");
    let since = Instant::now();
    while http(&gateway.admin, "/readyz").0 == 200 {
        assert!(since.elapsed() < Duration::from_secs(20), "still ready");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(http(&gateway.admin, "/readyz").1.contains("[-] catalog postgres: no fresh catalog"));
    gateway.postgres.thaw();
    signal("-CONT");
    let since = Instant::now();
    while http(&gateway.admin, "/readyz").0 != 200 {
        assert!(since.elapsed() < Duration::from_secs(20), "{}", http(&gateway.admin, "/readyz").1);
        std::thread::sleep(Duration::from_millis(100));
    }
}
