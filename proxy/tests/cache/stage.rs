//! A PostgreSQL server, a gateway with a cache in front of it, and clients that say which answer came from where.

use std::time::{Duration, Instant};

use vitrine::cache::freshness::Rule;
use vitrine::demo::postgres::{Options, Server};
use vitrine::policy::Policy;
use vitrine::upstream::PoolLimits;

use crate::support::raw::{self, Raw};
use crate::support::{Front, front_with};

/// Long enough that nothing is dropped for its age while a test runs, short enough to wait for.
pub(crate) const WATCH: &[(&str, &str)] = &[
    ("VITRINE_CACHE_FRESHNESS", "watch"),
    ("VITRINE_CACHE_WATCH_INTERVAL_MS", "20"),
    ("VITRINE_CACHE_STALENESS_MAX_MS", "60000"),
];

/// What the cases are told on; every table has an owner who is not the reader.
pub(crate) const TABLES: &str =
    "CREATE TABLE numbers (id int PRIMARY KEY, n int, label text, at timestamptz, day date, f float8, b bytea);
    INSERT INTO numbers SELECT i, i * 7 % 13, 'label ' || i, '2026-01-01 12:00+00'::timestamptz + i * interval '1 hour',
        '2026-01-01'::date + i, i / 3.0, decode(md5(i::text), 'hex') FROM generate_series(1, 100) i;
    CREATE TABLE other (id int, n int); INSERT INTO other VALUES (1, 100);
    CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.numbers (LIKE numbers);
    INSERT INTO elsewhere.numbers (id, n) VALUES (1, 4711);
    CREATE VIEW today AS SELECT n FROM numbers WHERE day < current_date;
    CREATE VIEW steady AS SELECT id, n FROM numbers WHERE n > 3;
    CREATE FUNCTION nap(seconds float8) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        'BEGIN PERFORM pg_sleep(seconds); RETURN 1; END';
    ANALYZE;";

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) front: Front,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with("postgres", TABLES, &[])
    }

    /// As `role`, after `sql` has been run by the superuser.
    pub(crate) fn with(role: &str, sql: &str, environment: &[(&str, &str)]) -> Self {
        Self::before(Server::start(Options::default()).unwrap(), role, sql, environment)
    }

    /// The same in front of a given server.
    pub(crate) fn before(server: Server, role: &str, sql: &str, environment: &[(&str, &str)]) -> Self {
        server.psql(sql).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let limits = PoolLimits { connections_max: 10, ..PoolLimits::default() };
        let environment = [WATCH, environment].concat();
        let front = runtime.block_on(front_with(&server, role, "postgres", limits, &environment));
        let policy = Policy::from_toml("functions = [\"public.nap\"]\ncustom_settings = [\"app.*\"]").unwrap();
        front.database.policy.store(std::sync::Arc::new(policy));
        let stage = Self { server, front, runtime };
        // Until the database was looked at for the first time nothing is kept.
        wait_for(|| {
            stage.front.database.freshness.watch_state().1 > 0
                || stage.front.database.freshness.limits().rule != Rule::Watch
        });
        stage.settled();
        stage
    }

    pub(crate) fn client(&self) -> Raw {
        self.client_with(&[])
    }

    pub(crate) fn client_with(&self, parameters: &[(&str, &str)]) -> Raw {
        let parameters = [&[("database", "postgres")], parameters].concat();
        Raw::connect(self.front.address, "tester", &parameters).unwrap()
    }

    /// Waits until the database has been looked at twice from now on: whatever was committed before is known.
    pub(crate) fn ticks(&self) {
        if self.front.database.freshness.limits().rule != Rule::Watch {
            return;
        }
        for _ in 0..2 {
            let (before, _, _) = self.front.database.freshness.watch_state();
            wait_for(|| self.front.database.freshness.watch_state().0 > before);
        }
    }

    /// Waits until what is answered from now on may be kept.
    pub(crate) fn settled(&self) {
        self.ticks();
        let database = &self.front.database;
        wait_for(|| database.freshness.is_known_to(database.catalog.asked()));
    }

    /// Reads the catalog again, as the timer does.
    pub(crate) fn refresh_catalog(&self) {
        self.runtime.block_on(self.front.database.catalog.refresh()).unwrap();
    }

    /// Statements that went upstream and could have been answered from memory.
    pub(crate) fn misses(&self) -> u64 {
        self.front.gateway.cache.counters.misses.total()
    }
}

pub(crate) fn wait_for(done: impl Fn() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `hit`, `miss`, or `bypass` with its reason.
pub(crate) fn told(client: &mut Raw) -> String {
    let value = client.value("SHOW vitrine.last_query");
    let mut words = value.split("; ");
    let word = words.next().unwrap().to_owned();
    match words.next().and_then(|rest| rest.strip_prefix("reason=")) {
        Some(reason) => format!("{word} {reason}"),
        None => word,
    }
}

/// Asks twice: the second answer must be the same bytes, and from memory. What was written a moment ago may be found out
/// in between; then the next one must be.
pub(crate) fn is_kept(client: &mut Raw, messages: &[u8]) -> Vec<String> {
    let mut first = ask(client, messages);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(30) {
        let second = ask(client, messages);
        if told(client) == "hit" {
            assert_eq!(first, second);
            return first;
        }
        match told(client).as_str() {
            "miss" => {}
            // Definitions were found to be others: nothing is kept before the catalog is read.
            "bypass unwatched" => std::thread::sleep(Duration::from_millis(20)),
            told => panic!("{told}: {second:#?}"),
        }
        first = second;
    }
    panic!("never kept: {first:#?}");
}

pub(crate) fn ask(client: &mut Raw, messages: &[u8]) -> Vec<String> {
    client.send(messages);
    client.lines_until_ready(1)
}

/// Parse to Sync of one statement, with the results in `format`.
pub(crate) fn extended(sql: &str, values: &[&str], format: u16) -> Vec<u8> {
    let values = values.iter().map(|value| Some(value.as_bytes().to_vec())).collect();
    let values = raw::Values { values, results: vec![format], ..raw::Values::default() };
    [raw::parse("", sql, &[]), raw::bind("", "", &values), raw::about(b'D', b'P', ""), raw::execute("", 0), raw::sync()]
        .concat()
}
