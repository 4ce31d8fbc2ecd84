//! Statements taken apart and put together at random: no reader panics, aborts or hangs, and every outcome has a reason.
//!
//! Seeds are the honest reads, the hostile texts, and the corpora when they stand beside the checkout.
//! `MUTATIONS` sets how many are tried, `SEED` where the sequence starts.
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

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vitrine::sql::{self, Limits};

fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> =
        include_str!("sql/honest.txt").lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let root = env!("CARGO_MANIFEST_DIR");
    let places = [format!("{root}/../../shared/corpora"), format!("{root}/../../../shared/corpora")];
    let folder = std::env::var("VITRINE_CORPORA")
        .ok()
        .or_else(|| places.into_iter().find(|place| std::fs::exists(place).unwrap_or(false)));
    match folder {
        Some(folder) => {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|end| end == "jsonl") {
                    let rows = std::fs::read_to_string(path).unwrap();
                    let rows = rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
                    seeds.extend(rows.map(|row| row["sql"].as_str().unwrap().to_owned()));
                }
            }
        }
        None => eprintln!("\n*** no corpora beside the checkout: mutating the project's own statements alone ***\n"),
    }
    seeds
}

/// Cuts a text where words and signs meet, without minding literals: the halves of literals are part of the game.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = ' ';
    for character in text.chars() {
        let joined = (last.is_alphanumeric() || last == '_') && (character.is_alphanumeric() || character == '_');
        match pieces.last_mut() {
            Some(piece) if joined => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
        last = character;
    }
    pieces
}

const SPICE: &[&str] = &[
    "'",
    "\"",
    "E'",
    "U&'",
    "U&\"",
    "$$",
    "$a$",
    "/*",
    "*/",
    "--",
    "\n",
    "\\",
    ";",
    "(",
    ")",
    "[",
    "]",
    "::",
    "=>",
    ":=",
    "&>",
    "&<|",
    "||",
    "<@",
    "?",
    "ONLY",
    "LATERAL",
    "END",
    "CASE",
    "LIKE",
    "ESCAPE",
    "COLLATE",
    "INTO",
    "FROM",
    "SELECT",
    "WITH",
    "RECURSIVE",
    "UNION",
    "VALUES",
    "TABLE",
    "ROWS FROM",
    "OVER",
    "FILTER",
    "WITHIN GROUP",
    "INTERVAL",
    "ARRAY",
    "ROW",
    "NOT",
    "IN",
    "BETWEEN",
    "AND",
    "IS",
    "NULL",
    "JSON_TABLE",
    "XMLTABLE",
    "FOR UPDATE",
    "DELETE FROM t",
    "RETURNING *",
    "pg_sleep(1)",
    "0x",
    "1e",
    "1_",
    "$1",
    "\u{feff}",
    "\u{a0}",
    "é",
    "AS",
    ".",
    "*",
    ",",
    "OPERATOR(+)",
    "UESCAPE",
    "SETOF",
    "%TYPE",
    "DEFAULT",
    "CURRENT OF c",
    "GROUPING SETS",
    "EXPLAIN",
    "PREPARE p AS",
    "COPY",
    "TO STDOUT",
];

fn mutate(random: &mut StdRng, seeds: &[String]) -> String {
    let pick = |random: &mut StdRng| seeds[random.random_range(0..seeds.len())].clone();
    let mut pieces = pieces(&pick(random));
    for _ in 0..random.random_range(1..6) {
        if pieces.is_empty() {
            break;
        }
        let (at, other) = (random.random_range(0..pieces.len()), random.random_range(0..pieces.len()));
        match random.random_range(0..7) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pieces[other].clone()),
            2 => pieces.swap(at, other),
            3 => pieces.truncate(at),
            4 => pieces.insert(at, format!(" {} ", SPICE[random.random_range(0..SPICE.len())])),
            5 => pieces.insert(at, SPICE[random.random_range(0..SPICE.len())].to_owned()),
            _ => {
                let donor = self::pieces(&pick(random));
                let from = random.random_range(0..=donor.len());
                pieces.splice(at.., donor[from..].iter().cloned());
            }
        }
    }
    pieces.concat()
}

#[test]
fn mutated_statements_are_read_or_refused() {
    let seeds = seeds();
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let mut random = StdRng::seed_from_u64(number("SEED", 20_261_120));
    let limits = Limits::default();
    let mut read = 0;
    for _ in 0..number("MUTATIONS", 8_000) {
        let text = mutate(&mut random, &seeds);
        if std::env::var_os("TRACE").is_some() {
            std::fs::write("/tmp/mutation.sql", &text).unwrap();
        }
        let started = Instant::now();
        match sql::read(&text, &limits) {
            Ok(statements) => {
                read += 1;
                for statement in &statements {
                    assert!(text.get(statement.span.clone()).is_some(), "{:?} of {text:?}", statement.span);
                }
            }
            Err(denial) => {
                assert_ne!(denial.message, "the statement cannot be read", "a reader panicked at {text:?}");
                assert!(denial.position.is_none_or(|at| text.is_char_boundary(at)), "{denial:?} of {text:?}");
            }
        }
        let _ = sql::shape(&text);
        let _ = sql::fingerprint(&text);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?} for {text:?}", started.elapsed());
    }
    assert!(read > 100, "only {read} mutations were readable: they are too wild to prove anything");
}
