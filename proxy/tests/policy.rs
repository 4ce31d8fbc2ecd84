//! The policy as text that a security reviewer can read and extend: `tests/policy/{offline,live}/*.txt`.
//!
//! A case is SQL, a line `----`, and the verdict; cases are apart by blank lines, lines with `#` are comments, and a
//! line `@ search_path = a, b` holds until the next one. `REWRITE=1` writes the verdicts anew: the diff is the review.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "policy/cases.rs"]
mod cases;
#[path = "policy/server.rs"]
mod server;

use std::sync::Arc;

use vitrine::check::Reviewer;
use vitrine::policy::Policy;

#[test]
fn offline_verdicts() {
    cases::check("offline", &Reviewer::offline(Policy::built_in()));
}

#[test]
fn live_verdicts() {
    let server = server::with_traps();
    cases::check("live", &server::reviewer(&server, Policy::built_in()));
}

#[test]
fn what_the_policy_names_passes() {
    let server = server::with_traps();
    let policy = Policy::from_toml(include_str!("policy/named/policy.toml")).unwrap();
    cases::check("named", &server::reviewer(&server, policy));
}

#[test]
fn without_a_catalog_only_the_certain_passes() {
    let catalog = Arc::new(vitrine::catalog::Catalog::unavailable());
    cases::check("unavailable", &Reviewer { catalog, ..Reviewer::offline(Policy::built_in()) });
}
