//! The types, the values and the calls.

pub(crate) const TYPES: &[&str] = &[
    "text",
    "varchar",
    "bpchar",
    "name",
    "\"char\"",
    "int2",
    "int4",
    "int8",
    "numeric",
    "float4",
    "float8",
    "date",
    "timestamp",
    "timestamptz",
    "interval",
    "bool",
    "json",
    "jsonb",
    "text[]",
    "varchar[]",
    "int4[]",
    "oid",
    "regclass",
    "bytea",
    "uuid",
    "int4range",
    "honest.mood",
    "honest.positive",
    "honest.label",
    "honest.place",
    "anyelement",
    "anyarray",
    "anynonarray",
    "record",
    "bit",
];

/// A value, and whether it needs `FROM honest.t`.
pub(crate) const VALUES: &[(&str, bool)] = &[
    ("'x'", false),
    ("'1'", false),
    ("NULL", false),
    ("1", false),
    ("1.5", false),
    ("3000000000", false),
    ("-2147483648", false),
    ("99999999999999999999", false),
    ("1e3", false),
    ("true", false),
    ("B'101'", false),
    ("'x'::text", false),
    ("'x'::varchar", false),
    ("'x'::varchar(3)", false),
    ("CAST('x' AS char(3))", false),
    ("'x'::name", false),
    ("'x'::\"char\"", false),
    ("date '2020-01-01'", false),
    ("now()", false),
    ("current_date", false),
    ("current_user", false),
    ("localtimestamp", false),
    ("interval '1 day'", false),
    ("'{a}'::text[]", false),
    ("ARRAY[1, 2]", false),
    ("ARRAY['a', 'b']", false),
    ("ARRAY[1, 2.5]", false),
    ("(ARRAY['a', 'b'])[1]", false),
    ("(ARRAY[1, 2])[1:1]", false),
    ("ROW(1, 'x')", false),
    ("5::honest.positive", false),
    ("'l'::honest.label", false),
    ("'sad'::honest.mood", false),
    ("5::honest.positive + 1", false),
    ("'pg_class'::regclass", false),
    ("(SELECT 'x')", false),
    ("(SELECT 1)", false),
    ("ARRAY(SELECT 'x'::varchar)", false),
    ("coalesce(NULL, 'x')", false),
    ("coalesce(NULL, 1)", false),
    ("coalesce(1, 2.5)", false),
    ("coalesce('x'::varchar, 'y'::text)", false),
    ("coalesce('x'::text, 'y'::varchar)", false),
    ("nullif('x'::varchar, 'y')", false),
    ("nullif(1, 2.5)", false),
    ("nullif('a', 'b')", false),
    ("greatest(1, 2, 3)", false),
    ("CASE WHEN true THEN 'x' END", false),
    ("CASE WHEN true THEN 1 ELSE 2.5 END", false),
    ("CASE WHEN true THEN 'x'::varchar ELSE 'y' END", false),
    ("'x' || 'y'", false),
    ("'x'::varchar || 'y'", false),
    ("1 + 1.5", false),
    ("1 = 2", false),
    ("NOT true", false),
    ("1 IS NULL", false),
    ("'x' COLLATE \"C\"", false),
    ("upper('x')", false),
    ("concat('a', 1)", false),
    ("length('abc')", false),
    ("honest.tag('x'::text)", false),
    ("honest.tag(1)", false),
    ("json_build_object('a', 1)", false),
    ("'{\"a\": 1}'::jsonb -> 'a'", false),
    ("'{\"a\": 1}'::jsonb ->> 'a'", false),
    ("date '2020-01-01' - 1", false),
    ("now() - interval '1 day'", false),
    ("extract(year FROM now())", false),
    ("c_text", true),
    ("c_varchar", true),
    ("t.c_varchar", true),
    ("t.c_text", true),
    ("honest.t.c_text", true),
    ("c_char", true),
    ("c_name", true),
    ("c_int", true),
    ("c_int2", true),
    ("c_int8", true),
    ("c_numeric", true),
    ("c_float8", true),
    ("c_date", true),
    ("c_ts", true),
    ("c_bool", true),
    ("c_json", true),
    ("c_jsonb", true),
    ("c_texts", true),
    ("c_texts[1]", true),
    ("c_ints[1]", true),
    ("c_label", true),
    ("c_labels", true),
    ("c_labels[1]", true),
    ("c_positive", true),
    ("c_mood", true),
    ("c_place", true),
    ("(c_place).x", true),
    ("t", true),
    ("ctid", true),
    ("tableoid", true),
    ("c_text || c_varchar", true),
    ("c_varchar || c_varchar", true),
    ("c_label || 'x'", true),
    ("c_positive + 1", true),
    ("c_int * c_int8", true),
    ("coalesce(c_varchar, 'x')", true),
    ("coalesce(c_text, c_varchar)", true),
    ("coalesce(c_varchar, c_text)", true),
    ("coalesce(c_label, 'x')", true),
    ("coalesce(c_label, c_label)", true),
    ("nullif(c_varchar, '')", true),
    ("(SELECT c_varchar)", true),
    ("(SELECT t.c_text)", true),
    ("c_varchar::text", true),
    ("c_text::varchar", true),
    ("CASE c_int WHEN 1 THEN c_varchar ELSE c_text END", true),
    ("min(c_varchar) OVER ()", true),
    ("first_value(c_varchar) OVER ()", true),
    ("array_agg(c_varchar) OVER ()", true),
    ("c_varchar COLLATE \"C\"", true),
    ("trim(c_varchar)", true),
    ("substring(c_varchar FROM 1)", true),
    ("unnest(c_texts)", true),
    ("generate_series(1, 2)", true),
];

