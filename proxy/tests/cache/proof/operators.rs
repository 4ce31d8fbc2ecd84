//! What operators see of the cache and do to it: the console, HTTP, metrics, `vitrine check`; and that what it says of its
//! memory is true of the process.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use vitrine::demo::postgres::{Options, Server};

use crate::gateway_process::{GatewayProcess, http};
use crate::stage::{ask, told, wait_for};
use crate::support::raw::{self, Raw};

const BOUNDS: &[(&str, &str)] =
    &[("VITRINE_CACHE_STALENESS_MAX_MS", "600000"), ("VITRINE_CACHE_WATCH_INTERVAL_MS", "20")];

fn start(sql: &str, environment: &[(&str, &str)]) -> GatewayProcess {
    let server = Server::start(Options::default()).unwrap();
    server.psql(sql).unwrap();
    GatewayProcess::start_before(Arc::new(server), "", &[BOUNDS, environment].concat())
}

fn connect(gateway: &GatewayProcess, database: &str) -> Raw {
    Raw::connect(gateway.listen.parse().unwrap(), "tester", &[("database", database)]).unwrap()
}

/// Asks until it is answered from memory.
fn keep(client: &mut Raw, sql: &str) {
    let client = std::cell::RefCell::new(client);
    wait_for(|| {
        let mut client = client.borrow_mut();
        client.query(sql);
        told(&mut client) == "hit"
    });
}

/// Rows of two columns, by the first.
fn shown(console: &mut Raw, sql: &str) -> BTreeMap<String, String> {
    let lines = console.query(sql);
    let rows = lines.iter().filter_map(|line| line.strip_prefix("DataRow ")?.split_once(" | "));
    rows.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn number(values: &BTreeMap<String, String>, name: &str) -> u64 {
    values.get(name).unwrap_or_else(|| panic!("{name}: {values:#?}")).parse().unwrap()
}

fn post(gateway: &GatewayProcess, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&gateway.admin).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: vitrine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// The value of a sample.
fn metric(gateway: &GatewayProcess, sample: &str) -> f64 {
    let metrics = http(&gateway.admin, "/metrics").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample}: {metrics}")).parse().unwrap()
}

const TABLES: &str = "CREATE TABLE shown (n int, label text); INSERT INTO shown VALUES (1, 'hunter2'), (2, 'x');
    CREATE TABLE other AS SELECT 1 AS id; CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.other AS SELECT 2 AS id;
    CREATE TABLE long AS SELECT i AS id, repeat('x', 3000) AS x FROM generate_series(1, 400) i";

