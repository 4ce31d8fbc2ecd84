//! Depth and size: no text makes the process abort or run away, and honest long statements pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::time::{Duration, Instant};

use vitrine::sql::{self, Limits, Rule};

/// Ways to nest or to chain: what opens, what stands inside, what closes.
const NESTS: &[(&str, &str, &str, &str)] = &[
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "f(", "1", ")"),
    ("SELECT ", "a.b(", "1", ")"),
    ("SELECT ", "CAST(", "1", " AS int)"),
    ("SELECT ", "ARRAY[", "1", "]"),
    ("SELECT ", "ARRAY(SELECT ", "1", ")"),
    ("SELECT ", "(SELECT ", "1", ")"),
    ("SELECT ", "EXISTS (SELECT ", "1", ")"),
    ("SELECT a IN ", "(SELECT b IN ", "(1)", ")"),
    ("SELECT ", "ROW(", "1", ")"),
    ("SELECT ", "(1, ", "1", ")"),
    ("SELECT ", "a[", "1", "]"),
    ("SELECT ", "CASE WHEN a THEN ", "1", " END"),
    ("SELECT ", "CASE a WHEN 1 THEN ", "1", " ELSE 2 END"),
    ("SELECT ", "coalesce(a, ", "1", ")"),
    ("SELECT ", "extract(year FROM ", "d", ")"),
    ("SELECT ", "substring(a FROM ", "1", ")"),
    ("SELECT ", "trim(BOTH FROM ", "a", ")"),
    ("SELECT ", "position(a IN ", "b", ")"),
    ("SELECT ", "overlay(a PLACING ", "b", " FROM 1)"),
    ("SELECT ", "interval '1 day' + (", "a", ")"),
    ("SELECT ", "sum(a) OVER (ORDER BY ", "1", ")"),
    ("SELECT ", "sum(a) FILTER (WHERE ", "true", ")"),
    ("SELECT ", "NOT ", "true", ""),
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "json_object('a': ", "1", ")"),
    ("SELECT ", "xmlelement(name a, ", "b", ")"),
    ("SELECT 1", "+1", "", ""),
    ("SELECT 'a'", "||a", "", ""),
    ("SELECT a", " IS NULL", "", ""),
    ("SELECT a", "::int", "", ""),
    ("SELECT a", " COLLATE \"C\"", "", ""),
    ("SELECT a", " AT TIME ZONE 'UTC'", "", ""),
    ("SELECT a", "[1]", "", ""),
    ("SELECT (a)", ".b", "", ""),
    ("SELECT a", " -> 'b'", "", ""),
    ("SELECT 1 ", "UNION SELECT 1 ", "", ""),
    ("SELECT 1, 2 ", "UNION ALL SELECT 1, 2 ", "", ""),
    ("", "(", "SELECT 1", ")"),
    ("", "(SELECT 1 UNION ", "SELECT 1", ")"),
    ("SELECT * FROM ", "(SELECT * FROM ", "t", ") x"),
    ("SELECT * FROM ", "(", "a JOIN b ON true", ")"),
    ("SELECT * FROM ", "(", "a JOIN b ON true", " JOIN c ON true)"),
    ("SELECT * FROM ", "(", "SELECT 1", ") x"),
    ("SELECT * FROM ", "LATERAL (SELECT * FROM ", "t", ") x"),
    ("SELECT * FROM ", "(VALUES ((SELECT * FROM ", "t", "))) x"),
    ("SELECT * FROM t ", "JOIN u ON true ", "", ""),
    ("SELECT * FROM ", "a JOIN (", "b", " JOIN c ON true) ON true"),
    ("", "WITH a AS (", "SELECT 1", ") SELECT * FROM a"),
    ("SELECT a GROUP BY ", "GROUPING SETS (", "a", ")"),
    ("VALUES ", "((VALUES ", "(1)", "))"),
    ("SELECT a FROM t WHERE ", "(a = 1 AND ", "b", ")"),
    ("SELECT a FROM t WHERE ", "(a, b) IN (SELECT a, b FROM t WHERE ", "b", ")"),
];

fn text((start, open, middle, close): (&str, &str, &str, &str), depth: usize) -> String {
    format!("{start}{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn moderate_nesting_is_read_in_moderate_time() {
    for &nest in NESTS {
        for depth in [8, 16, 24, 32, 48] {
            let text = text(nest, depth);
            let started = Instant::now();
            let outcome = sql::read(&text, &Limits::default());
            let took = started.elapsed();
            assert!(took < Duration::from_secs(5), "{depth} levels took {took:?}: {text}");
            if let Err(denial) = outcome {
                assert_eq!(denial.rule, Rule::Syntax, "{denial:?}: {text}");
            }
        }
    }
}

#[test]
fn deep_nesting_neither_aborts_nor_hangs() {
    for &nest in NESTS {
        for depth in [500, 4_000, 50_000, 100_000] {
            let text = text(nest, depth);
            let started = Instant::now();
            let outcome = sql::read(&text, &Limits::default());
            let took = started.elapsed();
            assert!(took < Duration::from_secs(60), "{depth} levels took {took:?}: {}", &text[..80]);
            if let (Err(denial), true) = (&outcome, depth >= 50_000) {
                let expected = ["54000", "54001", "42601"].contains(&denial.sqlstate.code());
                assert!(expected, "{denial:?}: {}", &text[..80]);
            }
        }
    }
    let nested = text(("SELECT ", "(", "1", ")"), 50_000);
    assert_eq!(sql::read(&nested, &Limits::default()).unwrap_err().sqlstate.code(), "54001");
}

#[test]
fn long_honest_statements_pass() {
    let texts = [
        text(("SELECT 'a'", " || b", "", ""), 500),
        format!("SELECT * FROM t WHERE id IN (1{})", ", 2".repeat(5_000)),
        format!("SELECT * FROM t WHERE a = 1{}", " AND b = 2".repeat(2_000)),
        format!("SELECT * FROM t WHERE a = 1{}", " OR (b = 2 AND c IS NOT NULL)".repeat(5_000)),
        format!("SELECT * FROM (VALUES (1, 'a'){}) v", ", (2, 'b')".repeat(2_000)),
        format!("SELECT CASE{} ELSE 0 END", " WHEN a = 1 THEN 'x'".repeat(1_000)),
        format!("SELECT 1 AS a{}", " UNION ALL SELECT 2".repeat(500)),
        format!("SELECT * FROM t{}", " LEFT JOIN u USING (id)".repeat(60)),
        format!("SELECT a{}", ", sum(CASE WHEN b = 1 THEN c ELSE 0 END) AS d".repeat(800)),
        format!("WITH a AS (SELECT 1){} SELECT * FROM a", ", b AS (SELECT * FROM a)".repeat(100)),
        format!("SELECT 1{}", "; SELECT 2".repeat(500)),
    ];
    for text in texts {
        if let Err(denial) = sql::read(&text, &Limits::default()) {
            panic!("{denial:?}: {}", &text[..60]);
        }
    }
}
