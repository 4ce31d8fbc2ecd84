//! Functions and operators of the user's own that bear the names of PostgreSQL's: what the policy permits must never run
//! them. PostgreSQL is the judge.
//!
//! Each overload lives in a schema of its own and raises an error of its own (VT001) when it runs. Each call is reviewed
//! with that schema on the search path; what is permitted is then run, and made into a view whose dependencies tell which
//! function was chosen, whether it ran or not. `OVERLOADS=10` tries ten times as much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

#[path = "overloads/calls.rs"]
mod calls;
#[path = "overloads/scene.rs"]
mod scene;

use scene::{Outcome, Scene};

/// Calls of a function of one argument, in every way a value can come about, against an overload for every type.
#[test]
fn functions_of_one_argument() {
    let mut scene = Scene::new();
    let names = ["lower", "max", "abs", "length", "upper", "sum", "to_char", "lag"];
    let names = names.get(..(1 + scene::scale()).min(8)).unwrap();
    for name in names {
        for parameter in calls::TYPES {
            scene.overload(name, &[parameter]);
        }
        for parameter in ["VARIADIC text[]", "VARIADIC int[]", "text, b int DEFAULT 1", "varchar, b int DEFAULT 1"] {
            scene.overload(name, &[parameter]);
        }
    }
    scene.load();
    let mut counted = Outcome::default();
    for name in names {
        for call in calls::of_one(name).iter().step_by(if scene::scale() > 1 { 1 } else { 2 }) {
            scene.check(name, call, &mut counted);
        }
    }
    counted.print("functions of one argument");
    assert!(counted.permitted > 2_000, "{counted:?}");
    assert!(counted.chosen > 200, "{counted:?}");
}

/// Calls of functions of two and three arguments against random overloads.
#[test]
fn functions_of_more_arguments() {
    let mut scene = Scene::new();
    let mut random = calls::Random(20_261_121);
    let names = [
        ("round", 2),
        ("strpos", 2),
        ("date_trunc", 2),
        ("replace", 3),
        ("concat", 2),
        ("to_char", 2),
        ("substring", 3),
    ];
    for (name, count) in names {
        for _ in 0..12 * scene::scale() {
            let types: Vec<&str> = (0..count).map(|_| random.pick(calls::TYPES)).collect();
            scene.overload(name, &types);
        }
    }
    scene.load();
    let mut counted = Outcome::default();
    for (name, count) in names {
        for _ in 0..30 {
            let arguments: Vec<String> = (0..count).map(|_| random.pick(calls::VALUES).0.to_owned()).collect();
            let call = format!("SELECT {name}({}) FROM honest.t", arguments.join(", "));
            scene.check(name, &call, &mut counted);
        }
    }
    counted.print("functions of more arguments");
    assert!(counted.permitted > 1_000, "{counted:?}");
}

/// Operators in every place that looks one up.
#[test]
fn operators() {
    let mut scene = Scene::new();
    let mut random = calls::Random(7);
    let names = ["=", "<", "||", "+", "~~", ">=", "<>", "-"];
    for name in names {
        for operand in ["text", "varchar", "int4", "numeric", "honest.mood", "honest.label", "jsonb", "text[]"] {
            scene.operator(name, operand, operand);
        }
        for _ in 0..8 * scene::scale() {
            let (left, right) = (random.pick(calls::TYPES), random.pick(calls::TYPES));
            scene.operator(name, left, right);
        }
    }
    scene.load();
    let mut counted = Outcome::default();
    for name in names {
        for call in calls::of_operator(name, 6 * scene::scale(), &mut random) {
            scene.check(name, &call, &mut counted);
        }
    }
    counted.print("operators");
    assert!(counted.permitted > 3_000, "{counted:?}");
    assert!(counted.chosen > 50, "{counted:?}");
}

/// What the role may not enter hides nothing from it.
#[test]
fn a_schema_that_is_shut_hides_nothing() {
    let mut scene = Scene::new();
    scene.overload("lower", &["varchar"]);
    scene.load();
    scene.shut();
    let mut counted = Outcome::default();
    for call in ["SELECT lower(c_varchar) FROM honest.t", "SELECT lower('x'::varchar)", "SELECT lower(v) FROM shadowed"]
    {
        scene.check("lower", call, &mut counted);
    }
    assert_eq!((counted.permitted, counted.chosen), (0, 3), "{counted:?}");
}

