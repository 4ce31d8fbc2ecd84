//! Puts the migrations into the program: every `*.sql` of `migrations/`, in order, as a list of name and text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    let folder = root.join("../migrations");
    println!("cargo:rerun-if-changed={}", folder.display());
    fs::write(out.join("migrations.rs"), list(&folder, "sql")?)
}

/// A slice of `(file name, text)`, sorted by name. A folder that is not there holds nothing.
fn list(folder: &Path, extension: &str) -> io::Result<String> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut text = String::from("&[\n");
    for path in files {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let _ = writeln!(text, "    ({name:?}, include_str!({:?})),", fs::canonicalize(&path)?);
    }
    text.push(']');
    Ok(text)
}
