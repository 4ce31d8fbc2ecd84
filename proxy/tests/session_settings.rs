//! READ WRITE where the policy lets the words pass, and settings whose value is bound: whatever is said, with a superuser
//! upstream and functions that the policy trusts, nothing writes and no name means what was not reviewed.
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

use std::sync::Arc;

use support::raw::{self, Raw, Values};
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::policy::Policy;
use vitrine::upstream::PoolLimits;
use vitrine::verify::{Outcome, Way, run};

const FIXTURE: &str = "
    CREATE TABLE public.written (what text);
    CREATE FUNCTION public.writes() RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.written VALUES ('wrote'); RETURN 'wrote'; END $$;
    CREATE TABLE public.numbers (n int4); INSERT INTO numbers VALUES (1);
    CREATE SCHEMA other; CREATE TABLE other.numbers (n int4); INSERT INTO other.numbers VALUES (10);
    CREATE SCHEMA shadow;
    CREATE FUNCTION public.mark() RETURNS int4 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'EVIL'; RETURN 1; END $$;
    CREATE FUNCTION shadow.abs(int4) RETURNS int4 LANGUAGE sql AS 'SELECT public.mark()';
    CREATE FUNCTION public.lower(varchar) RETURNS int4 LANGUAGE sql AS 'SELECT public.mark()';
";

struct Stage {
    server: Server,
    front: Front,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(policy: &str) -> Self {
        let server = postgres();
        server.psql(FIXTURE).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // One connection: what is left behind on it would be seen.
        let limits = PoolLimits { connections_max: 1, ..PoolLimits::default() };
        let front = runtime.block_on(front(&server, "postgres", "postgres", limits));
        front.database.policy.store(Arc::new(Policy::from_toml(policy).unwrap()));
        Self { server, front, _runtime: runtime }
    }

    fn client(&self) -> Raw {
        self.client_with(&[])
    }

    fn client_with(&self, parameters: &[(&str, &str)]) -> Raw {
        let parameters = [&[("database", "postgres")], parameters].concat();
        Raw::connect(self.front.address, "postgres", &parameters).unwrap()
    }
}

/// How a statement is sent.
#[derive(Debug, Clone, Copy)]
enum Form {
    Simple,
    Extended,
    Prepared,
}

const FORMS: [Form; 3] = [Form::Simple, Form::Extended, Form::Prepared];

fn say(client: &mut Raw, sql: &str, form: Form) -> Vec<String> {
    match form {
        Form::Simple => client.query(sql),
        Form::Extended => extended(client, sql, &[], &Values::default()),
        Form::Prepared => {
            client.send(&[raw::parse("said", sql, &[]), raw::sync()].concat());
            let mut lines = client.lines_until_ready(1);
            client
                .send(&[raw::bind_text("", "said", &[]), raw::execute("", 0), raw::about(b'C', b'S', "said")].concat());
            client.send(&raw::sync());
            lines.extend(client.lines_until_ready(1));
            lines
        }
    }
}

fn extended(client: &mut Raw, sql: &str, types: &[u32], values: &Values) -> Vec<String> {
    client.send(&[raw::parse("", sql, types), raw::bind("", "", values), raw::execute("", 0), raw::sync()].concat());
    client.lines_until_ready(1)
}

fn completed(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("CommandComplete ")).collect()
}

fn error(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| line.strip_prefix("Error "))
}

const READ_ONLY_POLICY: &str = "read_write_transactions = \"read_only\"\nfunctions = [\"public.writes\"]";

