//! What `vitrine --version` says: the version, and the commit where one is known.
//!
//! `VITRINE_COMMIT` is believed; without it a release build asks git, if there is one. Other builds do not, so that a
//! commit compiles nothing again.

use std::env;
use std::process::Command;

// Names that begin with VITRINE_ would be settings to every program that cargo starts.
fn main() {
    println!("cargo:rerun-if-env-changed=VITRINE_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let given = env::var("VITRINE_COMMIT").ok().filter(|commit| !commit.is_empty() && commit != "unknown");
    let commit = given.or_else(|| is_release().then(from_git).flatten());
    println!("cargo:rustc-env=BUILT_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    match commit {
        Some(commit) => println!("cargo:rustc-env=BUILT_VERSION={version} ({commit})"),
        None => println!("cargo:rustc-env=BUILT_VERSION={version}"),
    }
}

/// True for `release` and every profile that inherits from it.
fn is_release() -> bool {
    env::var("PROFILE").is_ok_and(|profile| profile == "release")
}

/// The commit, with `-dirty` where tracked files differ from it.
fn from_git() -> Option<String> {
    // The commit moves with HEAD's log, `-dirty` with the sources.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
        println!("cargo:rerun-if-changed=src");
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--match="])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
