//! The files, embedded in the program or of a folder, before anybody has read them.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;

use super::SeedMistake;

/// Every file of `config/seed/` when the program was built: path below it, and text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/seeds.rs"));

/// Bytes of one file: a prompt of a megabyte is a mistake.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files of one folder tree.
const FILES_MAX: usize = 10_000;
/// `documents/KIND/NAME.json` is the deepest.
const DEPTH_MAX: usize = 3;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFile {
    /// Below the folder of the seeds, with `/`.
    pub path: String,
    /// As it stands.
    pub text: Cow<'static, str>,
}

/// Those that the program was built with.
#[must_use]
pub fn embedded() -> Vec<SeedFile> {
    EMBEDDED.iter().map(|(path, text)| SeedFile { path: (*path).to_owned(), text: Cow::Borrowed(*text) }).collect()
}

/// Those of a folder, sorted. Files whose names begin with a dot, and `README.md`, are passed by.
///
/// # Errors
/// Everything there that cannot be read, is no text, too big or too deep.
pub fn of_dir(folder: &Path) -> Result<Vec<SeedFile>, Vec<SeedMistake>> {
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    walk(folder, "", &mut files, &mut mistakes);
    files.sort_by(|left: &SeedFile, right: &SeedFile| left.path.cmp(&right.path));
    if files.len() > FILES_MAX {
        mistakes.push(SeedMistake::of(&folder.display().to_string(), None, format!("more than {FILES_MAX} files")));
    }
    if mistakes.is_empty() { Ok(files) } else { Err(mistakes) }
}

fn walk(folder: &Path, below: &str, files: &mut Vec<SeedFile>, mistakes: &mut Vec<SeedMistake>) {
    let mut failed = |path: &Path, error: &dyn std::fmt::Display| {
        mistakes.push(SeedMistake::of(&path.display().to_string(), None, format!("could not be read: {error}")));
    };
    let entries = match fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>()) {
        Ok(entries) => entries,
        Err(error) => return failed(folder, &error),
    };
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || name == "README.md" {
            continue;
        }
        let below = if below.is_empty() { name } else { format!("{below}/{name}") };
        if path.is_dir() {
            if below.split('/').count() >= DEPTH_MAX {
                mistakes.push(SeedMistake::of(
                    &below,
                    None,
                    "a folder too deep: documents/KIND/NAME.json is the deepest",
                ));
            } else {
                walk(&path, &below, files, mistakes);
            }
            continue;
        }
        match text(&path) {
            Ok(text) => files.push(SeedFile { path: below, text: Cow::Owned(text) }),
            Err(error) => mistakes.push(SeedMistake::of(&below, None, format!("could not be read: {error}"))),
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(path)
}
