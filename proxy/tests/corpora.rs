//! The corpora of real statements, when they stand beside the checkout: nothing crashes, and what the grammar takes for
//! a read is never refused because the readers disagree.

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

#[test]
fn every_statement_of_the_corpora_is_read_or_refused_with_a_reason() {
    let Some(folder) = corpora() else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = row["sql"].as_str().unwrap();
            let outcome = match sql::read(text, &Limits::default()) {
                Ok(_) => "read".to_owned(),
                Err(denial) => {
                    if std::env::var("SHOW").is_ok_and(|rule| rule == denial.rule.name()) {
                        println!("{} {}\n   {denial:?}", row["id"], text);
                    }
                    denial.rule.name().to_owned()
                }
            };
            *counts.entry(outcome).or_default() += 1;
        }
        println!("{}: {counts:?}", file.file_name().unwrap().to_string_lossy());
    }
}
