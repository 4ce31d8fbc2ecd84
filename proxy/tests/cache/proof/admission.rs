//! What must not be kept, each in several forms: what the session says of it, and what `vitrine check` prints.

use crate::stage::{Stage, told};

const TABLES: &str = "CREATE TABLE t (id int, at timestamptz, day date, label text);
    INSERT INTO t VALUES (1, '2026-01-01', '2026-01-01', 'now');
    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE abroad (id int) SERVER far; CREATE VIEW over AS SELECT id FROM abroad;
    CREATE SEQUENCE numbers;
    CREATE VIEW young AS SELECT id FROM t WHERE at > now() - interval '1 day';
    CREATE VIEW lucky AS SELECT id FROM t WHERE random() < 2; CREATE VIEW active AS SELECT pid FROM pg_stat_activity;";

/// The reason, and statements.
const NOT_KEPT: &[(&str, &[&str])] = &[
    (
        "time",
        &[
            "SELECT now()",
            "SELECT CURRENT_TIMESTAMP(0)",
            "SELECT LOCALTIMESTAMP, LOCALTIME",
            "SELECT CURRENT_DATE",
            "SELECT transaction_timestamp(), statement_timestamp()",
            "SELECT id FROM t WHERE at > now() - interval '1 day'",
            "SELECT id FROM t ORDER BY age(at)",
            "SELECT (SELECT id FROM t WHERE day = CURRENT_DATE LIMIT 1)",
            "WITH x AS (SELECT clock_timestamp() AS c) SELECT c FROM x",
            "SELECT CASE WHEN id = 1 THEN timeofday() END FROM t",
            "SELECT count(*) FILTER (WHERE at < CURRENT_TIMESTAMP) FROM t",
            "SELECT 'now'::timestamp, 'tomorrow'::date",
            "SELECT label::timestamptz FROM t",
            "SELECT id FROM young",
        ],
    ),
    (
        "volatile",
        &[
            "SELECT random()",
            "SELECT id FROM t ORDER BY random()",
            "SELECT gen_random_uuid() FROM t",
            "SELECT id FROM t WHERE id < random() * 2 LIMIT 1",
            "SELECT id FROM lucky",
            "SELECT id FROM t TABLESAMPLE SYSTEM (10)",
            "SELECT x.id FROM (SELECT id FROM t TABLESAMPLE BERNOULLI (10)) x",
        ],
    ),
    (
        "session",
        &[
            "SELECT current_user",
            "SELECT session_user, id FROM t",
            "SELECT CURRENT_ROLE",
            "SELECT id FROM t WHERE label = USER",
            "SELECT current_schema",
            "SELECT current_catalog",
            "SELECT current_setting('work_mem')",
            "SELECT current_schemas(true)",
        ],
    ),
    (
        "system",
        &[
            "SELECT relname FROM pg_class",
            "SELECT * FROM pg_catalog.pg_tables",
            "SELECT table_name FROM information_schema.columns",
            "SELECT count(*) FROM pg_stat_activity",
            "SELECT * FROM pg_stat_all_tables",
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'",
            "SELECT * FROM pg_statio_all_tables",
            "SELECT pg_backend_pid()",
            "SELECT id, (SELECT count(*) FROM pg_locks) FROM t",
            "SELECT pid FROM active",
            "SELECT name FROM pg_settings",
        ],
    ),
    ("unknown", &["SELECT last_value FROM numbers", "SELECT nap(0)", "SELECT id FROM t WHERE nap(0) = id"]),
    (
        "kind",
        &[
            "COPY t TO STDOUT",
            "COPY (SELECT id FROM t) TO STDOUT",
            "COPY t (id) TO STDOUT WITH (FORMAT csv)",
            "EXPLAIN SELECT id FROM t",
            "SHOW work_mem",
            "SELECT 1; SELECT 2",
        ],
    ),
];

/// Foreign tables: refused, or asked where they are.
const ABROAD: &[&str] = &[
    "SELECT id FROM abroad",
    "SELECT t.id FROM t JOIN abroad USING (id)",
    "SELECT id FROM over",
    "SELECT id FROM t WHERE id IN (SELECT id FROM abroad)",
    "SELECT id FROM t UNION ALL SELECT id FROM abroad",
];

#[test]
fn what_must_not_be_kept_is_not_in_any_form() {
    let nap = "CREATE FUNCTION nap(seconds float8) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';";
    let stage = Stage::with("postgres", &format!("{TABLES}{nap}"), &[]);
    let mut client = stage.client();
    let mut wrong = Vec::new();
    for (why, statements) in NOT_KEPT {
        for sql in *statements {
            for _ in 0..2 {
                let lines = client.query(sql);
                let told = told(&mut client);
                if told != format!("bypass {why}") {
                    wrong.push(format!("{sql}: {told}, not {why}: {:?}", lines.first()));
                }
            }
        }
    }
    for sql in ABROAD {
        for _ in 0..2 {
            let lines = client.query(sql);
            let is_refused = lines[0].contains("42501");
            if !is_refused && told(&mut client) != "bypass elsewhere" {
                wrong.push(format!("{sql}: {lines:?}"));
            }
        }
    }
    // What another session has for itself alone is no table here.
    let address = format!("127.0.0.1:{}", stage.server.port()).parse().unwrap();
    let mut owner = crate::support::raw::Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap();
    owner.query("CREATE TEMP TABLE own AS SELECT 1 AS id");
    for sql in ["SELECT id FROM own", "SELECT id FROM pg_temp.own", "CREATE TEMP TABLE mine (id int)"] {
        let lines = client.query(sql);
        if !lines[0].starts_with("Error ") {
            wrong.push(format!("{sql}: {lines:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(stage.front.gateway.cache.store.size().0, 0);
}

/// `vitrine check` says the same without a server, as far as it can know.
#[test]
fn check_says_why_something_is_not_kept() {
    for (sql, words) in [
        ("SELECT now()", "answered from memory: no (time: "),
        ("SELECT random()", "answered from memory: no (volatile: "),
        ("SELECT current_user", "answered from memory: no (session: current_user"),
        ("SELECT count(*) FROM pg_class", "answered from memory: no (system: "),
        ("SHOW work_mem", "answered from memory: no (kind)"),
        ("SELECT 1", "answered from memory: yes"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine"))
            .env_clear()
            .args(["check", sql])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains(words), "{sql}: {printed}");
    }
}
