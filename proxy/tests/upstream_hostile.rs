//! Servers that are not what they should be: each must yield an error, soon, and never a connection.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vitrine::upstream::{ConnectError, Connection, Target, connect};

/// A server that says its lines, one after each thing it hears, and then stays silent or hangs up.
async fn meet(lines: &[&[u8]], parameters: &str, hangs_up: bool) -> Result<Connection, ConnectError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for line in lines {
            let mut heard = [0; 4096];
            if stream.read(&mut heard).await.unwrap_or(0) == 0 || stream.write_all(&line).await.is_err() {
                return;
            }
        }
        if !hangs_up {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    let url = format!("postgres://u:secret@127.0.0.1:{port}/d?connect_timeout=1&{parameters}");
    connect(&Target::from_url(&url).unwrap(), &[]).await
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], length.to_be_bytes().as_slice(), body].concat()
}

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

/// The row that answers the gateway's first question, with one value replaced.
fn row(at: usize, value: &str) -> Vec<u8> {
    let mut values =
        ["on", "UTF8", "on", "safe_encoding", "off", "public", "u", "u", "d", "150004", "off", "f"].map(str::to_owned);
    values[at] = value.to_owned();
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value.as_bytes());
    }
    message(b'D', &body)
}

#[tokio::test]
async fn the_fake_server_would_be_believed_if_it_said_the_right_things() {
    let greeting = [OK, READY].concat();
    let answer = [row(5, "public"), READY.to_vec()].concat();
    let connection = meet(&[&greeting, &answer], "sslmode=disable", false).await.expect("a polite server");
    assert_eq!(connection.facts.server_version, 150_004);
}

#[tokio::test]
async fn a_session_that_is_not_contained_is_refused() {
    let greeting = [OK, READY].concat();
    for (at, value) in [(0, "off"), (1, "SJIS"), (2, "off"), (3, "on"), (4, "on")] {
        let answer = [row(at, value), READY.to_vec()].concat();
        let error = meet(&[&greeting, &answer], "sslmode=disable", false).await.expect_err(value);
        assert!(matches!(error, ConnectError::NotPinned { .. }), "{error}");
    }
    // Or says so by itself.
    let reported = [OK, &message(b'S', b"standard_conforming_strings\0off\0"), READY].concat();
    let answer = [row(5, "public"), READY.to_vec()].concat();
    let error = meet(&[&reported, &answer], "sslmode=disable", false).await.expect_err("reported");
    assert!(matches!(error, ConnectError::NotPinned { .. }), "{error}");
}

#[tokio::test]
async fn nonsense_is_a_protocol_violation() {
    let greeting = [OK, READY].concat();
    let answer = [row(5, "public"), READY.to_vec()].concat();
    let cases: &[&[&[u8]]] = &[
        &[b"R\xff\xff\xff\xff\0\0\0\0"],
        &[b"R\0\0\0\x03"],
        &[b"R\x7f\xff\xff\xff"],
        &[b"R\0\0\0\x07\0\0\0"],
        &[b"R\0\0\0\x09\0\0\0\0x"],
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        &[READY],
        &[&[OK, b"D\0\0\0\x06\0\0"].concat()],
        &[&[OK, b"S\0\0\0\x08Time"].concat()],
        &[&[OK, b"K\0\0\0\x08\0\0\0\0"].concat()],
        &[&greeting, READY],
        &[&greeting, &[b"D\0\0\0\x06\xff\xff", READY].concat()],
        &[&greeting, &[b"D\0\0\0\x0a\0\x0c\xff\xff\xff\xff", READY].concat()],
        &[&greeting, &[row(9, "fifteen"), READY.to_vec()].concat()],
        &[&greeting, &[&answer, READY].concat()],
        &[&[OK, &message(b'E', b"C57P03\0")].concat()],
    ];
    for lines in cases {
        let error = meet(lines, "sslmode=disable", false).await.expect_err("nonsense");
        assert_eq!(
            error.sqlstate().code(),
            "08P01",
            "{error}: {:?}",
            lines.last().map(|line| line.escape_ascii().to_string())
        );
    }
}

#[tokio::test]
async fn endless_and_silent_servers_have_an_end() {
    let endless = [OK.to_vec(), message(b'S', b"a\0b\0").repeat(2_000)].concat();
    let error = meet(&[&endless], "sslmode=disable", false).await.expect_err("endless");
    assert!(matches!(error, ConnectError::Protocol(_)), "{error}");
    let error = meet(&[OK], "sslmode=disable", false).await.expect_err("silent");
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    let error = meet(&[OK], "sslmode=disable", true).await.expect_err("gone");
    assert!(matches!(error, ConnectError::Lost(_)), "{error}");
}

#[tokio::test]
async fn a_server_must_prove_itself_where_scram_began() {
    let sasl = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
    for (next, reason) in [
        (OK.to_vec(), "did not prove"),
        (message(b'R', b"\0\0\0\x0cv=AAAA"), "out of order"),
        (message(b'R', b"\0\0\0\x0br=other,s=AAAA,i=4096"), "nonce"),
        (message(b'R', b"\0\0\0\x03"), "out of order"),
    ] {
        let error = meet(&[&sasl, &next], "sslmode=disable", false).await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let unknown = message(b'R', b"\0\0\0\x0aSCRAM-SHA-1\0\0");
    let error = meet(&[&unknown], "sslmode=disable", false).await.expect_err("unknown mechanism");
    assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
    for kerberos in [2_u8, 7, 9] {
        let error =
            meet(&[&message(b'R', &[0, 0, 0, kerberos])], "sslmode=disable", false).await.expect_err("kerberos");
        assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
    }
}

#[tokio::test]
async fn plain_bytes_do_not_stand_in_for_tls() {
    // The answer to SSLRequest, and a whole plain session after it (CVE-2021-23222).
    let smuggled = [b"S", OK, READY].concat();
    let error = meet(&[&smuggled], "sslmode=require", false).await.expect_err("plain bytes");
    assert!(matches!(error, ConnectError::Tls(_)), "{error}");
    let error = meet(&[b"E\0\0\0\x10Mgive up\0\0"], "sslmode=require", false).await.expect_err("an error");
    assert!(matches!(error, ConnectError::Protocol(_)) && !error.to_string().contains("give up"), "{error}");
    let error = meet(&[b"N"], "sslmode=require", false).await.expect_err("no TLS");
    assert!(matches!(error, ConnectError::TlsNotOffered), "{error}");
}
