//! Where the gateway could be a step behind the database: its catalog, its connections, its settings. And where the database
//! itself goes back a step.

use std::sync::Arc;

use vitrine::demo::postgres::{Options, Server};
use vitrine::policy::Policy;

use crate::boundaries::Two;
use crate::gateway_process::GatewayProcess;
use crate::stage::{Stage, ask, extended, is_kept, told, wait_for};
use crate::support::raw::{self, Raw};

const ON: &[(&str, &str)] = &[("VITRINE_CACHE_IN_TRANSACTIONS", "true")];
const BYPASSED: &str =
    "CREATE ROLE one LOGIN BYPASSRLS; CREATE TABLE rooms AS SELECT 1 AS id; GRANT SELECT ON rooms TO one;
    ALTER TABLE rooms ENABLE ROW LEVEL SECURITY;";

fn direct(server: &Server) -> Raw {
    let address = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}

fn has_rows(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("DataRow"))
}

fn is_refused(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("Error "))
}

/// Asks upstream so often that it is prepared there.
fn plan(client: &mut Raw, messages: &[u8]) {
    client.query("SET vitrine.max_staleness = 0");
    for _ in 0..10 {
        ask(client, messages);
    }
    client.query("RESET vitrine.max_staleness");
}

/// What the catalog said of it when it was last read is not so any more.
#[test]
fn what_became_unsteady_is_not_kept_by_what_was_known_of_it() {
    let stage = Stage::with(
        "postgres",
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE parts (id int) PARTITION BY RANGE (id);
         CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE SEQUENCE seq;
         CREATE VIEW v AS SELECT id, NULL::timestamptz AS at FROM t; CREATE VIEW w AS SELECT 1::bigint AS id FROM t;
         CREATE TABLE guarded AS SELECT 1 AS id; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON guarded USING (true); CREATE DOMAIN d AS int;
         CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int);
         CREATE FUNCTION lucky(int, int) RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT random() < 2';
         CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;",
        &[],
    );
    let mut client = stage.client();
    for (sql, change) in [
        ("SELECT id, at FROM v", "CREATE OR REPLACE VIEW v AS SELECT id, clock_timestamp() AS at FROM t"),
        ("SELECT id FROM w", "CREATE OR REPLACE VIEW w AS SELECT last_value AS id FROM seq"),
        ("SELECT id FROM guarded", "ALTER POLICY p ON guarded USING (current_setting('app.x', true) IS NULL)"),
        ("SELECT 1::d", "ALTER DOMAIN d ADD CHECK (now() > '2000-01-01')"),
        (
            "SELECT id FROM parts",
            "CREATE FOREIGN TABLE part2 PARTITION OF parts FOR VALUES FROM (20) TO (30) SERVER far",
        ),
        (
            "SELECT 1 === 1",
            "DROP OPERATOR === (int, int); CREATE OPERATOR === (FUNCTION = lucky, LEFTARG = int, RIGHTARG = int)",
        ),
    ] {
        is_kept(&mut client, &raw::query(sql));
        stage.server.psql(change).unwrap();
        stage.ticks();
        for _ in 0..3 {
            let lines = client.query(sql);
            let told = told(&mut client);
            assert!(is_refused(&lines) || told.starts_with("bypass "), "{sql} after {change}: {told}");
        }
        stage.settled();
        let lines = client.query(sql);
        let how = told(&mut client);
        // Refused is well too: it may be no read of this database at all.
        let is_bypassed = how.starts_with("bypass ") && how != "bypass unwatched";
        assert!(is_refused(&lines) || is_bypassed, "{sql} after {change}: {how}");
    }
}

/// PostgreSQL plans nothing again for a role that loses BYPASSRLS: what an old connection says must not be kept.
#[test]
fn a_connection_that_planned_before_fills_nobodys_memory() {
    let stage = Stage::with("one", BYPASSED, ON);
    let mut inside = stage.client();
    let sql = raw::query("SELECT id FROM rooms");
    plan(&mut inside, &sql);
    inside.query("BEGIN");
    ask(&mut inside, &sql);
    stage.server.psql("ALTER ROLE one NOBYPASSRLS").unwrap();
    stage.settled();
    assert!(has_rows(&ask(&mut inside, &sql)), "PostgreSQL plans it again by now");
    let how = told(&mut inside);
    assert_ne!(how, "hit");
    let mut other = stage.client();
    let lines = ask(&mut other, &sql);
    assert!(!has_rows(&lines), "{how}, then {} {lines:#?}", told(&mut other));
}

