//! Puts files into the program, each folder as a list of path and text: the migrations, and the seeds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("migrations.rs"), list(&root.join("../migrations"), &["sql"])?)?;
    fs::write(out.join("seeds.rs"), list(&root.join("../config/seed"), &["json", "prompty"])?)
}

/// A slice of `(path below the folder, text)`, sorted. A folder that is not there holds nothing.
fn list(folder: &Path, extensions: &[&str]) -> io::Result<String> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    if folder.is_dir() {
        walk(folder, "", &mut files)?;
    }
    files.retain(|(name, _)| name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension)));
    files.sort();
    let mut text = String::from("&[\n");
    for (name, path) in files {
        let _ = writeln!(text, "    ({name:?}, include_str!({:?})),", fs::canonicalize(path)?);
    }
    text.push(']');
    Ok(text)
}

fn walk(folder: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.path().is_dir() {
            walk(&entry.path(), &name, files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
