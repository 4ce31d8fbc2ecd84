//! Of all who ask the same at once, one asks upstream.

use std::thread;
use std::time::{Duration, Instant};

use crate::stage::{Stage, told, wait_for};
use crate::support::raw::{self, Raw};

/// Slow without a function that could not be kept.
const SLOW: &str = "SELECT count(*) FROM crowd a, crowd b, crowd c WHERE a.id + b.id + c.id = -1";

fn stage() -> Stage {
    Stage::with("postgres", "CREATE TABLE crowd AS SELECT i AS id FROM generate_series(1, 420) i; ANALYZE", &[])
}

/// Executions of the slow statement that run now.
fn running(stage: &Stage) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%crowd a%' \
               AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    stage.server.psql(sql).unwrap().trim().parse().unwrap()
}

fn waiting(stage: &Stage) -> u64 {
    stage.front.gateway.cache.counters.waits.total()
}

#[test]
fn many_who_ask_at_once_cost_one_execution() {
    let stage = stage();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..40)
            .map(|_| {
                let mut client = stage.client();
                scope.spawn(move || client.value(SLOW))
            })
            .collect();
        for client in clients {
            assert_eq!(client.join().unwrap(), "0");
        }
    });
    assert_eq!(stage.misses(), 1);
}

#[test]
fn when_the_one_who_asks_is_cancelled_or_gone_the_next_takes_over() {
    let stage = stage();
    let begin = || {
        let mut client = stage.client();
        client.send(&raw::query(SLOW));
        client
    };
    for gone in [false, true] {
        stage.front.gateway.cache.store.drop_asked(|_, _| true);
        let mut first = begin();
        wait_for(|| running(&stage) == 1);
        let before = waiting(&stage);
        let mut second = begin();
        wait_for(|| waiting(&stage) > before);
        if gone {
            first.vanish();
        } else {
            raw::cancel(stage.front.address, first.key);
            let lines = first.lines_until_ready(1);
            // A cancel request can come too late, as with PostgreSQL itself.
            assert!(lines.iter().any(|line| line.contains("57014") || line == "DataRow 0"), "{lines:#?}");
        }
        let lines = second.lines_until_ready(1);
        assert!(lines.iter().any(|line| line == "DataRow 0"), "{lines:#?}");
        assert!(matches!(told(&mut second).as_str(), "miss" | "hit"));
    }
}

#[test]
fn who_waits_can_be_cancelled_and_has_a_timeout_of_its_own() {
    let stage = stage();
    let mut first = stage.client();
    first.send(&raw::query(SLOW));
    wait_for(|| running(&stage) == 1);
    let mut waiter: Raw = stage.client();
    let before = waiting(&stage);
    waiter.send(&raw::query(SLOW));
    wait_for(|| waiting(&stage) > before);
    raw::cancel(stage.front.address, waiter.key);
    let lines = waiter.lines_until_ready(1);
    assert!(lines[0].contains("57014") && lines[0].contains("user request"), "{lines:#?}");
    waiter.query("SET statement_timeout = '30ms'");
    let lines = waiter.query(SLOW);
    assert!(lines[0].contains("57014") && lines[0].contains("statement timeout"), "{lines:#?}");
    // Nobody was disturbed, and the one that waited is well.
    assert_eq!(running(&stage).min(1), usize::from(running(&stage) > 0));
    assert_eq!(waiter.value("SELECT 1"), "1");
    assert!(first.lines_until_ready(1).iter().any(|line| line == "DataRow 0"));
    waiter.query("RESET statement_timeout");
    waiter.query(SLOW);
    assert_eq!(told(&mut waiter), "hit");
}

#[test]
fn who_does_not_read_holds_nobody_up() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE long AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 900000) i",
        &[],
    );
    let sql = "SELECT * FROM long ORDER BY i LIMIT 850000";
    let mut lazy = stage.client();
    lazy.send(&raw::query(sql));
    // It reads nothing; the other one is answered all the same.
    thread::sleep(Duration::from_millis(300));
    let since = Instant::now();
    let mut other = stage.client();
    other.send(&raw::query(sql));
    assert!(other.message().is_some_and(|(tag, _)| tag == b'T'), "no answer in {:?}", since.elapsed());
}