/// FROM clauses that give a name to a column, and the name.
const SOURCES: &[(&str, &str)] = &[
    ("(SELECT c_varchar AS v FROM honest.t) s", "v"),
    ("(SELECT c_text AS v FROM honest.t) s", "s.v"),
    ("(SELECT 'x' AS v) s", "v"),
    ("(SELECT NULL AS v) s", "s.v"),
    ("(SELECT * FROM honest.t) s", "c_varchar"),
    ("(SELECT t.* FROM honest.t) s", "s.c_text"),
    ("(SELECT c_varchar, c_text FROM honest.t) s(a, b)", "b"),
    ("(SELECT c_varchar, c_text FROM honest.t) s(a, b)", "s.a"),
    ("(VALUES ('x'), ('y')) s(v)", "v"),
    ("(VALUES (1), (2.5)) s", "column1"),
    ("(VALUES ('x'::varchar), ('y')) s(v)", "s.v"),
    ("(SELECT 'x' AS v UNION SELECT 'y') s", "v"),
    ("(SELECT c_varchar AS v FROM honest.t UNION SELECT c_text FROM honest.t) s", "v"),
    ("(SELECT c_text AS v FROM honest.t UNION ALL SELECT NULL) s", "v"),
    ("(SELECT c_int AS v FROM honest.t UNION ALL SELECT c_numeric FROM honest.t) s", "v"),
    ("(SELECT c_label AS v FROM honest.t) s", "v"),
    ("honest.t a JOIN honest.u b USING (c_int)", "c_int"),
    ("honest.t a JOIN honest.u b USING (c_key)", "c_key"),
    ("honest.t a LEFT JOIN honest.u b ON a.c_int = b.c_int", "b.c_text"),
    ("honest.t a JOIN honest.u b USING (c_int)", "only_u"),
    ("honest.t a NATURAL JOIN honest.k b", "c_key"),
    ("(honest.t a JOIN honest.u b USING (c_int)) j", "j.only_u"),
    ("honest.t AS a(x1, x2)", "x2"),
    ("honest.t AS a(x1, x2)", "a.x1"),
    ("honest.v", "v_varchar"),
    ("honest.v", "v.v_text"),
    ("generate_series(1, 3) g", "g"),
    ("generate_series(1, 3) g(n)", "g.n"),
    ("generate_series(1, 3) WITH ORDINALITY g(n, o)", "o"),
    ("unnest(ARRAY['a', 'b']) e", "e"),
    ("unnest(ARRAY['a', 'b']::varchar[]) e", "e"),
    ("jsonb_array_elements_text('[\"a\"]') e", "e.value"),
    ("jsonb_array_elements_text('[\"a\"]') e", "value"),
    ("jsonb_array_elements_text('[\"a\"]') e(v)", "v"),
    ("jsonb_each_text('{\"a\": 1}') e", "key"),
    ("honest.named('x') e", "out_name"),
    ("honest.t, LATERAL (SELECT t.c_varchar AS w) l", "w"),
    ("honest.t, LATERAL (SELECT c_varchar AS w FROM honest.k) l", "l.w"),
    ("current_date AS d", "d"),
    ("json_to_record('{}') AS r(a varchar, b text)", "a"),
    ("xmltable('/r' PASSING xml '<r/>' COLUMNS a varchar PATH 'a') x", "a"),
    ("honest.t t1, honest.k k1 CROSS JOIN honest.u", "only_u"),
];

