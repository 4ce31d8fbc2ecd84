//! Of all who ask the same at once, one asks upstream.

use std::thread;
use std::time::{Duration, Instant};

use vitrine::gateway::bell::Doing;

use crate::stage::{Stage, told, wait_for};
use crate::support::raw::{self, Raw};

/// Slow without a function that could not be kept.
const SLOW: &str = "SELECT count(*) FROM crowd a, crowd b, crowd c WHERE a.id + b.id + c.id = -1";

fn stage() -> Stage {
    Stage::with("postgres", "CREATE TABLE crowd AS SELECT i AS id FROM generate_series(1, 320) i; ANALYZE", &[])
}

/// Executions of the slow statement that run now.
fn running(stage: &Stage) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%crowd a%' \
               AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    stage.server.psql(sql).unwrap().trim().parse().unwrap()
}

fn is_cancelled(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("57014") && line.contains("user request"))
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

/// Nobody waits for the end of this one, and should a cancel be lost it ends all the same.
const ENDLESS: &str = "SELECT count(*) FROM crowd a, crowd b, crowd c, crowd d WHERE a.id + b.id + c.id + d.id = -1";
const AT_LAST: &str = "SET statement_timeout = '40s'";

#[test]
fn when_the_one_who_asks_is_cancelled_or_gone_the_next_takes_over() {
    let stage = stage();
    let mut clients: Vec<Raw> = Vec::new();
    for number in 0..4 {
        let mut client = stage.client();
        client.query(AT_LAST);
        let before = waiting(&stage);
        client.send(&raw::query(ENDLESS));
        wait_for(|| if number == 0 { running(&stage) == 1 } else { waiting(&stage) > before });
        clients.push(client);
    }
    assert_eq!((running(&stage), stage.misses()), (1, 1));
    let mut asking = None;
    // Who asks is cancelled, then its successor is, then the next one is gone without a word.
    for led in 1..=3 {
        // Any of those who wait may be the next: it is the one with a connection.
        let next = wait_for_the_one_who_asks(&stage, &clients);
        assert_ne!(Some(clients[next].key), asking);
        let mut client = clients.remove(next);
        asking = Some(client.key);
        assert_eq!(stage.misses(), led);
        if led < 3 {
            raw::cancel(stage.front.address, client.key);
            let lines = client.lines_until_ready(1);
            assert!(is_cancelled(&lines), "{lines:#?}");
            assert_eq!(client.value("SELECT pg_backend_pid() > 0"), "t");
        } else {
            client.vanish();
        }
        wait_for(|| stage.misses() == led + 1);
    }
    assert_eq!(clients.len(), 1);
    let mut last = clients.remove(0);
    wait_for(|| running(&stage) == 1);
    raw::cancel(stage.front.address, last.key);
    assert!(is_cancelled(&last.lines_until_ready(1)));
    wait_for(|| running(&stage) == 0);
    // What was cancelled all along is not kept, and nobody waits for it for ever.
    last.query("SET statement_timeout = '50ms'");
    assert!(last.query(ENDLESS).iter().any(|line| line.contains("57014") && line.contains("statement timeout")));
    assert_eq!(told(&mut last), "miss");
}

/// Which of the clients holds the connection that runs.
fn wait_for_the_one_who_asks(stage: &Stage, clients: &[Raw]) -> usize {
    let found = std::cell::Cell::new(None);
    wait_for(|| {
        let active: Vec<u32> = (stage.front.gateway.sessions.residents().into_iter())
            .filter(|(_, resident)| resident.state() == Doing::Active)
            .map(|(key, _)| key.process_id)
            .collect();
        let index = clients.iter().position(|client| active.contains(&client.key.0));
        found.set(index);
        active.len() == 1 && index.is_some() && running(stage) == 1
    });
    found.get().unwrap()
}

#[test]
fn who_takes_over_from_one_who_is_gone_gets_the_answer() {
    let stage = stage();
    let mut first = stage.client();
    first.send(&raw::query(SLOW));
    wait_for(|| running(&stage) == 1);
    let mut second = stage.client();
    let before = waiting(&stage);
    second.send(&raw::query(SLOW));
    wait_for(|| waiting(&stage) > before);
    first.vanish();
    let lines = second.lines_until_ready(1);
    assert!(lines.iter().any(|line| line == "DataRow 0"), "{lines:#?}");
    assert_eq!((told(&mut second).as_str(), stage.misses()), ("miss", 2));
}

