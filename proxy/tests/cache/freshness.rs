//! No answer is older than the bound, and every answer is a state that was committed. `make test-matrix` runs this on
//! every version.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage::{Stage, ask, is_kept, told, wait_for};
use crate::support::raw::{self, Raw};

/// The bound of these tests: shorter than PostgreSQL takes to flush counters of an idle session.
const BOUND: Duration = Duration::from_millis(1_500);
const BOUNDED: &[(&str, &str)] =
    &[("VITRINE_CACHE_STALENESS_MAX_MS", "1500"), ("VITRINE_CACHE_WATCH_INTERVAL_MS", "50")];

#[test]
fn what_nobody_writes_stays_exact_for_as_long_as_nobody_writes() {
    let stage = Stage::with("postgres", "CREATE TABLE t AS SELECT 1 AS n", BOUNDED);
    let mut client = stage.client();
    let sql = raw::query("SELECT n FROM t");
    is_kept(&mut client, &sql);
    // Far beyond the bound: the snapshot has not moved, so it is no age.
    thread::sleep(BOUND * 2);
    ask(&mut client, &sql);
    assert_eq!(told(&mut client), "hit");
    let age = client.value("SHOW vitrine.last_query");
    let age: u64 = age.split(['=', 'm']).nth(1).unwrap().parse().unwrap();
    assert!(Duration::from_millis(age) <= BOUND, "{age}");
}

#[test]
fn every_way_to_change_a_table_is_seen_within_the_bound() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE t (n int); INSERT INTO t VALUES (0); CREATE TABLE p (n int) PARTITION BY RANGE (n);
         CREATE TABLE p0 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (0);
         CREATE MATERIALIZED VIEW m AS SELECT n FROM t; CREATE VIEW v AS SELECT n FROM t; CREATE TABLE busy (n int);
         CREATE PROCEDURE slowly() LANGUAGE plpgsql AS 'BEGIN INSERT INTO t VALUES (77); COMMIT; PERFORM pg_sleep(6); END';
         CREATE UNLOGGED TABLE u (n int)",
        BOUNDED,
    );
    let mut client = stage.client();
    for (sql, change) in [
        ("SELECT count(*), sum(n) FROM t", "INSERT INTO t VALUES (1)"),
        ("SELECT count(*), sum(n) FROM v", "UPDATE t SET n = n + 1"),
        ("SELECT sum(n) FROM t", "DELETE FROM t WHERE n > 1"),
        ("SELECT count(*) FROM t", "TRUNCATE t"),
        ("SELECT count(*) FROM p", "INSERT INTO p VALUES (5)"),
        (
            "SELECT count(*) FROM p",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (15)",
        ),
        ("SELECT count(*) FROM m", "INSERT INTO t VALUES (8); REFRESH MATERIALIZED VIEW m"),
        ("SELECT count(*) FROM u", "INSERT INTO u VALUES (1)"),
        ("SELECT count(*) FROM t", "BEGIN; INSERT INTO t VALUES (9); PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'"),
        ("SELECT n FROM t WHERE n = 8", "ALTER TABLE t ALTER n TYPE bigint"),
    ] {
        let before = is_kept(&mut client, &raw::query(sql));
        if stage.server.psql(change).is_err() {
            // Prepared transactions are off by default.
            continue;
        }
        let committed = Instant::now();
        // Whatever the counters say by then.
        thread::sleep(BOUND.saturating_sub(committed.elapsed()));
        let after = client.query(sql);
        let direct = stage.server.psql(sql).unwrap();
        let row = after.iter().find_map(|line| line.strip_prefix("DataRow ")).unwrap_or("").replace(" | ", "|");
        assert_eq!(row, direct.trim(), "{change}: {before:#?}");
    }
    procedures_that_commit_and_go_on(&stage, &mut client);
}

/// Counters are told by a backend that is idle: this one is not for seconds after its commit.
fn procedures_that_commit_and_go_on(stage: &Stage, client: &mut Raw) {
    let sql = "SELECT count(*) FROM t WHERE n = 77";
    is_kept(client, &raw::query(sql));
    thread::scope(|scope| {
        scope.spawn(|| stage.server.psql("CALL slowly()").unwrap());
        wait_for(|| stage.server.psql(sql).unwrap().trim() == "1");
        thread::sleep(BOUND);
        assert_eq!(client.value(sql), "1");
    });
}

#[test]
fn tables_that_others_write_keep_what_is_kept_of_the_rest() {
    let stage = Stage::with("postgres", "CREATE TABLE quiet AS SELECT 1 AS n; CREATE TABLE busy (n int)", &[]);
    let mut client = stage.client();
    let sql = raw::query("SELECT n FROM quiet");
    is_kept(&mut client, &sql);
    stage.ticks();
    let misses = stage.misses();
    // Looked at before anything else moved, so known from the beginning.
    for n in 0..20 {
        stage.server.psql(&format!("INSERT INTO busy VALUES ({n})")).unwrap();
        stage.ticks();
        ask(&mut client, &sql);
    }
    assert!(stage.misses() <= misses + 1, "{} of 20", stage.misses() - misses);
}

