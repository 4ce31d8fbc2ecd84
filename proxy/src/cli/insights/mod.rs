//! The subcommands about the tool database: one file for each.

mod backup;
mod bar;
mod import;
mod key;
mod migrate;
mod owner;
mod seed;

pub(super) use backup::{Backup, Reset, Restore};
pub(super) use import::ImportInsights;
pub(super) use key::{Key, Tenants};
pub(super) use migrate::Migrate;
pub(super) use seed::{Seed, seeds_or_refuse};

use std::process::ExitCode;

/// EX_USAGE: the command line asks for nothing that can be done.
const EX_USAGE: u8 = 64;
/// EX_DATAERR of sysexits.h: the files contradict what is in the database, or are malformed.
const EX_DATAERR: u8 = 65;
/// EX_UNAVAILABLE: the database cannot be reached.
const EX_UNAVAILABLE: u8 = 69;
/// EX_OSFILE: a program of the system's is missing.
const EX_OSFILE: u8 = 72;
/// EX_CANTCREAT: what would be written to is not free.
const EX_CANTCREAT: u8 = 73;
/// EX_TEMPFAIL: another program is at it.
const EX_TEMPFAIL: u8 = 75;

/// Says what went wrong, and gives the exit code that says so to a program.
fn failed(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("vitrine: {reason}");
    ExitCode::from(code)
}

/// Runs a command to its end.
fn wait_for(command: impl Future<Output = Result<ExitCode, ExitCode>>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command).unwrap_or_else(|code| code),
        Err(error) => failed(EX_UNAVAILABLE, &error),
    }
}
