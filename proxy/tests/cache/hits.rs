//! What is answered from memory, over which messages, and what is not and why.

use crate::stage::{Stage, ask, extended, is_kept, told, wait_for};
use crate::support::raw;

#[test]
fn every_protocol_is_answered_from_memory() {
    let stage = Stage::new();
    let mut client = stage.client();
    let sql = "SELECT id, n, label, at, f, b FROM numbers WHERE id < 5 ORDER BY id";
    let simple = is_kept(&mut client, &raw::query(sql));
    assert_eq!(simple.iter().filter(|line| line.starts_with("DataRow")).count(), 4);
    for format in [0, 1] {
        is_kept(&mut client, &extended(sql, &[], format));
        is_kept(&mut client, &extended("SELECT n FROM numbers WHERE id = $1", &["7"], format));
    }
    // Another value is another question.
    let other = ask(&mut client, &extended("SELECT n FROM numbers WHERE id = $1", &["8"], 0));
    assert_eq!(told(&mut client), "miss");
    assert!(other.iter().any(|line| line.starts_with("DataRow")), "{other:#?}");
    // Prepared once, by name, described alone, run without Describe.
    let prepare =
        [raw::parse("s", "SELECT label FROM numbers WHERE id = $1", &[23]), raw::about(b'D', b'S', "s"), raw::sync()];
    let described = ask(&mut client, &prepare.concat());
    assert_eq!(told(&mut client), "miss");
    let run = [raw::bind_text("", "s", &["3"]), raw::execute("", 0), raw::sync()].concat();
    is_kept(&mut client, &run);
    let mut second = stage.client();
    assert_eq!(ask(&mut second, &prepare.concat()), described);
    assert_eq!(told(&mut second), "hit");
    ask(&mut second, &run);
    assert_eq!(told(&mut second), "hit");
    // No connection was taken for the hits.
    let leases = stage.front.database.default_route.pool.stats().leases;
    ask(&mut second, &run);
    ask(&mut second, &raw::query(sql));
    assert_eq!(told(&mut second), "hit");
    assert_eq!(stage.front.database.default_route.pool.stats().leases, leases);
    // The statement is known here and nowhere upstream: what is not kept prepares it there.
    assert_eq!(
        ask(&mut second, &[raw::bind_text("", "s", &["4"]), raw::execute("", 0), raw::sync()].concat()).len(),
        4
    );
}

#[test]
fn pipelined_questions_are_answered_in_order() {
    let stage = Stage::new();
    let mut client = stage.client();
    let batch = |id: &str| extended("SELECT id FROM numbers WHERE id = $1", &[id], 0);
    for id in ["1", "2", "3"] {
        ask(&mut client, &batch(id));
    }
    // Kept, not kept, refused, kept, and words of the gateway's own in between.
    let messages = [
        batch("1"),
        batch("50"),
        raw::query("DELETE FROM numbers"),
        batch("2"),
        raw::query("SHOW vitrine.last_query"),
        batch("3"),
    ];
    client.send(&messages.concat());
    let lines = client.lines_until_ready(6);
    let rows: Vec<&String> =
        lines.iter().filter(|line| line.starts_with("DataRow") || line.starts_with("Error")).collect();
    assert_eq!(rows.len(), 6, "{lines:#?}");
    assert!(rows[0].ends_with(" 1") && rows[1].ends_with(" 50") && rows[2].contains("ERROR"), "{rows:#?}");
    assert!(rows[3].ends_with(" 2") && rows[5].ends_with(" 3"), "{rows:#?}");
    // All at once, often, from memory alone.
    let leases = stage.front.database.default_route.pool.stats().leases;
    client.send(&[batch("1"), batch("2")].concat().repeat(500));
    let lines = client.lines_until_ready(1_000);
    assert_eq!(lines.iter().filter(|line| line.starts_with("DataRow")).count(), 1_000);
    assert_eq!(stage.front.database.default_route.pool.stats().leases, leases);
}

