//! What an answer hangs on beside rows: words, labels, names, casts, operators, collations, settings of roles, databases and
//! servers. Whatever changes, at the next look everybody is told what a new connection to PostgreSQL is told.

use crate::boundaries::Two;
use crate::stage::{ask, extended, told};
use crate::support::raw::{self, Raw};

const THINGS: &str = "CREATE TABLE docs (id int, body text); INSERT INTO docs VALUES (1, 'the running dogs'), (2, 'a cat');
    CREATE TEXT SEARCH CONFIGURATION mine (COPY = english);
    CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, Language = english, StopWords = english);
    CREATE TEXT SEARCH CONFIGURATION ours (COPY = simple);
    ALTER TEXT SEARCH CONFIGURATION ours ALTER MAPPING FOR asciiword WITH stems;
    CREATE VIEW words AS SELECT id, to_tsvector('mine', body) AS v FROM docs;
    CREATE TYPE mood AS ENUM ('bad', 'good'); CREATE TABLE moods (id int, m mood); INSERT INTO moods VALUES (1, 'bad'), (2, 'good');
    CREATE TYPE pair AS (a int, b int); CREATE DOMAIN small AS int CHECK (VALUE < 10);
    CREATE INDEX by_id ON docs (id); CREATE SEQUENCE counted;
    CREATE TABLE mixed (t text); INSERT INTO mixed VALUES ('a'), ('B'), ('c');
    CREATE COLLATION sorted (provider = libc, locale = 'C');
    CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int);
    CREATE CAST (mood AS text) WITH INOUT AS IMPLICIT;
    CREATE TABLE span (at timestamptz, i interval, b bytea, f float8, m money, d date);
    INSERT INTO span VALUES ('2026-07-01 12:00+00', '1 day 2 hours', 'x', 1.0 / 3, 12.5, '2026-02-03');
    CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
    CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts VALUES (5); CREATE TABLE loose (id int); INSERT INTO loose VALUES (15);
    CREATE MATERIALIZED VIEW kept AS SELECT id FROM docs;
    CREATE SCHEMA elsewhere2; CREATE TABLE elsewhere2.docs (id int, body text); INSERT INTO elsewhere2.docs VALUES (4711, 'there');
    GRANT USAGE ON SCHEMA elsewhere2 TO one; GRANT SELECT ON ALL TABLES IN SCHEMA public, elsewhere2 TO one;";