/// What drivers and people say, with the tags that PostgreSQL gives; the last statement leaves a transaction open.
const READ_WRITE: [(&[&str], &[&str]); 19] = [
    (&["BEGIN READ WRITE"], &["BEGIN"]),
    (&["begin transaction read write"], &["BEGIN"]),
    (&["BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE"], &["BEGIN"]),
    (&["BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE NOT DEFERRABLE"], &["BEGIN"]),
    (&["START TRANSACTION READ WRITE"], &["START TRANSACTION"]),
    (&["START TRANSACTION READ ONLY, READ WRITE"], &["START TRANSACTION"]),
    (&["BEGIN", "SET TRANSACTION READ WRITE"], &["BEGIN", "SET"]),
    (&["BEGIN", "SET LOCAL TRANSACTION READ WRITE"], &["BEGIN", "SET"]),
    (&["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE"], &["BEGIN", "SET"]),
    (&["BEGIN READ WRITE", "SAVEPOINT a", "SET TRANSACTION READ WRITE"], &["BEGIN", "SAVEPOINT", "SET"]),
    (&["BEGIN READ WRITE", "SELECT 1", "SET TRANSACTION READ WRITE"], &["BEGIN", "SELECT 1", "SET"]),
    (&["BEGIN READ WRITE", "COMMIT AND CHAIN"], &["BEGIN", "COMMIT"]),
    (&["BEGIN", "SET transaction_read_only = off"], &["BEGIN", "SET"]),
    (&["BEGIN", "SET LOCAL transaction_read_only TO 'false'"], &["BEGIN", "SET"]),
    (&["BEGIN", "SET SESSION transaction_read_only = 0"], &["BEGIN", "SET"]),
    (&["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "BEGIN"], &["SET", "BEGIN"]),
    (
        &["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE", "BEGIN"],
        &["SET", "BEGIN"],
    ),
    (&["SET default_transaction_read_only = off", "BEGIN"], &["SET", "BEGIN"]),
    (&["SET \"default_transaction_read_only\" TO no", "BEGIN"], &["SET", "BEGIN"]),
];

#[test]
fn read_write_passes_without_its_meaning() {
    let stage = Stage::new(READ_ONLY_POLICY);
    for form in FORMS {
        for (statements, tags) in READ_WRITE {
            let mut client = stage.client();
            let mut lines = Vec::new();
            for sql in statements {
                lines.extend(say(&mut client, sql, form));
            }
            assert_eq!(error(&lines), None, "{statements:?} {form:?}");
            assert_eq!(completed(&lines), tags, "{statements:?} {form:?}");
            assert_eq!(lines.last().unwrap(), "Ready T");
            assert_eq!(client.value("SHOW transaction_read_only"), "on", "{statements:?} {form:?}");
            assert_eq!(client.value("SELECT current_setting('default_transaction_read_only')"), "on");
            let written = client.query("SELECT public.writes()");
            assert!(error(&written).is_some_and(|error| error.starts_with("ERROR 25006")), "{written:#?}");
            client.query("ROLLBACK");
            let written = client.query("SELECT public.writes()");
            assert!(error(&written).is_some_and(|error| error.starts_with("ERROR 25006")), "{written:#?}");
        }
        // All of it in one text, too.
        for (statements, tags) in READ_WRITE {
            let mut client = stage.client();
            let lines = client.query(&format!("{}; SHOW transaction_read_only", statements.join("; ")));
            assert_eq!(error(&lines), None, "{statements:?}");
            assert_eq!(completed(&lines), [tags, &["SHOW"]].concat(), "{statements:?}");
            assert!(lines.iter().any(|line| line == "DataRow on"), "{lines:#?}");
        }
    }
    let mut client = stage.client();
    // Isolation is as asked.
    client.query("BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE");
    assert_eq!(client.value("SHOW transaction_isolation"), "serializable");
    client.query("COMMIT; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE");
    assert_eq!(client.value("SHOW transaction_isolation"), "repeatable read");
    // Writes stay what they are.
    for sql in ["BEGIN READ WRITE; DELETE FROM numbers", "START TRANSACTION READ WRITE; DROP TABLE numbers"] {
        assert!(error(&client.query(sql)).is_some_and(|error| error.starts_with("ERROR 25006")), "{sql}");
    }
    // Neither another value, nor the function, whose text goes on as it is.
    for sql in [
        "SET transaction_read_only = banana",
        "SET default_transaction_read_only = o",
        "SET transaction_read_only TO DEFAULT",
        "RESET transaction_read_only",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT set_config('transaction_read_only', NULL, false)",
        "SELECT set_config('default_transaction_read_only', 'off', true)",
        "SELECT set_config('default_transaction_read_only', 'off', false), current_setting('x', true)",
    ] {
        assert!(error(&client.query(sql)).is_some(), "{sql}");
    }
    for name in ["transaction_read_only", "default_transaction_read_only"] {
        let sql = format!("SELECT set_config('{name}', $1, false)");
        let values = Values { values: vec![Some(b"off".to_vec())], ..Values::default() };
        assert!(error(&extended(&mut client, &sql, &[], &values)).is_some(), "{sql}");
    }
    assert_eq!(stage.server.psql("SELECT count(*) FROM public.written").unwrap().trim(), "0");
}

#[test]
fn read_write_is_refused_where_the_policy_says_nothing() {
    let stage = Stage::new("");
    for form in FORMS {
        for (statements, _) in READ_WRITE {
            let mut client = stage.client();
            let lines: Vec<String> = statements.iter().flat_map(|sql| say(&mut client, sql, form)).collect();
            let refused = error(&lines).is_some_and(|error| error.contains("25006") || error.contains("42501"));
            assert!(refused, "{statements:?} {form:?}: {lines:#?}");
        }
    }
    let mut client = stage.client();
    let lines = client.query("BEGIN READ WRITE");
    assert!(lines[0].contains("read_write_transactions = \"read_only\""), "{lines:#?}");
}

/// The shipped corpus knows both answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_corpus_gets_through_where_read_write_passes() {
    let server = postgres();
    let limits = PoolLimits { connections_max: 4, ..PoolLimits::default() };
    let front = front(&server, "postgres", "postgres", limits).await;
    front.database.policy.store(Arc::new(Policy::from_toml("read_write_transactions = \"read_only\"").unwrap()));
    let way = Way::Here { gateway: front.gateway, database: "postgres".into(), user: "verify".into() };
    let report = run(&way, |_, _| {}).await.unwrap();
    let through: Vec<_> = report.runs.iter().filter(|run| matches!(run.outcome, Outcome::GotThrough { .. })).collect();
    assert!(through.is_empty(), "{through:#?}");
    let passed = report.runs.iter().filter(
        |run| matches!(&run.outcome, Outcome::WithoutEffect { answer } if answer.starts_with("the words passed")),
    );
    assert!(passed.count() > 100);
}

fn bound(value: Option<&[u8]>, format: u16) -> Values {
    Values { formats: vec![format], values: vec![value.map(<[u8]>::to_vec)], results: Vec::new() }
}

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const NAME: u32 = 19;
const BPCHAR: u32 = 1042;
const INT4: u32 = 23;

const SET_PATH: &str = "SELECT set_config('search_path', $1, false)";

#[test]
fn a_bound_search_path_is_that_of_the_names_after_it() {
    let stage = Stage::new("");
    for (types, format, sql) in [
        (&[][..], 0, SET_PATH),
        (&[TEXT][..], 0, SET_PATH),
        (&[TEXT][..], 1, SET_PATH),
        (&[VARCHAR][..], 1, SET_PATH),
        (&[0][..], 1, "SELECT pg_catalog.set_config('Search_Path', $1::text, false) AS path"),
    ] {
        let mut client = stage.client();
        assert_eq!(client.value("SELECT n FROM numbers"), "1");
        let lines = extended(&mut client, sql, types, &bound(Some(b"other, \"$user\""), format));
        // Reported by 18 and later.
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("ParameterStatus")).collect();
        assert_eq!(lines[2..], ["DataRow other, \"$user\"", "CommandComplete SELECT 1", "Ready I"], "{lines:#?}");
        assert_eq!(client.value("SELECT n FROM numbers"), "10");
        // One connection serves all: another client has its own.
        assert_eq!(stage.client().value("SELECT n FROM numbers"), "1");
        assert_eq!(client.value("SELECT n FROM numbers"), "10");
        // Of the transaction alone.
        client.query("BEGIN");
        extended(&mut client, "SELECT set_config('search_path', $1, true)", &[], &bound(Some(b"public"), 0));
        assert_eq!(client.value("SELECT n FROM numbers"), "1");
        client.query("ROLLBACK");
        assert_eq!(client.value("SELECT n FROM numbers"), "10");
    }
}