/// PostgreSQL forgets a cancel request that finds a session between the messages of one statement, or before them.
#[test]
fn a_cancel_is_not_lost_however_early_it_comes() {
    let stage = stage();
    for round in 0..12_u64 {
        let mut client = stage.client();
        client.query(AT_LAST);
        let before = stage.misses();
        client.send(&raw::query(&format!("{ENDLESS} AND a.id <> {round}")));
        wait_for(|| stage.misses() > before);
        thread::sleep(Duration::from_millis(round));
        raw::cancel(stage.front.address, client.key);
        let lines = client.lines_until_ready(1);
        assert!(is_cancelled(&lines), "{lines:#?}");
        // What comes next is not hit by it.
        assert_eq!(client.value("SELECT 1"), "1");
    }
    assert_eq!(running(&stage), 0);
}

#[test]
fn what_runs_for_one_who_is_gone_ends_however_early_it_leaves() {
    let stage = stage();
    for round in 0..6_u64 {
        let mut client = stage.client();
        client.query(AT_LAST);
        let before = stage.misses();
        client.send(&raw::query(&format!("{ENDLESS} AND a.id <> {round}")));
        wait_for(|| stage.misses() > before);
        thread::sleep(Duration::from_millis(round * 2));
        client.vanish();
    }
    wait_for(|| running(&stage) == 0);
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

/// PostgreSQL itself counts how often it was asked.
#[test]
fn a_thousand_who_ask_at_once_cost_one_execution_as_postgresql_counts() {
    let stage = Stage::with("postgres", "CREATE TABLE once AS SELECT i AS id FROM generate_series(1, 150000) i", &[]);
    let sql = "SELECT count(*) FROM once WHERE md5(id::text) > 'f'";
    let mut clients: Vec<Raw> = (0..1_000).map(|_| stage.client()).collect();
    clients.iter_mut().for_each(|client| client.send(&raw::query(sql)));
    let answers: Vec<Vec<String>> = clients.iter_mut().map(|client| client.lines_until_ready(1)).collect();
    assert!(answers.iter().all(|lines| *lines == answers[0] && lines.len() == 4), "{:?}", answers[0]);
    assert_eq!(stage.misses(), 1);
    // Its connections tell what they counted when they end.
    stage.front.database.default_route.pool.renew();
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'once'";
    wait_for(|| stage.server.psql(scans).unwrap().trim() != "0");
    assert_eq!(stage.server.psql(scans).unwrap().trim(), "1");
}

/// One of those who waited takes over, and the others wait for it.
#[test]
fn who_does_not_read_costs_one_more_execution_and_no_more() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE long AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 12000) i",
        &[("VITRINE_CACHE_ENTRY_BYTES_MAX", "200000000"), ("VITRINE_CACHE_BYTES_MAX", "1000000000")],
    );
    let sql = raw::query("SELECT x FROM long ORDER BY i");
    let mut lazy = stage.client();
    lazy.send(&sql);
    wait_for(|| stage.misses() == 1);
    thread::scope(|scope| {
        for _ in 0..8 {
            let (mut other, sql) = (stage.client(), &sql);
            scope.spawn(move || {
                other.send(sql);
                assert_eq!(other.lines_until_ready(1).len(), 12_003);
            });
        }
    });
    // Two, or another one where the second was slow to read.
    assert!(stage.misses() < 5, "{}", stage.misses());
    drop(lazy);
}

/// What is too large to keep is known to be before it has passed: nobody waits for its end.
#[test]
fn nobody_waits_for_what_will_not_be_kept() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE long AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 3000) i",
        &[("VITRINE_CACHE_ENTRY_BYTES_MAX", "100000")],
    );
    // The last row takes for ever.
    let endless = "SELECT x, (SELECT count(*) FROM long a, long b, long c, long d WHERE a.i + b.i + c.i + d.i = -l.i AND l.i = 2999) FROM long l";
    let mut first = stage.client();
    first.query(AT_LAST);
    first.send(&raw::query(endless));
    wait_for(|| stage.front.gateway.cache.counters.misses.total() == 1);
    let mut second = stage.client();
    second.query(AT_LAST);
    second.send(&raw::query(endless));
    assert!(second.message().is_some_and(|(tag, _)| tag == b'T'));
    for client in [&first, &second] {
        raw::cancel(stage.front.address, client.key);
    }
}
