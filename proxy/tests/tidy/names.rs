//! Names that say something, SQLSTATEs in one place, attributes with reasons, no test switched off.

use vitrine::wire::sqlstate::SqlState;

use super::report;
use super::source::{Source, sources};

const BANNED: &[&str] =
    &["manager", "handler", "engine", "helper", "helpers", "util", "utils", "common", "misc", "data", "info"];

/// Names that PostgreSQL, X.509 or another standard gave, in words.
const GIVEN: &[&str] =
    &["data row", "copy data", "no data", "data dir", "data directory", "common name", "common table"];

const DECLARES: &[&str] = &["fn ", "struct ", "enum ", "trait ", "type ", "mod ", "const ", "static ", "macro_rules! "];

#[test]
fn names_say_what_the_thing_is() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src", "insights/src"]) {
        let stem = source.path.rsplit('/').next().unwrap().trim_end_matches(".rs").to_owned();
        findings.extend(complaint(&stem).map(|why| format!("{}: the file's name: {why}", source.path)));
        for (number, line) in source.product_lines() {
            for name in declared(line) {
                findings.extend(complaint(&name).map(|why| format!("{}:{number}: `{name}`: {why}", source.path)));
            }
        }
    }
    report("names", &findings);
}

#[test]
fn sqlstates_are_spelled_in_one_place() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src"]) {
        if source.path == "proxy/src/wire/sqlstate.rs" {
            continue;
        }
        for (number, _) in source.product_lines() {
            let line = source.text.lines().nth(number - 1).unwrap();
            if line.trim_start().starts_with("//") {
                continue;
            }
            for code in SqlState::ALL {
                if line.contains(&format!("\"{code}\"")) {
                    findings
                        .push(format!("{}:{number}: \"{code}\": name it by a constant of wire::sqlstate", source.path));
                }
            }
        }
    }
    report("SQLSTATE literals", &findings);
}

#[test]
fn relaxed_lints_say_why_and_nothing_is_left_undone() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src", "proxy/tests", "insights/src", "insights/tests"]) {
        for (number, line) in source.code.lines().enumerate() {
            let number = number + 1;
            let relaxes = ["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|start| line.contains(start));
            if relaxes && !attribute(&source, number).contains("reason") {
                findings.push(format!("{}:{number}: a relaxed lint needs a `reason`", source.path));
            }
            // Tests that need more than this machine has run under a target of their own.
            let text = source.text.lines().nth(number - 1).unwrap();
            if line.contains("#[ignore") && !text.contains("make test-") {
                findings.push(format!("{}:{number}: an ignored test says which make target runs it", source.path));
            }
        }
        for (number, line) in source.text.lines().enumerate() {
            let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
            let marked = line.split(|c: char| !c.is_alphanumeric()).any(|word| marks.contains(&word));
            if marked && !line.contains('#') {
                findings.push(format!(
                    "{}:{}: work left to do needs an owner and an issue (#1)",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    report("loose ends", &findings);
}

/// The attribute that starts in a line, to its closing bracket.
fn attribute(source: &Source, number: usize) -> String {
    let lines = source.code.lines().skip(number - 1).take(8);
    let mut whole = String::new();
    for line in lines {
        whole.push_str(line);
        if line.trim_end().ends_with(")]") {
            break;
        }
    }
    whole
}

/// Names a line declares, by keyword.
fn declared(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for keyword in DECLARES {
        for (at, _) in line.match_indices(keyword) {
            let opens = line[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '\'' || c == '*'));
            let name: String =
                line[at + keyword.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if opens && !name.is_empty() && !["fn", "mut", "unsafe", "async"].contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names
}

fn complaint(name: &str) -> Option<String> {
    if name.starts_with("get_") {
        return Some("no `get_`: name what it gives".to_owned());
    }
    let words = words(name);
    let spoken = words.join(" ");
    if GIVEN.iter().any(|given| spoken.contains(given)) {
        return None;
    }
    let banned = words.iter().find(|word| BANNED.contains(&word.as_str()))?;
    Some(format!("`{banned}` says nothing: name what it is or does"))
}

/// `FrameHandler`, `frame_handler` and `FRAME_HANDLER` are the words frame and handler.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        if character == '_' || (character.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = character.is_lowercase() || character.is_ascii_digit();
        if character != '_' {
            words.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn banned_words_are_found_in_every_case() {
    for name in ["FrameHandler", "frame_handler", "FRAME_HANDLER", "get_name", "util"] {
        assert!(complaint(name).is_some(), "{name}");
    }
    for name in ["DataRow", "Database", "information_schema", "handle", "utility", "engineer"] {
        assert_eq!(complaint(name), None, "{name}");
    }
    assert_eq!(declared("pub(crate) const fn width_of(x: *const Misc) -> u8 {"), ["width_of"]);
}
