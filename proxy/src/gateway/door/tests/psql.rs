//! libpq itself, through `psql` on a loopback port.

use std::process::Output;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::*;

/// How psql ended, and what the door saw of each of its connections.
type Run = (Output, Vec<Result<Option<Seen>, DoorError>>);

/// Runs psql with these connection parameters against the door; `None` when there is no psql, said loudly.
async fn psql(door: Arc<Door>, parameters: &str) -> Option<Run> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connection = format!("host=localhost hostaddr=127.0.0.1 port={port} user=ann dbname=shop {parameters}");
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--no-password", "-c", "set x to y", &connection]).env("PGPASSWORD", "secret");
    command.env("HOME", "/nonexistent").kill_on_drop(true);
    let mut running = Box::pin(command.output());
    let mut served = Vec::new();
    loop {
        tokio::select! {
            output = &mut running => match output {
                Ok(output) => return Some((output, served)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    eprintln!("NOT TESTED: there is no psql on this machine");
                    return None;
                }
                Err(error) => panic!("{error}"),
            },
            accepted = listener.accept() => {
                let (socket, address): (TcpStream, SocketAddr) = accepted.unwrap();
                served.push(serve(socket, Peer::Tcp(address), Arc::clone(&door)).await);
            }
        }
    }
}

fn assert_let_in(outcome: Option<Run>, is_tls: bool) {
    let Some((output, served)) = outcome else { return };
    assert!(output.status.success() && output.stdout == b"SET\n", "{output:?} {served:?}");
    assert_eq!(served.last().unwrap().as_ref().unwrap().as_ref().unwrap().is_tls, is_tls);
}

/// libpq makes its own hash of the certificate and demands that the server's is the same. (PostgreSQL 15's libpq knows
/// no hash for RSA-PSS signatures and leaves; then there is nothing to compare.)
pub(super) async fn assert_bound(door: Arc<Door>) {
    let Some((output, served)) = psql(door, "sslmode=require channel_binding=require").await else { return };
    let text = String::from_utf8(output.stderr).unwrap();
    let cannot = text.contains("could not find digest for NID");
    assert!(output.status.success() || cannot, "{text} {served:?}");
}

#[tokio::test]
async fn psql_comes_in_with_a_password() {
    assert_let_in(psql(door(Auth::Scram), "sslmode=prefer gssencmode=prefer").await, false);
}

#[tokio::test]
async fn psql_comes_in_over_tls_bound_to_the_channel() {
    let authority = Authority::new();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        authority.issue("server", "localhost", KeyPair::generate_for(algorithm).unwrap());
        let door = tls_door(DoorRules { tls_required: true, ..development(Auth::Scram) }, &authority);
        let ca = authority.path("ca.pem");
        let parameters = format!("sslmode=verify-full channel_binding=require sslrootcert={}", ca.display());
        assert_let_in(psql(Arc::clone(&door), &parameters).await, true);
        assert_let_in(psql(door, "sslmode=require channel_binding=disable").await, true);
    }
}

#[tokio::test]
async fn psql_is_told_to_use_tls() {
    let authority = Authority::new();
    let door = tls_door(DoorRules { tls_required: true, ..development(Auth::Scram) }, &authority);
    let Some((output, _)) = psql(door, "sslmode=disable").await else { return };
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("requires TLS") && text.contains("sslmode=require"), "{text}");
}

#[tokio::test]
async fn psql_with_a_wrong_password_is_told_so() {
    let Some((output, _)) = psql(door(Auth::Scram), "password=wrong").await else { return };
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("FATAL:  password authentication failed for user \"ann\""), "{text}");
}

#[tokio::test]
async fn psql_with_a_client_certificate_comes_in() {
    let authority = Authority::new();
    authority.issue("ann", "ann", KeyPair::generate().unwrap());
    let door = Door::new(development(Auth::Certificate), users(), Some(authority.server_tls_asking_for_certificates()));
    let [cert, key] = ["ann.pem", "ann.key"].map(|file| authority.path(file));
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let parameters = format!("sslmode=require sslcert={} sslkey={}", cert.display(), key.display());
    assert_let_in(psql(Arc::new(door.unwrap()), &parameters).await, true);
}
