//! The papers are true, the configuration reads, and nothing of one machine is in the project.

use std::fs;

use super::source::walk;
use super::{report, root};

#[test]
fn papers_name_files_that_exist() {
    let mut findings = Vec::new();
    for (paper, text) in papers() {
        for (number, line) in text.lines().enumerate() {
            for quoted in line.split('`').skip(1).step_by(2).filter(|quoted| is_project_path(quoted)) {
                if !root().join(quoted.trim_end_matches('/')).exists() {
                    findings.push(format!("{paper}:{}: `{quoted}` is not there", number + 1));
                }
            }
        }
    }
    report("papers", &findings);
}

/// `[text](path)` without a scheme, beside the paper that has it.
#[test]
fn links_between_papers_lead_somewhere() {
    let mut findings = Vec::new();
    for (paper, text) in papers() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            let from = root().join(&paper);
            if !file.contains("://") && !file.is_empty() && !from.parent().unwrap().join(file).exists() {
                findings.push(format!("{paper}: ({target}) leads nowhere"));
            }
        }
    }
    report("links", &findings);
}

/// What `docs/troubleshoot.md` quotes is what the sources say; `…` stands for what differs.
#[test]
fn messages_of_the_troubles_are_the_programs_own() {
    // The words of psql, PostgreSQL, rustls and the operating system.
    const FOREIGN: &[&str] = &[
        "Connection refused",
        "os error",
        "SSL",
        "server certificate for \"",
        "\" does not match host name \"",
        "certificate not valid for name \"",
        "invalid peer certificate",
        "UnknownIssuer",
        "certificate verify failed",
        "database \"",
        "\" does not exist (3D000)",
        "terminating connection due to idle-in-transaction timeout",
    ];
    let mut sources = String::new();
    for source in super::source::sources(&["proxy/src", "insights/src"]) {
        // As the message is printed: quotes without their backslashes, broken lines joined.
        let mut lines = source.text.replace("\\\"", "\"").lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
        lines = lines.replace("\\\n", "");
        sources.push_str(&lines);
    }
    let text = fs::read_to_string(root().join("docs/troubleshoot.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `").and_then(|rest| rest.split('`').next()));
    let mut findings = Vec::new();
    for message in cells {
        // What is printed in one line may come from several places: a cause follows a colon.
        let parts = message.split('…').flat_map(|part| part.split(": ")).map(|part| part.trim_matches([' ', ':']));
        for part in parts.filter(|part| part.len() > 7) {
            if !sources.contains(part) && !FOREIGN.iter().any(|foreign| part.contains(foreign)) {
                findings.push(format!("docs/troubleshoot.md: no source says `{part}`"));
            }
        }
    }
    report("messages", &findings);
}

/// Every paper with its text.
fn papers() -> Vec<(String, String)> {
    let mut files: Vec<_> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    walk(&root().join("docs"), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let named = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(root()).unwrap().display().to_string(), text)
    });
    named.collect()
}

/// Paths are written from the project's root.
fn is_project_path(quoted: &str) -> bool {
    const TOPS: &[&str] =
        &["proxy/", "insights/", "config/", "migrations/", "docker/", "loadtests/", "docs/", "packaging/", ".ci/"];
    // `make env` makes the secrets.
    TOPS.iter().any(|top| quoted.starts_with(top))
        && !quoted.contains(['*', '<', ' ', '{', ':'])
        && !quoted.starts_with("docker/secrets")
}

#[test]
fn architecture_marks_its_invariants() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let marks = text.matches("**Architecture Invariant").count();
    assert!(marks >= 10, "ARCHITECTURE.md marks {marks} invariants: those of the walls alone are more");
}

#[test]
fn the_changelog_has_a_place_for_what_comes() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(text.contains("## [Unreleased]"), "CHANGELOG.md needs `## [Unreleased]`");
}

#[test]
fn configuration_files_are_toml() {
    let mut files = Vec::new();
    walk(&root().join("config"), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(!files.is_empty(), "config/ holds no .toml file");
    let findings: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.parse::<toml::Table>().err().map(|error| format!("{}: {error}", path.display()))
        })
        .collect();
    report("configuration", &findings);
}

#[test]
fn nothing_of_one_machine_is_in_the_project() {
    // Spelled apart, so that this file does not find itself.
    let traces = [
        (concat!("/ro", "ot/"), "a path of one machine"),
        (concat!("/wo", "rk/"), "a path of one machine"),
        (concat!("index", "-url"), "a registry belongs into the machine's own configuration"),
        (concat!("GOPR", "OXY="), "a registry belongs into the machine's own configuration"),
        (concat!("npm_config_", "registry"), "a registry belongs into the machine's own configuration"),
    ];
    let mut files = Vec::new();
    walk(&root(), &mut files);
    let mut findings = Vec::new();
    let mut sources = std::collections::BTreeSet::new();
    for path in &files {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let Ok(text) = fs::read_to_string(path) else { continue };
        // In a worktree `.git` is a file that names its repository.
        if name == ".git" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for (trace, why) in &traces {
                if line.contains(trace) {
                    findings.push(format!("{name}:{}: `{trace}`: {why}", number + 1));
                }
            }
            if name.ends_with("Cargo.lock") && line.starts_with("source = ") {
                sources.insert(line.to_owned());
            }
            if name.ends_with("package-lock.json") && line.contains("\"resolved\"") {
                findings.push(format!("{name}:{}: a download address: lock versions, not places", number + 1));
            }
        }
    }
    if sources.len() > 1 {
        findings.push(format!("Cargo.lock: crates come from one registry, not from {sources:?}"));
    }
    report("traces of one machine", &findings);
}