/// The same where what is asked most is asked again, and nobody else asks in between.
#[test]
fn what_is_refreshed_is_asked_on_a_new_connection() {
    let hot = [("VITRINE_CACHE_REFRESH_ENTRIES_MAX", "10"), ("VITRINE_CACHE_REFRESH_LOAD_MAX_PERCENT", "100")];
    let stage = Stage::with("one", BYPASSED, &hot);
    let mut client = stage.client();
    let sql = raw::query("SELECT id FROM rooms");
    plan(&mut client, &sql);
    is_kept(&mut client, &sql);
    for _ in 0..8 {
        ask(&mut client, &sql);
    }
    let refreshes = || stage.front.gateway.cache.counters.refreshes.total();
    let before = refreshes();
    stage.server.psql("ALTER ROLE one NOBYPASSRLS").unwrap();
    wait_for(|| refreshes() > before);
    stage.settled();
    let lines = ask(&mut client, &sql);
    assert!(!has_rows(&lines), "{} {lines:#?}", told(&mut client));
}

/// `xmax` and its like show what transactions under way do, which moves no snapshot.
#[test]
fn columns_that_tell_of_writers_are_not_kept() {
    let stage = Stage::with("postgres", "CREATE TABLE t AS SELECT 1 AS id; CREATE VIEW v AS SELECT xmax FROM t", &[]);
    let mut client = stage.client();
    for sql in [
        "SELECT xmax FROM t",
        "SELECT t.cmin, id FROM t",
        "SELECT id FROM t WHERE cmax = 0",
        "SELECT xmax FROM v",
        "SELECT count(*) FROM (SELECT x.\"xmax\" FROM t AS x) y",
    ] {
        client.query(sql);
        let lines = client.query(sql);
        let how = told(&mut client);
        assert!(is_refused(&lines) || how.starts_with("bypass "), "{sql}: {how} {lines:#?}");
    }
    is_kept(&mut client, &raw::query("SELECT ctid, tableoid FROM t"));
}

/// A crash empties unlogged tables, and moves no snapshot.
#[test]
fn a_crash_leaves_nothing_in_memory() {
    let stage = Stage::with("postgres", "CREATE UNLOGGED TABLE u AS SELECT 1 AS id", &[]);
    stage.server.psql("CHECKPOINT").unwrap();
    let mut client = stage.client();
    let sql = raw::query("SELECT count(*) FROM u");
    is_kept(&mut client, &sql);
    stage.settled();
    is_kept(&mut client, &sql);
    let mut victim = direct(&stage.server);
    let pid = victim.value("SELECT pg_backend_pid()");
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    wait_for(|| stage.server.psql("SELECT count(*) FROM u").is_ok_and(|count| count.trim() == "0"));
    stage.settled();
    let lines = ask(&mut client, &sql);
    assert!(lines.iter().any(|line| line == "DataRow 0"), "{} {lines:#?}", told(&mut client));
}

/// Two phases: what is prepared is no row yet; what is committed is one, whoever commits it. And what no transaction is
/// needed for.
#[test]
fn transactions_of_every_kind_and_sequences() {
    let config = vec!["max_prepared_transactions = 5".to_owned()];
    let stage = Stage::before(
        Server::start(Options { config, ..Options::default() }).unwrap(),
        "postgres",
        "CREATE TABLE t (n int); CREATE SEQUENCE seq; CREATE VIEW state AS SELECT last_value FROM seq",
        &[],
    );
    let mut client = stage.client();
    let sql = "SELECT count(*) FROM t";
    for (changes, count) in [
        (&["BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'x'"][..], "0"),
        (&["COMMIT PREPARED 'x'"], "1"),
        (&["BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'x'"], "1"),
        (&["ROLLBACK PREPARED 'x'"], "1"),
        (
            &[
                "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a; SAVEPOINT b; INSERT INTO t VALUES (3); COMMIT",
            ],
            "2",
        ),
        (&["BEGIN; TRUNCATE t; ROLLBACK"], "2"),
        (&["BEGIN; TRUNCATE t; COPY t FROM PROGRAM 'echo 5' (FREEZE); COMMIT"], "1"),
    ] {
        is_kept(&mut client, &raw::query(sql));
        changes.iter().for_each(|change| drop(stage.server.psql(change).unwrap()));
        wait_for(|| stage.client().value(sql) == count);
    }
    for sql in ["SELECT last_value FROM seq", "SELECT last_value FROM state"] {
        client.query(sql);
        stage.server.psql("SELECT nextval('seq')").unwrap();
        assert_eq!(client.value(sql), stage.server.psql(sql).unwrap().trim());
        assert_eq!(told(&mut client), "bypass unknown");
    }
}