#[test]
fn names_are_reviewed_under_a_bound_search_path() {
    let stage = Stage::new("");
    let shadow: &[u8] = b"shadow, pg_catalog";
    // After it, one by one.
    let mut client = stage.client();
    assert_eq!(client.value("SELECT abs(-1)"), "1");
    client.send(&[raw::parse("kept", "SELECT abs(-1)", &[]), raw::sync()].concat());
    client.lines_until_ready(1);
    assert_eq!(error(&extended(&mut client, SET_PATH, &[], &bound(Some(shadow), 0))), None);
    let mut said = client.query("SELECT abs(-1)");
    client.send(&[raw::bind_text("", "kept", &[]), raw::execute("", 0), raw::sync()].concat());
    said.extend(client.lines_until_ready(1));
    // In the batch that sets it, and bound again in it.
    let mut client = stage.client();
    let batch = [
        raw::parse("path", SET_PATH, &[]),
        raw::bind("path", "path", &bound(Some(shadow), 1)),
        raw::execute("path", 0),
        raw::parse("", "SELECT abs(-1)", &[]),
        raw::bind_text("", "", &[]),
        raw::execute("", 0),
        raw::sync(),
    ];
    client.send(&batch.concat());
    said.extend(client.lines_until_ready(1));
    assert!(!said.iter().any(|line| line.contains("EVIL")), "{said:#?}");
    assert_eq!(said.iter().filter(|line| line.contains("Error ERROR 42501")).count(), 3, "{said:#?}");
    // Two portals of one statement, each with its own value; the last one to run counts.
    let mut client = stage.client();
    let batch = [
        raw::parse("path", SET_PATH, &[]),
        raw::bind("safe", "path", &bound(Some(b"other"), 0)),
        raw::bind("bad", "path", &bound(Some(shadow), 0)),
        raw::execute("safe", 0),
        raw::execute("bad", 0),
        raw::sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(error(&client.lines_until_ready(1)), None);
    let said = client.query("SELECT abs(-1)");
    assert!(error(&said).is_some() && !said.iter().any(|line| line.contains("EVIL")), "{said:#?}");
}

#[test]
fn bound_values_are_held_to_the_rules_of_set() {
    let stage = Stage::new("custom_settings = [\"app.*\"]\n[setting_bounds]\nstatement_timeout_ms_max = 60_000");
    let mut client = stage.client();
    let mut set = |name: &str, value: Option<&[u8]>, types: &[u32]| {
        let sql = format!("SELECT set_config('{name}', $1, false)");
        let lines = extended(&mut client, &sql, types, &bound(value, 0));
        error(&lines).map(|error| error.chars().skip(6).take(5).collect::<String>()).unwrap_or_default()
    };
    for (name, value) in [
        ("work_mem", "64MB"),
        ("statement_timeout", "30s"),
        ("client_encoding", "UTF8"),
        ("default_transaction_read_only", "on"),
        ("standard_conforming_strings", "on"),
        ("TimeZone", "Asia/Tokyo"),
        ("app.tenant", "7"),
        ("app.tenant", ""),
    ] {
        assert_eq!(set(name, Some(value.as_bytes()), &[]), "", "{name} {value}");
    }
    for (name, value) in [
        ("work_mem", "64GB"),
        ("statement_timeout", "0"),
        ("statement_timeout", "2min"),
        ("client_encoding", "SJIS"),
        ("default_transaction_read_only", "off"),
        ("transaction_read_only", "off"),
        ("standard_conforming_strings", "off"),
        ("backslash_quote", "on"),
        ("hash_mem_multiplier", "1000"),
        ("search_path", "a\u{b}b"),
        ("role", "none"),
        ("session_authorization", "postgres"),
        ("session_replication_role", "replica"),
        ("vitrine.max_staleness", "1s"),
        ("other.tenant", "7"),
    ] {
        assert_eq!(set(name, Some(value.as_bytes()), &[]), "42501", "{name} {value}");
    }
    for name in ["search_path", "work_mem", "statement_timeout", "client_encoding"] {
        assert_eq!(set(name, None, &[]), "42501", "{name}: NULL");
        assert_eq!(set(name, Some(b"a\xffb"), &[]), "22021", "{name}: no UTF-8");
        assert_eq!(set(name, Some(b"a\0b"), &[]), "22021", "{name}: a zero");
        for declared in [NAME, BPCHAR, INT4] {
            assert_eq!(set(name, Some(b"other"), &[declared]), "42501", "{name}: type {declared}");
        }
    }
    // A type that another use of the parameter would give it.
    let cast = "SELECT $1::bpchar, set_config('search_path', $1, false)";
    assert!(error(&extended(&mut client, cast, &[], &bound(Some(b"other"), 0))).is_some());
    let uncast = "SELECT set_config('search_path', $1, false), $1::text";
    assert_eq!(error(&extended(&mut client, uncast, &[], &bound(Some(b"other"), 0))), None);
    assert_eq!(client.value("SHOW search_path"), "other");
    // Values that are not there.
    assert!(error(&extended(&mut client, SET_PATH, &[], &Values::default())).is_some());
    assert_eq!(client.value("SELECT 1"), "1");
    assert_eq!(client.value("SHOW work_mem"), "64MB");
}

/// `set_config` with NULL goes back to what the connection was born with, which is not what the client started with.
#[test]
fn null_goes_back_to_the_role_s_own_value() {
    let stage = Stage::new("");
    let mut said = Vec::new();
    let mut client = stage.client_with(&[("options", "-c search_path=pg_catalog"), ("TimeZone", "Asia/Tokyo")]);
    assert_eq!(client.value("SELECT lower('X'::varchar)"), "x");
    client.query("SELECT set_config('search_path', NULL, false), set_config('TimeZone', NULL, false)");
    let path = client.value("SHOW search_path");
    assert_eq!(path, "\"$user\", public");
    said.extend(client.query("SELECT lower('X'::varchar)"));
    // And in one text.
    let mut client = stage.client_with(&[("options", "-c search_path=pg_catalog")]);
    said.extend(client.query("SELECT set_config('search_path', NULL, false); SELECT lower('X'::varchar)"));
    assert!(!said.iter().any(|line| line.contains("EVIL")), "{said:#?}");
    // What one client left is not another's.
    let zone = stage.server.psql("SHOW TimeZone").unwrap();
    assert_eq!(stage.client().value("SHOW TimeZone"), zone.trim());
    let mut client = stage.client_with(&[("TimeZone", "Asia/Tokyo")]);
    assert_eq!(client.value("SHOW TimeZone"), "Asia/Tokyo");
    let mut client = stage.client_with(&[("TimeZone", "Asia/Tokyo")]);
    extended(&mut client, "SELECT set_config('TimeZone', $1, false)", &[], &bound(None, 0));
    drop(client);
    assert_eq!(stage.client_with(&[("TimeZone", "Asia/Tokyo")]).value("SHOW TimeZone"), "Asia/Tokyo");
}
