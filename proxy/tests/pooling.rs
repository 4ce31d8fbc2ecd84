//! Many clients over few connections: nothing of one client's reaches another, and what breaks heals.
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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::raw::{self, Raw, Values};
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::policy::Policy;
use vitrine::upstream::{Lease, PoolError, PoolLimits};

/// A server, the gateway in front of it, and the runtime that drives it; clients are blocking and come from here.
struct Stage {
    server: Server,
    front: Front,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(connections_max: usize) -> Self {
        let server = postgres();
        server
            .psql(
                "CREATE FUNCTION nap(seconds float8) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep($1)::text';
                 CREATE TABLE numbers (n int4); INSERT INTO numbers VALUES (1), (2), (3);
                 CREATE SCHEMA other; CREATE TABLE other.numbers (n int4); INSERT INTO other.numbers VALUES (10);
                 CREATE FUNCTION one() RETURNS int4 LANGUAGE sql AS 'SELECT 1';
                 CREATE FUNCTION other.one() RETURNS int4 LANGUAGE sql AS 'SELECT 10';",
            )
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let limits = PoolLimits { connections_max, wait_timeout: Duration::from_secs(1), ..PoolLimits::default() };
        let front = runtime.block_on(front(&server, "postgres", "postgres", limits));
        let policy = Policy::from_toml("functions = [\"public.nap\", \"public.one\"]").unwrap();
        front.database.policy.store(Arc::new(policy));
        // The first connection is opened in as much time as it takes: the wait is bounded for those who share it.
        let opened = || runtime.block_on(front.database.default_route.pool.lease(None)).map(Lease::release);
        while opened().is_err_and(|error| matches!(error, PoolError::Unanswered { .. })) {}
        Self { server, front, runtime }
    }

    fn client(&self) -> Raw {
        connect(self.front.address)
    }

    /// Upstream sessions that run something of the gateway's right now.
    fn running(&self) -> String {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%nap%' \
                     AND pid <> pg_backend_pid()";
        self.server.psql(count).unwrap().trim().to_owned()
    }

