//! The command line: one file for each subcommand.

mod check;
mod config;
mod demo;
mod doctor;
mod hash_password;
mod health;
mod insights;
mod pages;
mod serve;
mod snapshot;
mod verify;

use crate::config::Environment;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// EX_CONFIG of sysexits.h: the configuration is wrong.
pub const EX_CONFIG: u8 = 78;

/// Look, don't touch: any PostgreSQL client reads a database through Vitrine, and none can write.
#[derive(Debug, Parser)]
#[command(name = "vitrine", version = env!("BUILT_VERSION"), max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a sample database with the gateway in front of it, and take a tour.
    Demo(demo::Demo),
    /// Serve PostgreSQL clients.
    Serve(serve::Serve),
    /// The verdict on a statement, and why.
    ///
    /// Exit code 0 when everything is permitted, 1 when something is refused, 2 when nothing could be reviewed, 78 when
    /// the policy file is wrong.
    Check(check::Check),
    /// Check or explain the configuration.
    Config(config::Config),
    /// What the customer role could do, and the SQL for a better one.
    ///
    /// Exit code 0 when it cannot write, 1 when it could, 2 when nobody could tell, 78 when the configuration is wrong.
    Doctor(doctor::Doctor),
    /// Make a SCRAM verifier for the users file from the password on standard input.
    HashPassword(hash_password::HashPassword),
    /// Bring the tables of the insight store to this program's version.
    ///
    /// The SQL files are in the program. Each is applied once, in a transaction of its own; a file that was altered or went
    /// missing since, or that comes late, is refused by name. Two that start at once migrate once. Exit code 0 when the
    /// tables are up to date, 1 when a file failed (it was rolled back) or, with `status` and `plan`, when something is
    /// pending, 65 when files and history contradict each other, 69 when the database cannot be reached, 75 when another
    /// program kept it for too long, 78 when the configuration is wrong.
    Migrate(insights::Migrate),
    /// Fill an empty insight store with kinds, personas, scenarios and prompts, once.
    ///
    /// What a person changed or deleted since stays so. Exit code 0; 1 with `--diff` when something differs; 65 when the
    /// files have mistakes (all are listed) or do not fit the database, 69 when the database cannot be reached, 78 when the
    /// configuration is wrong.
    Seed(insights::Seed),
    /// Back up the insight store into one file, and prove it by restoring it.
    ///
    /// Uses pg_dump, which must not be older than the server. Exit code 0; 1 when pg_dump failed or the restored copy differs,
    /// 65 when a file is there already or altered, 69 when the database cannot be reached, 72 when pg_dump is missing or too
    /// old, 73 when there is no room for a scratch database, 75 when a migration runs for too long, 78 when the configuration
    /// is wrong.
    Backup(insights::Backup),
    /// Restore a backup, in one transaction: it comes whole and compared, or everything stays as it was.
    ///
    /// A database that holds something is refused unless `--overwrite` is given, one that is no insight store always. Exit
    /// codes as of `vitrine backup`; 73 when the database is not empty.
    Restore(insights::Restore),
    /// Copy insights that lie in a table of a customer database into the insight store.
    ///
    /// Read there in one read-only snapshot, written here in batches that are compared as they arrive. It may be broken off
    /// and started again; what was copied before is recognised by its kind and key. Exit code 0 when every row arrived; 1 when
    /// rows were rejected (they are named), 64 without a map (one is proposed), 65 when table, map or kinds do not fit, 69 when
    /// a database cannot be reached, 78 when the configuration is wrong.
    ImportInsights(insights::ImportInsights),
    /// Make, list and revoke keys of the insight store's HTTP API.
    Key(insights::Key),
    /// Make and list tenants of the insight store, or hold what they have.
    Tenant(insights::Tenants),
    /// Remove everything from the insight store and make its tables anew.
    Reset(insights::Reset),
    /// Ask a running gateway whether it is ready; exit code 0 if it is.
    Health(health::Health),
    /// Attack the database through the gateway, and report what became of each attempt.
    ///
    /// The attacks aim at nothing that exists: they are safe even where the gateway fails. Exit code 0 when nothing got
    /// through, 1 when something did, 2 when it could not run, 78 when the configuration is wrong.
    Verify(verify::Verify),
    /// Print the completions of a shell.
    Completions(pages::Completions),
    #[command(hide = true)]
    Man(pages::Man),
    #[command(hide = true)]
    Snapshot(snapshot::Snapshot),
}

/// Runs the program; `environment` is the process environment, taken once in `main`.
#[must_use]
pub fn run(arguments: CommandLine, environment: &Environment) -> ExitCode {
    match arguments.command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(environment),
        Command::Check(check) => check.run(),
        Command::Config(config) => config.run(environment),
        Command::Doctor(doctor) => doctor.run(environment),
        Command::HashPassword(hash) => hash.run(),
        Command::Health(health) => health.run(environment),
        Command::Migrate(migrate) => migrate.run(environment),
        Command::Seed(seed) => seed.run(environment),
        Command::Backup(backup) => backup.run(environment),
        Command::Restore(restore) => restore.run(environment),
        Command::ImportInsights(import) => import.run(environment),
        Command::Key(key) => key.run(environment),
        Command::Tenant(tenant) => tenant.run(environment),
        Command::Reset(reset) => reset.run(environment),
        Command::Verify(verify) => verify.run(environment),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
    }
}

/// The configuration, or every mistake on stderr and the exit code that says so.
fn configuration(file: Option<&std::path::Path>, environment: &Environment) -> Result<crate::config::Config, ExitCode> {
    let (config, mistakes) = crate::config::read(file, environment);
    if mistakes.is_empty() {
        return Ok(config);
    }
    Err(refuse(&mistakes))
}

/// Prints every mistake and gives the exit code.
fn refuse(mistakes: &[crate::config::Mistake]) -> ExitCode {
    for mistake in mistakes {
        eprintln!("{mistake}");
    }
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    eprintln!("vitrine: {} {plural} in the configuration", mistakes.len());
    ExitCode::from(EX_CONFIG)
}
