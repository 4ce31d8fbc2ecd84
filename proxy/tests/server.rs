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
    assert!(text.contains("[+] process ok\n") && text.ends_with("ready\n"), "{text}");
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
    assert!(gateway.run_dir().join("vitrine.pid").exists());
    let since = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
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
