//! Who may use whom, and what the pure modules must not touch.

use super::report;
use super::source::{Source, sources};

/// A module and the modules of this crate it may name. What is not listed here may name everything but `demo`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("sql", &["wire"]),
    ("catalog", &["wire", "sql"]),
    ("policy", &["wire", "sql", "catalog"]),
    ("session", &["wire", "sql", "catalog", "policy"]),
    ("cache", &["wire", "sql", "catalog", "policy", "session", "observe"]),
    ("upstream", &["wire", "sql", "catalog", "policy", "session", "observe"]),
    ("observe", &["wire", "sql"]),
];

/// Values in, values out: a test of these is a text file, and a fuzzer needs no server.
const PURE: &[&str] = &["wire", "sql", "catalog", "policy", "session"];

const IMPURE: &[(&str, &str)] = &[
    ("tokio", "no async in a pure module"),
    (".await", "no async in a pure module"),
    ("async fn", "no async in a pure module"),
    ("std::net", "no sockets in a pure module"),
    ("std::os::unix::net", "no sockets in a pure module"),
    ("std::env", "no environment in a pure module"),
    ("std::fs", "no files in a pure module"),
    ("std::process", "no processes in a pure module"),
    ("SystemTime", "no clock in a pure module: pass the time in"),
    ("Instant::", "no clock in a pure module: pass the time in"),
    ("time::Instant", "no clock in a pure module: pass the time in"),
];

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src"]) {
        let modules = source.modules();
        let Some(top) = modules.first().copied() else { continue };
        let allowed = MAY_USE.iter().find(|(module, _)| *module == top).map(|(_, allowed)| *allowed);
        for (line, used) in uses_of_crate(&source) {
            let fine = match allowed {
                Some(allowed) => used == top || allowed.contains(&used.as_str()),
                None => used != "demo" || ["demo", "cli"].contains(&top),
            };
            if !fine {
                findings.push(format!(
                    "{}:{line}: `{top}` must not use `{used}` (see ARCHITECTURE.md, walls of the house)",
                    source.path
                ));
            }
        }
    }
    report("import edges", &findings);
}

#[test]
fn pure_modules_have_no_world() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src"]) {
        let modules = source.modules();
        if !modules.first().is_some_and(|top| PURE.contains(top)) {
            continue;
        }
        for (number, line) in source.product_lines() {
            for (word, why) in IMPURE {
                if contains_word(line, word) {
                    findings.push(format!("{}:{number}: `{word}`: {why}", source.path));
                }
            }
        }
    }
    report("pure modules", &findings);
}

#[test]
fn only_the_gateway_uses_pingora() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src", "insights/src"]) {
        if source.path.starts_with("proxy/src/gateway") {
            continue;
        }
        for (number, line) in source.product_lines() {
            if line.contains("pingora") {
                findings.push(format!("{}:{number}: pingora belongs into gateway/", source.path));
            }
        }
    }
    report("pingora", &findings);
}

#[test]
fn insights_knows_nothing_of_the_proxy() {
    let manifest = std::fs::read_to_string(super::root().join("insights/Cargo.toml")).unwrap();
    let parsed: toml::Table = manifest.parse().unwrap();
    let dependencies = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| parsed.get(*section).and_then(toml::Value::as_table))
        .flat_map(toml::Table::keys);
    let findings: Vec<String> = dependencies
        .filter(|name| *name == "vitrine")
        .map(|name| format!("insights/Cargo.toml: depends on `{name}`"))
        .collect();
    report("insights", &findings);
}

/// Top-level modules of this crate that a file names: by `crate::x`, `crate::{x, y}`, or by climbing with `super`.
fn uses_of_crate(source: &Source) -> Vec<(usize, String)> {
    let depth = source.modules().len();
    let mut found = Vec::new();
    // Statements may span lines: keep the number of the line in which the path begins.
    let code: String = source.product_lines().flat_map(|(_, line)| [line, "\n"]).collect();
    let climb = "super::".repeat(depth);
    for prefix in ["crate::", climb.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + prefix.len()..];
            found.extend(first_names(rest).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// `a::b` gives `a`; `{a::{b, c}, d}` gives `a` and `d`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![identifier(rest)] };
    let (mut depth, mut names, mut start) = (0_usize, Vec::new(), 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(identifier(group[start..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(identifier(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: char| c.is_alphanumeric() || c == '_';
        let joined_before = word.starts_with(joins) && before.is_some_and(joins);
        let joined_after = word.ends_with(joins) && after.is_some_and(joins);
        !joined_before && !joined_after
    })
}

#[test]
fn the_edges_are_read_from_every_form_of_path() {
    assert_eq!(first_names("wire::sqlstate::SqlState;"), ["wire"]);
    assert_eq!(first_names("{sql::{Rule, Denial}, wire::reader::Reader, policy};"), ["sql", "wire", "policy"]);
    assert!(contains_word("use tokio::net;", "tokio") && !contains_word("tokio_like()", "tokio"));
    assert!(contains_word("x.await?", ".await"));
}
