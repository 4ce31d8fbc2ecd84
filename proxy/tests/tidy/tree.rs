//! Every Rust file is part of a crate.

use std::collections::BTreeSet;

use super::report;
use super::source::{Source, sources};

#[test]
fn no_file_is_dead() {
    let all = sources(&["proxy/src", "insights/src", "proxy/tests", "insights/tests"]);
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<&Source> = all.iter().filter(|source| is_crate_root(&source.path)).collect();
    while let Some(source) = open.pop() {
        if !reached.insert(source.path.clone()) {
            continue;
        }
        let wanted = children(source);
        open.extend(all.iter().filter(|other| wanted.contains(&other.path)));
    }
    let dead = all.iter().filter(|source| !reached.contains(&source.path));
    let findings: Vec<String> =
        dead.map(|source| format!("{}: no `mod` reaches it: declare or delete it", source.path)).collect();
    report("dead files", &findings);
}

fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [_, "src", file] => ["lib.rs", "main.rs"].contains(file),
        [_, "src", "bin", ..] => true,
        [_, "tests", file] => file.ends_with(".rs"),
        [_, "tests", _, "main.rs"] => true,
        _ => false,
    }
}

/// Paths that the `mod name;` lines of a file may mean.
fn children(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap();
    let owns_folder = ["lib.rs", "main.rs", "mod.rs"].contains(&file) || is_crate_root(&source.path);
    let base = if owns_folder { folder.to_owned() } else { format!("{folder}/{}", file.trim_end_matches(".rs")) };
    let mut found = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        if line.trim_start().starts_with("#[path = ") {
            let text = source.text.lines().nth(number).unwrap();
            let named = text.split('"').nth(1).unwrap();
            found.push(normal(&format!("{folder}/{named}")));
        }
        let Some(declared) = line.trim().strip_suffix(';') else { continue };
        let Some((_, name)) = declared.split_once("mod ") else { continue };
        found.push(format!("{base}/{}.rs", name.trim()));
        found.push(format!("{base}/{}/mod.rs", name.trim()));
    }
    found
}

/// Resolves `..` in a path with `/`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
