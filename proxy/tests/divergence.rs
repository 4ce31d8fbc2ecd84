//! What the gateway believes about a session must be what PostgreSQL knows about it: a statement that runs under another
//! search_path than it was reviewed under may call something that nobody reviewed.
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

use std::time::Duration;

use support::raw::{self, Raw, Values};
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::upstream::PoolLimits;

/// `lower(v)` is PostgreSQL's own, unless the schema `evil` is in the path: then it is one that the policy refuses.
const READ: &str = "SELECT lower(v) FROM public.t";
const CALLED: &str = "EVIL";

struct Stage {
    _server: Server,
    front: Front,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(connections_max: usize, default_path: &str) -> Self {
        let server = postgres();
        let name = long_name();
        server
            .psql(&format!(
                "CREATE SCHEMA evil; CREATE SCHEMA \"É\"; CREATE SCHEMA \"{name}\";
                 CREATE TABLE public.t (v varchar); INSERT INTO public.t VALUES ('X');
                 CREATE FUNCTION evil.lower(varchar) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN '{CALLED}'; END$$;
                 CREATE FUNCTION \"É\".lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT evil.lower($1)';
                 CREATE FUNCTION \"{name}\".lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT evil.lower($1)';
                 ALTER ROLE postgres SET search_path = {default_path};"
            ))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let limits = PoolLimits { connections_max, wait_timeout: Duration::from_secs(5), ..PoolLimits::default() };
        let front = runtime.block_on(front(&server, "postgres", "postgres", limits));
        Self { _server: server, front, _runtime: runtime }
    }

    fn client(&self) -> Raw {
        Raw::connect(self.front.address, "postgres", &[("database", "postgres")]).unwrap()
    }
}

fn long_name() -> String {
    "l".repeat(63)
}

/// Sends messages and reads so many ReadyForQuery.
fn exchange(client: &mut Raw, messages: &[Vec<u8>], ready: usize) -> Vec<String> {
    client.send(&messages.concat());
    client.lines_until_ready(ready)
}

fn run(statement: &str, portal: &str, rows_max: i32) -> Vec<u8> {
    [raw::bind(portal, statement, &Values::default()), raw::execute(portal, rows_max)].concat()
}

fn assert_unseen(lines: &[String], what: &str) {
    let seen = lines.iter().any(|line| line.contains(CALLED));
    assert!(!seen, "{what}: a function ran that was not reviewed: {lines:#?}");
}

/// The client's next read neither runs what was not reviewed nor is anything but an answer.
fn assert_contained(client: &mut Raw, what: &str) {
    assert_unseen(&client.query(READ), what);
}

/// The path that PostgreSQL has is the one the gateway reviews with.
#[test]
fn set_config_is_read_as_postgresql_reads_it() {
    let stage = Stage::new(2, "public");
    let long = format!("{}more, public", long_name());
    for path in ["'a, evil, b'", "É, public", long.as_str(), "x\u{a0},evil", "'evil', evil", "\"a\"\"\", evil"] {
        let mut client = stage.client();
        client.query(&format!("SELECT set_config('search_path', '{}', false)", path.replace('\'', "''")));
        assert_contained(&mut client, path);
        if let Ok(mut client) =
            Raw::connect(stage.front.address, "postgres", &[("database", "postgres"), ("search_path", path)])
        {
            assert_contained(&mut client, path);
        }
    }
    let mut client = stage.client();
    client.query(&format!("SET search_path TO \"{}more\", public", long_name()));
    assert_contained(&mut client, "a name that is too long");
}

/// `set_config` that ran is seen however it was made to run.
#[test]
fn set_config_is_seen_in_every_portal() {
    let stage = Stage::new(1, "public");
    let evil = "SELECT set_config('search_path', 'evil,public', false)";
    let good = "SELECT set_config('search_path', 'public', false)";

    let mut client = stage.client();
    exchange(&mut client, &[raw::parse("", evil, &[]), run("", "", 1), raw::sync()], 1);
    assert_contained(&mut client, "a suspended portal");
    client.vanish();

    let mut client = stage.client();
    client.query("BEGIN");
    exchange(&mut client, &[raw::parse("s", evil, &[]), raw::bind("p", "s", &Values::default()), raw::sync()], 1);
    client.query("FETCH ALL FROM p");
    assert_contained(&mut client, "FETCH from a portal");
    client.query("COMMIT");
    assert_contained(&mut client, "FETCH from a portal, kept");
    client.vanish();

    // The harmless portal that takes its name is bound in a batch that failed: the old one is still there.
    let mut client = stage.client();
    client.query("BEGIN");
    exchange(&mut client, &[raw::parse("s", evil, &[]), raw::bind("p", "s", &Values::default()), raw::sync()], 1);
    client.query("SAVEPOINT before");
    let replaced = [
        raw::parse("bad", "SELECT 1 / 0", &[]),
        run("bad", "bad", 0),
        raw::about(b'C', b'P', "p"),
        raw::parse("harmless", "SELECT 1", &[]),
        raw::bind("p", "harmless", &Values::default()),
        raw::sync(),
        raw::query("ROLLBACK TO before"),
        raw::query("FETCH ALL FROM p"),
    ];
    exchange(&mut client, &replaced, 3);
    assert_contained(&mut client, "FETCH from a portal that was not replaced");
    client.vanish();

    let mut client = stage.client();
    for (name, sql) in [("good", good), ("evil", "SET search_path TO evil, public"), ("read", READ)] {
        exchange(&mut client, &[raw::parse(name, sql, &[]), raw::sync()], 1);
    }
    for portal in ["", "p"] {
        let lines = exchange(
            &mut client,
            &[run("good", portal, 0), run("evil", "q", 0), raw::execute(portal, 0), run("read", "r", 0), raw::sync()],
            1,
        );
        assert_unseen(&lines, "a portal that is at its end");
        assert_contained(&mut client, "a portal that is at its end");
        client.query("RESET search_path");
    }
    client.vanish();

    let mut client = stage.client();
    client.query("SET search_path TO evil, public");
    for targets in ["generate_series(1, 0)", "unnest('{}'::int4[])"] {
        client.query(&format!("SELECT set_config('search_path', 'public', false), {targets}"));
        assert_contained(&mut client, targets);
    }
}

