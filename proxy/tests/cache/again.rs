//! Answers that are asked for again while nobody waits: stale-while-revalidate, and the refresh of the hottest.

use std::time::Duration;

use crate::stage::{Stage, TABLES, ask, extended, is_kept, told, wait_for};
use crate::support::raw::{self, Raw};

const SQL: &str = "SELECT n FROM numbers WHERE id = 1";
const STALE: (&str, &str) = ("VITRINE_CACHE_STALE_WHILE_REVALIDATE_MS", "60000");
const HOT: &[(&str, &str)] =
    &[("VITRINE_CACHE_REFRESH_ENTRIES_MAX", "10"), ("VITRINE_CACHE_REFRESH_LOAD_MAX_PERCENT", "100")];

fn refreshes(stage: &Stage) -> u64 {
    stage.front.gateway.cache.counters.refreshes.total()
}

/// A change that the gateway has seen: counters are told as the session ends, which may be after the snapshot has moved.
fn change(stage: &Stage, sql: &str) {
    stage.server.psql(sql).unwrap();
    let others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND pid <> pg_backend_pid()";
    wait_for(|| stage.server.psql(others).unwrap().trim() == "0");
    stage.server.psql("SELECT pg_current_xact_id()").unwrap();
    stage.ticks();
}

fn is_stale(client: &mut Raw) -> bool {
    client.value("SHOW vitrine.last_query").ends_with("; stale")
}

#[test]
fn changed_rows_are_served_once_more_and_asked_for_again() {
    let stage = Stage::with("postgres", TABLES, &[STALE]);
    let mut client = stage.client();
    assert_eq!(client.value("SHOW vitrine.max_staleness"), "2min", "the bound that is told is the true one");
    for messages in [raw::query(SQL), extended("SELECT n FROM numbers WHERE id = $1", &["1"], 1)] {
        stage.ticks();
        let before = is_kept(&mut client, &messages);
        assert!(!is_stale(&mut client));
        stage.ticks();
        is_kept(&mut client, &messages);
        let (asked, misses) = (refreshes(&stage), stage.misses());
        change(&stage, "UPDATE numbers SET n = n + 1 WHERE id = 1");
        assert_eq!(ask(&mut client, &messages), before);
        assert!(is_stale(&mut client));
        wait_for(|| refreshes(&stage) > asked);
        wait_for(|| ask(&mut client_of(&stage), &messages) != before);
        assert_ne!(ask(&mut client, &messages), before);
        assert_eq!(told(&mut client), "hit");
        assert_eq!(stage.misses(), misses, "nobody waited");
    }
}

fn client_of(stage: &Stage) -> Raw {
    stage.client()
}

#[test]
fn a_time_that_is_over_is_stretched_and_no_further_than_a_client_asks() {
    let stage =
        Stage::with("postgres", TABLES, &[("VITRINE_CACHE_FRESHNESS", "ttl"), ("VITRINE_CACHE_TTL_MS", "1"), STALE]);
    let mut client = stage.client();
    let sql = raw::query(SQL);
    let before = ask(&mut client, &sql);
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(ask(&mut client, &sql), before);
    assert!(is_stale(&mut client));
    wait_for(|| refreshes(&stage) > 0);
    // Who asks for less waits for what is new.
    stage.server.psql("UPDATE numbers SET n = 4711 WHERE id = 1").unwrap();
    let mut strict = stage.client();
    strict.query("SET vitrine.max_staleness = '1ms'");
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(strict.value(SQL), "4711");
    assert_eq!(told(&mut strict), "miss");
    let mut never = stage.client();
    never.query("SET vitrine.max_staleness = 0");
    assert_eq!(never.value(SQL), "4711");
    assert_eq!(told(&mut never), "bypass asked");
}

#[test]
fn nothing_is_stretched_over_another_grant_policy_or_definition() {
    let roles = "CREATE ROLE one LOGIN; CREATE ROLE clerks; GRANT clerks TO one;
        CREATE TABLE open (id int); INSERT INTO open VALUES (1); GRANT SELECT ON open TO one;
        CREATE TABLE shared (id int); INSERT INTO shared VALUES (1); GRANT SELECT ON shared TO clerks;
        CREATE TABLE secrets (id int, who text); INSERT INTO secrets VALUES (1, 'one'); GRANT SELECT ON secrets TO one;
        ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secrets FOR SELECT USING (who = current_user);
        CREATE TABLE wide (id int); INSERT INTO wide VALUES (1); GRANT SELECT ON wide TO one;
        CREATE VIEW seen AS SELECT id FROM wide; GRANT SELECT ON seen TO one;";
    let stage = Stage::with("one", roles, &[STALE]);
    let mut client = stage.client();
    for (sql, change_sql, then) in [
        ("SELECT id FROM open", "REVOKE SELECT ON open FROM one", "42501"),
        ("SELECT id FROM shared", "REVOKE clerks FROM one", "42501"),
        ("SELECT id FROM secrets", "ALTER POLICY own ON secrets USING (false)", "CommandComplete SELECT 0"),
        ("SELECT * FROM wide", "ALTER TABLE wide ADD COLUMN more int DEFAULT 7", "DataRow 1 | 7"),
        ("SELECT id FROM seen", "CREATE OR REPLACE VIEW seen AS SELECT id + 1 AS id FROM wide", "DataRow 2"),
    ] {
        is_kept(&mut client, &raw::query(sql));
        stage.ticks();
        is_kept(&mut client, &raw::query(sql));
        change(&stage, change_sql);
        let lines = ask(&mut client, &raw::query(sql));
        assert!(lines.iter().any(|line| line.contains(then)), "{change_sql}: {lines:#?}");
    }
}

#[test]
fn the_hottest_are_asked_for_again_before_anybody_waits() {
    let stage = Stage::with("postgres", TABLES, HOT);
    let (mut client, mut other) = (stage.client(), stage.client());
    other.query("SET TimeZone = 'Asia/Tokyo'");
    let at = raw::query("SELECT n, at FROM numbers WHERE id = 1");
    stage.ticks();
    let (plain, tokyo) = (is_kept(&mut client, &at), is_kept(&mut other, &at));
    for _ in 0..8 {
        ask(&mut client, &at);
        ask(&mut other, &at);
    }
    let misses = stage.misses();
    change(&stage, "UPDATE numbers SET n = 4711 WHERE id = 1");
    wait_for(|| refreshes(&stage) >= 2);
    wait_for(|| stage.front.gateway.cache.counters.kept.total() >= misses + 2);
    for (client, before) in [(&mut client, plain), (&mut other, tokyo)] {
        let after = ask(client, &at);
        assert_eq!(told(client), "hit");
        // Each under its own settings.
        let expected: Vec<String> = before.iter().map(|line| line.replace("DataRow 7 |", "DataRow 4711 |")).collect();
        assert_eq!(after, expected);
    }
    assert_eq!(stage.misses(), misses, "nobody waited");
    // What is asked for no more is not kept alive.
    change(&stage, "UPDATE numbers SET n = 4712 WHERE id = 1");
    ask(&mut client, &at);
    assert_eq!(told(&mut client), "miss");
}
