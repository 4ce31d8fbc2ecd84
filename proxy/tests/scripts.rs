//! Conversations in text files. Those in `pg/` are answered by PostgreSQL and by the gateway in the same words;
//! those in `session/` are the wanted differences, each with its reason. `REWRITE=1` writes the answers anew: in
//! `pg/` PostgreSQL's, in `session/` the gateway's. The texts were taken from PostgreSQL 15; under another version
//! PostgreSQL itself is the text.
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

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::script::{self, Counterpart};
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::policy::Policy;
use vitrine::upstream::PoolLimits;

/// The version whose words the files hold.
const WRITTEN_FROM: u32 = 15;

const FIXTURE: &str = "
    CREATE TABLE numbers (n int4 PRIMARY KEY, word text);
    INSERT INTO numbers VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, NULL);
    CREATE TABLE wide (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, num numeric(10, 2), t text,
        v varchar(20), c char(5), by bytea, d date, ts timestamptz, iv interval, u uuid, j json, jb jsonb, ia int4[],
        r int4range, ip inet);
    INSERT INTO wide VALUES (true, 1, 2, 3, 1.5, 2.5, 3.14, 'text', 'varchar', 'char', '\\x00ff', '2026-11-20',
        '2026-11-20 12:00:00+00', '1 day 02:03:04', '00000000-0000-0000-0000-000000000001', '{\"a\": 1}', '{\"a\": 1}',
        '{1,NULL,3}', '[1,5)', '10.0.0.1');
    INSERT INTO wide DEFAULT VALUES;
    CREATE TABLE nothing ();
    INSERT INTO nothing DEFAULT VALUES;
    CREATE SCHEMA other;
    CREATE TABLE other.numbers (n int4, word text);
    INSERT INTO other.numbers VALUES (10, 'zehn');
    CREATE FUNCTION shout(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RAISE NOTICE 'shouting %', what; RETURN upper(what); END $$;
    ANALYZE;
";

fn fixture() -> Server {
    let server = postgres();
    server.psql(FIXTURE).unwrap();
    server
}

/// The gateway, with the one function of the fixture permitted.
async fn shouting_front(server: &Server) -> Front {
    let front = front(server, "postgres", "postgres", PoolLimits::default()).await;
    let policy = Policy::from_toml("functions = [\"public.shout(text)\"]").unwrap();
    front.database.policy.store(Arc::new(policy));
    front
}

fn rewriting() -> bool {
    std::env::var_os("REWRITE").is_some()
}

/// Start-up parameters of every connection: what the gateway gives its upstream sessions by itself.
fn counterpart(address: SocketAddr, server: &Server) -> Counterpart<'static> {
    let parameters = vec![("database", "postgres"), ("TimeZone", "UTC")];
    Counterpart { address, user: "postgres", parameters, version: server.version_major() }
}

/// Plays all files and compares; `rewrite` says whether this counterpart has the last word on the text.
fn check(files: &[PathBuf], expected: impl Fn(&Path) -> String, with: &Counterpart<'_>, rewrite: bool) {
    let version = with.version;
    let mut wrong = Vec::new();
    let only = std::env::var("ONLY").unwrap_or_default();
    for file in files.iter().filter(|file| file.to_string_lossy().contains(&only)) {
        let played = script::play(file, with);
        if rewrite {
            std::fs::write(file, played).unwrap();
        } else {
            wrong.extend(script::difference(file, &expected(file), &played, version));
        }
    }
    assert!(wrong.is_empty(), "{} of {} files differ\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

fn as_written(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

fn direct(server: &Server) -> Counterpart<'static> {
    let mut with = counterpart(SocketAddr::from(([127, 0, 0, 1], server.port())), server);
    with.parameters.push(("default_transaction_read_only", "on"));
    with
}

#[test]
fn postgresql_answers_as_written() {
    let server = fixture();
    if server.version_major() == WRITTEN_FROM {
        check(&script::files("pg"), as_written, &direct(&server), rewriting());
    } else {
        eprintln!("PostgreSQL {}: the files are from {WRITTEN_FROM}", server.version_major());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_as_postgresql_does() {
    let server = fixture();
    let front = shouting_front(&server).await;
    let with = counterpart(front.address, &server);
    let playing = tokio::task::spawn_blocking(move || {
        if server.version_major() == WRITTEN_FROM && !rewriting() {
            check(&script::files("pg"), as_written, &with, false);
        } else {
            let direct = direct(&server);
            check(&script::files("pg"), |file| script::play(file, &direct), &with, false);
        }
    });
    playing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wanted_differences_are_as_written() {
    let server = fixture();
    let front = shouting_front(&server).await;
    let with = counterpart(front.address, &server);
    tokio::task::spawn_blocking(move || check(&script::files("session"), as_written, &with, rewriting()))
        .await
        .unwrap();
}
