//! Sizes that a reader can hold: lines of a file, files of a folder. Lines of a function are clippy's to count.

use std::collections::BTreeMap;

use super::report;
use super::source::sources;

const LINES_MAX: usize = 400;
const FILES_MAX: usize = 12;

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
    let crowded = files.iter().filter(|(_, count)| **count > FILES_MAX);
    let findings: Vec<String> = crowded
        .map(|(folder, count)| format!("{folder}: {count} files, at most {FILES_MAX}: make a subfolder"))
        .collect();
    report("folders", &findings);
}
