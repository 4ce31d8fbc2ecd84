//! The house rules as a test: import edges, sizes, names, dead files, true papers.
//!
//! Each rule collects all its findings before it fails, as `path:line: what is wrong and what to do`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "tidy/edges.rs"]
mod edges;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::path::{Path, PathBuf};

/// The root of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Fails with every finding of a rule.
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}: {} found\n  {}\n", findings.len(), findings.join("\n  "));
}
