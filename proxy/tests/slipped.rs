//! Code that runs without a name of its own in the text: column aliases, relations behind a schema that the role may
//! not enter, words that are grammar in one version of PostgreSQL and functions in another.
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

use std::time::Duration;

use support::raw::Raw;
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::upstream::PoolLimits;

const FIXTURE: &str = "
    CREATE SEQUENCE public.ran;
    CREATE FUNCTION public.mark() RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'EVIL'; RETURN true; END$$;
    CREATE TYPE public.mood AS ENUM ('sad', 'happy');
    CREATE FUNCTION public.mood_eq(mood, mood) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE OPERATOR public.= (LEFTARG = mood, RIGHTARG = mood, FUNCTION = mood_eq);
    CREATE FUNCTION public.mood_text(mood, text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE OPERATOR public.|| (LEFTARG = mood, RIGHTARG = mood, FUNCTION = mood_eq);
    CREATE FUNCTION public.upper(mood) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE TABLE public.diary (id int, feeling mood); INSERT INTO diary VALUES (1, 'sad');
    CREATE VIEW public.diary_view AS SELECT * FROM diary;
    CREATE TYPE public.pair AS (a int);
    CREATE FUNCTION public.pair_cmp(pair, pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM mark(); RETURN 0; END$$;
    CREATE FUNCTION public.pair_op(pair, pair) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM mark(); RETURN true; END$$;
    CREATE OPERATOR public.<<< (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_op);
    CREATE OPERATOR public.<<= (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_op);
    CREATE OPERATOR public.=== (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_op);
    CREATE OPERATOR public.>>= (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_op);
    CREATE OPERATOR public.>>> (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_op);
    CREATE OPERATOR CLASS pair_ops DEFAULT FOR TYPE pair USING btree AS OPERATOR 1 <<<, OPERATOR 2 <<=,
        OPERATOR 3 ===, OPERATOR 4 >>=, OPERATOR 5 >>>, FUNCTION 1 pair_cmp(pair, pair);
    CREATE TABLE public.pairs (id int, p pair); INSERT INTO pairs VALUES (1, ROW(1)), (2, ROW(2)), (3, ROW(3));
    CREATE FUNCTION public.json_scalar(text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_serialize(text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json(text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_exists(text, text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_value(text, text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_query(text, text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_array(int) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_array() RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_arrayagg(int) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.merge_action() RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE FUNCTION public.json_table(text, text) RETURNS bool LANGUAGE sql AS 'SELECT mark()';
    CREATE DOMAIN public.dom AS text CHECK (mark());
    CREATE TABLE public.doms (d dom); CREATE TABLE public.domarr (d dom[]);
    CREATE SCHEMA closed; CREATE TABLE closed.orders (id int);
    CREATE VIEW public.orders AS SELECT mark() AS id;
    CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader; REVOKE ALL ON SCHEMA closed FROM reader;
    CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA public TO plain; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain;
";

struct Stage {
    _server: Server,
    front: Front,
    role: &'static str,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new(role: &'static str) -> Self {
        let server = postgres();
        server.psql(FIXTURE).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let limits = PoolLimits { connections_max: 2, wait_timeout: Duration::from_secs(5), ..PoolLimits::default() };
        let front = runtime.block_on(front(&server, role, "postgres", limits));
        Self { _server: server, front, role, _runtime: runtime }
    }

    /// The texts that made something run.
    fn slipped(&self, texts: &[&str]) -> Vec<String> {
        let mut slipped = Vec::new();
        for text in texts {
            let mut client = Raw::connect(self.front.address, self.role, &[("database", "postgres")]).unwrap();
            let lines = client.query(text);
            println!("{text}\n    {lines:?}");
            if lines.iter().any(|line| line.contains("EVIL")) {
                slipped.push((*text).to_owned());
            }
        }
        slipped
    }
}

#[test]
fn nothing_runs_without_a_name() {
    let stage = Stage::new("postgres");
    let slipped = stage.slipped(&[
        "SELECT x = x FROM diary AS s(i, x)",
        "SELECT x = 'sad' FROM diary s(i, x)",
        "SELECT x || x FROM diary_view s(i, x)",
        "SELECT upper(x) FROM diary s(i, x)",
        "WITH w(i, x) AS (SELECT d.* FROM diary d) SELECT x = x FROM w",
        "SELECT (x).f2 = (x).f2 FROM (SELECT ROW(d.*) x FROM diary d) s",
        "SELECT x = x FROM diary s(i, x) JOIN diary t USING (id)",
        "SELECT CASE x WHEN x THEN 1 END FROM diary s(i, x)",
        "SELECT 1 FROM diary s(i, x) WHERE x IN (x)",
        "SELECT 1 FROM diary s(i, x) JOIN diary t(j, x) USING (x)",
        "SELECT p FROM pairs ORDER BY p",
        "SELECT * FROM pairs ORDER BY 2",
        "SELECT DISTINCT p FROM pairs",
        "SELECT p FROM pairs GROUP BY p",
        "SELECT p FROM pairs UNION SELECT p FROM pairs",
        "SELECT * FROM pairs INTERSECT SELECT * FROM pairs",
        "TABLE pairs UNION TABLE pairs",
        "SELECT x FROM pairs s(i, x) ORDER BY x",
        "SELECT DISTINCT ON (x) x FROM pairs s(i, x)",
        "SELECT rank() OVER (ORDER BY x) FROM pairs s(i, x)",
        "SELECT x FROM pairs s(i, x) ORDER BY x USING OPERATOR(public.<<<)",
        "SELECT s FROM pairs s ORDER BY s",
        "SELECT s FROM pairs s ORDER BY 1",
        "SELECT DISTINCT s FROM pairs s",
        "SELECT json_scalar('x')",
        "SELECT json_serialize('x')",
        "SELECT json('x')",
        "SELECT json_exists('{}', '$')",
        "SELECT json_value('{}', '$')",
        "SELECT json_query('{}', '$')",
        "SELECT json_array(1)",
        "SELECT json_array()",
        "SELECT json_arrayagg(1)",
        "SELECT merge_action()",
        "SELECT * FROM json_table('{}', '$')",
        "SELECT coalesce(d, 'x') FROM doms",
        "SELECT 'x' UNION SELECT d FROM doms",
        "SELECT d = ANY ('{x}') FROM doms",
        "SELECT x || 'a' FROM domarr s(x)",
        "SELECT coalesce(x, '{a}') FROM domarr s(x)",
        "SELECT CASE WHEN true THEN '{a}' ELSE x END FROM domarr s(x)",
        "SELECT x FROM domarr s(x) UNION ALL SELECT '{a}'",
        "VALUES ('{a}'), ((SELECT d FROM domarr))",
        "SELECT greatest(x, '{a}') FROM domarr s(x)",
        "SELECT nullif(x, '{a}') FROM domarr s(x)",
        "SELECT x = '{a}' FROM domarr s(x)",
        "SELECT lag(x, 1, '{a}') OVER () FROM domarr s(x)",
        "SELECT (ROW(1, '{a}'::text)).f2",
        "SELECT x IN ('{a}') FROM domarr s(x)",
        "SELECT ARRAY[x, '{a}'] FROM domarr s(x)",
        "WITH RECURSIVE w AS (SELECT x FROM domarr s(x) UNION ALL SELECT '{a}' FROM w) SELECT * FROM w LIMIT 1",
    ]);
    assert!(slipped.is_empty(), "{slipped:#?}");
}

#[test]
fn a_schema_that_the_role_may_not_enter_hides_nothing() {
    let stage = Stage::new("plain");
    let slipped = stage.slipped(&["SET search_path TO closed, public; SELECT id FROM orders"]);
    assert!(slipped.is_empty(), "{slipped:#?}");
}
