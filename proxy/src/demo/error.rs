//! What can go wrong with the demo.

use super::postgres::PostgresError;

/// The demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The private PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A statement or a connection failed where it should not.
    #[error("{what}: {}", told(.source))]
    Sql {
        /// What was being done.
        what: String,
        /// The cause.
        source: tokio_postgres::Error,
    },
    /// The tool database.
    #[error("{0}")]
    Insights(String),
    /// The gateway did not start or ended.
    #[error("{reason}\n{log}")]
    Gateway {
        /// What was seen.
        reason: String,
        /// What it wrote.
        log: String,
    },
    /// A file, a socket or a process.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl DemoError {
    pub(super) fn sql(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let what = what.into();
        move |source| Self::Sql { what, source }
    }

    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// The server's own words, where it spoke.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
