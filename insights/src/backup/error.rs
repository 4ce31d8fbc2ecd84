//! Why a backup or a restore did not come about.

use std::path::PathBuf;

use crate::migrate::{MigrateError, told};

/// Why a backup or a restore did not come about. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One of PostgreSQL's programs is not on this machine.
    #[error(
        "{program} is not installed: it comes with PostgreSQL's client programs (package postgresql-client); \
         --pg-bin or VITRINE_PG_BIN names their folder"
    )]
    NoProgram {
        /// Which.
        program: &'static str,
    },
    /// The programs are older than the server.
    #[error("{program} {found} is older than the server ({server}): install postgresql-client-{server} or newer")]
    TooOld {
        /// Which.
        program: &'static str,
        /// The newest that was found.
        found: String,
        /// Major version of the server.
        server: u32,
    },
    /// A program ended with an error.
    #[error("{program} failed: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// Its last words.
        said: String,
    },
    /// The target of a restore holds something.
    #[error(
        "database \"{database}\" is not empty: {holds}; nothing was changed (--overwrite replaces it, once it is certain \
         that nobody needs it)"
    )]
    NotEmpty {
        /// The database.
        database: String,
        /// The largest tables with their rows.
        holds: String,
    },
    /// The target was never an insight store: nothing in it is ours to remove.
    #[error(
        "database \"{database}\" is no insight store: it has tables ({holds}), but no vitrine.migrations; nothing was \
         changed, and --overwrite does not apply"
    )]
    NotOurs {
        /// The database.
        database: String,
        /// Some of them.
        holds: String,
    },
    /// The archive is not the one that the manifest describes.
    #[error("{} is not what its manifest describes: its SHA-256 differs", .0.display())]
    Altered(PathBuf),
    /// No archive, or an unreadable one, or an unreadable manifest.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What was restored is not what was dumped.
    #[error("the restored database differs from the backup: {}", .0.join("; "))]
    Differs(Vec<String>),
    /// The archive needs an extension that the server does not have.
    #[error("the backup needs extension \"{0}\", which this server does not have")]
    NoExtension(String),
    /// The scratch database for a verification cannot be made.
    #[error("cannot make a scratch database to verify the backup in: {0}")]
    Scratch(String),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] MigrateError),
    /// The database cannot be asked.
    #[error("{}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

impl BackupError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, reason: error.to_string() }
    }
}