/// Whole statements with `@` where the call goes, and what it is called with.
const STATEMENTS: &[(&str, &str)] = &[
    ("WITH w AS (SELECT c_varchar AS v FROM honest.t) SELECT @ FROM w", "v"),
    ("WITH w AS (SELECT c_text AS v FROM honest.t) SELECT @ FROM w", "w.v"),
    ("WITH w(v) AS (SELECT c_varchar FROM honest.t) SELECT @ FROM w", "w.v"),
    ("WITH w AS (SELECT 'x' AS v), x AS (SELECT v FROM w) SELECT @ FROM x", "v"),
    ("WITH RECURSIVE r(n, v) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, v FROM r WHERE n < 3) SELECT @ FROM r", "v"),
    (
        "WITH RECURSIVE r(n, v) AS (SELECT 1, c_varchar FROM honest.t UNION ALL SELECT n + 1, v FROM r WHERE n < 3) SELECT @ FROM r",
        "v",
    ),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT @ FROM r", "n"),
    ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT c_varchar AS v FROM honest.t) SELECT @ FROM a", "v"),
    ("SELECT (SELECT @) FROM honest.t", "c_varchar"),
    ("SELECT (SELECT @ FROM honest.k) FROM honest.t", "c_text"),
    ("SELECT (SELECT @ FROM honest.u) FROM honest.t", "c_text"),
    ("SELECT (SELECT @ FROM honest.u LIMIT 1) FROM honest.k", "c_key"),
    ("SELECT 1 FROM honest.t WHERE @ IS NOT NULL", "c_varchar"),
    ("SELECT 1 FROM honest.t WHERE EXISTS (SELECT 1 FROM honest.u WHERE @ IS NULL)", "only_t"),
    ("SELECT 1 FROM honest.t GROUP BY @", "c_text"),
    ("SELECT c_varchar AS c_text FROM honest.t GROUP BY c_varchar, @", "c_text"),
    ("SELECT c_int AS c_varchar FROM honest.t ORDER BY @", "c_varchar"),
    ("VALUES (1, 'x') ORDER BY @", "column2"),
    ("VALUES (1, 'x'::varchar) ORDER BY @", "column2"),
    ("SELECT (VALUES (@)) FROM honest.t", "c_varchar"),
    ("SELECT (SELECT x FROM (VALUES (1, 'x') ORDER BY @ LIMIT 1) q(x, y)) FROM honest.t", "column1"),
    ("SELECT 1 FROM honest.t a JOIN honest.u b ON @ IS NULL", "a.c_varchar"),
    ("SELECT 1 FROM honest.t a JOIN honest.k b ON @ IS NULL", "only_t"),
    ("SELECT 1 FROM honest.k LEFT JOIN honest.t ON @ IS NULL", "c_text"),
    ("SELECT t.c_int FROM honest.t, LATERAL (SELECT @) x", "c_varchar"),
    ("SELECT 1 FROM honest.t, (SELECT @ FROM honest.k) x", "c_key"),
    ("SELECT _000, @ FROM (SELECT 1_000) s, honest.t", "c_text"),
    ("SELECT count(*) FILTER (WHERE @ IS NULL) FROM honest.t", "c_varchar"),
    ("SELECT row_number() OVER (ORDER BY @) FROM honest.t", "c_text"),
    ("SELECT @ FROM honest.t x, honest.t y", "x.c_varchar"),
    ("TABLE honest.t ORDER BY @", "c_varchar"),
    ("SELECT * FROM (SELECT c_varchar FROM honest.t ORDER BY @) s", "c_text"),
    ("EXPLAIN SELECT @ FROM honest.t", "c_varchar"),
    ("COPY (SELECT @ FROM honest.t) TO STDOUT", "c_text"),
];

/// Every call of `name` with one argument.
pub(crate) fn of_one(name: &str) -> Vec<String> {
    let window = if name == "lag" { " OVER ()" } else { "" };
    let call = |value: &str| format!("{name}({value}){window}");
    let plain = VALUES.iter().map(|(value, table)| {
        let from = if *table { " FROM honest.t" } else { "" };
        format!("SELECT {}{from}", call(value))
    });
    let sources = SOURCES.iter().map(|(from, column)| format!("SELECT {} FROM {from}", call(column)));
    let statements = STATEMENTS.iter().map(|(text, value)| text.replace('@', &call(value)));
    plain.chain(sources).chain(statements).collect()
}