/// The reads that a customer's own overloads must not close.
#[test]
fn honest_reads_pass_beside_overloads() {
    let mut scene = Scene::new();
    for name in ["lower", "abs", "replace", "round"] {
        scene.overload(
            name,
            match name {
                "replace" => &["varchar", "varchar", "varchar"],
                "round" => &["float8", "int"],
                "abs" => &["text"],
                _ => &["varchar"],
            },
        );
    }
    scene.load();
    let mut counted = Outcome::default();
    let reads = [
        ("lower", "SELECT lower(c_text) FROM honest.t"),
        (
            "lower",
            "SELECT lower('ABC'), lower(c_text || 'x'), lower(upper(c_text)) FROM honest.t WHERE lower(c_text) = 'x'",
        ),
        (
            "lower",
            "WITH w AS (SELECT c_text AS n FROM honest.t) SELECT lower(w.n), lower(n) FROM w GROUP BY lower(n) ORDER BY lower(n)",
        ),
        (
            "lower",
            "SELECT lower(s.n) FROM (SELECT c_text AS n FROM honest.t) s JOIN honest.u ON lower(s.n) = lower(u.c_varchar)",
        ),
        (
            "lower",
            "SELECT lower(coalesce(c_text, 'x')), lower(CASE WHEN c_bool THEN c_text ELSE 'y' END) FROM honest.t",
        ),
        ("lower", "SELECT x.v FROM honest.t, LATERAL (SELECT lower(t.c_text) AS v) x"),
        (
            "lower",
            "WITH RECURSIVE r(n, p) AS (SELECT 1, c_text FROM honest.t UNION ALL SELECT n + 1, p FROM r WHERE n < 3) SELECT lower(p) FROM r",
        ),
        ("abs", "SELECT abs(-1), abs(c_int), abs(c_numeric * 2), abs(c_int - 5), abs(1.5) FROM honest.t"),
        ("replace", "SELECT replace(c_text, 'a', 'b'), replace('a', 'b', 'c') FROM honest.t"),
        ("round", "SELECT round(c_numeric, 2), round(1.234, 1), round(avg(c_int), 2) FROM honest.t GROUP BY c_numeric"),
    ];
    for (name, read) in reads {
        let before = counted.permitted;
        scene.check(name, read, &mut counted);
        assert_eq!(counted.permitted, before + 1, "refused beside an overload: {read}");
    }
}

/// `abs(1)` and `abs(3000000000)` are calls with different types: one's verdict says nothing of the other.
#[test]
fn a_verdict_that_hangs_on_types_says_so() {
    let mut scene = Scene::new();
    scene.overload("abs", &["text"]);
    scene.load();
    assert!(scene.hangs_on_types("abs", "SELECT abs(1)"));
    assert!(!scene.hangs_on_types("abs", "SELECT lower('x'), 1 + 1"));
}

/// Parameters have the types that were declared; one without takes the type of where it stands, if it stands once.
#[test]
fn parameters() {
    const TEXT: u32 = 25;
    const VARCHAR: u32 = 1043;
    let mut scene = Scene::new();
    scene.overload("lower", &["varchar"]);
    scene.load();
    for (sql, types, permitted, ran) in [
        ("SELECT lower($1)", &[][..], true, false),
        ("SELECT lower($1)", &[TEXT], true, false),
        ("SELECT lower($1)", &[VARCHAR], false, true),
        ("SELECT lower($1 || 'x')", &[VARCHAR], true, false),
        ("SELECT lower(coalesce($1, 'x'))", &[VARCHAR], false, true),
        ("SELECT lower(v) FROM (SELECT $1 AS v) s", &[], true, false),
        ("SELECT lower(v) FROM (SELECT $1 AS v) s", &[VARCHAR], false, true),
        // Its first use makes it varchar.
        ("SELECT $1::varchar, lower($1)", &[], false, true),
        ("SELECT lower($1) FROM honest.t WHERE c_varchar = $1", &[], false, false),
        ("SELECT lower($2) FROM honest.t WHERE c_varchar = $1", &[], true, false),
    ] {
        assert_eq!(scene.bound("lower", sql, types), (permitted, ran), "{sql} {types:?}");
    }
}

