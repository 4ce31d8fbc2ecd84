//! The subcommands about the tool database: one file for each.

mod migrate;
mod owner;

pub(super) use migrate::Migrate;

use std::process::ExitCode;

/// EX_DATAERR of sysexits.h: the files contradict what is in the database, or are malformed.
const EX_DATAERR: u8 = 65;
/// EX_UNAVAILABLE: the database cannot be reached.
const EX_UNAVAILABLE: u8 = 69;
/// EX_TEMPFAIL: another program is at it.
const EX_TEMPFAIL: u8 = 75;

/// Says what went wrong, and gives the exit code that says so to a program.
fn failed(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("vitrine: {reason}");
    ExitCode::from(code)
}
