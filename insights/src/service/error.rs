//! What can go wrong, by what a caller can do about it.

use std::time::Duration;

/// One place where a payload does not fit its kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Unfit {
    /// JSON Pointer (RFC 6901) into the payload.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such record for this tenant.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The natural key is taken by a record with other content, or the record is not in a state for this.
    #[error("{0}")]
    Conflict(String),
    /// `If-Match` named a revision that is not the current one.
    #[error("the record is at revision {current}, not at the one given")]
    Stale { current: i64 },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The payload does not fit the kind's schema.
    #[error("the payload does not fit its kind")]
    Unfit(Vec<Unfit>),
    /// In a bulk write: what is wrong with the insight at this place of the stream, counted from 1.
    #[error("line {line}: {cause}")]
    Line { line: u64, cause: Box<Error> },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The identity's scopes do not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The server lacks what it needs (an extension).
    #[error("{0}")]
    Unsupported(String),
    /// The database cannot be reached or cannot write now. Nothing was acknowledged.
    #[error("the insight store is not available")]
    Unavailable { retry_after: Duration, cause: String },
    /// A fault of ours: the cause is for the log, never for a caller.
    #[error("internal error")]
    Internal(String),
}
