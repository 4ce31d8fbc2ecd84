//! `vitrine migrate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use clap::{Args, Subcommand};
use vitrine_insights::migrate::{self, MigrateError, Migrations, Progress, Status};

use crate::config::Environment;

use super::owner::ToolDatabase;
use super::{EX_DATAERR, EX_TEMPFAIL, EX_UNAVAILABLE, failed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Migrate {
    #[command(flatten)]
    database: ToolDatabase,
    /// Take the SQL files from this folder instead of those that the program was built with.
    #[arg(long, global = true, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Longest wait for another program that migrates, backs up or restores the same database, seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS", global = true)]
    wait: u64,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Action {
    /// Apply every pending migration, each in a transaction of its own (this is the default).
    Up,
    /// Show what is applied, when and by whom, what is pending, and what does not fit. Changes nothing; exit code 1 when
    /// something is pending.
    Status,
    /// Show the SQL that `up` would run. Changes nothing; exit code 1 when there is some.
    Plan,
}

impl Migrate {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        let migrations = match &self.dir {
            Some(folder) => Migrations::from_dir(folder),
            None => Migrations::embedded(),
        };
        let migrations = match migrations {
            Ok(migrations) => migrations,
            Err(error) => return refused(&error),
        };
        super::wait_for(self.act(&migrations, environment))
    }

    async fn act(&self, migrations: &Migrations, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let owner = self.database.connect(environment).await?;
        match self.action.unwrap_or(Action::Up) {
            Action::Up => {
                let patience = Duration::from_secs(self.wait);
                let applied = migrate::up(&owner.client, migrations, patience, tell).await.map_err(|e| refused(&e))?;
                println!(
                    "the tool database is at version {}, {}",
                    migrations.latest(),
                    count(applied.len(), "applied")
                );
                Ok(ExitCode::SUCCESS)
            }
            Action::Status => {
                let status = migrate::status(&owner.client, migrations).await.map_err(|e| refused(&e))?;
                print_status(&status);
                Ok(code(&status))
            }
            Action::Plan => {
                let plan = migrate::plan(&owner.client, migrations).await.map_err(|e| refused(&e))?;
                for migration in &plan {
                    println!("-- {}\n{}", migration.name, migration.sql);
                }
                eprintln!("{}", count(plan.len(), "pending"));
                Ok(ExitCode::from(u8::from(!plan.is_empty())))
            }
        }
    }
}

fn tell(progress: Progress) {
    match progress {
        Progress::Applied(name, took) => println!("applied {name} in {} ms", took.as_millis()),
        Progress::Pending(_) | Progress::Begins(_) => {}
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("nothing {what}"),
        1 => format!("1 migration {what}"),
        number => format!("{number} migrations {what}"),
    }
}

fn print_status(status: &Status) {
    for row in &status.applied {
        let at = row.applied_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        println!("applied  {}  {at}  {} ms  by {}", row.name, row.duration.as_millis(), row.applied_by);
    }
    for name in &status.pending {
        println!("pending  {name}");
    }
    for misfit in &status.misfits {
        eprintln!("vitrine: {misfit}");
    }
    println!("{}, {}", count(status.applied.len(), "applied"), count(status.pending.len(), "pending"));
}

fn code(status: &Status) -> ExitCode {
    if status.misfits.is_empty() { ExitCode::from(u8::from(!status.pending.is_empty())) } else { EX_DATAERR.into() }
}

/// Says what is wrong, each finding on a line of its own.
fn refused(error: &MigrateError) -> ExitCode {
    match error {
        MigrateError::Misfit(misfits) => {
            for misfit in misfits {
                eprintln!("vitrine: {misfit}");
            }
            failed(EX_DATAERR, &"the migrations do not fit this database; nothing was run")
        }
        MigrateError::Failed { .. } | MigrateError::Transaction { .. } => failed(1, error),
        MigrateError::Locked(_) => failed(EX_TEMPFAIL, error),
        MigrateError::Files { .. } => failed(EX_DATAERR, error),
        MigrateError::Database(_) => failed(EX_UNAVAILABLE, error),
    }
}
