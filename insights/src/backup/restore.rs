//! Restoring, in one transaction.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::process::{Child, ChildStdin};
use tokio_postgres::Client;

use super::contents::{TEXT_SETTINGS, literal, quoted, sum_of};
use super::listing::Listing;
use super::programs::last_words;
use super::wipe::{WIPE, holdings};
use super::{BackupError, Libpq, Manifest, Place, Progress};
use crate::migrate::{LOCK, Migrations, lock};

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What the backup says it holds, compared with what is there now. None where the archive came without it.
    pub manifest: Option<Manifest>,
    /// The latest migration of what is there now.
    pub schema_version: i64,
}

/// Restores an archive. `overwrite` replaces a store that holds something; a database that never was a store is refused
/// all the same.
///
/// # Errors
/// The target is not empty, the archive is altered or unreadable, a program failed, or what was restored differs from the
/// manifest. The target is as before.
pub async fn restore(
    place: Place<'_>,
    archive: &Path,
    overwrite: bool,
    mut tell: impl FnMut(Progress),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::of(archive)?;
    let (client, database) = (place.client, place.database);
    let listing = Listing::of(place.programs, archive).await?;
    lock(client, std::time::Duration::from_secs(300)).await?;
    let outcome = async {
        let wiping = admit(client, database, &listing, overwrite).await?;
        let script = Script::new(&listing, manifest.as_ref(), wiping);
        run(place, archive, &listing, &script, &mut tell).await
    }
    .await;
    let unlocked = client.execute("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK]).await;
    outcome?;
    unlocked?;
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM vitrine.migrations", &[]).await?;
    Ok(Restored { manifest, schema_version: row.try_get(0)? })
}

/// Whether the target may be restored into, and whether something has to go before.
async fn admit(client: &Client, database: &Libpq, listing: &Listing, overwrite: bool) -> Result<bool, BackupError> {
    for extension in &listing.extensions {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = $1)";
        if !client.query_one(sql, &[extension]).await?.try_get::<_, bool>(0)? {
            return Err(BackupError::NoExtension(extension.clone()));
        }
    }
    let holdings = holdings(client).await?;
    let database = database.database().to_owned();
    if !holdings.is_store && !holdings.tables.is_empty() {
        return Err(BackupError::NotOurs { database, holds: holdings.words() });
    }
    if !holdings.is_empty() && !overwrite {
        return Err(BackupError::NotEmpty { database, holds: holdings.words() });
    }
    Ok(!holdings.tables.is_empty())
}

/// The SQL around the archive's own.
struct Script {
    before: String,
    after: String,
}

impl Script {
    fn new(listing: &Listing, manifest: Option<&Manifest>, wiping: bool) -> Self {
        let mut before = String::from("BEGIN;\nSET LOCAL search_path = public;\n");
        if wiping {
            before.push_str(WIPE);
        }
        before.push_str(&roles());
        // Functions are handed over to vitrine_keeper, which needs the right to make some for as long as that takes.
        let schemas = || listing.schemas.iter().map(|schema| quoted(schema));
        for schema in schemas() {
            before.push_str(&format!("CREATE SCHEMA {schema};\nGRANT CREATE ON SCHEMA {schema} TO vitrine_keeper;\n"));
        }
        // An owner who is no superuser sees every tenant's rows through the policy of vitrine_keeper.
        let mut after = format!("{TEXT_SETTINGS};\nSET row_security = on;\n");
        for (routine, owner) in &listing.routines {
            after.push_str(&format!("ALTER ROUTINE {routine} OWNER TO {owner};\n"));
        }
        for schema in schemas() {
            after.push_str(&format!("REVOKE CREATE ON SCHEMA {schema} FROM vitrine_keeper;\n"));
        }
        if let Some(manifest) = manifest {
            after.push_str(&comparison(manifest));
        }
        after.push_str(NEW_ERA);
        after.push_str("COMMIT;\n");
        Self { before, after }
    }
}

/// The numbers of the change feed go on where they ended, also on another server, and on a copy of the same one whose
/// transactions are behind.
const NEW_ERA: &str = "DO $era$ BEGIN
    IF to_regprocedure('vitrine.begin_era(boolean)') IS NOT NULL THEN
        PERFORM vitrine.begin_era(EXISTS (SELECT FROM public.changes
            WHERE era = (SELECT era FROM vitrine.feed) AND transaction >= pg_current_xact_id()));
    END IF;
END $era$;\n";

/// Roles are the server's, so no archive has them. The first migration makes them, and may run again.
fn roles() -> String {
    let embedded = Migrations::embedded().ok();
    let first = embedded.as_ref().and_then(|migrations| migrations.iter().next());
    first.filter(|first| first.name.contains("roles")).map_or_else(String::new, |first| format!("{}\n", first.sql))
}

