//! `vitrine backup`, `vitrine restore`, `vitrine reset`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{SecondsFormat, Utc};
use clap::Args;
use vitrine_insights::backup::{self, BackupError, Libpq, Manifest, Place, Programs, Progress};
use vitrine_insights::migrate::{MigrateError, Migrations, up};

use crate::config::Environment;
use crate::gateway::tools::owner::{Owner, client};
use crate::upstream::Target;

use super::bar::Bar;
use super::owner::{ToolDatabase, libpq};
use super::{EX_CANTCREAT, EX_DATAERR, EX_OSFILE, EX_TEMPFAIL, EX_UNAVAILABLE, failed};

/// PostgreSQL's own programs.
#[derive(Debug, Args)]
struct ProgramFolder {
    /// Folder of pg_dump, pg_restore and psql; without it the PATH and where distributions put them. They must not be
    /// older than the server.
    #[arg(long, env = "VITRINE_PG_BIN", value_name = "FOLDER")]
    pg_bin: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Backup {
    #[command(flatten)]
    database: ToolDatabase,
    #[command(flatten)]
    programs: ProgramFolder,
    /// The file to write; its manifest (rows and checksum of each table) lies beside it. Default: vitrine-TIME.dump here.
    #[arg(short, long, value_name = "FILE", conflicts_with = "existing")]
    output: Option<PathBuf>,
    /// Restore the backup into a scratch database on the same server, compare every table, and drop the database.
    #[arg(long)]
    verify: bool,
    /// Verify this backup instead of making one.
    #[arg(long, value_name = "FILE", requires = "verify")]
    existing: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    #[command(flatten)]
    database: ToolDatabase,
    #[command(flatten)]
    programs: ProgramFolder,
    /// What `vitrine backup` wrote.
    archive: PathBuf,
    /// Replace what the tool database holds. Until the restore is complete and compared, the old records stay.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reset {
    #[command(flatten)]
    database: ToolDatabase,
    /// Remove every record of every tenant, and make the tables anew. Without it, only say what would go.
    #[arg(long)]
    yes: bool,
}

/// What a command works with.
struct Work {
    owner: Owner,
    target: Target,
    libpq: Libpq,
    programs: Programs,
}

impl Work {
    fn place(&self) -> Place<'_> {
        Place { client: &self.owner.client, database: &self.libpq, programs: &self.programs }
    }
}

impl ProgramFolder {
    async fn work(&self, database: &ToolDatabase, environment: &Environment) -> Result<Work, ExitCode> {
        let target = database.target(environment)?;
        let owner = database.connect(environment).await?;
        let row = owner.client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]).await;
        let major: i32 = row.and_then(|row| row.try_get(0)).map_err(|error| failed(EX_UNAVAILABLE, &error))?;
        let path = environment.get("PATH").map_or("", String::as_str);
        let programs = Programs::find(self.pg_bin.as_deref(), path, u32::try_from(major).unwrap_or_default()).await;
        let programs = programs.map_err(|error| refused(&error))?;
        let libpq = libpq(&target, programs.major()).map_err(|error| failed(EX_UNAVAILABLE, &error))?;
        Ok(Work { owner, target, libpq, programs })
    }
}

impl Backup {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let work = self.programs.work(&self.database, environment).await?;
        let archive = match &self.existing {
            Some(archive) => archive.clone(),
            None => self.write(&work).await?,
        };
        if self.verify {
            verify(&work, &archive).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn write(&self, work: &Work) -> Result<PathBuf, ExitCode> {
        let archive = self.output.clone().unwrap_or_else(|| {
            let moment = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true).replace([':', '-'], "");
            PathBuf::from(format!("vitrine-{moment}.dump"))
        });
        let bar = Bar::new();
        let written = backup::dump(work.place(), &archive, |progress| show(&bar, progress)).await;
        drop(bar);
        let written = written.map_err(|error| refused(&error))?;
        println!(
            "wrote {}: {} rows of {} tables, {} bytes, with pg_dump {}; its manifest is {}",
            archive.display(),
            written.manifest.rows(),
            written.manifest.tables.len(),
            written.bytes,
            work.programs.version,
            Manifest::path(&archive).display()
        );
        Ok(archive)
    }
}