/// A read, and what is then done.
const CHANGES: &[(&str, &str)] = &[
    // Words.
    (
        "SELECT to_tsvector('mine', 'the running dogs')",
        "ALTER TEXT SEARCH CONFIGURATION mine ALTER MAPPING FOR asciiword WITH simple",
    ),
    ("SELECT to_tsvector('mine', body) FROM docs", "ALTER TEXT SEARCH CONFIGURATION mine DROP MAPPING FOR asciiword"),
    (
        "SELECT v FROM words ORDER BY id",
        "ALTER TEXT SEARCH CONFIGURATION mine ADD MAPPING FOR asciiword WITH english_stem",
    ),
    (
        "SELECT id FROM docs WHERE to_tsvector('ours', body) @@ to_tsquery('ours', 'the')",
        "ALTER TEXT SEARCH DICTIONARY stems (StopWords)",
    ),
    ("SELECT to_tsvector('ours', 'the running dogs')", "ALTER TEXT SEARCH DICTIONARY stems (Language = german)"),
    (
        "SELECT to_tsvector('ours', 'the running dogs')",
        "ALTER TEXT SEARCH CONFIGURATION ours RENAME TO theirs; CREATE TEXT SEARCH CONFIGURATION ours (COPY = simple)",
    ),
    (
        "SELECT to_tsvector('ours', 'the running dogs')",
        "DROP TEXT SEARCH CONFIGURATION ours; CREATE TEXT SEARCH CONFIGURATION ours (COPY = french)",
    ),
    ("SELECT to_tsvector('the running dogs')", "ALTER DATABASE postgres SET default_text_search_config = 'simple'"),
    ("SELECT to_tsvector('the running dogs')", "ALTER ROLE one SET default_text_search_config = 'german'"),
    ("SELECT 'theirs'::regconfig", "ALTER TEXT SEARCH CONFIGURATION theirs RENAME TO nobodys"),
    ("SELECT 'stems'::regdictionary", "ALTER TEXT SEARCH DICTIONARY stems RENAME TO roots"),
    // Labels.
    ("SELECT m FROM moods WHERE m = 'bad'", "ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'"),
    ("SELECT m::text FROM moods WHERE m >= 'sad' ORDER BY m", "ALTER TYPE mood RENAME VALUE 'good' TO 'glad'"),
    ("SELECT enum_range(NULL::mood)", "ALTER TYPE mood ADD VALUE 'worst' BEFORE 'sad'"),
    ("SELECT enum_first(NULL::mood), 'sad'::mood", "ALTER TYPE mood ADD VALUE 'bad' BEFORE 'worst'"),
    // Names.
    ("SELECT 'by_id'::regclass", "ALTER INDEX by_id RENAME TO by_number"),
    ("SELECT 'counted'::regclass", "ALTER SEQUENCE counted RENAME TO tallied"),
    ("SELECT 'pair'::regtype", "ALTER TYPE pair RENAME TO couple"),
    ("SELECT 'small'::regtype", "ALTER DOMAIN small RENAME TO little"),
    ("SELECT 'elsewhere2'::regnamespace", "ALTER SCHEMA elsewhere2 RENAME TO elsewhere3"),
    ("SELECT 'elsewhere3.docs'::regclass", "ALTER SCHEMA elsewhere3 RENAME TO elsewhere2"),
    ("SELECT 'two'::regrole", "ALTER ROLE two RENAME TO zwei"),
    ("SELECT 'sorted'::regcollation", "ALTER COLLATION sorted RENAME TO arranged"),
    // Casts, operators, collations, domains.
    ("SELECT upper(m) FROM moods", "DROP CAST (mood AS text)"),
    (
        "SELECT 1 === 1",
        "DROP OPERATOR === (int, int); CREATE OPERATOR === (FUNCTION = int4ne, LEFTARG = int, RIGHTARG = int)",
    ),
    (
        "SELECT t FROM mixed ORDER BY t COLLATE arranged",
        "DROP COLLATION arranged; CREATE COLLATION arranged (provider = icu, locale = 'und')",
    ),
    ("SELECT 7::little", "ALTER DOMAIN little ADD CHECK (VALUE < 5)"),
    // Rows that come by another way.
    (
        "SELECT id FROM parent ORDER BY id",
        "CREATE TABLE grandchild () INHERITS (child); INSERT INTO grandchild VALUES (3)",
    ),
    ("SELECT id FROM parent ORDER BY id", "INSERT INTO grandchild VALUES (4)"),
    ("SELECT id FROM parent ORDER BY id", "ALTER TABLE grandchild NO INHERIT child"),
    ("SELECT id FROM parts ORDER BY id", "ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (10) TO (20)"),
    ("SELECT id FROM parts ORDER BY id", "ALTER TABLE parts DETACH PARTITION part1"),
    ("SELECT id FROM kept ORDER BY id", "INSERT INTO docs VALUES (3, 'x'); REFRESH MATERIALIZED VIEW kept"),
    ("SELECT ctid, id FROM docs ORDER BY id", "DELETE FROM docs WHERE id = 1; VACUUM FULL docs"),
    ("SELECT ctid, xmin, tableoid FROM docs", "UPDATE docs SET id = id"),
    // Settings of roles and databases: those of new connections.
    ("SELECT at FROM span", "ALTER ROLE one SET timezone = 'Asia/Tokyo'"),
    ("SELECT at FROM span", "ALTER ROLE one IN DATABASE postgres SET timezone = 'Asia/Kathmandu'"),
    ("SELECT i FROM span", "ALTER DATABASE postgres SET intervalstyle = 'iso_8601'"),
    ("SELECT b FROM span", "ALTER DATABASE postgres SET bytea_output = 'escape'"),
    ("SELECT f FROM span", "ALTER ROLE one SET extra_float_digits = -5"),
    ("SELECT d FROM span", "ALTER ROLE one SET datestyle = 'German'"),
    ("SELECT array_to_string(ARRAY[1], ',') || '{a,NULL}'::text[]::text", "ALTER ROLE one SET array_nulls = off"),
    ("SELECT id FROM docs", "ALTER ROLE one SET search_path = elsewhere2, public"),
    ("SELECT id FROM docs", "ALTER ROLE one RESET search_path"),
    ("SELECT at FROM span", "ALTER ROLE one RESET ALL"),
    // Settings of the server.
    ("SELECT at FROM span", "ALTER SYSTEM SET timezone = 'Europe/Berlin'"),
    ("SELECT i FROM span", "ALTER DATABASE postgres RESET ALL"),
    ("SELECT i FROM span", "ALTER SYSTEM SET intervalstyle = 'sql_standard'"),
    ("SELECT b FROM span", "ALTER SYSTEM SET bytea_output = 'escape'"),
    ("SELECT f FROM span", "ALTER SYSTEM SET extra_float_digits = -3"),
    ("SELECT d FROM span", "ALTER SYSTEM SET datestyle = 'SQL, DMY'"),
    ("SELECT m FROM span", "ALTER SYSTEM SET lc_monetary = 'C.UTF-8'"),
    ("SELECT to_tsvector('the running dogs')", "ALTER SYSTEM SET default_text_search_config = 'simple'"),
    ("SELECT id FROM docs", "ALTER SYSTEM SET search_path = elsewhere2, public"),
    ("SELECT id FROM docs", "ALTER SYSTEM RESET ALL"),
];