#[test]
fn operators_see_what_is_kept_and_drop_it() {
    let gateway = start(TABLES, &[("VITRINE_CACHE_BYTES_MAX", "300000")]);
    let (mut client, mut console) = (connect(&gateway, "postgres"), connect(&gateway, "vitrine"));
    let reads =
        ["SELECT n FROM shown WHERE label = 'hunter2'", "SELECT id FROM other", "SELECT id FROM elsewhere.other"];
    reads.iter().for_each(|sql| keep(&mut client, sql));
    client.query("SELECT now()");
    client.query("SELECT random()");
    // The console.
    let cache = shown(&mut console, "SHOW CACHE");
    assert_eq!((number(&cache, "entries"), number(&cache, "bytes_max")), (3, 300_000));
    let (hits, misses) = (number(&cache, "hits"), number(&cache, "misses"));
    assert!(hits >= 3 && misses >= 3 && number(&cache, "bytes") > 3 * 440, "{cache:#?}");
    assert_eq!(number(&cache, "hit_percent"), hits * 100 / (hits + misses));
    assert_eq!((number(&cache, "bypass.time"), number(&cache, "bypass.volatile")), (1, 1));
    assert_eq!((cache["postgres.freshness"].as_str(), number(&cache, "postgres.bound_ms")), ("watch", 600_000));
    assert_eq!(number(&cache, "postgres.tables_watched"), 3);
    let entries = console.query("SHOW CACHE ENTRIES");
    let rows: Vec<&String> = entries.iter().filter(|line| line.starts_with("DataRow")).collect();
    assert_eq!(rows.len(), 3);
    assert!(!entries.iter().any(|line| line.contains("hunter2")), "{entries:#?}");
    for table in ["public.shown", "public.other", "elsewhere.other"] {
        let of = |row: &&&String| row.contains(&format!(" | {table} | true"));
        assert_eq!(rows.iter().filter(of).count(), 1, "{table}: {entries:#?}");
    }
    // The same over HTTP, and in the metrics.
    let (status, body) = http(&gateway.admin, "/cache");
    let told_by_http: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, told_by_http["entries"].as_array().unwrap().len()), (200, 3));
    for name in ["entries", "bytes", "hits", "misses", "kept", "hit_percent", "saved_ms", "bypass.time"] {
        assert_eq!(told_by_http["cache"][name].as_str().unwrap(), cache[name], "{name}");
    }
    assert!(!body.contains("hunter2"));
    for (sample, name) in [
        ("vitrine_cache_hits_total", "hits"),
        ("vitrine_cache_misses_total", "misses"),
        ("vitrine_cache_bytes", "bytes"),
        ("vitrine_cache_entries", "entries"),
        ("vitrine_cache_kept_total", "kept"),
        ("vitrine_cache_bypasses_total{reason=\"time\"}", "bypass.time"),
    ] {
        assert_eq!(metric(&gateway, sample).to_string(), cache[name], "{sample}");
    }
    assert!(metric(&gateway, "vitrine_cache_saved_seconds_total") > 0.0);
    dropping(&gateway, &mut client, &mut console);
    causes(&gateway, &mut client);
}

/// One table, all, what is not there; on both ways.
fn dropping(gateway: &GatewayProcess, client: &mut Raw, console: &mut Raw) {
    let complete = |console: &mut Raw, sql: &str| console.query(sql)[0].clone();
    assert_eq!(complete(console, "INVALIDATE shown"), "CommandComplete INVALIDATE 1");
    assert_eq!(metric(gateway, "vitrine_cache_evictions_total{cause=\"asked\"}"), 1.0);
    client.query("SELECT n FROM shown WHERE label = 'hunter2'");
    assert_eq!(told(client), "miss");
    client.query("SELECT id FROM other");
    assert_eq!(told(client), "hit");
    assert_eq!(complete(console, "INVALIDATE elsewhere.other"), "CommandComplete INVALIDATE 1");
    assert!(complete(console, "INVALIDATE nosuch").contains("relation \"nosuch\" does not exist"));
    assert_eq!(complete(console, "INVALIDATE"), "CommandComplete INVALIDATE 2");
    assert_eq!(shown(console, "SHOW CACHE")["entries"], "0");
    for sql in ["SELECT n FROM shown", "SELECT id FROM other"] {
        keep(client, sql);
    }
    assert_eq!(post(gateway, "/cache/invalidate?table=shown"), (200, "{\"dropped\":1}".to_owned()));
    assert_eq!(post(gateway, "/cache/invalidate?table=public.nosuch").0, 404);
    assert_eq!(post(gateway, "/cache/invalidate?database=nosuch").0, 404);
    assert_eq!(post(gateway, "/cache/invalidate?database=postgres"), (200, "{\"dropped\":1}".to_owned()));
    assert_eq!(post(gateway, "/cache/invalidate"), (200, "{\"dropped\":0}".to_owned()));
    assert_eq!(metric(gateway, "vitrine_cache_evictions_total{cause=\"asked\"}"), 6.0);
}