#[test]
fn what_may_change_by_itself_is_not_kept() {
    let stage = Stage::new();
    let mut client = stage.client();
    for (sql, why) in [
        ("SELECT now()", "time"),
        ("SELECT n FROM numbers WHERE day < CURRENT_DATE", "time"),
        ("SELECT n FROM numbers WHERE at < 'today'", "time"),
        ("SELECT n FROM numbers WHERE at < E'\\x6eow'::timestamptz", "time"),
        ("SELECT label::date FROM numbers WHERE id = 0", "time"),
        ("SELECT age(at) FROM numbers", "time"),
        ("SELECT * FROM today", "time"),
        ("SELECT '12:00'::timetz", "time"),
        ("SELECT random()", "volatile"),
        ("SELECT clock_timestamp()", "time"),
        ("SELECT n FROM numbers TABLESAMPLE bernoulli (50)", "volatile"),
        ("SELECT gen_random_uuid()", "volatile"),
        ("SELECT current_user", "session"),
        ("SELECT current_setting('TimeZone')", "session"),
        ("SELECT current_database()", "session"),
        ("SELECT pg_backend_pid()", "system"),
        ("SELECT count(*) FROM pg_class", "system"),
        ("SELECT * FROM pg_stat_user_tables", "system"),
        ("SELECT count(*) FROM information_schema.tables", "system"),
        ("SELECT nap(0)", "unknown"),
        ("EXPLAIN SELECT 1", "kind"),
        ("SHOW TimeZone", "kind"),
        ("COPY numbers TO STDOUT", "kind"),
        ("SELECT 1; SELECT 2", "kind"),
        ("SELECT 1/0", "answer"),
    ] {
        client.query(sql);
        client.query(sql);
        let told = told(&mut client);
        assert!(told == format!("bypass {why}") || (why == "answer" && told == "miss"), "{sql}: {told}, not {why}");
    }
    assert_eq!(stage.front.gateway.cache.store.size().0, 0);
    for steady in [
        "SELECT 1",
        "SELECT n FROM numbers TABLESAMPLE bernoulli (50) REPEATABLE (1)",
        "SELECT at::date, date_trunc('day', at), to_char(at, 'TMMonth'), at AT TIME ZONE 'Asia/Tokyo' FROM numbers",
        "SELECT max(at)::date, count(*) FROM numbers WHERE at < '2026-02-01' AND day + 1 > '2026-01-02'::date",
        "SELECT * FROM steady ORDER BY 1",
        "SELECT json_agg(n), string_agg(label, ',' ORDER BY id), sum(f) FROM numbers WHERE label ILIKE '%known snow%'",
        "WITH x AS (SELECT id FROM numbers) SELECT count(*) FROM x JOIN other USING (id)",
        "SELECT FROM numbers WHERE id = 0",
    ] {
        is_kept(&mut client, &raw::query(steady));
    }
    // A value that reads as a date that moves.
    let dated = |value: &str| extended("SELECT count(*) FROM numbers WHERE day < $1", &[value], 0);
    ask(&mut client, &dated("Yesterday"));
    assert_eq!(told(&mut client), "bypass value");
    is_kept(&mut client, &dated("2026-01-05"));
}

#[test]
fn nothing_in_a_transaction_comes_from_memory() {
    let stage = Stage::new();
    let mut client = stage.client();
    let sql = "SELECT n FROM numbers WHERE id = 1";
    is_kept(&mut client, &raw::query(sql));
    client.query("BEGIN");
    client.query(sql);
    assert_eq!(told(&mut client), "bypass transaction");
    client.query("COMMIT");
    client.query(sql);
    assert_eq!(told(&mut client), "hit");
    // A whole transaction in one go: what stands in it is not kept either.
    client
        .send(&[raw::query("BEGIN"), raw::query("SELECT n FROM numbers WHERE id = 2"), raw::query("COMMIT")].concat());
    client.lines_until_ready(3);
    client.query("SELECT n FROM numbers WHERE id = 2");
    assert_eq!(told(&mut client), "miss");
}

#[test]
fn a_client_says_how_old_an_answer_may_be_and_is_told_how_old_it_is() {
    let stage = Stage::new();
    let mut client = stage.client();
    let sql = raw::query("SELECT n FROM numbers WHERE id = 1");
    is_kept(&mut client, &sql);
    assert_eq!(client.value("SHOW vitrine.max_staleness"), "1min");
    client.query("SET vitrine.max_staleness = '0'");
    ask(&mut client, &sql);
    assert_eq!(told(&mut client), "bypass asked");
    client.query("BEGIN; SET LOCAL vitrine.max_staleness = '1h'");
    assert_eq!(client.value("SHOW vitrine.max_staleness"), "1h");
    client.query("ROLLBACK");
    assert_eq!(client.value("SHOW vitrine.max_staleness"), "0");
    let wrong = client.query("SET vitrine.max_staleness = 'soon'");
    assert!(wrong[0].contains("22023"), "{wrong:#?}");
    client.query("RESET vitrine.max_staleness");
    ask(&mut client, &sql);
    let value = client.value("SHOW vitrine.cache");
    assert!(value.starts_with("hit; age=") && value.contains("ms; as_of=20") && value.ends_with('Z'), "{value}");
    client.query("SET vitrine.report_cache = on");
    let lines = ask(&mut client, &sql);
    let report = lines.iter().position(|line| line.starts_with("ParameterStatus vitrine.cache")).unwrap();
    assert!(lines[report].contains("hit; age=") && lines[report + 1].starts_with("Ready "), "{lines:#?}");
    let mut asking = stage.client_with(&[("options", "-c vitrine.max_staleness=0 -c vitrine.report_cache=on")]);
    let lines = ask(&mut asking, &sql);
    assert!(lines.iter().any(|line| line.contains("bypass; reason=asked")), "{lines:#?}");
    // Nothing of it went upstream, also not over extended messages.
    let shown = ask(&mut client, &extended("SHOW vitrine.report_cache", &[], 0));
    assert!(shown.iter().any(|line| line == "DataRow on"), "{shown:#?}");
    assert_eq!(client.query("DISCARD ALL").len(), 2);
    assert_eq!(client.value("SHOW vitrine.report_cache"), "off");
}

#[test]
fn an_answer_beyond_the_bound_streams_on_and_is_not_kept() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE long AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 5000)",
        &[("VITRINE_CACHE_ENTRY_BYTES_MAX", "100000")],
    );
    let mut client = stage.client();
    for _ in 0..2 {
        let rows = client.query("SELECT x FROM long").len();
        assert_eq!(rows, 5_003);
        assert_eq!(told(&mut client), "miss");
    }
    assert_eq!(stage.front.gateway.cache.store.size(), (0, 0));
    wait_for(|| stage.front.gateway.cache.counters.bypasses().any(|(why, count)| why == "large" && count == 2));
    assert_eq!(client.query("SELECT x FROM long LIMIT 50").len(), 53);
    client.query("SELECT x FROM long LIMIT 50");
    assert_eq!(told(&mut client), "hit");
}
