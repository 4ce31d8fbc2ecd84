//! Reads inside a transaction block: answered from memory only where the block sees with each statement what a statement
//! outside would see, and `cache.in_transactions` says so.

use crate::stage::{Stage, TABLES, ask, extended, is_kept, told};
use crate::support::raw::{self, Raw};

const ON: &[(&str, &str)] = &[("VITRINE_CACHE_IN_TRANSACTIONS", "true")];
const SQL: &str = "SELECT n FROM numbers WHERE id = 1";

fn stage() -> Stage {
    Stage::with("postgres", TABLES, ON)
}

/// Runs `sql`, which must succeed.
fn run(client: &mut Raw, sql: &str) {
    let lines = client.query(sql);
    assert!(!lines.iter().any(|line| line.starts_with("Error")), "{sql}: {lines:#?}");
}

fn rows(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("DataRow ")).collect()
}

#[test]
fn a_read_committed_block_is_answered_from_memory_and_stays_a_block() {
    let stage = stage();
    let mut client = stage.client();
    let outside = is_kept(&mut client, &raw::query(SQL));
    let bound = extended("SELECT label FROM numbers WHERE id = $1", &["3"], 1);
    is_kept(&mut client, &bound);
    for begin in [
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "BEGIN ISOLATION LEVEL READ UNCOMMITTED READ ONLY",
        "BEGIN DEFERRABLE",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ] {
        run(&mut client, begin);
        let inside = ask(&mut client, &raw::query(SQL));
        assert_eq!(told(&mut client), "hit", "{begin}");
        assert_eq!(rows(&inside), rows(&outside));
        assert_eq!(inside.last().map(String::as_str), Some("Ready T"), "{begin}");
        let lines = ask(&mut client, &bound);
        assert_eq!((told(&mut client).as_str(), lines.last().unwrap().as_str()), ("hit", "Ready T"));
        // What is asked here for the first time is kept for everybody.
        assert_eq!(client.value("SHOW transaction_read_only"), "on");
        assert_eq!(client.query("COMMIT").last().unwrap(), "Ready I", "{begin}");
    }
    run(&mut client, "BEGIN");
    let first = ask(&mut client, &raw::query("SELECT n FROM numbers WHERE id = 2"));
    assert_eq!(told(&mut client), "miss");
    assert_eq!(ask(&mut client, &raw::query("SELECT n FROM numbers WHERE id = 2")), first);
    assert_eq!(told(&mut client), "hit");
    run(&mut client, "COMMIT AND CHAIN");
    ask(&mut client, &raw::query(SQL));
    assert_eq!(told(&mut client), "hit");
    run(&mut client, "COMMIT");
    let mut other = stage.client();
    other.query("SELECT n FROM numbers WHERE id = 2");
    assert_eq!(told(&mut other), "hit");
    // Pipelined behind its BEGIN.
    client.send(&[raw::query("BEGIN"), raw::query(SQL), raw::query("COMMIT"), raw::query(SQL)].concat());
    let lines = client.lines_until_ready(4);
    let ready: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("Ready ")).collect();
    assert_eq!((ready, rows(&lines).len()), (vec!["T", "T", "I", "I"], 2), "{lines:#?}");
}

#[test]
fn a_block_that_sees_one_state_throughout_never_is() {
    let stage = stage();
    let mut client = stage.client();
    is_kept(&mut client, &raw::query(SQL));
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "BEGIN; SET LOCAL transaction_isolation = 'serializable'",
        "SET default_transaction_isolation = 'repeatable read'; BEGIN",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN",
    ] {
        begin.split("; ").for_each(|sql| run(&mut client, sql));
        for messages in [raw::query(SQL), extended(SQL, &[], 0)] {
            let lines = ask(&mut client, &messages);
            assert_eq!(told(&mut client), "bypass transaction", "{begin}");
            assert_eq!(lines.last().unwrap(), "Ready T", "{begin}");
        }
        assert_ne!(client.value("SHOW transaction_isolation"), "read committed", "{begin}");
        run(&mut client, "ROLLBACK");
        run(&mut client, "RESET ALL");
    }
    // In one text BEGIN does not see what was set before it; what it is then, is not relied on.
    run(&mut client, "SET default_transaction_isolation = 'serializable'; BEGIN");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "bypass transaction");
    run(&mut client, "ROLLBACK");
    run(&mut client, "RESET ALL");
    // It began as one of those, whatever is said in it later.
    run(&mut client, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    run(&mut client, SQL);
    run(&mut client, "BEGIN");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "bypass transaction");
    run(&mut client, "COMMIT AND CHAIN");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "bypass transaction", "what is chained is what was before");
    run(&mut client, "COMMIT");
    run(&mut client, "BEGIN");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "hit");
}

