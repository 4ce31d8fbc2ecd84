//! Writing a backup.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::Utc;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::contents::{TEXT_SETTINGS, sums};
use super::manifest::sha256;
use super::programs::last_words;
use super::{BackupError, Manifest, Place, Progress};
use crate::migrate::{LOCK, lock};

/// A backup that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The archive.
    pub archive: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
    /// What it holds.
    pub manifest: Manifest,
}

/// How long to wait for a migration that runs.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// Writes the archive and its manifest, readable by their owner alone. The archive appears under its name only when it is
/// whole.
///
/// # Errors
/// The file is there already or cannot be written, `pg_dump` failed, or the database cannot be asked.
pub async fn dump(place: Place<'_>, archive: &Path, mut tell: impl FnMut(Progress)) -> Result<Written, BackupError> {
    if archive.exists() {
        return Err(BackupError::File { path: archive.to_owned(), reason: "it is there already".to_owned() });
    }
    let client = place.client;
    lock(client, PATIENCE).await?;
    let outcome = dump_locked(place, archive, &mut tell).await;
    let _ended = client.batch_execute("ROLLBACK").await;
    let unlocked = client.execute("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK]).await;
    let written = outcome?;
    unlocked?;
    Ok(written)
}

async fn dump_locked(
    place: Place<'_>,
    archive: &Path,
    tell: &mut impl FnMut(Progress),
) -> Result<Written, BackupError> {
    let client = place.client;
    client.batch_execute(TEXT_SETTINGS).await?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let row = client
        .query_one(
            "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_version'), \
             (SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), \
             pg_catalog.to_regclass('vitrine.migrations') IS NOT NULL",
            &[],
        )
        .await?;
    let (snapshot, server): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let (sees_all, migrated): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let schema_version = match migrated {
        true => client.query_one("SELECT coalesce(max(version), 0) FROM vitrine.migrations", &[]).await?.try_get(0)?,
        false => 0,
    };
    let taken_at = Utc::now();
    let tables = sums(client).await?;
    tell(Progress::Steps(tables.len()));
    let unfinished = beside(archive, ".part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&unfinished).map_err(BackupError::file(&unfinished))?;
    let mut command = place.programs.command("pg_dump", place.database);
    command.args(["--format=custom", "--no-password", "--verbose", "--snapshot", &snapshot, "--file"]).arg(&unfinished);
    if !sees_all {
        // An owner that is no superuser sees every tenant's rows as a member of vitrine_keeper, through its policy.
        command.arg("--enable-row-security");
    }
    let outcome = watch(command, tell).await;
    if outcome.is_err() {
        let _gone = fs::remove_file(&unfinished);
    }
    outcome?;
    let manifest = Manifest {
        taken_at,
        vitrine: env!("CARGO_PKG_VERSION").to_owned(),
        server,
        schema_version,
        sha256: sha256(&unfinished)?,
        tables,
    };
    let bytes = fs::metadata(&unfinished).map_err(BackupError::file(&unfinished))?.len();
    write_manifest(&Manifest::path(archive), &manifest)?;
    fs::rename(&unfinished, archive).map_err(BackupError::file(archive))?;
    Ok(Written { archive: archive.to_owned(), bytes, manifest })
}

/// Runs pg_dump to its end. It names each table on standard error.
async fn watch(mut command: tokio::process::Command, tell: &mut impl FnMut(Progress)) -> Result<(), BackupError> {
    let failed = |said: String| BackupError::Program { program: "pg_dump", said };
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| failed(e.to_string()))?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, table)) = line.split_once("dumping contents of table ") {
                tell(Progress::Step(table.trim_matches('"').to_owned()));
            }
            said.push(line);
        }
    }
    let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(last_words(&said))) }
}

fn write_manifest(path: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let failed = |error: serde_json::Error| BackupError::File { path: path.to_owned(), reason: error.to_string() };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path).map_err(BackupError::file(path))?;
    serde_json::to_writer_pretty(&file, manifest).map_err(failed)?;
    file.sync_all().map_err(BackupError::file(path))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