fn direct(two: &Two) -> Raw {
    let address = format!("127.0.0.1:{}", two.stage.server.port()).parse().unwrap();
    Raw::connect(address, "one", &[("database", "postgres")]).unwrap()
}

/// Without what the gateway may say at another time: an error of Parse comes when something is run, and a setting of the
/// server that has changed is reported when the session meets it.
fn plain(lines: Vec<String>) -> Vec<String> {
    let is_refused = lines.iter().any(|line| line.starts_with("Error "));
    let aside = |line: &String| line.starts_with("ParameterStatus") || (is_refused && !line.starts_with("Error "));
    lines.into_iter().filter(|line| !aside(line)).collect()
}

/// Statements of a superuser, one after the other: some refuse to stand with others.
fn run(two: &Two, change: &str) {
    for statement in change.split("; ") {
        two.stage.server.psql(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    if change.contains("SYSTEM") {
        let loaded = "SELECT pg_conf_load_time()";
        let before = two.stage.server.psql(loaded).unwrap();
        two.stage.server.psql("SELECT pg_reload_conf()").unwrap();
        crate::stage::wait_for(|| two.stage.server.psql(loaded).unwrap() != before);
    }
    two.stage.ticks();
}

#[test]
fn whatever_an_answer_hangs_on_holds_at_the_next_look() {
    let two = Two::new();
    two.run(THINGS);
    two.stage.refresh_catalog();
    let mut one = two.one();
    let mut wrong = Vec::new();
    let mut kept = 0;
    for (sql, change) in CHANGES {
        let forms = [raw::query(sql), extended(sql, &[], 0)];
        ask(&mut one, &[raw::parse("s", sql, &[]), raw::sync()].concat());
        let prepared = [raw::bind_text("", "s", &[]), raw::execute("", 0), raw::sync()].concat();
        forms.iter().chain([&prepared]).for_each(|messages| drop(ask(&mut one, messages)));
        two.stage.settled();
        for messages in forms.iter().chain([&prepared]) {
            ask(&mut one, messages);
            ask(&mut one, messages);
            kept += usize::from(told(&mut one) == "hit");
        }
        run(&two, change);
        if change.starts_with("INSERT") || change.starts_with("UPDATE") {
            // Rows alone are counted, which a session tells when it ends, and versions before 15 half a second later.
            let told_all = || ask(&mut two.one(), &forms[0]) == ask(&mut direct(&two), &forms[0]);
            crate::stage::wait_for(told_all);
        }
        // Who connects now; and who was there before, unless it keeps settings that it was born with.
        let mut new = two.one();
        let is_setting = change.contains("ROLE one") || change.contains("DATABASE") || change.contains("SYSTEM");
        for messages in &forms {
            let truth = plain(ask(&mut direct(&two), messages));
            for (who, client) in [("new", Some(&mut new)), ("old", (!is_setting).then_some(&mut one))] {
                let Some(client) = client else { continue };
                let answer = plain(ask(client, messages));
                if answer != truth {
                    let how = told(client);
                    wrong.push(format!("{who}: {sql} after {change}: {how} {answer:?}, not {truth:?}"));
                }
            }
        }
        // What was prepared before says what a new connection says, or an error where there is one.
        if !is_setting {
            let mut fresh = direct(&two);
            let parsed = ask(&mut fresh, &[raw::parse("s", sql, &[]), raw::sync()].concat());
            let truth = ask(&mut fresh, &prepared);
            let answer = ask(&mut one, &prepared);
            let refused = |lines: &[String]| lines.iter().any(|line| line.starts_with("Error "));
            if !(plain(answer.clone()) == plain(truth.clone()) || refused(&parsed) && refused(&answer)) {
                wrong.push(format!("prepared: {sql} after {change}: {} {answer:?}, not {truth:?}", told(&mut one)));
            }
        }
        ask(&mut one, &[raw::about(b'C', b'S', "s"), raw::sync()].concat());
    }
    println!("{kept} of {} kept", CHANGES.len() * 3);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
