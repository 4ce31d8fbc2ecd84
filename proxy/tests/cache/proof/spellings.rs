//! What clients and operators write: times, booleans, names and scopes, as PostgreSQL itself takes them; and every setting
//! that a client may change, none of which may mix up answers.

use std::sync::Arc;

use vitrine::demo::postgres::{Options, Server};

use crate::gateway_process::GatewayProcess;
use crate::stage::{Stage, TABLES, ask, extended, is_kept, told, wait_for};
use crate::support::raw::{self, Raw};

fn direct(stage: &Stage) -> Raw {
    let address = format!("127.0.0.1:{}", stage.server.port()).parse().unwrap();
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}

fn sqlstate(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| line.strip_prefix("Error ")?.split(' ').nth(1))
}

const TIMES: &[&str] = &[
    "'2s'",
    "'500ms'",
    "'1min'",
    "2",
    "2000",
    "'0'",
    "0",
    "'1h'",
    "'1d'",
    "'1.5s'",
    "' 3 s '",
    "'1500us'",
    "'0x10'",
    "'010'",
    "'1e3'",
    "'1e3ms'",
    "'.5s'",
    "'0.4'",
    "'0.5'",
    "'1.5'",
    "-1",
    "'-1'",
    "'-0.4'",
    "'x'",
    "''",
    "' '",
    "'2 weeks'",
    "'1S'",
    "'1 S'",
    "'2sec'",
    "on",
    "'NaN'",
    "'infinity'",
    "2147483647",
    "2147483648",
    "'24d'",
    "'25d'",
    "'1e30'",
    "'5 min '",
    "'1m'",
    "'1minute'",
    "'+7s'",
    "'0s'",
    "'1e'",
    "'08'",
    "'1.2.3'",
    "\"2s\"",
    "1.5",
    "2, 3",
    "'120s'",
    "'90s'",
    "'86400s'",
    "'60000'",
    "'1\u{a0}s'",
];