async fn verify(work: &Work, archive: &Path) -> Result<(), ExitCode> {
    let bar = Bar::new();
    let scratch = |name: String| {
        let target = work.target.with_database(name);
        // The connection's task ends with its client.
        async move { client(&target).await.map(|(client, _task)| client).map_err(|error| error.to_string()) }
    };
    let restored = backup::verify(work.place(), archive, scratch, |progress| show(&bar, progress)).await;
    drop(bar);
    let restored = restored.map_err(|error| refused(&error))?;
    match restored.manifest {
        Some(manifest) => println!(
            "verified {}: restored into a scratch database, {} tables with {} rows are the same, row for row",
            archive.display(),
            manifest.tables.len(),
            manifest.rows()
        ),
        None => println!("{} can be restored; there is no manifest beside it to compare with", archive.display()),
    }
    Ok(())
}

impl Restore {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let work = self.programs.work(&self.database, environment).await?;
        let bar = Bar::new();
        let told = |progress| show(&bar, progress);
        let restored = backup::restore(work.place(), &self.archive, self.overwrite, told).await;
        drop(bar);
        let restored = restored.map_err(|error| refused(&error))?;
        match &restored.manifest {
            Some(manifest) => println!(
                "restored {} rows of {} tables, as they were at {}, and compared each table",
                manifest.rows(),
                manifest.tables.len(),
                manifest.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
            None => println!("restored; there is no manifest beside the backup to compare with"),
        }
        let latest = Migrations::embedded().map_or(0, |migrations| migrations.latest());
        if restored.schema_version < latest {
            println!("its tables are at version {} of {latest}: run vitrine migrate", restored.schema_version);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Reset {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let target = self.database.target(environment)?;
        let owner = self.database.connect(environment).await?;
        if !self.yes {
            let holdings = backup::holdings(&owner.client).await.map_err(|error| refused(&error))?;
            for (table, rows) in &holdings.filled {
                println!("{table}: {rows} rows");
            }
            let words =
                format!("nothing was removed from {target}; with --yes all of it goes (vitrine backup keeps a copy)");
            return Err(failed(1, &words));
        }
        let libpq = libpq(&target, 0).map_err(|error| failed(EX_UNAVAILABLE, &error))?;
        let gone = backup::wipe(&owner.client, &libpq).await.map_err(|error| refused(&error))?;
        let rows: i64 = gone.filled.iter().map(|(_, rows)| rows).sum();
        let migrations = Migrations::embedded().map_err(|error| refused(&error.into()))?;
        let patience = std::time::Duration::from_secs(60);
        up(&owner.client, &migrations, patience, |_| ()).await.map_err(|error| refused(&error.into()))?;
        println!("removed {rows} rows from {target}; its tables are made anew, at version {}", migrations.latest());
        Ok(ExitCode::SUCCESS)
    }
}

fn show(bar: &Bar, progress: Progress) {
    match progress {
        Progress::Steps(steps) => bar.length(u64::try_from(steps).unwrap_or(u64::MAX)),
        Progress::Step(what) => bar.step(what),
    }
}

fn refused(error: &BackupError) -> ExitCode {
    let code = match error {
        BackupError::NoProgram { .. } | BackupError::TooOld { .. } => EX_OSFILE,
        BackupError::NotEmpty { .. } | BackupError::NotOurs { .. } | BackupError::Scratch(_) => EX_CANTCREAT,
        BackupError::Altered(_) | BackupError::File { .. } => EX_DATAERR,
        BackupError::Lock(MigrateError::Locked(_)) => EX_TEMPFAIL,
        BackupError::Database(_) => EX_UNAVAILABLE,
        BackupError::Program { .. } | BackupError::Differs(_) | BackupError::NoExtension(_) | BackupError::Lock(_) => 1,
    };
    failed(code, error)
}
