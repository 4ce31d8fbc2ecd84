//! An initialised data directory per version, kept between starts: `initdb` takes a second, a copy a tenth.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries::Binaries;
use super::files::ServerFiles;
use super::{PostgresError, SUPERUSER, process};

/// Gives `files` its data directory.
pub(super) fn copy_into(binaries: &Binaries, files: &ServerFiles) -> Result<(), PostgresError> {
    let template = template_path(binaries, files);
    if !is_trustworthy(&template, files) {
        initialise(binaries, files)?;
        keep(&template, files);
        return Ok(());
    }
    if copy(&template, &files.data_dir(), files).is_ok() {
        return Ok(());
    }
    // Somebody cleaned the temporary directory while we copied.
    let _ = fs::remove_dir_all(files.data_dir());
    initialise(binaries, files)
}

fn initialise(binaries: &Binaries, files: &ServerFiles) -> Result<(), PostgresError> {
    let mut command = binaries.command("initdb");
    command.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username", SUPERUSER]);
    command.arg("-D").arg(files.data_dir()).current_dir(files.root());
    // C.UTF-8 is not there on macOS.
    if cfg!(target_os = "macos") {
        command.arg("--locale=C");
    }
    files.account.run(&mut command);
    process::output(command, None).map(drop)
}

/// Best effort: without a template the next start is only slower.
fn keep(template: &Path, files: &ServerFiles) {
    // Named like this server's own directory, which is unique, and renamed when whole: starts may run side by side.
    let mut unfinished = files.root().as_os_str().to_owned();
    unfinished.push("-template");
    let unfinished = PathBuf::from(unfinished);
    if copy(&files.data_dir(), &unfinished, files).is_err() || fs::rename(&unfinished, template).is_err() {
        let _ = fs::remove_dir_all(&unfinished);
    }
}

fn copy(from: &Path, to: &Path, files: &ServerFiles) -> Result<(), PostgresError> {
    let mut command = Command::new("cp");
    command.arg("-Rp").arg(from).arg(to).current_dir("/");
    files.account.run(&mut command);
    process::output(command, None).map(drop)
}

fn template_path(binaries: &Binaries, files: &ServerFiles) -> PathBuf {
    let name = format!("vitrine-pg-template-{}-{}", files.account.uid, binaries.version());
    files.root().parent().unwrap_or(Path::new("/tmp")).join(name)
}

/// The temporary directory is everybody's: a template counts only if the server's account alone could have made it.
fn is_trustworthy(template: &Path, files: &ServerFiles) -> bool {
    let Ok(metadata) = fs::symlink_metadata(template) else { return false };
    metadata.is_dir()
        && metadata.uid() == files.account.uid
        && metadata.permissions().mode() & 0o077 == 0
        && template.join("PG_VERSION").is_file()
}