    fn wait_until_running(&self, count: &str) {
        let began = Instant::now();
        while self.running() != count {
            assert!(began.elapsed() < Duration::from_secs(20), "{} run, not {count}", self.running());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn terminate_all(&self) {
        let kill = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.server.psql(kill).unwrap();
    }
}

fn connect(address: SocketAddr) -> Raw {
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}

fn assert_holds(lines: &[String], what: &str) {
    assert!(lines.iter().any(|line| line.contains(what)), "no {what:?} in {lines:#?}");
}

#[test]
fn settings_stay_with_the_client_that_set_them() {
    let stage = Stage::new(1);
    let (mut one, mut two) = (stage.client(), stage.client());
    let settings = [
        ("TimeZone", "Asia/Tokyo"),
        ("search_path", "other"),
        ("DateStyle", "SQL, DMY"),
        ("application_name", "one"),
        ("extra_float_digits", "-3"),
        ("statement_timeout", "59s"),
    ];
    let defaults: Vec<String> = settings.iter().map(|(name, _)| two.value(&format!("SHOW {name}"))).collect();
    for (name, value) in settings {
        let literal = if name == "search_path" { value.to_owned() } else { format!("'{value}'") };
        assert_holds(&one.query(&format!("SET {name} = {literal}")), "CommandComplete SET");
    }
    for _ in 0..2 {
        for ((name, value), default) in settings.iter().zip(&defaults) {
            assert_eq!(two.value(&format!("SHOW {name}")), *default);
            assert_eq!(one.value(&format!("SHOW {name}")), *value);
        }
        assert_eq!(one.value("SELECT n FROM numbers"), "10");
        assert_eq!(two.value("SELECT n FROM numbers"), "1");
    }
    // Half of DateStyle, where the connection last had another half.
    two.query("SET DateStyle = 'ISO'");
    assert_eq!(one.value("SHOW DateStyle"), "SQL, DMY");
    assert_eq!(two.value("SHOW DateStyle"), "ISO, MDY");
    one.vanish();
    let mut three = stage.client();
    for ((name, _), default) in settings.iter().zip(&defaults) {
        assert_eq!(three.value(&format!("SHOW {name}")), *default);
    }
}

#[test]
fn a_setting_that_was_undone_is_not_on_the_connection() {
    let stage = Stage::new(1);
    let (mut one, mut two) = (stage.client(), stage.client());
    let set = |one: &mut Raw, then: &[u8]| {
        one.send(&raw::parse("", "SET TimeZone = 'Asia/Tokyo'", &[]));
        one.send(&[raw::bind_text("", "", &[]), raw::execute("", 0)].concat());
        one.send(then);
        one.send(&raw::sync());
        one.lines_until_ready(1)
    };
    // A refusal of the gateway's, an error of PostgreSQL's, and an error of the session's behind the SET.
    for then in [
        raw::parse("", "DELETE FROM numbers", &[]),
        [raw::parse("", "SELECT 1/0", &[]), raw::bind_text("", "", &[]), raw::execute("", 0)].concat(),
        raw::bind_text("", "nosuch", &[]),
    ] {
        assert_holds(&set(&mut one, &then), "Error ERROR");
        assert_ne!(two.value("SHOW TimeZone"), "Asia/Tokyo");
        assert_ne!(one.value("SHOW TimeZone"), "Asia/Tokyo");
    }
    for text in ["BEGIN; SET TimeZone = 'Asia/Tokyo'; ROLLBACK", "SET TimeZone = 'Asia/Tokyo'; DEALLOCATE nosuch"] {
        one.query(text);
        assert_ne!(two.value("SHOW TimeZone"), "Asia/Tokyo", "{text}");
    }
}

#[test]
fn a_batch_without_its_sync_keeps_its_connection() {
    let stage = Stage::new(1);
    let (mut one, mut two) = (stage.client(), stage.client());
    let flush = raw::frame(b'H', &[]);
    for (text, answers) in [("SELECT 1", 3), ("SELECT nosuch", 1)] {
        one.send(
            &[raw::parse("", text, &[]), raw::bind_text("", "", &[]), raw::execute("", 0), flush.clone()].concat(),
        );
        for _ in 0..answers {
            one.message().unwrap();
        }
        assert_holds(&two.query("SELECT 2"), "53300");
        one.send(&raw::sync());
        one.lines_until_ready(1);
        assert_eq!(two.value("SELECT 2"), "2");
    }
}

#[test]
fn prepared_statements_work_on_every_connection_and_old_ones_make_room() {
    let stage = Stage::new(2);
    let mut clients: Vec<Raw> = (0..4).map(|_| stage.client()).collect();
    for client in &mut clients {
        for number in 0..250 {
            client.send(&raw::parse(&format!("s{number}"), &format!("SELECT $1::int4 + {number}"), &[]));
        }
        client.send(&raw::sync());
        let lines = client.lines_until_ready(1);
        assert_eq!(lines.iter().filter(|line| *line == "ParseComplete").count(), 250, "{lines:#?}");
    }
    for number in [0, 249, 17, 100] {
        // Two clients in transactions: the others' statements meet whichever connection is left.
        for client in &mut clients {
            client.send(&raw::bind_text("", &format!("s{number}"), &["1000"]));
            client.send(&[raw::execute("", 0), raw::sync()].concat());
            assert_holds(&client.lines_until_ready(1), &format!("DataRow {}", 1000 + number));
        }
    }
    let lease = stage.runtime.block_on(stage.front.database.default_route.pool.lease(None)).unwrap();
    let kept = lease.statements.len();
    assert!((1..=200).contains(&kept), "{kept} statements on one connection");
}

#[test]
fn transactions_and_cursors_hold_a_connection_and_the_others_go_on() {
    let stage = Stage::new(2);
    let (mut one, mut two, mut three) = (stage.client(), stage.client(), stage.client());
    one.query("BEGIN; DECLARE c CURSOR FOR SELECT n FROM numbers ORDER BY n");
    assert_eq!(one.value("FETCH c"), "1");
    assert_eq!(two.value("SELECT 2"), "2");
    assert_eq!(one.value("FETCH c"), "2");
    // Both are held now: the third waits in vain, and is told so.
    two.query("DECLARE h CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n");
    let began = Instant::now();
    assert_holds(&three.query("SELECT 3"), "Error ERROR 53300 no upstream connection became free within 1000 ms");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(two.value("FETCH h"), "1");
    two.query("CLOSE h");
    assert_eq!(three.value("SELECT 3"), "3");
    // One that was rolled back holds nothing.
    two.query("BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT 1; ROLLBACK");
    assert_eq!(three.value("SELECT 3"), "3");
    two.query("PREPARE p AS SELECT 1");
    assert_holds(&two.query("PREPARE p AS SELECT 2"), "42P05");
    assert_holds(&three.query("SELECT 3"), "53300");
    assert_eq!(two.value("EXECUTE p"), "1");
    two.query("DEALLOCATE p");
    assert_eq!(three.value("SELECT 3"), "3");
    assert_eq!(one.value("FETCH c"), "3");
    one.query("COMMIT");
    assert_holds(&three.query("EXECUTE p"), "26000");
    assert_holds(&three.query("PREPARE p AS SELECT 3"), "CommandComplete PREPARE");
}

#[test]
fn cancel_reaches_the_query_it_was_meant_for_and_no_other() {
    let stage = Stage::new(2);
    let address = stage.front.address;
    let innocent_hit = Arc::new(AtomicUsize::new(0));
    let canceled = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for _ in 0..4 {
        let (innocent_hit, done) = (Arc::clone(&innocent_hit), Arc::clone(&done));
        threads.push(thread::spawn(move || {
            let mut client = connect(address);
            while !done.load(Ordering::Relaxed) {
                let lines = client.query("SELECT nap(0.005)");
                innocent_hit.fetch_add(usize::from(lines.iter().any(|l| l.contains("57014"))), Ordering::Relaxed);
            }
        }));
    }
    for seed in 0..3_u64 {
        let (innocent_hit, canceled) = (Arc::clone(&innocent_hit), Arc::clone(&canceled));
        threads.push(thread::spawn(move || {
            let mut client = connect(address);
            let key = client.key;
            for round in 0..60_u64 {
                // Sometimes inside of a transaction, where the connection stays the same.
                let in_block = round % 3 == 0;
                if in_block {
                    client.query("BEGIN");
                }
                let wait = Duration::from_micros((round * 7_919 + seed * 104_729) % 30_000);
                let cancelling = thread::spawn(move || {
                    thread::sleep(wait);
                    raw::cancel(address, key);
                });
                let lines = client.query("SELECT nap(0.015)");
                let hit = lines.iter().any(|line| line.contains("57014"));
                canceled.fetch_add(usize::from(hit), Ordering::Relaxed);
                cancelling.join().unwrap();
                if in_block {
                    client.query("ROLLBACK");
                }
                // The request is over: whatever is sent now was not meant.
                let lines = client.query("SELECT nap(0.002)");
                innocent_hit.fetch_add(usize::from(lines.iter().any(|l| l.contains("57014"))), Ordering::Relaxed);
            }
        }));
    }
    for thread in threads.drain(4..) {
        thread.join().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(innocent_hit.load(Ordering::Relaxed), 0, "queries were canceled that nobody meant");
    assert!(canceled.load(Ordering::Relaxed) > 20, "only {} were canceled", canceled.load(Ordering::Relaxed));
    // One that certainly runs is certainly hit, and the session goes on.
    let mut client = stage.client();
    client.send(&raw::query("SELECT nap(60)"));
    stage.wait_until_running("1");
    raw::cancel(address, client.key);
    assert_holds(&client.lines_until_ready(1), "Error ERROR 57014 canceling statement due to user request");
    assert_eq!(client.value("SELECT 1"), "1");
    // A wrong secret reaches nobody.
    client.send(&raw::query("SELECT nap(0.5)"));
    stage.wait_until_running("1");
    raw::cancel(address, (client.key.0, client.key.1.wrapping_add(1)));
    assert_holds(&client.lines_until_ready(1), "CommandComplete SELECT 1");
}

#[test]
fn a_client_that_waits_for_a_connection_can_be_canceled() {
    let stage = Stage::new(1);
    let (mut one, mut two) = (stage.client(), stage.client());
    one.query("BEGIN");
    two.send(&raw::query("SELECT 2"));
    thread::sleep(Duration::from_millis(200));
    raw::cancel(stage.front.address, two.key);
    assert_holds(&two.lines_until_ready(1), "57014");
    one.query("COMMIT");
    assert_eq!(two.value("SELECT 2"), "2");
}

#[test]
fn the_query_of_a_client_that_vanished_is_canceled() {
    let stage = Stage::new(1);
    let mut one = stage.client();
    one.send(&raw::query("SELECT nap(60)"));
    stage.wait_until_running("1");
    one.vanish();
    stage.wait_until_running("0");
    assert_eq!(stage.client().value("SELECT 1"), "1");
    // In a transaction, with nothing running: the connection is free at once.
    let mut two = stage.client();
    two.query("BEGIN; SELECT 1");
    two.vanish();
    assert_eq!(stage.client().value("SELECT 1"), "1");
    // In the middle of a long result that nobody reads.
    let mut three = stage.client();
    three.send(&raw::query("SELECT repeat('x', 1000) FROM generate_series(1, 300000)"));
    three.message().unwrap();
    three.vanish();
    assert_eq!(stage.client().value("SELECT 1"), "1");
}

#[test]
fn a_terminated_backend_is_a_clear_error_and_the_session_goes_on() {
    let stage = Stage::new(2);
    let mut idle = stage.client();
    assert_eq!(idle.value("SELECT 1"), "1");
    stage.terminate_all();
    assert_eq!(idle.value("SELECT 1"), "1");
    // In a query.
    let mut busy = stage.client();
    busy.send(&raw::query("SELECT nap(60)"));
    stage.wait_until_running("1");
    stage.terminate_all();
    let lines = busy.lines_until_ready(1);
    let end = ["Error ERROR 57P01 terminating connection due to administrator command", "Ready I"];
    assert!(lines.ends_with(&end.map(str::to_owned)), "{lines:#?}");
    assert_eq!(busy.value("SELECT 1"), "1");
    // In a pipeline of several batches: each has its answer.
    let nap = [raw::parse("", "SELECT nap(60)", &[]), raw::bind_text("", "", &[]), raw::execute("", 0), raw::sync()];
    busy.send(&[nap.concat(), nap.concat(), raw::query("SELECT 1")].concat());
    stage.wait_until_running("1");
    stage.terminate_all();
    let lines = busy.lines_until_ready(3);
    assert_eq!(lines.iter().filter(|line| line.contains("57P01")).count(), 3, "{lines:#?}");
    assert_eq!(busy.value("SELECT 1"), "1");
    // In a transaction, between statements: the client learns of it as from PostgreSQL itself.
    busy.query("BEGIN; SELECT 1");
    stage.terminate_all();
    let lines = busy.lines_until_ready(1);
    assert_eq!(lines, ["Error FATAL 57P01 terminating connection due to administrator command", "closed"]);
    assert_eq!(idle.value("SELECT 1"), "1");
}

#[test]
fn clients_survive_a_restart_of_the_server() {
    for immediate in [false, true] {
        let stage = Stage::new(4);
        let address = stage.front.address;
        let done = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..6)
            .map(|_| {
                let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
                thread::spawn(move || {
                    let mut client = connect(address);
                    let mut errors = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let lines = client.query("SELECT nap(0.002)");
                        assert_ne!(lines.last().unwrap(), "closed", "{lines:?}");
                        match lines.iter().find(|line| line.starts_with("Error")) {
                            Some(error) => errors.push(error.clone()),
                            None => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        }
                    }
                    errors
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        if immediate {
            stage.server.stop_immediate()
        } else {
            stage.server.stop()
        }
        thread::sleep(Duration::from_millis(200));
        stage.server.start_again().unwrap();
        let before = answered.load(Ordering::Relaxed);
        let began = Instant::now();
        while answered.load(Ordering::Relaxed) < before + 50 {
            assert!(began.elapsed() < Duration::from_secs(30), "the pool does not heal");
            thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        for errors in clients.into_iter().map(|client| client.join().unwrap()) {
            let known = ["57P01", "57P02", "57P03", "08006", "08001", "53300"];
            let strange = errors.iter().find(|error| !known.iter().any(|code| error.contains(code)));
            assert_eq!(strange, None, "{errors:#?}");
        }
    }
}

#[test]
fn a_plan_that_no_longer_fits_is_made_anew() {
    let stage = Stage::new(1);
    let mut client = stage.client();
    client.send(&[raw::parse("s", "SELECT * FROM numbers ORDER BY 1", &[]), raw::sync()].concat());
    client.lines_until_ready(1);
    let run = |client: &mut Raw| {
        client.send(&[raw::bind_text("", "s", &[]), raw::execute("", 1), raw::sync()].concat());
        client.lines_until_ready(1)
    };
    assert_holds(&run(&mut client), "DataRow 1");
    stage.server.psql("ALTER TABLE numbers ADD COLUMN word text DEFAULT 'x'").unwrap();
    let lines = run(&mut client);
    assert_holds(&lines, "DataRow 1 | x");
    assert_eq!(lines.iter().filter(|line| *line == "BindComplete").count(), 1, "{lines:#?}");
    // With the Parse in the same batch, as drivers without named statements send it.
    let whole = |client: &mut Raw| {
        let parse = raw::parse("", "SELECT * FROM numbers ORDER BY 1", &[]);
        client.send(&[parse, raw::bind_text("", "", &[]), raw::execute("", 1), raw::sync()].concat());
        client.lines_until_ready(1)
    };
    for _ in 0..3 {
        assert_holds(&whole(&mut client), "DataRow 1 | x");
    }
    stage.server.psql("ALTER TABLE numbers DROP COLUMN word").unwrap();
    let lines = whole(&mut client);
    assert_eq!(lines, ["ParseComplete", "BindComplete", "DataRow 1", "PortalSuspended", "Ready I"]);
    // In a transaction nothing can be repeated: PostgreSQL's own words.
    run(&mut client);
    client.query("BEGIN");
    stage.server.psql("ALTER TABLE numbers ADD COLUMN more int4").unwrap();
    assert_eq!(run(&mut client), ["Error ERROR 0A000 cached plan must not change result type", "Ready E"]);
    client.query("ROLLBACK");
    assert_holds(&run(&mut client), "DataRow 1 | (null)");
}

#[test]
fn a_statement_is_reviewed_again_under_another_search_path() {
    let stage = Stage::new(1);
    let mut client = stage.client();
    client.send(&[raw::parse("s", "SELECT one()", &[]), raw::sync()].concat());
    client.lines_until_ready(1);
    let run = |client: &mut Raw, first: Vec<u8>| {
        client.send(&[first, raw::bind_text("", "s", &[]), raw::execute("", 1), raw::sync()].concat());
        client.lines_until_ready(1)
    };
    assert_holds(&run(&mut client, Vec::new()), "DataRow 1");
    client.query("SET search_path = other");
    assert_holds(&run(&mut client, Vec::new()), "42501 function other.one() is not permitted");
    assert_holds(&run(&mut client, raw::about(b'D', b'S', "s")), "42501");
    client.query("RESET search_path");
    assert_holds(&run(&mut client, Vec::new()), "DataRow 1");
    // Moved within the batch.
    let set =
        [raw::parse("", "SET search_path = other", &[]), raw::bind_text("", "", &[]), raw::execute("", 0)].concat();
    assert_holds(&run(&mut client, set), "42501");
    assert_holds(&run(&mut client, Vec::new()), "DataRow 1");
    // By SQL's own PREPARE.
    client.query("PREPARE p AS SELECT one()");
    assert_eq!(client.value("EXECUTE p"), "1");
    client.query("SET search_path = other");
    assert_holds(&client.query("EXECUTE p"), "42501");
    assert_holds(&client.query("SET search_path = public; SELECT 1; EXECUTE p"), "0A000");
}

#[test]
fn what_is_prepared_for_one_client_is_not_shown_to_another() {
    let stage = Stage::new(1);
    let (mut one, mut two) = (stage.client(), stage.client());
    let prepare = |one: &mut Raw, name: &str| {
        let sql = format!("SELECT 'secret {name}'");
        let close = raw::about(b'C', b'S', name);
        one.send(
            &[close, raw::parse(name, &sql, &[]), raw::bind("", name, &Values::default()), raw::execute("", 0)]
                .concat(),
        );
        one.send(&raw::sync());
        assert_holds(&one.lines_until_ready(1), "secret");
    };
    let looks = [
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%secret%'",
        "SELECT count(*) FROM pg_prepared_statement() WHERE statement LIKE '%secret%'",
        "SELECT count(*) FROM pg_backend_memory_contexts WHERE ident LIKE '%ecret %' AND ident NOT LIKE '%LIKE%'",
        "EXPLAIN (COSTS OFF) SELECT statement FROM pg_prepared_statements",
    ];
    for sql in looks {
        // The second one goes without a name upstream, the first has one there.
        prepare(&mut one, "named");
        prepare(&mut one, "named too");
        prepare(&mut one, "");
        let seen = two.value(sql);
        assert!(!seen.contains("ecret") && (seen == "0" || seen.contains("Function Scan")), "{sql}: {seen}");
    }
    for sql in ["SELECT string_agg(statement, '; ') FROM pg_prepared_statements", looks[0]] {
        prepare(&mut one, "once more");
        assert_holds(&two.query(&format!("PREPARE look AS {sql}")), "CommandComplete PREPARE");
        assert!(!two.value("EXECUTE look").contains("ecret of"), "{sql}");
        assert_holds(&two.query("DEALLOCATE look"), "CommandComplete DEALLOCATE");
    }
    // What was closed comes back when it is asked for.
    one.send(&[raw::bind("", "named", &Values::default()), raw::execute("", 0), raw::sync()].concat());
    assert_holds(&one.lines_until_ready(1), "secret named");
}

#[test]
fn nobody_chooses_the_random_numbers_of_another() {
    let stage = Stage::new(1);
    let mut numbers = Vec::new();
    for seed in ["SELECT setseed(0.25)", "BEGIN; SELECT setseed(0.25); ROLLBACK", "SELECT setseed(0.25), 1"] {
        let (mut one, mut two) = (stage.client(), stage.client());
        one.query(seed);
        // It stays with the client: as on PostgreSQL, the numbers that follow are those of the seed.
        numbers.push(one.value("SELECT random()"));
        one.query(seed);
        one.vanish();
        numbers.push(format!("another's {}", two.value("SELECT random()")));
        two.vanish();
    }
    let (own, others): (Vec<&String>, Vec<&String>) = numbers.iter().partition(|number| !number.starts_with("another"));
    assert!(own.iter().all(|number| *number == own[0]), "{own:?}");
    assert!(others.iter().all(|number| !number.contains(own[0].as_str())), "{own:?} {others:?}");
}

/// PostgreSQL cuts and folds names after it has converted them: what is one name to a reader of UTF8 can be two to it.
#[test]
fn a_database_of_another_encoding_has_no_names_beyond_ascii() {
    let server = postgres();
    let long = "\u{e9}".repeat(40);
    server.psql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&server.superuser_url_of("latin"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let view = format!("CREATE VIEW \"{long}x\" AS SELECT nextval('s') AS n");
        client.batch_execute(&format!("CREATE SEQUENCE s; {view}; CREATE TABLE \"\u{c9}\" (n int)")).await.unwrap();
    });
    let front = runtime.block_on(front(&server, "postgres", "latin", PoolLimits::default()));
    let mut client = Raw::connect(front.address, "postgres", &[("database", "latin")]).unwrap();
    let escaped = "U&\"\\00e9\"";
    for sql in [
        format!("WITH {long}y AS (SELECT 1 AS n) SELECT n FROM {long}x"),
        format!("WITH \"{long}y\" AS (SELECT 1 AS n) SELECT n FROM \"{long}x\""),
        "SELECT 1 FROM \u{c9}".to_owned(),
        format!("SELECT 1 AS {escaped}"),
        "PREPARE p AS SELECT 1 AS \u{e9}".to_owned(),
    ] {
        assert_holds(&client.query(&sql), "0A000");
    }
    assert_eq!(client.value("SELECT '\u{e9}' || length('\u{e9}') -- \u{e9}"), "\u{e9}1");
    client.query("SET search_path = '\u{e9}', public");
    assert_holds(&client.query("SELECT * FROM s"), "0A000");
    client.query("RESET search_path");
    assert_eq!(client.value("SELECT is_called FROM s"), "f");
}
