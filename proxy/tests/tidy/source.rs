//! A Rust file, with the views of it that the rules look at.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// One file under `src` or `tests`.
pub(crate) struct Source {
    /// Path below the project's root, with `/`.
    pub(crate) path: String,
    /// The text as it stands.
    pub(crate) text: String,
    /// The text with comments and the contents of literals blanked; line numbers unchanged.
    pub(crate) code: String,
    /// Line (one based) at which the unit tests of this file begin, if it has some.
    pub(crate) tests_at: usize,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let code = blanked(&text);
        let mut tests_at = usize::MAX;
        let lines: Vec<&str> = code.lines().collect();
        for (index, pair) in lines.windows(2).enumerate() {
            let next = pair[1].trim();
            if pair[0].trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{') {
                tests_at = index + 1;
                break;
            }
        }
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        // A file of its own that holds unit tests, by the name that `#[cfg(test)] mod` gives it.
        if path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/") {
            tests_at = 1;
        }
        Self { path, text, code, tests_at }
    }

    /// Lines of code that is not a test: (number, blanked line).
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .take_while(|(number, _)| *number < self.tests_at)
    }

    /// Below `proxy/src`: the names of the modules from the top to this file.
    pub(crate) fn modules(&self) -> Vec<&str> {
        let Some(rest) = self.path.strip_prefix("proxy/src/").and_then(|rest| rest.strip_suffix(".rs")) else {
            return Vec::new();
        };
        let mut modules: Vec<&str> = rest.split('/').collect();
        if matches!(modules.last(), Some(&"mod" | &"lib" | &"main")) {
            modules.pop();
        }
        modules
    }
}

/// Every `.rs` file below folders of the project.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut files);
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.iter().map(|path| Source::read(path)).collect()
}

/// Every file below a folder, sorted; folders that are not the project's own are passed by.
pub(crate) fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["target", ".git", ".cache", "node_modules", "__pycache__", ".venv"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// Blanks comments, and what stands between the quotes of literals.
pub(crate) fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => until(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'r' | b'b' | b'c' if !is_word_before(bytes, at) => literal_end(bytes, at).unwrap_or(at),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        let is_comment = bytes[at] == b'/';
        for (index, byte) in out.iter_mut().enumerate().take(end).skip(at) {
            let keeps_quote = !is_comment && (index == at || index + 1 == end);
            if *byte != b'\n' && !keeps_quote {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn until(bytes: &[u8], from: usize, stop: &[u8]) -> usize {
    bytes[from..].windows(stop.len()).position(|window| window == stop).map_or(bytes.len(), |offset| from + offset)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(bytes.len())
}

/// The end of a literal with a prefix (`r"`, `br#"`, `b"`, `c"`, `b'`), if one starts here.
fn literal_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while matches!(bytes.get(at), Some(b'r' | b'b' | b'c')) {
        at += 1;
    }
    let is_raw = bytes[start..at].contains(&b'r');
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    match bytes.get(at + hashes) {
        Some(b'"') if is_raw => {
            let mut stop = vec![b'"'];
            stop.resize(hashes + 1, b'#');
            Some((until(bytes, at + hashes + 1, &stop) + stop.len()).min(bytes.len()))
        }
        Some(b'"') if hashes == 0 => Some(string_end(bytes, at)),
        Some(b'\'') if hashes == 0 && !is_raw => char_end(bytes, at),
        _ => None,
    }
}

fn string_end(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The end of a character literal; a lifetime is none.
fn char_end(bytes: &[u8], quote: usize) -> Option<usize> {
    if bytes.get(quote + 1) == Some(&b'\\') {
        return Some((until(bytes, quote + 3, b"'") + 1).min(bytes.len()));
    }
    let rest = std::str::from_utf8(&bytes[quote + 1..]).ok()?;
    let width = rest.chars().next()?.len_utf8();
    (bytes.get(quote + 1 + width) == Some(&b'\'')).then_some(quote + width + 2)
}

#[test]
fn the_blanking_sees_literals_and_comments_as_rust_does() {
    let text = r####"let a = "crate::x"; // crate::y
let b = r#"say "crate::z""#; let c = '"'; /* a /* b */ crate::q */ let d: &'static str = b"\"crate::w";
let e = '\''; crate::kept"####;
    let code = blanked(text);
    assert_eq!(code.matches("crate::").count(), 1, "{code}");
    assert!(code.ends_with("crate::kept") && code.contains("&'static str") && code.lines().count() == 3, "{code}");
}