/// Raises an error, so that nothing stays restored, if a table is not what was dumped.
fn comparison(manifest: &Manifest) -> String {
    let mut text = String::new();
    for (name, sum) in &manifest.tables {
        let Some((schema, table)) = name.split_once('.') else { continue };
        text.push_str(&format!(
            "DO $compare$ DECLARE n bigint; c text; BEGIN
    EXECUTE {} INTO n, c;
    IF n <> {} OR c <> {} THEN
        RAISE EXCEPTION 'the restored table {} differs from the backup: % rows of {}, checksum %', n, c;
    END IF;
END $compare$;\n",
            literal(&sum_of(schema, table)),
            sum.rows,
            literal(&sum.checksum),
            name.replace('\'', "''").replace('%', "%%"),
            sum.rows,
        ));
    }
    text
}

/// `pg_restore` writes SQL, `psql` runs it between what stands before and after. COMMIT is sent only when all of the
/// archive came through.
async fn run(
    place: Place<'_>,
    archive: &Path,
    listing: &Listing,
    script: &Script,
    tell: &mut impl FnMut(Progress),
) -> Result<(), BackupError> {
    tell(Progress::Steps(listing.entries));
    let list = tempfile(&listing.list)?;
    let mut reading = place.programs.command("pg_restore", &Libpq::default());
    reading.args(["--file=-", "--no-owner", "--verbose", "--use-list"]).arg(list.path()).arg(archive);
    let mut reader = spawn("pg_restore", reading.stdout(Stdio::piped()))?;
    let mut running = place.programs.command("psql", place.database);
    running.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]);
    let mut runner = spawn("psql", running.stdin(Stdio::piped()).stdout(Stdio::null()))?;

    let runner_said = collect(runner.stderr.take());
    let steps = steps(reader.stderr.take(), tell);
    let passing = pass(&mut reader, runner.stdin.take(), script);
    let (reader_said, passed) = tokio::join!(steps, passing);
    let read = reader.wait().await.map_err(|error| program("pg_restore", error))?;
    // psql's standard input is closed by now: with COMMIT as its last line, or without.
    let ran = runner.wait().await.map_err(|error| program("psql", error))?;
    let runner_said = runner_said.await.unwrap_or_default();
    if !ran.success() {
        return Err(BackupError::Program { program: "psql", said: last_words(&runner_said) });
    }
    if !read.success() {
        return Err(BackupError::Program { program: "pg_restore", said: last_words(&reader_said) });
    }
    passed.map_err(|error| program("psql", error))
}

fn program(program: &'static str, error: impl ToString) -> BackupError {
    BackupError::Program { program, said: error.to_string() }
}

fn spawn(name: &'static str, command: &mut tokio::process::Command) -> Result<Child, BackupError> {
    command.stderr(Stdio::piped()).spawn().map_err(|error| program(name, error))
}

fn collect(stderr: Option<tokio::process::ChildStderr>) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut text = String::new();
        if let Some(mut stderr) = stderr {
            let _read = stderr.read_to_string(&mut text).await;
        }
        text.lines().map(str::to_owned).collect()
    })
}

async fn steps(stderr: Option<tokio::process::ChildStderr>, tell: &mut impl FnMut(Progress)) -> Vec<String> {
    let mut said = Vec::new();
    let Some(stderr) = stderr else { return said };
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        for step in ["creating ", "processing data for "] {
            if let Some((_, what)) = line.split_once(step) {
                tell(Progress::Step(what.to_owned()));
            }
        }
        said.push(line);
    }
    said
}

/// Passes the script on, line by line. What fails here shows in how the programs end.
async fn pass(reader: &mut Child, to: Option<ChildStdin>, script: &Script) -> std::io::Result<()> {
    let (Some(from), Some(to)) = (reader.stdout.take(), to) else { return Ok(()) };
    let (mut from, mut to) = (BufReader::with_capacity(1 << 16, from), BufWriter::with_capacity(1 << 16, to));
    to.write_all(script.before.as_bytes()).await?;
    let (mut line, mut in_preamble) = (Vec::new(), true);
    while from.read_until(b'\n', &mut line).await? > 0 {
        in_preamble &= !(line.starts_with(b"COPY ") || line.starts_with(b"CREATE "));
        // Servers before 17 do not know what newer programs set first.
        if !(in_preamble && line.starts_with(b"SET transaction_timeout")) {
            to.write_all(&line).await?;
        }
        line.clear();
    }
    if reader.wait().await?.success() {
        to.write_all(script.after.as_bytes()).await?;
    }
    to.shutdown().await
}

/// The list of contents, in a file that goes with it.
fn tempfile(text: &str) -> Result<tempfile::NamedTempFile, BackupError> {
    let failed = |error| BackupError::file("the temporary directory")(error);
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    std::fs::write(file.path(), text).map_err(failed)?;
    Ok(file)
}