/// Every place that looks `name` up, with random operands.
pub(crate) fn of_operator(name: &str, times: usize, random: &mut Random) -> Vec<String> {
    let mut calls = Vec::new();
    for _ in 0..times {
        let (left, right) = (random.pick(VALUES).0, random.pick(VALUES).0);
        calls.push(format!("SELECT ({left}) {name} ({right}) FROM honest.t"));
        calls.push(format!("SELECT ({left}) {name} ANY (ARRAY[{right}]) FROM honest.t"));
    }
    if name == "-" || name == "+" {
        calls.extend(
            VALUES
                .iter()
                .step_by(if times > 6 { 1 } else { 5 })
                .map(|(value, _)| format!("SELECT {name} ({value}) FROM honest.t")),
        );
    }
    let pairs: Vec<(&str, &str)> = (0..times).map(|_| (random.pick(VALUES).0, random.pick(VALUES).0)).collect();
    for (left, right) in pairs {
        let more = match name {
            "=" => vec![
                format!("SELECT ({left}) IN ({right}) FROM honest.t"),
                format!("SELECT ({left}) IN ({right}, {left}, 'x') FROM honest.t"),
                format!("SELECT ({left}) IN (1, 2, 2.5) FROM honest.t"),
                format!("SELECT ({left}) IN (SELECT {right} FROM honest.t) FROM honest.t"),
                format!("SELECT ({left}) IS DISTINCT FROM ({right}) FROM honest.t"),
                format!("SELECT nullif({left}, {right}) FROM honest.t"),
                format!("SELECT CASE ({left}) WHEN {right} THEN 1 END FROM honest.t"),
                format!("SELECT ({left}, {right}) = ({right}, {left}) FROM honest.t"),
                format!("SELECT ({left}, 1) IN (({right}, 2), (NULL, 1)) FROM honest.t"),
                format!("SELECT ({left}, 1) IN (SELECT {right}, 2 FROM honest.t) FROM honest.t"),
                format!("SELECT DISTINCT {left} FROM honest.t"),
                format!("SELECT 1 FROM honest.t GROUP BY {left}"),
            ],
            "<" => vec![
                format!("SELECT ({left}, {right}) < ({right}, {left}) FROM honest.t"),
                format!("SELECT ({left}) NOT BETWEEN ({right}) AND ({left}) FROM honest.t"),
                format!("SELECT 1 FROM honest.t ORDER BY {left} USING <"),
                format!("SELECT 1 FROM honest.t ORDER BY {left}"),
                format!("SELECT greatest({left}, {right}) FROM honest.t"),
            ],
            ">=" => vec![
                format!("SELECT ({left}) BETWEEN ({right}) AND ({left}) FROM honest.t"),
                format!("SELECT ({left}) BETWEEN SYMMETRIC ({right}) AND ('x') FROM honest.t"),
            ],
            "<>" => vec![
                format!("SELECT ({left}) NOT IN ({right}, {right}) FROM honest.t"),
                format!("SELECT ({left}) <> ALL (SELECT {right} FROM honest.t) FROM honest.t"),
            ],
            "~~" => vec![
                format!("SELECT ({left}) LIKE ({right}) FROM honest.t"),
                format!("SELECT ({left}) LIKE ({right}) ESCAPE '!' FROM honest.t"),
            ],
            _ => Vec::new(),
        };
        calls.extend(more);
    }
    if name == "=" {
        calls.extend(
            ["c_int", "c_key", "c_text", "c_varchar"]
                .map(|column| format!("SELECT 1 FROM honest.t JOIN honest.u USING ({column})")),
        );
        calls.push("SELECT 1 FROM honest.t NATURAL JOIN honest.k".to_owned());
        calls.push("SELECT 1 FROM (honest.t JOIN honest.k USING (c_key)) JOIN honest.u USING (c_key)".to_owned());
        calls.push("SELECT c_mood FROM honest.t UNION SELECT c_mood FROM honest.t".to_owned());
    }
    calls
}

/// A small generator: the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = usize::try_from(self.0 >> 33).unwrap() % among.len();
        among[place]
    }
}