#[test]
fn a_block_that_failed_or_would_write_never_is() {
    let stage = stage();
    let mut client = stage.client();
    is_kept(&mut client, &raw::query(SQL));
    assert!(client.query("BEGIN READ WRITE").iter().any(|line| line.contains("25006")));
    for fails in ["SELECT 1/0", "DELETE FROM numbers", "SET TRANSACTION READ WRITE"] {
        run(&mut client, "BEGIN");
        run(&mut client, "SAVEPOINT s");
        run(&mut client, SQL);
        assert_eq!(told(&mut client), "hit");
        assert_eq!(client.query(fails).last().unwrap(), "Ready E", "{fails}");
        for messages in [raw::query(SQL), extended(SQL, &[], 0)] {
            let lines = ask(&mut client, &messages);
            assert!(lines[0].contains("25P02"), "{fails}: {lines:#?}");
            assert_eq!(lines.last().unwrap(), "Ready E");
        }
        run(&mut client, "ROLLBACK TO s");
        run(&mut client, SQL);
        assert_eq!(told(&mut client), "hit", "{fails}");
        run(&mut client, "COMMIT");
    }
}

#[test]
fn what_is_set_for_the_block_is_in_the_key() {
    let stage = stage();
    let mut client = stage.client();
    let at = raw::query("SELECT at FROM numbers WHERE id = 1");
    let plain = is_kept(&mut client, &at);
    let path = raw::query(SQL);
    assert_ne!(rows(&is_kept(&mut client, &path)), ["4711"]);
    run(&mut client, "BEGIN");
    run(&mut client, "SET LOCAL TimeZone = 'Asia/Tokyo'");
    assert_ne!(rows(&is_kept(&mut client, &at)), rows(&plain));
    run(&mut client, "SAVEPOINT s");
    run(&mut client, "SET LOCAL search_path = elsewhere");
    assert_eq!(rows(&is_kept(&mut client, &path)), ["4711"]);
    run(&mut client, "ROLLBACK TO s");
    assert_ne!(rows(&ask(&mut client, &path)), ["4711"]);
    assert_ne!(rows(&ask(&mut client, &at)), rows(&plain));
    assert_eq!(told(&mut client), "hit");
    run(&mut client, "RELEASE s");
    run(&mut client, "ROLLBACK");
    assert_eq!(ask(&mut client, &at), plain);
    assert_eq!(told(&mut client), "hit");
    run(&mut client, "BEGIN; SET LOCAL vitrine.max_staleness = '0'");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "bypass asked");
}

#[test]
fn cursors_portals_and_names_of_the_block_are_what_they_would_be() {
    let stage = stage();
    let mut client = stage.client();
    is_kept(&mut client, &raw::query(SQL));
    is_kept(&mut client, &extended(SQL, &[], 0));
    run(&mut client, "BEGIN");
    run(&mut client, "DECLARE c CURSOR FOR SELECT id FROM numbers ORDER BY id");
    assert_eq!(client.value("FETCH 1 FROM c"), "1");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "hit");
    assert_eq!(client.value("FETCH 1 FROM c"), "2");
    // A portal with a name is asked for again: it has to be there.
    let named = [raw::parse("", SQL, &[]), raw::bind_text("p", "", &[]), raw::execute("p", 0), raw::sync()].concat();
    ask(&mut client, &named);
    assert_eq!(told(&mut client), "miss");
    assert!(ask(&mut client, &[raw::execute("p", 0), raw::sync()].concat())[0].contains("SELECT 0"));
    // One without is not the one from before.
    ask(&mut client, &extended("SELECT id FROM numbers ORDER BY id LIMIT 3", &[], 0));
    ask(&mut client, &extended(SQL, &[], 0));
    assert_eq!(told(&mut client), "hit");
    run(&mut client, "SAVEPOINT s");
    let again = ask(&mut client, &[raw::execute("", 0), raw::sync()].concat());
    assert!(again[0].contains("34000") && rows(&again).is_empty(), "{again:#?}");
    run(&mut client, "ROLLBACK TO s");
    // What the block has PREPAREd is on the connection: it is asked.
    run(&mut client, "PREPARE q AS SELECT 1");
    run(&mut client, SQL);
    assert_eq!(told(&mut client), "bypass transaction");
    run(&mut client, "COMMIT");
}

#[test]
fn postgresql_knows_that_the_block_has_read() {
    let stage = stage();
    let mut client = stage.client();
    is_kept(&mut client, &raw::query(SQL));
    for late in [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET TRANSACTION DEFERRABLE",
        "SET LOCAL transaction_isolation = 'serializable'",
    ] {
        for messages in [raw::query(late), extended(late, &[], 0)] {
            run(&mut client, "BEGIN");
            run(&mut client, SQL);
            assert_eq!(told(&mut client), "hit");
            let refused = ask(&mut client, &messages);
            assert!(
                refused.iter().any(|line| line.contains("25001") && line.contains("before any query")),
                "{refused:#?}"
            );
            run(&mut client, "ROLLBACK");
        }
        // With nothing read it may be said.
        run(&mut client, "BEGIN");
        run(&mut client, late);
        run(&mut client, "ROLLBACK");
    }
}

#[test]
fn without_the_key_begin_goes_out_as_it_came() {
    let stage = Stage::new();
    let mut client = stage.client();
    run(&mut client, "BEGIN");
    let begun = "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'";
    assert_eq!(stage.server.psql(begun).unwrap().trim(), "BEGIN READ ONLY");
    run(&mut client, "ROLLBACK");
}
