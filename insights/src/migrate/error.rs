//! Why migrations do not run.

use std::path::PathBuf;
use std::time::Duration;

/// How the files and the history contradict each other; each names its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The text is not the one that was applied.
    #[error(
        "{file} was altered after it was applied on {applied_at}: its SHA-256 is {found}, the history has {recorded}"
    )]
    Altered {
        /// The file as it is called now.
        file: String,
        /// When, in UTC.
        applied_at: String,
        /// First digits of the checksums.
        found: String,
        /// As the history has it.
        recorded: String,
    },
    /// The version was applied under another name.
    #[error("{file} was applied on {applied_at} under the name {recorded}")]
    Renamed {
        /// The file as it is called now.
        file: String,
        /// When, in UTC.
        applied_at: String,
        /// Its name then.
        recorded: String,
    },
    /// Applied, and the file is not there.
    #[error("{file} was applied on {applied_at} and is missing from the migrations")]
    Missing {
        /// Its name in the history.
        file: String,
        /// When, in UTC.
        applied_at: String,
    },
    /// Not applied, though a later one is.
    #[error("{file} is out of order: {latest} is applied already; give it the next number")]
    OutOfOrder {
        /// The file that comes late.
        file: String,
        /// The latest that is applied.
        latest: String,
    },
    /// The numbers of the files leave one out.
    #[error("{file} does not follow: number {expected:04} is missing before it")]
    Gap {
        /// The file after the gap.
        file: String,
        /// The number that is not there.
        expected: i64,
    },
    /// Two files have one number.
    #[error("{file} has the number of {other}")]
    SameNumber {
        /// The second.
        file: String,
        /// The first.
        other: String,
    },
    /// Not `0001_what_it_does.sql`.
    #[error(
        "{file} is not named as a migration: expected four digits or more, \"_\", a name of a-z, 0-9 and \"_\", \".sql\""
    )]
    Name {
        /// The file.
        file: String,
    },
}

/// Why migrations did not run, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The files and the history contradict each other. Nothing was run.
    #[error("the migrations do not fit this database: {}", list(.0))]
    Misfit(Vec<Misfit>),
    /// A file failed. It was rolled back; those before it stay applied.
    #[error("{}", failed(.file, *.line, .source))]
    Failed {
        /// The file.
        file: String,
        /// The line of it that the server pointed at, from 1.
        line: Option<usize>,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A file ended the transaction that the runner opened for it.
    #[error(
        "{file} ends the transaction it runs in, so that what stands before its COMMIT or ROLLBACK is not undone with the \
         rest; remove these statements from it"
    )]
    Transaction {
        /// The file.
        file: String,
    },
    /// Another program held the lock for the whole wait.
    #[error("another program migrates, backs up or restores this database; waited {} s for it", .0.as_secs())]
    Locked(Duration),
    /// The folder of the files.
    #[error("could not read {}: {source}", path.display())]
    Files {
        /// The folder or the file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The database cannot be asked.
    #[error("{}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

fn list(misfits: &[Misfit]) -> String {
    misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn failed(file: &str, line: Option<usize>, source: &tokio_postgres::Error) -> String {
    let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
    format!("{place}: {}", told(source))
}

/// The server's own words with detail and hint, where it spoke.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    };
    let mut text = format!("{} (SQLSTATE {})", said.message(), said.code().code());
    for (name, more) in [("detail", said.detail()), ("hint", said.hint()), ("context", said.where_())] {
        if let Some(more) = more {
            text.push_str(&format!("\n  {name}: {more}"));
        }
    }
    text
}