/// Another server on the same address, with the same definitions under the same numbers: its past is another.
#[test]
fn another_server_at_the_same_address_is_another_database() {
    let stage = Stage::with("postgres", "CREATE TABLE t AS SELECT 1 AS n", &[]);
    let mut client = stage.client();
    is_kept(&mut client, &raw::query("SELECT n FROM t"));
    let port = stage.server.port();
    stage.server.stop();
    let other = Server::start(Options { port: Some(port), ..Options::default() }).unwrap();
    other.psql("CREATE TABLE t AS SELECT 2 AS n").unwrap();
    stage.settled();
    assert_eq!(stage.client().value("SELECT n FROM t"), "2");
}

/// The same name, which a reload gives to another server.
#[test]
fn a_database_that_a_reload_moves_takes_nothing_along() {
    let start = || Arc::new(Server::start(Options::default()).unwrap());
    let (first, second) = (start(), start());
    for (server, n) in [(&first, 1), (&second, 2)] {
        server.psql(&format!("CREATE TABLE t AS SELECT {n} AS n")).unwrap();
    }
    let file =
        |server: &Server| format!("[[database]]\nname = \"shop\"\nurl = \"{}\"\n", server.url("postgres", "postgres"));
    let gateway = GatewayProcess::start_before(
        Arc::clone(&first),
        &file(&first),
        &[("VITRINE_CACHE_STALENESS_MAX_MS", "600000"), ("VITRINE_CACHE_WATCH_INTERVAL_MS", "20")],
    );
    let connect = || Raw::connect(gateway.listen.parse().unwrap(), "tester", &[("database", "shop")]).unwrap();
    let keep = |n: &str| {
        let client = std::cell::RefCell::new(connect());
        wait_for(|| {
            let mut client = client.borrow_mut();
            assert_eq!(client.value("SELECT n FROM t"), n);
            told(&mut client) == "hit"
        });
    };
    keep("1");
    gateway.write_file(&file(&second));
    gateway.signal("HUP");
    wait_for(|| connect().value("SELECT n AS other FROM t") == "2");
    keep("2");
}

/// A default that a role is given later is that of new sessions: what is reviewed is what is read.
#[test]
fn names_are_reviewed_as_they_are_read_whatever_a_role_is_given() {
    let two = Two::new();
    two.run(
        "CREATE TABLE t AS SELECT 1 AS id; CREATE TABLE elsewhere.t AS SELECT 4711 AS id;
         GRANT SELECT ON t, elsewhere.t TO one",
    );
    two.stage.settled();
    let policy = Policy::from_toml("hidden_relations = [\"elsewhere.t\"]").unwrap();
    two.stage.front.database.policy.store(Arc::new(policy));
    let mut old = two.one();
    assert_eq!(old.value("SELECT id FROM t"), "1");
    for change in [
        "ALTER ROLE one SET search_path = elsewhere, public",
        "ALTER ROLE one RESET search_path",
        "ALTER SYSTEM SET search_path = elsewhere; SELECT pg_reload_conf()",
    ] {
        change.split("; ").for_each(|statement| drop(two.stage.server.psql(statement).unwrap()));
        two.stage.settled();
        for (who, client) in [("old", &mut old), ("new", &mut two.one())] {
            for messages in [raw::query("SELECT id FROM t"), extended("SELECT id FROM t", &[], 0)] {
                let lines = ask(client, &messages);
                assert!(!lines.iter().any(|line| line == "DataRow 4711"), "{who}: {change}: {lines:#?}");
            }
        }
    }
}