const COLUMNS: &[&str] = &[
    "dcol", "ncol", "dscol", "nscol", "rcol", "ccol", "hh", "bitten.t", "hh.dcol", "hh.dscol", "ddcol", "bagcol",
    "hh.ncol",
];
const MADE: &[&str] = &[
    "array_agg(dcol)",
    "ARRAY[dcol]",
    "ARRAY(SELECT t.dcol FROM bitten.t)",
    "(SELECT t FROM bitten.t LIMIT 1)",
    "(SELECT t.dcol FROM bitten.t LIMIT 1)",
    "ROW(dcol, ncol)",
    "max(dcol)",
    "array_agg(hh)",
    "array_fill(dcol, '{1}')",
    "percentile_disc('{0.5}'::float8[]) WITHIN GROUP (ORDER BY dcol)",
    "range_agg(rcol)",
    "dcol || 'x'",
    "ncol + 1",
    "upper(dcol)",
    "ncol || '{1}'",
    "string_to_array(dcol, ',')",
    "first_value(hh) OVER ()",
    "first_value(dcol) OVER ()",
    "(ccol).a",
    "dscol[1]",
    "min(ncol)",
    "sum(ncol)",
];
const LITERALS: &[&str] = &[
    "'x'",
    "'1'",
    "'{x}'",
    "'{1}'",
    "'(x,1)'",
    "'(x,1,\"{x}\",\"{1}\",\"[1,2)\",\"(x)\",x,{x})'",
    "'[1,2)'",
    "'{[1,2)}'",
    "NULL",
];
const SHAPES: &[&str] = &[
    "SELECT coalesce(@, $) FROM bitten.t hh",
    "SELECT @ = $ FROM bitten.t hh",
    "SELECT @ IN ($, $) FROM bitten.t hh",
    "SELECT CASE WHEN random() < 2 THEN $ ELSE @ END FROM bitten.t hh",
    "SELECT nullif(@, $) FROM bitten.t hh",
    "SELECT @ FROM bitten.t hh UNION ALL SELECT $",
    "SELECT greatest(@, $) FROM bitten.t hh",
    "SELECT ARRAY[@, $] FROM bitten.t hh",
    "SELECT lag(@, 1, $) OVER () FROM bitten.t hh",
    "SELECT @ || $ FROM bitten.t hh",
    "SELECT x FROM (VALUES ($)) v(x) JOIN bitten.t hh ON @ = v.x",
    "SELECT 1 FROM bitten.t hh WHERE @ = ANY ($)",
    "SELECT 1 FROM bitten.t hh WHERE $ = ANY (@)",
    "SELECT 1 FROM bitten.t hh WHERE @ BETWEEN $ AND $",
    "SELECT array_append(@, $) FROM bitten.t hh",
    "SELECT @ <@ $ FROM bitten.t hh",
    "SELECT CASE @ WHEN $ THEN 1 END FROM bitten.t hh",
    "SELECT @ FROM bitten.t hh GROUP BY 1 HAVING count(*) > 0 AND $ IS NOT NULL",
    "SELECT (@, 1) = ($, 1) FROM bitten.t hh",
];

/// Literals beside values of domains whose CHECK calls what the policy does not name: what is permitted never runs it.
#[test]
fn literals_beside_domains() {
    let mut scene = Scene::new();
    scene.domains();
    let (mut permitted, mut runs, mut careful) = (0, 0, 0);
    for shape in SHAPES {
        for value in COLUMNS.iter().chain(MADE) {
            for literal in LITERALS {
                let sql = shape.replace('@', value).replace('$', literal);
                let (passes, ran) = scene.bites(&sql);
                assert!(!(passes && ran), "permitted, and a CHECK runs: {sql}");
                permitted += usize::from(passes);
                runs += usize::from(ran);
                careful += usize::from(!passes && !ran);
            }
        }
    }
    println!("literals beside domains: {permitted} permitted, {runs} run a CHECK, {careful} refused that would not");
    assert!(permitted > 1_500 && runs > 300);
}