/// A change, and the bound of bytes.
fn causes(gateway: &GatewayProcess, client: &mut Raw) {
    let changed = "vitrine_cache_evictions_total{cause=\"changed\"}";
    keep(client, "SELECT n FROM shown");
    let before = metric(gateway, changed);
    gateway.postgres.psql("UPDATE shown SET n = n + 100").unwrap();
    let client_cell = std::cell::RefCell::new(&mut *client);
    wait_for(|| client_cell.borrow_mut().value("SELECT n FROM shown") == "101");
    assert!(metric(gateway, changed) > before);
    for id in 1..=400 {
        client.query(&format!("SELECT x FROM long WHERE id = {id}"));
    }
    let (bytes, entries) = (metric(gateway, "vitrine_cache_bytes"), metric(gateway, "vitrine_cache_entries"));
    assert!(bytes <= 300_000.0 && entries < 100.0, "{bytes} bytes of {entries}");
    assert!(metric(gateway, "vitrine_cache_evictions_total{cause=\"size\"}") > 300.0 - entries);
}

/// Bytes of the process that are in memory.
fn resident(gateway: &GatewayProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Entries of three sizes, so that what each one takes beside its bytes counts in the first and hardly in the last; of one
/// statement, which they share, and of as many texts. What the cache says of itself is between three quarters and five
/// quarters of what the process grows by. So many of the small ones, because the process takes memory in steps of its own.
#[test]
fn memory_is_counted_truly() {
    let gateway = start(
        "CREATE TABLE small AS SELECT i AS id, repeat('x', 20) AS x FROM generate_series(1, 40000) i;
         CREATE TABLE middling AS SELECT i AS id, repeat('x', 10000) AS x FROM generate_series(1, 2400) i;
         CREATE TABLE large AS SELECT i AS id, repeat('x', 500000) AS x FROM generate_series(1, 80) i;
         CREATE UNIQUE INDEX ON small (id); CREATE UNIQUE INDEX ON middling (id); ANALYZE;",
        &[("VITRINE_CACHE_BYTES_MAX", "1000000000")],
    );
    let client = std::cell::RefCell::new(connect(&gateway, "postgres"));
    for name in ["small", "middling", "large"] {
        let sql = format!("SELECT x FROM {name} WHERE id = $1");
        ask(&mut client.borrow_mut(), &[raw::parse(name, &sql, &[23]), raw::sync()].concat());
    }
    let fill = |name: &str, ids: std::ops::Range<usize>| {
        let at_once = if name == "large" { 1 } else { 50 };
        for first in ids.clone().step_by(at_once) {
            let now = first..(first + at_once).min(ids.end);
            let question = |id: usize| match name {
                "text" => raw::query(&format!("SELECT x FROM small WHERE id = {id}")),
                _ => [raw::bind_text("", name, &[&id.to_string()]), raw::execute("", 0), raw::sync()].concat(),
            };
            let messages: Vec<u8> = now.clone().flat_map(question).collect();
            client.borrow_mut().send(&messages);
            client.borrow_mut().lines_until_ready(now.len());
        }
    };
    for (name, ballast, count, bytes) in [
        ("small", 12_000, 24_000, 20),
        ("text", 2_000, 18_000, 20),
        ("middling", 800, 1_500, 10_000),
        ("large", 20, 60, 500_000),
    ] {
        // What the process has let go of before is taken up by entries that stay.
        fill(name, 1..ballast + 1);
        let (counted_before, before) = (metric(&gateway, "vitrine_cache_bytes"), resident(&gateway));
        fill(name, ballast + 1..ballast + 1 + count);
        let counted = metric(&gateway, "vitrine_cache_bytes") - counted_before;
        let grown = resident(&gateway).saturating_sub(before) as f64;
        let each = |bytes: f64| bytes / count as f64;
        println!(
            "{name}: {count}, counted {:.0} each, grown by {:.0}: {:.2}",
            each(counted),
            each(grown),
            counted / grown
        );
        assert!(counted > count as f64 * f64::from(bytes));
        assert!(counted > 0.75 * grown && counted < 1.25 * grown, "{name}: counted {counted}, grown by {grown}");
    }
}