/// COPY and PREPARE are analysed when they run, not when they are bound.
#[test]
fn what_is_analysed_late_is_reviewed_late() {
    let stage = Stage::new(1, "public");
    for late in [format!("COPY ({READ}) TO STDOUT"), format!("PREPARE p AS {READ}"), format!("EXPLAIN VERBOSE {READ}")]
    {
        let mut client = stage.client();
        let lines = exchange(
            &mut client,
            &[
                raw::parse("late", &late, &[]),
                raw::parse("set", "SET search_path TO evil, public", &[]),
                raw::bind("late", "late", &Values::default()),
                run("set", "set", 0),
                raw::execute("late", 0),
                raw::sync(),
            ],
            1,
        );
        assert_unseen(&lines, &late);
        assert_unseen(&client.query("EXECUTE p"), &late);
        client.vanish();
    }
}

/// EXECUTE is reviewed under the path it runs under, wherever its PREPARE stood.
#[test]
fn a_prepared_statement_is_reviewed_alone() {
    let stage = Stage::new(1, "public");
    let mut client = stage.client();
    client.query(&format!("SET search_path TO public; PREPARE p AS {READ}"));
    client.query("SET search_path TO evil, public");
    assert_unseen(&client.query("EXECUTE p"), "PREPARE behind a SET");
    client.vanish();

    let mut client = stage.client();
    client.query("SET search_path TO evil, public");
    let lines = client
        .query(&format!("SET search_path TO public; PREPARE p AS {READ}; SET search_path TO evil, public; EXECUTE p"));
    assert_unseen(&lines, "there and back");
    assert_unseen(&client.query("EXECUTE p"), "there and back, later");
}

/// What the server never parsed is not bound.
#[test]
fn a_skipped_parse_is_not_taken_for_done() {
    let stage = Stage::new(1, "public");
    let mut client = stage.client();
    for (name, sql) in [("set", "SET search_path TO evil, public"), ("fail", "SELECT 1/(length(v)-1) FROM public.t")] {
        exchange(&mut client, &[raw::parse(name, sql, &[]), raw::sync()], 1);
    }
    exchange(&mut client, &[raw::parse("", READ, &[]), raw::sync()], 1);
    exchange(&mut client, &[run("set", "p", 0), raw::sync()], 1);
    let lines = exchange(
        &mut client,
        &[run("fail", "p", 0), raw::parse("", "SELECT 1", &[]), raw::sync(), run("", "", 0), raw::sync()],
        2,
    );
    assert_unseen(&lines, "an unnamed statement that was skipped");
    client.vanish();

    // The statement of another client.
    let mut other = stage.client();
    exchange(&mut other, &[raw::parse("", "SELECT 'the other''s own'", &[]), run("", "", 0), raw::sync()], 1);
    let mut client = stage.client();
    exchange(&mut client, &[raw::parse("fail", "SELECT 1/(length(v)-1) FROM public.t", &[]), raw::sync()], 1);
    exchange(&mut other, &[raw::parse("", "SELECT 'the other''s own'", &[]), run("", "", 0), raw::sync()], 1);
    let lines = exchange(
        &mut client,
        &[run("fail", "p", 0), raw::parse("", "SELECT 1", &[]), raw::sync(), run("", "", 0), raw::sync()],
        2,
    );
    assert!(!lines.iter().any(|line| line.contains("own")), "another client's rows: {lines:#?}");
}

/// SQL's PREPARE cannot take the name of a statement of the gateway's own.
#[test]
fn the_gateway_s_own_names_are_its_own() {
    let stage = Stage::new(1, "public");
    let mut client = stage.client();
    for number in 1..40 {
        client.query(&format!("PREPARE vitrine_{number} AS {READ}"));
    }
    for (name, sql) in [("set", "SET search_path TO evil, public"), ("fail", "SELECT 1/(length(v)-1) FROM public.t")] {
        for _ in 0..41 {
            let lines = exchange(&mut client, &[raw::parse(name, sql, &[]), run(name, "p", 0), raw::sync()], 1);
            if lines.iter().all(|line| !line.contains("already exists")) {
                break;
            }
            exchange(&mut client, &[raw::about(b'C', b'S', name), raw::sync()], 1);
        }
    }
    let lines = exchange(
        &mut client,
        &[run("fail", "p", 0), raw::parse("x", "SELECT 1", &[]), raw::sync(), run("x", "", 0), raw::sync()],
        2,
    );
    assert_unseen(&lines, "a statement of SQL's PREPARE");
}

/// SET LOCAL … TO DEFAULT returns to the default, not to what the session has.
#[test]
fn a_local_default_is_the_default() {
    let stage = Stage::new(1, "evil, public");
    for local in ["SET LOCAL search_path TO DEFAULT", "SELECT set_config('search_path', NULL, true)"] {
        let mut client = stage.client();
        client.query("SET search_path TO public");
        client.query("BEGIN");
        client.query(local);
        assert_contained(&mut client, local);
        client.query("ROLLBACK");
        assert_contained(&mut client, local);
        let lines = client.query(&format!("BEGIN; SET search_path TO public; {local}; {READ}"));
        assert_unseen(&lines, local);
        client.vanish();
    }
}