#[test]
fn a_table_that_changes_is_dropped_long_before_the_bound() {
    let stage = Stage::with("postgres", "CREATE TABLE t AS SELECT 1 AS n", &[]);
    let mut client = stage.client();
    is_kept(&mut client, &raw::query("SELECT n FROM t"));
    stage.ticks();
    stage.server.psql("UPDATE t SET n = 2").unwrap();
    // psql ends at once, and with it its counters are told; the bound of this stage is a minute.
    wait_for(|| {
        let mut client = stage.client();
        client.value("SELECT n FROM t") == "2"
    });
}

#[test]
fn ttl_needs_no_look_at_the_database_and_off_keeps_nothing() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE t AS SELECT 1 AS n",
        &[("VITRINE_CACHE_FRESHNESS", "ttl"), ("VITRINE_CACHE_TTL_MS", "700")],
    );
    let mut client = stage.client();
    is_kept(&mut client, &raw::query("SELECT n FROM t"));
    stage.server.psql("UPDATE t SET n = 2").unwrap();
    thread::sleep(Duration::from_millis(701));
    assert_eq!(client.value("SELECT n FROM t"), "2");
    let stage = Stage::with("postgres", "CREATE TABLE t AS SELECT 1 AS n", &[("VITRINE_CACHE_FRESHNESS", "off")]);
    let mut client = stage.client();
    client.query("SELECT n FROM t");
    client.query("SELECT n FROM t");
    assert_eq!((stage.misses(), stage.front.gateway.cache.store.size().0), (0, 0));
}

/// Writers change tables directly while 64 clients read through the cache. Each state of a table carries the time at which
/// it was written and a checksum over all of its rows. `VITRINE_SOAK_SECONDS=60`, as `make soak-cache` sets it, goes on
/// for longer.
#[test]
fn under_load_every_answer_is_a_committed_state_no_older_than_the_bound() {
    let seconds = std::env::var("VITRINE_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE state (t int, id int, version bigint, check_sum bigint);
         INSERT INTO state SELECT t, id, 0, 0 FROM generate_series(1, 4) t, generate_series(1, 20) id;
         CREATE TABLE noise (n int);",
        BOUNDED,
    );
    // The version last known to be committed, by table, with the time at which that was known.
    let versions: Vec<AtomicU64> = (0..5).map(|_| AtomicU64::new(0)).collect();
    let (stop, answers, hits) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        for t in 1..=4_usize {
            let (stage, versions, stop) = (&stage, &versions, &stop);
            scope.spawn(move || write(stage, t, &versions[t], stop));
        }
        for number in 0..64_usize {
            let (stage, versions, stop) = (&stage, &versions, &stop);
            let (answers, hits) = (&answers, &hits);
            scope.spawn(move || {
                let mut reader = stage.client();
                reader.query("SET vitrine.report_cache = on");
                let mut known = std::collections::VecDeque::from([(Instant::now(), [0_u64; 5])]);
                let mut round = number;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let t = round % 4 + 1;
                    let now: [u64; 5] = std::array::from_fn(|t| versions[t].load(Ordering::SeqCst));
                    let asked = Instant::now();
                    known.push_back((asked, now));
                    let lines = reader.query(&format!(
                        "SELECT min(version), max(version), sum(check_sum - version * 31) FROM state WHERE t = {t}"
                    ));
                    let row = lines
                        .iter()
                        .find_map(|line| line.strip_prefix("DataRow "))
                        .unwrap_or_else(|| panic!("{lines:#?}"));
                    let values: Vec<u64> = row.split(" | ").map(|value| value.parse().unwrap()).collect();
                    let sum = if values[0] == 0 { 0 } else { 210 };
                    assert_eq!((values[0], values[2]), (values[1], sum), "not a committed state: {row}");
                    // What was committed before the bound must be seen.
                    let due = asked.checked_sub(BOUND).unwrap_or(began);
                    while known.len() > 1 && known[1].0 <= due {
                        known.pop_front();
                    }
                    let must = if known[0].0 <= due { known[0].1[t] } else { 0 };
                    assert!(
                        values[0] >= must,
                        "table {t}: version {} where {must} was committed {BOUND:?} before",
                        values[0]
                    );
                    answers.fetch_add(1, Ordering::Relaxed);
                    hits.fetch_add(u64::from(lines.iter().any(|line| line.contains("cache=hit"))), Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    let (answers, hits) = (answers.into_inner(), hits.into_inner());
    println!("{answers} answers, {hits} of them from memory, in {:?}", began.elapsed());
    assert!(answers > 100 && hits > answers / 4, "{hits} of {answers}");
}

/// Writes a new version of table `t`, again and again, straight into the database.
fn write(stage: &Stage, t: usize, committed: &AtomicU64, stop: &AtomicBool) {
    let mut writer = direct(stage);
    for version in 1_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // All rows at once, or the checksum is wrong.
        let sql = format!("UPDATE state SET version = {version}, check_sum = {version} * 31 + id WHERE t = {t}");
        writer.query(&sql);
        committed.store(version, Ordering::SeqCst);
        // One writes without a pause, one rests long enough to be idle, the others in between.
        thread::sleep(Duration::from_millis([0, 5, 150, 900, 2_500][t]));
    }
}

fn direct(stage: &Stage) -> Raw {
    let address = format!("127.0.0.1:{}", stage.server.port()).parse().unwrap();
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}
