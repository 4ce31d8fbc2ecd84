//! Ways in which one client's rows could reach another who could not have read them, or no more. Whatever is asked, a
//! fresh connection to PostgreSQL as the same role says what the answer must be.

use crate::boundaries::Two;
use crate::stage::{ask, extended, is_kept, told};
use crate::support::raw::{self, Raw};

/// Behind what `boundaries` has: views and the like, whose rights hang on others.
const MORE: &str = "CREATE ROLE keeper; CREATE ROLE nobody; GRANT CREATE, USAGE ON SCHEMA public TO keeper;
    CREATE TABLE base AS SELECT 1 AS id, 'base' AS what; GRANT SELECT ON base TO keeper;
    CREATE TABLE other AS SELECT 2 AS id, 'other' AS what; GRANT SELECT ON other TO keeper;
    CREATE VIEW kept AS SELECT id, what FROM base; ALTER VIEW kept OWNER TO keeper; GRANT SELECT ON kept TO one;
    CREATE VIEW deep AS SELECT id, what FROM kept; ALTER VIEW deep OWNER TO one;
    CREATE TABLE cols AS SELECT 1 AS id, 'x' AS what; GRANT SELECT (id) ON cols TO one;
    CREATE TABLE everybody AS SELECT 1 AS id; GRANT SELECT ON everybody TO PUBLIC;
    CREATE TABLE nothing AS SELECT 1 AS id;
    CREATE TABLE members AS SELECT 'one' AS who, 1 AS room UNION SELECT 'two', 2; GRANT SELECT ON members TO one;
    CREATE TABLE rooms AS SELECT 1 AS room, 'first' AS what UNION SELECT 2, 'second'; GRANT SELECT ON rooms TO one;
    ALTER TABLE rooms ENABLE ROW LEVEL SECURITY;
    CREATE POLICY member ON rooms USING (room IN (SELECT room FROM members WHERE who = current_user));
    CREATE TABLE bypassed AS SELECT 1 AS id; GRANT SELECT ON bypassed TO one;
    ALTER TABLE bypassed ENABLE ROW LEVEL SECURITY; ALTER ROLE one BYPASSRLS;
    CREATE TABLE grouped AS SELECT 1 AS id; GRANT SELECT ON grouped TO one;
    ALTER TABLE grouped ENABLE ROW LEVEL SECURITY; CREATE POLICY clerks ON grouped TO clerks USING (true);
    CREATE TABLE open AS SELECT 1 AS id; GRANT SELECT ON open TO one;
    CREATE TABLE hush AS SELECT 4711 AS id; GRANT SELECT ON hush TO one;
    CREATE TYPE mood AS ENUM ('bad', 'good'); CREATE TABLE moods AS SELECT 'bad'::mood AS m UNION SELECT 'good';
    GRANT SELECT ON moods TO one;
    CREATE DOMAIN small AS int CHECK (VALUE < 10);
    CREATE TABLE parent (id int) PARTITION BY RANGE (id); CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9);
    CREATE TABLE late (id int); INSERT INTO late VALUES (12); INSERT INTO parent VALUES (1); GRANT SELECT ON parent TO one;
    CREATE FUNCTION allowed(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT true';
    CREATE TABLE called AS SELECT 1 AS id; GRANT SELECT ON called TO one; ALTER TABLE called ENABLE ROW LEVEL SECURITY;
    CREATE POLICY called ON called USING (allowed(id));";

impl Two {
    fn direct(&self) -> Raw {
        let address = format!("127.0.0.1:{}", self.stage.server.port()).parse().unwrap();
        Raw::connect(address, "one", &[("database", "postgres")]).unwrap()
    }

    /// Whether `client` is told what a new connection of its role is.
    fn is_true(&self, client: &mut Raw, messages: &[u8], why: &str) {
        let direct = ask(&mut self.direct(), messages);
        assert_eq!(ask(client, messages), direct, "{why}");
    }
}

/// A read, and what is then done to it: it holds at the next look.
const CHANGES: &[(&str, &str)] = &[
    ("SELECT id FROM cols", "REVOKE SELECT (id) ON cols FROM one"),
    ("SELECT what FROM kept", "ALTER VIEW kept OWNER TO nobody"),
    ("SELECT what FROM kept", "ALTER VIEW kept OWNER TO keeper"),
    ("SELECT what FROM deep", "REVOKE SELECT ON kept FROM one"),
    ("SELECT what FROM kept", "GRANT SELECT ON kept TO one"),
    ("SELECT what FROM deep", "REVOKE SELECT ON base FROM keeper"),
    ("SELECT what FROM kept", "GRANT SELECT ON base TO keeper"),
    // What a view reads from now on is not known here before the catalog is read again.
    ("SELECT what FROM kept", "CREATE OR REPLACE VIEW kept AS SELECT id, what FROM other"),
    ("SELECT what FROM kept", "REVOKE SELECT ON other FROM keeper"),
    ("SELECT what FROM kept", "GRANT SELECT ON other TO keeper"),
    ("SELECT what FROM kept", "ALTER VIEW kept SET (security_invoker = true)"),
    ("SELECT id FROM everybody", "REVOKE SELECT ON everybody FROM PUBLIC"),
    ("SELECT id FROM nothing", "GRANT pg_read_all_data TO one"),
    ("SELECT id FROM nothing", "REVOKE pg_read_all_data FROM one"),
    ("SELECT what FROM rooms", "DELETE FROM members WHERE who = 'one'"),
    ("SELECT what FROM rooms", "REVOKE SELECT ON members FROM one"),
    ("SELECT id FROM bypassed", "ALTER ROLE one NOBYPASSRLS"),
    ("SELECT id FROM grouped", "REVOKE clerks FROM one"),
    ("SELECT id FROM open", "ALTER TABLE open ENABLE ROW LEVEL SECURITY"),
    ("SELECT id FROM open", "ALTER TABLE open DISABLE ROW LEVEL SECURITY"),
    ("SELECT id FROM open", "ALTER TABLE open RENAME TO gone; ALTER TABLE hush RENAME TO open"),
    ("SELECT id FROM open", "REVOKE SELECT ON open FROM one"),
    ("SELECT m, m::text FROM moods", "ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'"),
    ("SELECT m FROM moods ORDER BY m", "ALTER TYPE mood ADD VALUE 'worst' BEFORE 'sad'"),
    ("SELECT 7::small", "ALTER DOMAIN small ADD CHECK (VALUE < 5)"),
    ("SELECT id FROM parent ORDER BY id", "ALTER TABLE parent ATTACH PARTITION late FOR VALUES FROM (10) TO (19)"),
    ("SELECT id FROM closed", "SET search_path = elsewhere; ALTER TABLE closed RENAME TO moved"),
];

#[test]
fn what_is_taken_away_is_gone_at_the_next_look() {
    let two = Two::new();
    two.run(MORE);
    two.stage.refresh_catalog();
    let mut one = two.one();
    let mut kept = 0;
    for (sql, change) in CHANGES {
        for messages in [raw::query(sql), extended(sql, &[], 1)] {
            // Kept, where it can be, and asked again so that it is known from the beginning.
            ask(&mut one, &messages);
            two.stage.settled();
            two.is_true(&mut one, &messages, sql);
            ask(&mut one, &messages);
            kept += usize::from(told(&mut one) == "hit");
        }
        if two.stage.server.psql(change).is_err() {
            // Before PostgreSQL 14 or 15 there is no such role or option.
            assert!(change.contains("pg_read_all_data") || change.contains("security_invoker"), "{change}");
            continue;
        }
        two.stage.ticks();
        for messages in [raw::query(sql), extended(sql, &[], 1)] {
            two.is_true(&mut one, &messages, change);
        }
    }
    assert!(kept > CHANGES.len(), "{kept} were kept at all");
}

#[test]
fn a_row_policy_that_calls_somebodys_function_is_never_kept() {
    let two = Two::new();
    two.run(MORE);
    two.stage.refresh_catalog();
    let policy = vitrine::policy::Policy::from_toml("functions = [\"public.allowed(integer)\"]").unwrap();
    two.stage.front.database.policy.store(std::sync::Arc::new(policy));
    let mut one = two.one();
    for body in ["SELECT true", "SELECT false", "SELECT $1 = 1"] {
        two.run(&format!("CREATE OR REPLACE FUNCTION allowed(int) RETURNS bool LANGUAGE sql STABLE AS '{body}'"));
        for _ in 0..2 {
            two.is_true(&mut one, &raw::query("SELECT id FROM called"), body);
            assert_eq!(told(&mut one), "bypass unknown");
        }
    }
}

#[test]
fn nobody_becomes_another_role() {
    let two = Two::new();
    let (mut one, mut other) = (two.one(), two.two());
    let sql = raw::query("SELECT who FROM secrets");
    let own = is_kept(&mut other, &sql);
    for attempt in [
        "SET ROLE two",
        "SET LOCAL ROLE two",
        "SET role = 'two'",
        "SET SESSION AUTHORIZATION two",
        "SET session_authorization = 'two'",
        "SELECT set_config('role', 'two', false)",
        "SELECT set_config('session_authorization', 'two', false)",
    ] {
        let refused = one.query(attempt);
        assert!(refused.iter().any(|line| line.starts_with("Error ")), "{attempt}: {refused:#?}");
        assert_ne!(ask(&mut one, &sql), own, "{attempt}");
    }
    for options in ["-c role=two", "-c session_authorization=two", "--role=two"] {
        let parameters = [("database", "postgres"), ("options", options)];
        if let Ok(mut client) = Raw::connect(two.stage.front.address, "tester", &parameters) {
            assert_ne!(ask(&mut client, &sql), own, "{options}");
        }
    }
    // Without row security there is an error and no row.
    is_kept(&mut one, &sql);
    let set = one.query("SET row_security = off");
    let lines = ask(&mut one, &sql);
    let is_refused = |lines: &[String]| lines.iter().any(|line| line.starts_with("Error "));
    assert!(is_refused(&set) || is_refused(&lines), "{set:#?} {lines:#?}");
}

#[test]
fn what_was_prepared_before_follows_the_settings_that_hold_when_it_is_run() {
    let two = Two::new();
    let (mut one, mut direct) = (two.one(), two.direct());
    let prepare = |name: &str, sql: &str| [raw::parse(name, sql, &[]), raw::sync()].concat();
    let run = |name: &str| [raw::bind_text("", name, &[]), raw::execute("", 0), raw::sync()].concat();
    for (name, sql) in [("times", "SELECT at, took, f, b FROM times"), ("path", "SELECT id FROM closed")] {
        assert_eq!(ask(&mut one, &prepare(name, sql)), ask(&mut direct, &prepare(name, sql)));
        assert_eq!(is_kept(&mut one, &run(name)), ask(&mut direct, &run(name)));
    }
    for set in [
        "SET TimeZone = 'Asia/Tokyo'",
        "SET DateStyle = 'SQL, DMY'",
        "SET IntervalStyle = 'sql_standard'",
        "SET extra_float_digits = -3",
        "SET bytea_output = 'escape'",
        "SET search_path = elsewhere, public",
        "RESET search_path",
        "RESET ALL",
    ] {
        // Settings are reported in no order.
        let [mut here, mut there] = [&mut one, &mut direct].map(|client| ask(client, &raw::query(set)));
        here.sort();
        there.sort();
        assert_eq!(here, there, "{set}");
        for name in ["times", "path"] {
            let truth = ask(&mut direct, &run(name));
            for _ in 0..3 {
                assert_eq!(ask(&mut one, &run(name)), truth, "{name} after {set}");
            }
        }
    }
    // The same in one go: what stands behind a SET is read under it, and under the old one where it failed.
    for batch in [
        vec!["SET search_path = elsewhere", "SELECT id FROM closed", "RESET search_path", "SELECT id FROM closed"],
        vec!["SET search_path = 1/0", "SELECT id FROM closed"],
        vec!["SET TimeZone = 'Nowhere/Land'", "SELECT at FROM times", "SET TimeZone = 'UTC'", "SELECT at FROM times"],
        vec!["SET TimeZone = 'UTC'; SELECT 1/0", "SELECT at FROM times"],
        vec!["SET TimeZone = 'Asia/Tokyo'; SELECT 1", "SELECT at FROM times"],
        vec!["BEGIN", "SET TimeZone = 'Asia/Karachi'", "ROLLBACK", "SELECT at FROM times", "RESET ALL"],
    ] {
        for _ in 0..2 {
            let messages: Vec<u8> = batch.iter().flat_map(|sql| raw::query(sql)).collect();
            let rows = |client: &mut Raw| {
                client.send(&messages);
                let lines = client.lines_until_ready(batch.len());
                lines.into_iter().filter(|line| line.starts_with("DataRow")).collect::<Vec<_>>()
            };
            assert_eq!(rows(&mut one), rows(&mut direct), "{batch:?}");
        }
    }
}

/// Types of parameters, formats of values and of results, other constants: each makes another question.
#[test]
fn one_text_is_many_questions() {
    let two = Two::new();
    let (mut one, mut direct) = (two.one(), two.direct());
    let mut questions = Vec::new();
    for (types, formats, results) in [
        (&[25][..], &[][..], &[][..]),
        (&[23], &[], &[]),
        (&[17], &[], &[]),
        (&[23], &[0], &[0]),
        (&[23], &[1], &[0]),
        (&[23], &[1], &[1]),
        (&[25], &[1], &[1]),
        (&[20], &[], &[1]),
        (&[1700], &[], &[0]),
        (&[16], &[], &[1]),
    ] {
        let value = if types == [20] || types == [16] || types == [1700] { &b"1"[..] } else { b"1234" };
        let values =
            raw::Values { formats: formats.to_vec(), values: vec![Some(value.to_vec())], results: results.to_vec() };
        let ask = [
            raw::parse("", "SELECT $1 AS it, id FROM closed", types),
            raw::bind("", "", &values),
            raw::about(b'D', b'P', ""),
            raw::execute("", 0),
            raw::sync(),
        ];
        questions.push(ask.concat());
    }
    for results in [&[0, 1][..], &[1, 0], &[1, 1], &[0, 0], &[0], &[1], &[]] {
        let values = raw::Values { results: results.to_vec(), ..raw::Values::default() };
        let sql = "SELECT id, who FROM secrets ORDER BY id";
        questions.push(
            [
                raw::parse("", sql, &[]),
                raw::bind("", "", &values),
                raw::about(b'D', b'P', ""),
                raw::execute("", 0),
                raw::sync(),
            ]
            .concat(),
        );
    }
    for number in ["1", "2", "1.0", "01", "-1", "1e0", "+1", "1 ", "'1'", "NULL"] {
        questions.push(raw::query(&format!("SELECT who, {number} FROM secrets WHERE id = {number}")));
    }
    for sql in
        ["SELECT 1 AS a", "SELECT 1 AS A", "SELECT 1 AS \"A\"", "SELECT 1 AS a ", "SELECT 1 AS a -- b", "select 1 AS a"]
    {
        questions.push(raw::query(sql));
        questions.push(extended(sql, &[], 1));
    }
    // All of them, then all of them again, from memory.
    let mut hits = 0;
    for round in 0..3 {
        for question in &questions {
            assert_eq!(ask(&mut one, question), ask(&mut direct, question), "{round}");
            hits += usize::from(told(&mut one) == "hit");
        }
    }
    assert!(hits >= questions.len(), "{hits} of {}", questions.len());
}

/// A statement that was prepared, or an answer that is kept, is no way past a policy that came later.
#[test]
fn what_was_prepared_before_is_reviewed_under_the_policy_of_today() {
    let two = Two::new();
    let mut one = two.one();
    ask(&mut one, &[raw::parse("s", "SELECT id FROM closed", &[]), raw::sync()].concat());
    let run = [raw::bind_text("", "s", &[]), raw::execute("", 0), raw::sync()].concat();
    is_kept(&mut one, &run);
    let hiding = vitrine::policy::Policy::from_toml("hidden_relations = [\"public.closed\"]").unwrap();
    two.stage.front.database.policy.store(std::sync::Arc::new(hiding));
    for messages in [run, raw::query("SELECT id FROM closed"), extended("SELECT id FROM closed", &[], 0)] {
        let refused = ask(&mut one, &messages);
        assert!(refused.iter().any(|line| line.contains("42501") && line.contains("closed")), "{refused:#?}");
        assert!(!refused.iter().any(|line| line.starts_with("DataRow")), "{refused:#?}");
    }
}
