//! Sizes that a reader can hold: lines of a file, files of a folder. Lines of a function are clippy's to count.

use std::collections::BTreeMap;

use super::report;
use super::source::sources;

const LINES_MAX: usize = 400;
const FILES_MAX: usize = 10;

/// Folders that grew beyond it. They may shrink, and then this list with them.
const CROWDED: &[(&str, usize)] = &[("proxy/src/session", 17)];

#[test]
fn files_are_short() {
    let mut findings = Vec::new();
    for source in sources(&["proxy/src", "insights/src"]) {
        let lines = source.product_lines().count();
        if lines > LINES_MAX && source.tests_at > 1 {
            findings.push(format!("{}: {lines} lines without its tests, at most {LINES_MAX}: split it", source.path));
        }
    }
    report("sizes", &findings);
}

#[test]
fn folders_are_small() {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources(&["proxy/src", "insights/src"]) {
        if let Some((folder, _)) = source.path.rsplit_once('/') {
            *files.entry(folder.to_owned()).or_default() += 1;
        }
    }
    let mut findings = Vec::new();
    for (folder, count) in &files {
        let allowed = CROWDED.iter().find(|(known, _)| known == folder).map_or(FILES_MAX, |(_, allowed)| *allowed);
        if *count > allowed {
            findings.push(format!("{folder}: {count} files, at most {allowed}: make a subfolder"));
        }
    }
    for (folder, allowed) in CROWDED {
        let count = files.get(*folder).copied().unwrap_or_default();
        if count < *allowed {
            findings.push(format!("{folder}: only {count} files now: say so in CROWDED of proxy/tests/tidy/sizes.rs"));
        }
    }
    report("folders", &findings);
}
