//! `vitrine verify` against a real PostgreSQL: nothing gets through, and a server without a gateway is told apart.
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

use support::{front, postgres};
use vitrine::upstream::{PoolLimits, Target};
use vitrine::verify::{Outcome, Report, Way, run};

fn got_through(report: &Report) -> Vec<String> {
    let through = report.runs.iter().filter(|run| matches!(run.outcome, Outcome::GotThrough { .. }));
    through.map(|run| format!("{} {} {} => {}", run.id, run.protocol, run.attack, run.outcome)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_gets_through_for_a_role_that_may_do_everything() {
    let server = postgres();
    let front =
        front(&server, "postgres", "postgres", PoolLimits { connections_max: 4, ..PoolLimits::default() }).await;
    let way = Way::Here { gateway: front.gateway, database: "postgres".into(), user: "verify".into() };
    let report = run(&way, |_, _| {}).await.unwrap();
    let totals = report.totals();
    println!("{totals:?}");
    for run in report.runs.iter().filter(|run| matches!(run.outcome, Outcome::RefusedByDatabase(_))) {
        println!("database: {} {} {} => {}", run.id, run.protocol, run.attack, run.outcome);
    }
    assert_eq!(got_through(&report), [""; 0]);
    assert!(totals.attempts > 3_000 && totals.by_gateway > 3_000, "{totals:?}");
    assert_eq!(totals.not_run, 0);
}

/// The corpus must be able to fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_gateway_is_told_apart() {
    let server = postgres();
    let target = Target::from_url(&server.superuser_url()).unwrap();
    let report = run(&Way::There(Box::new(target)), |_, _| {}).await.unwrap();
    let totals = report.totals();
    println!("{totals:?}");
    assert!(totals.got_through > 1_000, "{totals:?}");
    assert!(!report.is_clean() && report.markdown().contains("attempts got through.**"));
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    assert_eq!(json["clean"], false);
    assert_eq!(json["runs"].as_array().unwrap().len(), totals.attempts);
    // And nothing of it had an effect that stays.
    let left = server.psql(
        "SELECT count(*) FROM pg_class WHERE relname ~ 'vitrine'; SELECT count(*) FROM pg_largeobject_metadata;
         SELECT count(*) FROM pg_roles WHERE rolname ~ 'vitrine'; SELECT count(*) FROM pg_namespace WHERE nspname ~ 'vitrine';
         SELECT count(*) FROM pg_database; SELECT count(*) FROM pg_db_role_setting; SELECT count(*) FROM pg_prepared_xacts;
         SELECT count(*) FROM pg_replication_slots; SELECT count(*) FROM pg_extension",
    );
    assert_eq!(left.unwrap().lines().collect::<Vec<_>>(), ["0", "0", "0", "0", "3", "0", "0", "0", "1"]);
}

#[test]
fn the_command_reports_and_its_exit_code_tells() {
    let server = postgres();
    let folder = tempfile::tempdir().unwrap();
    let (markdown, json) = (folder.path().join("report.md"), folder.path().join("report.json"));
    let vitrine = |arguments: &[&str], url: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("verify").args(arguments).env("VITRINE_USERS", "app:secret").env("VITRINE_MODE", "development");
        if let Some(url) = url {
            command.env("VITRINE_CUSTOMER_URL", url);
        }
        command.output().unwrap()
    };
    let url = server.superuser_url();
    let output = vitrine(&["--report", markdown.to_str().unwrap(), "--json", json.to_str().unwrap()], Some(&url));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(std::fs::read_to_string(&markdown).unwrap().contains("**Nothing got through**"));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report[0]["role"], "postgres");
    assert!(report[0]["catalog_version"].is_string() && report[0]["policy_version"].is_string());
    // Nothing to attack, a database that is not configured, a server that is not there.
    assert_eq!(vitrine(&[], None).status.code(), Some(78));
    assert_eq!(vitrine(&["--database", "nosuch"], Some(&url)).status.code(), Some(2));
    assert_eq!(vitrine(&["--gateway-url", "postgres://x@127.0.0.1:1/x"], None).status.code(), Some(2));
}
