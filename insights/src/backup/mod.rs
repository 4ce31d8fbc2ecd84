//! Backup, restore, verification by restoring, and reset.
//!
//! A backup is an archive of PostgreSQL's own `pg_dump` and, beside it, a [`Manifest`] with rows and checksum of each table
//! in the very snapshot that was dumped. A restore is one transaction of `psql`: roles, wiping (only when told to), the
//! archive, the comparison with the manifest. If anything fails or differs, the database is as it was before.
//!
//! Whoever backs up or restores holds [`crate::migrate::LOCK`], so that no migration runs meanwhile. Passwords reach the
//! programs through their environment, never as arguments.

mod contents;
mod dump;
mod error;
mod listing;
mod manifest;
mod programs;
mod restore;
mod scratch;
mod wipe;

pub use dump::{Written, dump};
pub use error::BackupError;
pub use manifest::{Manifest, TableSum};
pub use programs::{Libpq, Programs};
pub use restore::{Restored, restore};
pub use scratch::verify;
pub use wipe::{Holdings, holdings, wipe};

use tokio_postgres::Client;

/// A database, and what works on it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Its owner's connection, used by nobody else meanwhile.
    pub client: &'a Client,
    /// How the programs reach it.
    pub database: &'a Libpq,
    /// PostgreSQL's own programs.
    pub programs: &'a Programs,
}

/// What goes on, for a progress bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many steps are to come.
    Steps(usize),
    /// One is done, or begins: what it is about.
    Step(String),
}
