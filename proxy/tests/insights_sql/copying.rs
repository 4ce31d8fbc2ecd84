//! COPY, both ways: psql, tokio-postgres, and byte by byte.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::scene::{Scene, ask, told};
use crate::support::raw::{self, Raw};

fn raw(scene: &Scene, user: &str) -> Raw {
    Raw::connect(scene.front.address, user, &[("database", "insights")]).unwrap()
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    frame.extend(body);
    frame
}

fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', format!("{sql}\0").as_bytes())
}

/// Tags of what comes until ReadyForQuery, with the SQLSTATE behind an error.
fn tags(raw: &mut Raw) -> String {
    let mut tags = String::new();
    loop {
        let (tag, body) = raw.message().expect("the connection lives");
        tags.push(char::from(tag));
        if tag == b'E' {
            let text = String::from_utf8_lossy(&body);
            let code = text.split('\0').find_map(|field| field.strip_prefix('C')).unwrap().to_owned();
            tags.push_str(&format!("({code})"));
        }
        if tag == b'Z' {
            tags.push(char::from(body[0]));
            return tags;
        }
        if tag == b'G' {
            return tags;
        }
    }
}

const COPY: &str = "COPY memory (user_name, session, key, text) FROM STDIN";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_copies_both_ways() {
    let scene = Scene::new().await;
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-At", "-d", &scene.url("ada")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let script = format!(
        "{COPY};\nu\ts\ta\tA\nu\ts\tb\tB\n\\.\n\
         COPY documents (kind, name, title, content) FROM STDIN (FORMAT csv);\npersona,p,\"T, with a comma\",\"{{\"\"a\"\": 1}}\"\n\\.\n\
         COPY memory (key, text) TO STDOUT;\nCOPY (SELECT title FROM documents) TO STDOUT (FORMAT csv);\n\
         BEGIN;\n{COPY};\nu\ts\tc\tC\n\\.\nROLLBACK;\nSELECT count(*) FROM memory;\n"
    );
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((out.as_str(), err.as_str()), ("a\tA\nb\tB\n\"T, with a comma\"\n2\n", ""));
    assert_eq!(scene.owner("SELECT DISTINCT tenant FROM memory"), "acme");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_copies_text_and_binary_in_and_out() {
    let scene = Scene::new().await;
    let mut ada = scene.client("ada").await;
    let sink = ada.copy_in::<_, Bytes>(COPY).await.unwrap();
    tokio::pin!(sink);
    // Far more than any buffer between here and there.
    for chunk in 0..200 {
        let rows: String = (0..100).map(|row| format!("u\ts\tk{chunk}-{row}\t{}\n", "x".repeat(100))).collect();
        sink.send(Bytes::from(rows)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 20_000);
    let sink = ada.copy_in("COPY memory (user_name, session, key, text) FROM STDIN (FORMAT binary)").await.unwrap();
    let writer = BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT]);
    tokio::pin!(writer);
    writer.as_mut().write(&[&"u", &"s", &"binary", &"B"]).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 1);
    let out: Vec<Bytes> =
        ada.copy_out("COPY memory (key) TO STDOUT (FORMAT csv)").await.unwrap().try_collect().await.unwrap();
    assert_eq!(out.iter().flatten().filter(|byte| **byte == b'\n').count(), 20_001);

    // Given up by the client: nothing of it stays, and the session goes on.
    let sink = ada.copy_in::<_, Bytes>(COPY).await.unwrap();
    {
        tokio::pin!(sink);
        sink.send(Bytes::from("u\ts\tgiven up\tx\n")).await.unwrap();
    }
    assert_eq!(ask(&ada, "SELECT count(*) FROM memory WHERE key = 'given up'").await.unwrap(), ["0"]);
    // A row that is wrong: the whole copy fails, in the middle of the data or at its end.
    for rows in ["u\ts\tone\tx\nu\ts\ttwo\n".to_owned(), format!("u\ts\tbinary\tx\n{}", "u\ts\tz\tx\n".repeat(50_000))]
    {
        let sink = ada.copy_in::<_, Bytes>(COPY).await.unwrap();
        tokio::pin!(sink);
        let _may_fail_here = sink.send(Bytes::from(rows)).await;
        let error = sink.finish().await.unwrap_err();
        assert!(matches!(told(&error).0.as_str(), "22P04" | "23505"), "{error:?}");
    }
    assert_eq!(ask(&ada, "SELECT count(*) FROM memory WHERE key IN ('one', 'z')").await.unwrap(), ["0"]);
    // In a transaction with other writes: all or nothing.
    let transaction = ada.transaction().await.unwrap();
    let sink = transaction.copy_in::<_, Bytes>(COPY).await.unwrap();
    tokio::pin!(sink);
    sink.send(Bytes::from("u\ts\tin a transaction\tx\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);
    transaction.execute("UPDATE memory SET text = 'y' WHERE key = 'in a transaction'", &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(ask(&ada, "SELECT count(*) FROM memory").await.unwrap(), ["20001"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_of_copy_is_postgresql_s() {
    let scene = Scene::new().await;
    let row = |key: &str| frame(b'd', format!("u\ts\t{key}\tx\n").as_bytes());
    let mut client = raw(&scene, "ada");
    // Simple: rows, a Sync and a Flush that do not matter, the end.
    client.send(&query(COPY));
    assert_eq!(tags(&mut client), "G");
    client.send(&[row("1"), frame(b'S', b""), frame(b'H', b""), row("2"), frame(b'c', b"")].concat());
    assert_eq!(tags(&mut client), "CZI");
    // All of it before the answer, and two copies in a text.
    client.send(&[query(&format!("SELECT 1; {COPY}")), row("3"), frame(b'c', b"")].concat());
    assert_eq!(tags(&mut client), "TDCG");
    assert_eq!(tags(&mut client), "CZI");
    // CopyFail; an error in the middle; what comes late is dropped.
    client.send(&query(COPY));
    assert_eq!(tags(&mut client), "G");
    client.send(&[row("4"), frame(b'f', b"changed my mind\0")].concat());
    assert_eq!(tags(&mut client), "E(57014)ZI");
    client.send(&query(COPY));
    assert_eq!(tags(&mut client), "G");
    client.send(&[row("5"), frame(b'd', b"no such row\n"), frame(b'c', b"")].concat());
    assert_eq!(tags(&mut client), "E(22P04)ZI");
    client.send(&[row("6"), frame(b'c', b""), query("SELECT 1")].concat());
    assert_eq!(tags(&mut client), "TDCZI");
    // A message that has no place there fails the copy and is not carried out.
    client.send(&query(COPY));
    assert_eq!(tags(&mut client), "G");
    client.send(
        &[row("7"), query("INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', '8', 'x')")].concat(),
    );
    assert_eq!(tags(&mut client), "E(57014)ZI");
    // Extended, the Sync sent along with Execute as libpq and tokio-postgres do; a second one ends the batch.
    let prepared = [frame(b'P', format!("\0{COPY}\0\0\0").as_bytes()), frame(b'B', b"\0\0\0\0\0\0\0\0")].concat();
    let execute = frame(b'E', b"\0\0\0\0\0");
    client.send(&[prepared.clone(), execute.clone(), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "12G");
    client.send(&[row("9"), frame(b'c', b""), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "CZI");
    // Extended, failing: skipped until the second Sync.
    client.send(&[prepared.clone(), execute.clone(), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "12G");
    client.send(&[frame(b'd', b"no such row\n"), frame(b'c', b""), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "E(22P04)ZI");
    // Refused before it begins: the first Sync ends the batch.
    let kinds = frame(b'P', b"\0COPY kinds FROM STDIN\0\0\0");
    client.send(&[kinds, frame(b'B', b"\0\0\0\0\0\0\0\0"), execute.clone(), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "E(42501)ZI");
    // Two copies of one batch, each with its rows.
    client.send(&[prepared.clone(), execute.clone()].concat());
    assert_eq!(tags(&mut client), "12G");
    client.send(&[row("10"), frame(b'c', b""), prepared, execute].concat());
    assert_eq!(tags(&mut client), "C12G");
    client.send(&[row("11"), frame(b'c', b""), frame(b'S', b"")].concat());
    assert_eq!(tags(&mut client), "CZI");
    assert_eq!(scene.owner("SELECT string_agg(key, ',' ORDER BY key::int) FROM memory"), "1,2,3,9,10,11");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_in_the_middle_leaves_nothing() {
    let scene = Scene::new().await;
    for how in ["hangs up", "says goodbye", "half a message"] {
        let mut client = raw(&scene, "ada");
        client.send(&query(COPY));
        assert_eq!(tags(&mut client), "G");
        client.send(&frame(b'd', b"u\ts\tvanished\tx\n"));
        match how {
            "says goodbye" => client.send(&frame(b'X', b"")),
            "half a message" => client.send(b"d\0\0\0\x40u\ts\t"),
            _ => {}
        }
        drop(client);
        // Gone for the server too, and nothing kept.
        for _ in 0..raw::PATIENCE.as_millis() / 50 {
            if scene.owner("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state <> 'idle'") == "0"
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(scene.owner("SELECT count(*) FROM memory"), "0", "{how}");
    }
    let ada = scene.client("ada").await;
    assert_eq!(ask(&ada, "SELECT count(*) FROM memory").await.unwrap(), ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_that_do_not_fit_are_refused_however_they_come() {
    let scene = Scene::new().await;
    let schema = r#"{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}"#;
    let kinds = format!(
        "INSERT INTO kinds (tenant, name, schema) VALUES ('acme', 'strict', '{schema}'), ('acme', 'shut', '{{\"unevaluatedItems\": false}}')"
    );
    scene.server.psql_in("tools", &kinds).unwrap();
    let ada = scene.client("ada").await;
    let refused = |error: tokio_postgres::Error| {
        let said = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
        (said.code().code().to_owned(), said.detail().unwrap_or_default().to_owned())
    };
    let unfit = ("23514".to_owned(), "At \"/n\": is not of type \"integer\".".to_owned());
    let one = "INSERT INTO insights (kind, title, payload) VALUES ('strict', 't', $1)";
    let wrong = serde_json::json!({"n": "x"}).to_string();
    assert_eq!(refused(ask(&ada, &one.replace("$1", &format!("'{wrong}'"))).await.unwrap_err()), unfit);
    let one_of_two = format!(
        "INSERT INTO insights (kind, title, payload) VALUES ('strict', 'a', '{{\"n\": 1}}'), ('strict', 'b', '{wrong}')"
    );
    assert_eq!(refused(ada.execute(&one_of_two, &[]).await.unwrap_err()), unfit);
    let sink = ada.copy_in::<_, Bytes>("COPY insights (kind, title, payload) FROM STDIN").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(format!("strict\ta\t{{\"n\": 1}}\nstrict\tb\t{wrong}\n"))).await.unwrap();
    assert_eq!(refused(sink.finish().await.unwrap_err()), unfit);
    let shut = refused(ask(&ada, "INSERT INTO insights (kind, title) VALUES ('shut', 't')").await.unwrap_err());
    assert!(shut.0 == "0A000" && shut.1.contains("\"unevaluatedItems\""), "{shut:?}");
    assert_eq!(scene.owner("SELECT count(*) FROM insights"), "0");
    ask(&ada, &one.replace("$1", "'{\"n\": 1}'")).await.unwrap();
    assert_eq!(scene.owner("SELECT count(*) FROM insights"), "1");
}
