//! Honest reads of every kind: none may be refused by the readers. One statement a line; a line that begins with a
//! blank continues the one before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use vitrine::sql::{self, Limits};

const HONEST: &str = include_str!("sql/honest.txt");

fn statements() -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in HONEST.lines().filter(|line| !line.is_empty()) {
        match statements.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.push('\n');
                last.push_str(line);
            }
            _ => statements.push(line.to_owned()),
        }
    }
    statements
}

#[test]
fn honest_reads_pass_both_readers() {
    let mut refused = Vec::new();
    for statement in statements() {
        if let Err(denial) = sql::read(&statement, &Limits::default()) {
            refused.push(format!("{statement}\n    {} {}: {:?}", denial.rule.name(), denial.message, denial.detail));
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(statements().len() > 380);
}