#[test]
fn times_are_what_postgresql_takes_for_times() {
    let stage = Stage::with("postgres", TABLES, &[]);
    let (mut client, mut postgres) = (stage.client(), direct(&stage));
    assert_eq!(client.value("SHOW vitrine.max_staleness"), "1min");
    let mut wrong = Vec::new();
    for time in TIMES {
        let own = client.query(&format!("SET vitrine.max_staleness = {time}"));
        let theirs = postgres.query(&format!("SET lock_timeout = {time}"));
        if sqlstate(&own) != sqlstate(&theirs) {
            wrong.push(format!("{time}: {own:?}, not {theirs:?}"));
        }
        let (shown, expected) = (client.value("SHOW vitrine.max_staleness"), postgres.value("SHOW lock_timeout"));
        let expected = if sqlstate(&theirs).is_some() && expected == "0" { shown.clone() } else { expected };
        if shown != expected {
            wrong.push(format!("{time} is shown as {shown}, not {expected}"));
        }
        // At the start of a session it is no other.
        if !time.contains(", ") {
            let value = time.trim_matches(['\'', '"']);
            let begun = Raw::connect(
                stage.front.address,
                "tester",
                &[("database", "postgres"), ("vitrine.max_staleness", value)],
            );
            if begun.is_ok() != sqlstate(&theirs).is_none() {
                wrong.push(format!("{time} at the start: {:?}", begun.as_ref().err()));
            }
            if let Ok(mut begun) = begun {
                let (own, theirs) = (begun.value("SHOW vitrine.max_staleness"), postgres.value("SHOW lock_timeout"));
                if own != theirs {
                    wrong.push(format!("{time} at the start is shown as {own}, not {theirs}"));
                }
            }
        }
        client.query("RESET vitrine.max_staleness");
        postgres.query("RESET lock_timeout");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let refused = client.query("SET vitrine.max_staleness = 'x'");
    assert!(
        refused[0].starts_with("Error ERROR 22023 invalid value for parameter \"vitrine.max_staleness\": \"x\""),
        "{refused:#?}"
    );
    let unit = client.query("SET vitrine.max_staleness = '2 weeks'");
    assert!(
        unit[0].contains("hint: Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"."),
        "{unit:#?}"
    );
}

#[test]
fn booleans_are_what_postgresql_takes_for_booleans() {
    let stage = Stage::with("postgres", TABLES, &[]);
    let (mut client, mut postgres) = (stage.client(), direct(&stage));
    for word in [
        "on", "off", "true", "'tr'", "'of'", "'o'", "yes", "'n'", "1", "0", "'2'", "'x'", "''", "'ON'", "'False'",
        "' on'", "DEFAULT",
    ] {
        let own = client.query(&format!("SET vitrine.report_cache = {word}"));
        let theirs = postgres.query(&format!("SET enable_seqscan = {word}"));
        assert_eq!(sqlstate(&own), sqlstate(&theirs), "{word}: {own:#?} {theirs:#?}");
        if sqlstate(&theirs).is_none() && word != "DEFAULT" {
            assert_eq!(client.value("SHOW vitrine.report_cache"), postgres.value("SHOW enable_seqscan"), "{word}");
        }
    }
}

/// A setting of the gateway's own begins and ends as those of PostgreSQL do.
#[test]
fn settings_of_the_gateway_live_as_long_as_those_of_postgresql() {
    let stage = Stage::with("postgres", TABLES, &[]);
    for script in [
        &["SET # = 7", "SELECT 1/0"][..],
        &["SET LOCAL # = 7"],
        &["SET LOCAL # = 7", "SELECT 1/0"],
        &["BEGIN", "SET # = 7", "ROLLBACK"],
        &["BEGIN", "SET # = 7", "COMMIT"],
        &["BEGIN", "SET LOCAL # = 7", "COMMIT"],
        &["BEGIN", "SET LOCAL # = 7"],
        &["BEGIN", "SET # = 7", "SELECT 1/0", "COMMIT"],
        &["BEGIN", "SELECT 1/0", "SET # = 7", "ROLLBACK"],
        &["BEGIN", "SET # = 7", "SAVEPOINT a", "SET # = 8", "ROLLBACK TO a"],
        &["BEGIN", "SET # = 7", "SAVEPOINT a", "SET LOCAL # = 8", "ROLLBACK TO a", "COMMIT"],
        &["BEGIN", "SAVEPOINT a", "SET # = 8", "RELEASE a", "COMMIT"],
        &["BEGIN", "SET LOCAL # = 7", "SET # = 8", "COMMIT"],
        &["SET # = 7", "BEGIN", "RESET #", "ROLLBACK"],
        &["SET # = 7", "RESET ALL"],
        &["SET # = 7", "DISCARD ALL"],
        &["SET # = 7", "SET # TO DEFAULT"],
        &["SET SESSION # = 7"],
        &["SET # = 7; SELECT 1"],
        &["SET # = 7; SELECT 1/0"],
        &["BEGIN; SET # = 7; ROLLBACK"],
        &["SET LOCAL # = 7; SELECT 1"],
        &["SET # = 7", "BEGIN", "SET # = 8", "SELECT 1/0", "ROLLBACK"],
        &["SET # = 7", "SELECT 1/0", "BEGIN", "ROLLBACK"],
    ] {
        for pipelined in [false, true] {
            // What is sent before it is known how a block ends is not undone with it.
            if pipelined && script.iter().any(|sql| sql.starts_with("ROLLBACK")) {
                continue;
            }
            let (mut client, mut postgres) = (stage.client(), direct(&stage));
            let (mut own, mut theirs) = (Vec::new(), Vec::new());
            for (connection, name, lines) in
                [(&mut client, "vitrine.max_staleness", &mut own), (&mut postgres, "lock_timeout", &mut theirs)]
            {
                connection.query(&format!("SET {name} = 3"));
                let texts: Vec<String> = script.iter().map(|sql| sql.replace('#', name)).collect();
                if pipelined {
                    let all: Vec<u8> = texts.iter().flat_map(|sql| raw::query(sql)).collect();
                    connection.send(&all);
                    lines.extend(connection.lines_until_ready(texts.len()));
                } else {
                    texts.iter().for_each(|sql| lines.extend(connection.query(sql)));
                }
                lines.retain(|line| !line.starts_with("Notice"));
                lines.push(connection.query(&format!("SHOW {name}"))[1].clone());
            }
            // Both begin with 3, which RESET does not bring back.
            let default =
                |lines: &[String]| lines.last().is_some_and(|line| line == "DataRow 0" || line == "DataRow 1min");
            if default(&own) && default(&theirs) {
                own.pop();
                theirs.pop();
            }
            assert_eq!(own, theirs, "{script:?}, pipelined: {pipelined}");
        }
    }
}

/// However a name is written it is the same setting, and what is none is refused.
#[test]
fn names_of_settings_are_read_as_postgresql_reads_them() {
    let stage = Stage::with("postgres", TABLES, &[]);
    let mut client = stage.client();
    for name in [
        "VITRINE.Max_Staleness",
        "\"vitrine\".max_staleness",
        "\"vitrine.max_staleness\"",
        "vitrine . max_staleness",
        "\"VITRINE\".\"MAX_STALENESS\"",
    ] {
        let set = client.query(&format!("SET {name} TO '7s'"));
        assert_eq!(set[0], "CommandComplete SET", "{name}: {set:#?}");
        assert_eq!(client.value("SHOW vitrine.max_staleness"), "7s", "{name}");
        assert_eq!(client.value(&format!("SHOW {name}")), "7s", "{name}");
        client.query(&format!("RESET {name}"));
        assert_eq!(client.value("SHOW vitrine.max_staleness"), "1min", "{name}");
    }
    for sql in [
        "SET vitrine.last_query = 'x'",
        "SET vitrine.cache = 'x'",
        "SET vitrine.nosuch = 1",
        "SHOW vitrine.nosuch",
        "RESET vitrine.nosuch",
        "SELECT set_config('vitrine.max_staleness', '0', false)",
        "SELECT current_setting('vitrine.max_staleness')",
    ] {
        let lines = client.query(sql);
        assert!(sqlstate(&lines).is_some(), "{sql}: {lines:#?}");
    }
    for options in [
        "-c vitrine.max_staleness=0",
        "--vitrine.max-staleness=0",
        "-cvitrine.max_staleness=0",
        "-c vitrine.max_staleness=0s",
    ] {
        let mut begun = stage.client_with(&[("options", options)]);
        begun.query("SELECT n FROM numbers");
        assert_eq!(told(&mut begun), "bypass asked", "{options}");
    }
}

/// Two values of each setting that a client may change, and what shows it.
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    ("array_nulls", "on", "off", "SELECT '{NULL}'::text[]::text, id FROM numbers WHERE id = 1"),
    ("bytea_output", "hex", "escape", "SELECT b FROM numbers WHERE id = 1"),
    ("bytea_output", "hex", "escape", "SELECT b::text, concat(b), row(b), array[b] FROM numbers WHERE id = 1"),
    ("datestyle", "'ISO, MDY'", "'ISO, DMY'", "SELECT '02-03-2026'::date FROM numbers WHERE id = 1"),
    ("datestyle", "'ISO, MDY'", "'Postgres, DMY'", "SELECT day, at FROM numbers WHERE id = 1"),
    (
        "default_text_search_config",
        "'pg_catalog.simple'",
        "'pg_catalog.english'",
        "SELECT to_tsvector(label || ' running') FROM numbers WHERE id = 1",
    ),
    (
        "default_text_search_config",
        "'pg_catalog.simple'",
        "'pg_catalog.english'",
        "SELECT id FROM numbers WHERE label @@ 'labels'",
    ),
    ("extra_float_digits", "1", "0", "SELECT f, f::text FROM numbers WHERE id = 1"),
    ("extra_float_digits", "1", "-3", "SELECT f, to_json(f), array[f] FROM numbers WHERE id = 1"),
    (
        "intervalstyle",
        "postgres",
        "iso_8601",
        "SELECT at - '2026-01-01 00:00+00'::timestamptz FROM numbers WHERE id = 1",
    ),
    ("intervalstyle", "postgres", "sql_standard", "SELECT interval '-1 2:03:04'"),
    ("lc_monetary", "'C'", "'C.UTF-8'", "SELECT 12.5::money"),
    ("lc_numeric", "'C'", "'C.UTF-8'", "SELECT to_char(1234.5, '9G999D9')"),
    ("lc_time", "'C'", "'C.UTF-8'", "SELECT to_char(at, 'TMMonth') FROM numbers WHERE id = 1"),
    ("quote_all_identifiers", "off", "on", "SELECT 'numbers'::regclass"),
    ("search_path", "public", "elsewhere", "SELECT n FROM numbers WHERE id = 1"),
    ("search_path", "public", "elsewhere", "SELECT 'numbers'::regclass, 'elsewhere.numbers'::regclass"),
    (
        "timezone",
        "'UTC'",
        "'Asia/Tokyo'",
        "SELECT at, at::date, at::text, extract(hour FROM at), date_trunc('day', at) FROM numbers WHERE id = 1",
    ),
    ("timezone", "'UTC'", "'Asia/Tokyo'", "SELECT id FROM numbers WHERE at < '2026-01-02 12:00' ORDER BY id"),
    ("timezone", "'UTC'", "'+3'", "SELECT to_json(at), to_jsonb(at), xmlelement(name a, at) FROM numbers WHERE id = 1"),
    ("timezone_abbreviations", "'Default'", "'India'", "SELECT '2026-01-01 12:00 IST'::timestamptz"),
    ("transform_null_equals", "off", "on", "SELECT count(*) FROM numbers WHERE NULL = NULL OR n = NULL"),
    ("xmlbinary", "base64", "hex", "SELECT xmlelement(name a, b) FROM numbers WHERE id = 1"),
    ("xmloption", "content", "document", "SELECT 'x<a/>y'::xml"),
    ("backslash_quote", "safe_encoding", "off", "SELECT E'it\\'s'"),
    ("row_security", "on", "off", "SELECT id FROM numbers WHERE id = 1"),
    ("enable_seqscan", "on", "off", "SELECT id FROM numbers WHERE id < 3 ORDER BY id"),
    ("client_min_messages", "notice", "debug1", "SELECT id FROM numbers WHERE id = 1"),
    ("gin_fuzzy_search_limit", "0", "1", "SELECT id FROM numbers WHERE id = 1"),
];

#[test]
fn no_setting_mixes_up_answers() {
    let stage = Stage::with("postgres", TABLES, &[]);
    let mut wrong = Vec::new();
    let mut differ = 0;
    let default = [("bytea_output", "hex")];
    for (name, one, other, sql) in SETTINGS {
        for format in [None, Some(0), Some(1)] {
            let messages = format.map_or_else(|| raw::query(sql), |format| extended(sql, &[], format));
            let mut said: Vec<Vec<String>> = Vec::new();
            // Twice each, in turns, by clients of their own, which say it in different ways.
            for round in 0..3 {
                for value in [one, other] {
                    let plain = value.trim_matches('\'');
                    let (mut client, mut postgres) = match round {
                        0 => (stage.client(), direct(&stage)),
                        1 => (stage.client_with(&[(name, plain)]), direct(&stage)),
                        _ => (stage.client_with(&default), direct(&stage)),
                    };
                    let set = match round {
                        2 => format!("SELECT set_config('{name}', '{plain}', false)"),
                        _ => format!("SET {name} = {value}"),
                    };
                    if round != 1 {
                        client.query(&set);
                    }
                    postgres.query(&format!("SET {name} = {value}"));
                    let truth = errors(ask(&mut postgres, &messages));
                    for _ in 0..2 {
                        let answer = errors(ask(&mut client, &messages));
                        if answer != truth {
                            wrong.push(format!(
                                "{name} = {value}: {sql}: {} {answer:?}, not {truth:?}",
                                told(&mut client)
                            ));
                        }
                    }
                    said.push(truth);
                }
            }
            differ += usize::from(said[0] != said[1]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(differ > 30, "{differ}");
}

/// Without what comes before an error: Parse is answered at once.
fn errors(lines: Vec<String>) -> Vec<String> {
    let is_refused = lines.iter().any(|line| line.starts_with("Error "));
    lines.into_iter().filter(|line| !is_refused || line.starts_with("Error ")).collect()
}

/// Names of tables, quoted or not, and what is none.
#[test]
fn tables_are_named_to_invalidate_as_anywhere_else() {
    let server = Server::start(Options::default()).unwrap();
    server
        .psql(
            "CREATE TABLE plain AS SELECT 1 AS id; CREATE TABLE \"Odd name\" AS SELECT 1 AS id; CREATE SCHEMA \"S.x\";
             CREATE TABLE \"S.x\".\"a\"\"b\" AS SELECT 1 AS id; CREATE VIEW over AS SELECT id FROM plain;
             CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (9)",
        )
        .unwrap();
    let gateway = GatewayProcess::start_before(
        Arc::new(server),
        "",
        &[("VITRINE_CACHE_STALENESS_MAX_MS", "600000"), ("VITRINE_CACHE_WATCH_INTERVAL_MS", "20")],
    );
    let connect =
        |database: &str| Raw::connect(gateway.listen.parse().unwrap(), "tester", &[("database", database)]).unwrap();
    let (client, mut console) = (std::cell::RefCell::new(connect("postgres")), connect("vitrine"));
    for (sql, names, wrong) in [
        (
            "SELECT id FROM plain",
            &[
                "plain",
                "PLAIN",
                "\"plain\"",
                "public.plain",
                "Public.\"plain\"",
                "postgres.public.plain",
                "TABLE plain",
                "plain;",
            ][..],
            &["\"Plain\"", "elsewhere.plain", "nosuch", "public.nosuch", "\"public.plain\"", "other.public.plain"][..],
        ),
        ("SELECT id FROM \"Odd name\"", &["\"Odd name\"", "public.\"Odd name\""], &["Odd name", "odd", "\"odd name\""]),
        (
            "SELECT id FROM \"S.x\".\"a\"\"b\"",
            &["\"a\"\"b\"", "\"S.x\".\"a\"\"b\""],
            &["\"a\"b\"", "S.x.\"a\"\"b\"", "\"\"", "a..b", ".a", "a.", "a,b", "\"a"],
        ),
        ("SELECT id FROM over", &["over", "plain"], &[]),
        ("SELECT id FROM parts", &["parts", "part1"], &[]),
    ] {
        for name in names {
            wait_for(|| {
                let mut client = client.borrow_mut();
                client.query(sql);
                told(&mut client) == "hit"
            });
            let lines = console.query(&format!("INVALIDATE {name}"));
            let dropped = lines[0].strip_prefix("CommandComplete INVALIDATE ");
            assert!(dropped.is_some_and(|count| count != "0"), "{name}: {lines:#?}");
            client.borrow_mut().query(sql);
            assert_eq!(told(&mut client.borrow_mut()), "miss", "{name}");
        }
        for name in wrong {
            let lines = console.query(&format!("invalidate {name}"));
            assert!(matches!(sqlstate(&lines), Some("42P01" | "42601" | "3D000")), "{name}: {lines:#?}");
        }
    }
    // Over the messages of the extended protocol too.
    let lines = ask(&mut console, &extended("INVALIDATE plain", &[], 0));
    assert!(lines.iter().any(|line| line.starts_with("CommandComplete INVALIDATE")), "{lines:#?}");
}

/// What differs only in how it is written may say where an error stands, or what a column is called: none is another's.
#[test]
fn texts_that_are_written_differently_are_different_questions() {
    let stage = Stage::with("postgres", TABLES, &[]);
    let (mut client, mut postgres) = (stage.client(), direct(&stage));
    let texts = [
        "SELECT n FROM numbers WHERE id = 1",
        "select n from numbers where id = 1",
        "SELECT  n FROM numbers WHERE id = 1",
        "SELECT n AS \"N\" FROM numbers WHERE id = 1",
        "SELECT N FROM numbers WHERE id = 1 /* x */",
        "SELECT n FROM numbers WHERE id = 01",
        "SELECT n FROM numbers WHERE id = '1'",
        "SELECT 1.0, 1.00, '1'",
        "SELECT 1.00, 1.0, '1'",
        "SELECT 1::int2",
        "SELECT 1::int8",
        "SELECT 'a'::char(3)",
        "SELECT 'a'::varchar(3)",
        "SELECT 10000000000",
        "SELECT 1000000000",
        "SELECT n, n FROM numbers WHERE id = 1",
        "SELECT n FROM numbers n WHERE id = 1",
        "SELECT numbers FROM numbers WHERE id = 1",
        "SELECT U&'\\0061'",
        "SELECT E'\\x61'",
        "SELECT 'a'",
        "SELECT 'A'",
        "SELECT $$a$$",
    ];
    for _ in 0..3 {
        for text in texts {
            for messages in [raw::query(text), extended(text, &[], 0), extended(text, &[], 1)] {
                assert_eq!(ask(&mut client, &messages), ask(&mut postgres, &messages), "{text}");
            }
        }
    }
    is_kept(&mut client, &raw::query(texts[0]));
}
