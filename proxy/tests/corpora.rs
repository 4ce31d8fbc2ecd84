//! The corpora of real statements, when they stand beside the checkout: nothing crashes, and what the grammar takes for
//! a read is never refused because the readers disagree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use vitrine::sql::{self, Limits};

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("VITRINE_CORPORA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"), PathBuf::from);
    let folder = if folder.is_dir() {
        folder
    } else {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora")
    };
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "\n*** the corpora are not at {}: this test checks NOTHING. Set VITRINE_CORPORA. ***\n",
        folder.display()
    );
    None
}

/// Files that hold statements made to be read in two ways.
const HOSTILE: [&str; 2] = ["adversarial.jsonl", "parser_differentials.jsonl"];

/// `SHOW=rule` prints every statement that the rule refuses.
#[test]
fn every_statement_of_the_corpora_is_read_or_refused_with_a_reason() {
    let Some(folder) = corpora() else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    let mut disputed = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = row["sql"].as_str().unwrap();
            let outcome = sql::read(text, &Limits::default()).map_or_else(|denial| denial.rule.name(), |_| "read");
            *counts.entry(outcome).or_default() += 1;
            if std::env::var("SHOW").is_ok_and(|rule| rule == outcome) {
                println!("{} {text}\n    {:?}", row["id"], sql::read(text, &Limits::default()).err());
            }
            if outcome == "readers_disagree" && !HOSTILE.contains(&name.as_str()) {
                disputed.push(text.to_owned());
            }
        }
        println!("{name}: {counts:?}");
        assert!(!counts.contains_key("limit") || HOSTILE.contains(&name.as_str()), "{name}: {counts:?}");
    }
    assert!(disputed.is_empty(), "{} honest statements are disputed:\n{}", disputed.len(), disputed.join("\n"));
}
