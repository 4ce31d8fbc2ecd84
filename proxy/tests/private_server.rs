//! The PostgreSQL that tests and the demo start: `vitrine::demo::postgres`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::time::{Duration, Instant};

use tokio_postgres::NoTls;
use vitrine::demo::postgres::{Auth, Options, Server, ServerCertificates};

#[tokio::test]
async fn answers_over_tcp_and_over_its_socket() {
    let server = Server::launch(Options::default()).await.unwrap();
    for url in [server.superuser_url(), server.socket_url("postgres", "postgres")] {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let row = client.query_one("SELECT 40 + 2, current_setting('server_encoding')", &[]).await.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, String>(1)), (42, "UTF8".to_owned()));
        drop(client);
        driver.await.unwrap().unwrap();
    }
    assert_eq!(server.psql("SELECT 1, 'x' UNION ALL SELECT 2, 'y' ORDER BY 1").unwrap(), "1|x\n2|y\n");
    let refused = server.psql("SELECT 1 / 0; SELECT 'not reached'").unwrap_err().to_string();
    assert!(refused.contains("division by zero") && !refused.contains("not reached"), "{refused}");
}

#[test]
fn stops_and_starts_with_its_data_and_port() {
    let server = Server::start(Options::default()).unwrap();
    let (port, pid) = (server.port(), server.pid().unwrap());
    server.psql("CREATE TABLE kept AS SELECT 7 AS seven").unwrap();
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid().unwrap(), pid);
    server.stop_immediate();
    assert_eq!(server.pid(), None);
    assert!(server.psql("SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.psql("SELECT seven FROM kept").unwrap(), "7\n");
    assert!(server.log().contains("database system was not properly shut down"), "{}", server.log());
}

#[tokio::test]
async fn asks_for_passwords_when_told_to() {
    for auth in [Auth::Scram, Auth::Md5, Auth::Password] {
        let options = Options {
            auth,
            superuser_password: Some("it's #1/ü".to_owned()),
            config: vec!["work_mem = '7MB'".to_owned()],
            ..Options::default()
        };
        let server = Server::start(options).unwrap();
        let (client, connection) = tokio_postgres::connect(&server.superuser_url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = client.query_one("SHOW work_mem", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "7MB");
        let wrong = server.url_with_password("postgres", "wrong", "postgres");
        let error = tokio_postgres::connect(&wrong, NoTls).await.err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28P01");
    }
}

#[test]
fn speaks_tls_with_the_given_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificates = ServerCertificates {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        client_authorities: Some(made.cert.pem()),
    };
    let server = Server::start(Options { tls: Some(certificates), ..Options::default() }).unwrap();
    assert_eq!(server.psql("SHOW ssl").unwrap(), "on\n");
    let seen = std::process::Command::new("psql")
        .args(["-XAtc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])
        .arg(format!("{}?sslmode=require", server.superuser_url()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "t\n", "{}", String::from_utf8_lossy(&seen.stderr));
}

#[test]
fn a_bad_setting_is_reported_with_the_servers_own_words() {
    let options = Options { config: vec!["no_such_setting = 1".to_owned()], ..Options::default() };
    let error = Server::start(options).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[test]
fn leaves_nothing_behind_when_dropped() {
    let server = Server::start(Options::default()).unwrap();
    let (directory, pid) = (server.socket_dir().to_owned(), server.pid().unwrap());
    drop(server);
    assert!(!directory.exists());
    assert!(!is_alive(pid));
}

/// This program runs itself, starts a server there and aborts: the watchdog has to clean up.
#[test]
fn leaves_nothing_behind_when_its_process_aborts() {
    if std::env::var_os("VITRINE_TEST_ABORTS").is_some() {
        let server = Server::start(Options::default()).unwrap();
        println!("left {} {}", server.pid().unwrap(), server.socket_dir().display());
        std::process::abort();
    }
    let program = std::env::current_exe().unwrap();
    let aborted = std::process::Command::new(program)
        .args(["--exact", "leaves_nothing_behind_when_its_process_aborts", "--nocapture"])
        .env("VITRINE_TEST_ABORTS", "1")
        .output()
        .unwrap();
    assert!(!aborted.status.success());
    let said = String::from_utf8_lossy(&aborted.stdout);
    let words: Vec<&str> = said.lines().find_map(|line| line.split_once("left ")).unwrap().1.split(' ').collect();
    let (pid, directory) = (words[0].parse().unwrap(), std::path::Path::new(words[1]));
    let since = Instant::now();
    while (is_alive(pid) || directory.exists()) && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!is_alive(pid) && !directory.exists(), "still there: {said}");
}

fn is_alive(pid: u32) -> bool {
    let status = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&status.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}
