//! The catalog's watch against a real server: what changes is seen, what does not costs little, and a snapshot that
//! nobody can confirm is not trusted for long.
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

use vitrine::catalog::Knowledge;
use vitrine::demo::postgres::{Options, Server};
use vitrine::upstream::catalog::{Watch, WatchLimits};
use vitrine::upstream::{Target, sql_pool};

fn watch(server: &Server, limits: WatchLimits) -> Watch {
    Watch::new(sql_pool(&Target::from_url(&server.superuser_url()).unwrap(), 2).unwrap(), limits)
}

fn at_once() -> WatchLimits {
    WatchLimits { asked_interval: Duration::ZERO, ..WatchLimits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_seen_and_no_change_keeps_the_version() {
    let server = Server::launch(Options::default()).await.unwrap();
    let watch = watch(&server, at_once());
    assert_eq!(watch.current().knowledge(), Knowledge::Unavailable);
    assert!(watch.refresh().await.unwrap());
    assert_eq!(watch.current().knowledge(), Knowledge::Live);
    assert!(!watch.refresh().await.unwrap());
    let changes = [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id int, name text)",
        "ALTER TABLE s.t RENAME name TO label",
        "ALTER TABLE s.t ALTER id TYPE bigint",
        "CREATE VIEW s.v AS SELECT id FROM s.t",
        "CREATE OR REPLACE VIEW s.v AS SELECT id + 1 AS id FROM s.t",
        "CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
        "ALTER FUNCTION s.f(int) VOLATILE",
        "CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE TYPE s.mood AS ENUM ('a')",
        "CREATE DOMAIN s.d AS int",
        "ALTER DOMAIN s.d ADD CHECK (s.f(VALUE) = 1)",
        "CREATE FUNCTION s.mood(int) RETURNS s.mood LANGUAGE sql AS $$SELECT 'a'::s.mood$$",
        "CREATE CAST (int AS s.mood) WITH FUNCTION s.mood(int)",
        "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON s.t USING (s.f(1) = 1)",
        "ALTER POLICY p ON s.t USING (true)",
        "CREATE INDEX ON s.t (id) WHERE s.f(1) = 1",
        "CREATE TABLE s.child () INHERITS (s.t)",
        "ALTER TABLE s.child NO INHERIT s.t",
        "CREATE EXTENSION citext",
        "ALTER EXTENSION citext DROP FUNCTION citext_eq(citext, citext)",
        "ALTER SCHEMA s RENAME TO r",
        "DROP SCHEMA r CASCADE",
    ];
    for change in changes {
        let before = watch.current().version();
        server.psql(change).unwrap();
        assert!(watch.refresh_if_unknown(before).await, "not seen: {change}");
        assert_ne!(watch.current().version(), before, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_is_rate_limited_and_shared() {
    let server = Server::launch(Options::default()).await.unwrap();
    let watch = watch(&server, WatchLimits { asked_interval: Duration::from_secs(60), ..WatchLimits::default() });
    watch.refresh().await.unwrap();
    let seen = watch.current().version();
    server.psql("CREATE TABLE t (id int)").unwrap();
    assert!(!watch.refresh_if_unknown(seen).await);
    assert!(watch.refresh().await.unwrap());
    // Whoever saw the old one is told at once that there is another.
    assert!(watch.refresh_if_unknown(seen).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_snapshot_is_not_trusted_when_the_server_is_gone() {
    let server = Server::launch(Options::default()).await.unwrap();
    let watch = watch(&server, WatchLimits { age_max: Duration::from_secs(4), ..at_once() });
    watch.refresh().await.unwrap();
    server.stop();
    assert!(watch.refresh().await.is_err());
    tokio::time::sleep(Duration::from_millis(4_100)).await;
    assert!(watch.refresh().await.is_err());
    assert_eq!(watch.current().knowledge(), Knowledge::Unavailable);
    server.start_again().unwrap();
    assert!(watch.refresh().await.unwrap());
    assert_eq!(watch.current().knowledge(), Knowledge::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tables_are_a_matter_of_seconds() {
    let server = Server::launch(Options::default()).await.unwrap();
    let many = "DO $$ BEGIN FOR i IN 1..10000 LOOP EXECUTE format('CREATE TABLE t%s (id int, a text, b text, c numeric, \
        d date, e jsonb, f int[], g timestamptz)', i); IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$";
    server.psql(many).unwrap();
    let watch = watch(&server, at_once());
    let start = Instant::now();
    watch.refresh().await.unwrap();
    let loaded = start.elapsed();
    let start = Instant::now();
    watch.refresh().await.unwrap();
    let looked = start.elapsed();
    println!("loaded in {loaded:?}, looked in {looked:?}");
    assert!(watch.current().relations("t9999").next().is_some());
}
