//! Production mode from end to end: TLS, SCRAM verifiers from a file, a role that cannot write, JSON logs, certificates
//! that are replaced while it runs.
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
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use vitrine::demo::postgres::{Options, Server};
use vitrine::upstream::posture::{ProperRole, proper_role_sql};

/// Writes a new authority and a certificate of its making for localhost.
fn certify(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "a test's authority");
    authority.key_usages.push(rcgen::KeyUsagePurpose::KeyCertSign);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    std::fs::write(folder.join("ca.crt"), authority_certificate.pem()).unwrap();
    std::fs::write(folder.join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

fn verifier(user: &str, password: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(["hash-password", "--user", user])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap()
}

fn psql(gateway: &GatewayProcess, connection: &str, password: &str, sql: &str) -> Output {
    let port = gateway.listen.rsplit(':').next().unwrap();
    Command::new("psql")
        .args(["-X", "-At", "-c", sql, "-d"])
        .arg(format!("host=localhost hostaddr=127.0.0.1 port={port} user=app dbname=postgres {connection}"))
        .env("PGPASSWORD", password)
        .output()
        .unwrap()
}

#[test]
fn a_production_gateway_from_end_to_end() {
    let server = Server::start(Options::default()).unwrap();
    let version = server.psql("SHOW server_version_num").unwrap().trim().parse().unwrap();
    let role = ProperRole { role: "look", database: "postgres", schemas: &["public"], server_version: version };
    server.psql("CREATE TABLE seen AS SELECT 42 AS answer").unwrap();
    server.psql(&proper_role_sql(&role).replace("-- REVOKE", "REVOKE")).unwrap();
    let url = server.url("look", "postgres");
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("users"), verifier("app", "right")).unwrap();
    let (cert, key, users) = (path("server.crt"), path("server.key"), path("users"));
    let gateway = GatewayProcess::start_before(
        Arc::new(server),
        "mode = \"production\"\n",
        &[
            ("VITRINE_CUSTOMER_URL", &url),
            ("VITRINE_TLS_CERT", &cert),
            ("VITRINE_TLS_KEY", &key),
            ("VITRINE_USERS_FILE", &users),
        ],
    );
    let trusted = format!("sslmode=verify-full sslrootcert={}", path("ca.crt"));
    let answer = psql(&gateway, &trusted, "right", "SELECT answer FROM seen");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "42\n", "{answer:?} {}", gateway.log());
    let failure = |connection: &str, password: &str, sql: &str| {
        let output = psql(&gateway, connection, password, sql);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(failure(&trusted, "right", "DELETE FROM seen").contains("DELETE"), "a write is refused");
    assert!(failure(&trusted, "wrong", "SELECT 1").contains("password authentication failed"));
    assert!(failure("sslmode=disable", "right", "SELECT 1").to_lowercase().contains("tls"), "no TLS, no entry");

    // A new authority: clients that trust it come in after SIGHUP, and those of the old one do not.
    std::fs::copy(path("ca.crt"), path("old.crt")).unwrap();
    certify(folder.path());
    assert!(failure(&trusted, "right", "SELECT 1").contains("SSL error"));
    gateway.signal("HUP");
    gateway.wait_for_log("are read again");
    let answer = psql(&gateway, &trusted, "right", "SELECT answer FROM seen");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "42\n", "{answer:?}");
    let old = format!("sslmode=verify-full sslrootcert={}", path("old.crt"));
    assert!(failure(&old, "right", "SELECT 1").contains("SSL error"));

    assert!(http(&gateway.admin, "/metrics").1.contains("vitrine_logins_failed_total 1\n"));
    for line in gateway.log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
