//! Statements of real clients, and attacks, when the corpora stand beside the checkout (`VITRINE_CORPORA` says where).
//! What is a read passes, or is listed with its reason; of the attacks only those pass that were gone through by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vitrine::check::{Reviewer, Verdict};
use vitrine::policy::Policy;

fn corpora() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("../../shared/corpora"), here.join("../../../shared/corpora")];
    folders.splice(0..0, std::env::var_os("VITRINE_CORPORA").map(PathBuf::from));
    let found = folders.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("\n*** the corpora are not here: this test checks NOTHING. Set VITRINE_CORPORA. ***\n");
    }
    found
}

/// Every statement of a file with its verdict.
fn verdicts(folder: &Path, name: &str) -> Vec<(String, Verdict)> {
    let reviewer = Reviewer::offline(Policy::built_in());
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), reviewer.verdict(row["sql"].as_str().unwrap()))).collect()
}

fn listed(name: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn what_clients_ask_passes_or_is_listed() {
    let Some(folder) = corpora() else { return };
    let exceptions = listed("exceptions.txt");
    let mut wrong = Vec::new();
    for name in ["psql_backslash.jsonl", "py_clients.jsonl", "gui_orm_catalog.jsonl"] {
        for (id, verdict) in verdicts(&folder, name) {
            match (&verdict.denial, exceptions.contains(&id)) {
                (Some(denial), false) => wrong.push(format!("{id}: {} ({})", denial.message, denial.rule.name())),
                (None, true) => wrong.push(format!("{id} passes and need not be listed")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_language_models_write_passes_when_it_is_postgresql() {
    let Some(folder) = corpora() else { return };
    let mut wrong = Vec::new();
    for (id, verdict) in verdicts(&folder, "bird_llm_pg.jsonl") {
        if let Some(denial) = verdict.denial
            && !matches!(denial.rule.name(), "syntax" | "unknown_function")
        {
            wrong.push(format!("{id}: {} ({})", denial.message, denial.rule.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_attack_passes() {
    let Some(folder) = corpora() else { return };
    let harmless = listed("adversarial_permitted.txt");
    let passed: BTreeSet<String> = verdicts(&folder, "adversarial.jsonl")
        .into_iter()
        .filter(|(_, verdict)| verdict.denial.is_none())
        .map(|(id, _)| id)
        .collect();
    let new: Vec<_> = passed.difference(&harmless).collect();
    assert!(new.is_empty(), "these pass now: {new:?}");
}

#[test]
fn hidden_differences_between_parsers_do_not_pass() {
    let Some(folder) = corpora() else { return };
    for (id, verdict) in verdicts(&folder, "parser_differentials.jsonl") {
        // Two are attacks only under settings that the gateway pins, one calls nothing but a range's constructor.
        let harmless = ["diff-006", "diff-007", "diff-023"].contains(&id.as_str());
        let tells = verdict.relations().contains(&"secret");
        assert!(harmless || tells || verdict.denial.is_some(), "{id} passes");
    }
}

/// Prints how PostgreSQL's own regression statements fare, for `ARCHITECTURE.md`'s readers: a third of them write.
#[test]
fn the_regression_statements_are_refused_for_known_rules_alone() {
    let Some(folder) = corpora() else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, verdict) in verdicts(&folder, "pg_regress_1.jsonl") {
        let rule = verdict.denial.as_ref().map_or("permit", |denial| denial.rule.name());
        assert!(!matches!(rule, "readers_disagree" | "attribute_call"), "{id}: {:?}", verdict.denial);
        *counts.entry(rule).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts.get("permit").copied().unwrap_or_default() > 3_300);
}
