//! Reads, runs and rewrites the text files.

use std::fmt::Write;
use std::path::Path;

use vitrine::check::{Reviewer, Verdict, position};

/// Checks every file of a folder.
pub(crate) fn check(folder: &str, reviewer: &Reviewer) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    let mut wrong = String::new();
    for file in files {
        let before = std::fs::read_to_string(&file).unwrap();
        let after = answered(&before, reviewer);
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&file, &after).unwrap();
        } else if before != after {
            writeln!(wrong, "--- {}", file.display()).unwrap();
            differences(&mut wrong, &before, &after);
        }
    }
    assert!(wrong.is_empty(), "verdicts differ (REWRITE=1 writes them anew):\n{wrong}");
}

/// The file with its verdicts as they are now.
fn answered(text: &str, reviewer: &Reviewer) -> String {
    let mut reviewer = reviewer.clone();
    let mut out = String::new();
    for block in text.trim_end().split("\n\n") {
        let (question, _) = block.split_once("\n----\n").unwrap_or((block, ""));
        let mut sql = String::new();
        for line in question.lines() {
            if let Some(path) = line.strip_prefix("@ search_path = ") {
                reviewer.search_path = path.split(',').map(|entry| entry.trim().to_owned()).collect();
            } else if !line.starts_with('#') {
                sql.push_str(line);
                sql.push('\n');
            }
        }
        if sql.trim().is_empty() {
            write!(out, "{block}\n\n").unwrap();
            continue;
        }
        let verdict = shown(sql.trim_end(), &reviewer.verdict(sql.trim_end()));
        write!(out, "{question}\n----\n{verdict}\n\n").unwrap();
    }
    out.trim_end().to_owned() + "\n"
}

fn shown(sql: &str, verdict: &Verdict) -> String {
    let Some(denial) = &verdict.denial else {
        let mut line = "permit".to_owned();
        for (title, names) in [("reads", verdict.relations()), ("calls", verdict.functions())] {
            if !names.is_empty() {
                write!(line, " {title}={}", names.join(",")).unwrap();
            }
        }
        return line;
    };
    let place = denial.position.map_or(String::new(), |offset| format!(" @{}", position(sql, offset)));
    let mut lines = format!("deny {} {}{place}: {}", denial.sqlstate, denial.rule.name(), denial.message);
    for (title, line) in [("detail", &denial.detail), ("hint", &denial.hint)] {
        if let Some(line) = line {
            write!(lines, "\n  {title}: {line}").unwrap();
        }
    }
    lines
}

fn differences(out: &mut String, before: &str, after: &str) {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.split("\n\n").collect(), after.split("\n\n").collect());
    for (was, is) in before.iter().zip(&after) {
        if was.trim_end() != is.trim_end() {
            writeln!(out, "{was}\n   now:\n{}\n", is.split_once("\n----\n").map_or(*is, |(_, verdict)| verdict))
                .unwrap();
        }
    }
}
