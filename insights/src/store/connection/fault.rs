//! What a failure means for who asked.

use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use crate::service::Error;

/// After which to try again when nothing says better.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sorts a failure by what its reader can do. The server's words go on only where they are about the request.
pub(crate) fn fault(error: tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        // Decoding and encoding are faults of ours; everything else without a server's report is a broken connection.
        return if error.is_closed()
            || std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>())
        {
            unavailable(cause(&error))
        } else {
            Error::Internal(cause(&error))
        };
    };
    let message = said.message().to_owned();
    match said.code().code() {
        "VT404" | "P0002" => Error::NotFound(message.trim_end_matches(" does not exist").to_owned()),
        "VT409" => at_place(said, Error::Conflict(message)),
        "VT412" => Error::Stale { current: said.detail().and_then(|detail| detail.parse().ok()).unwrap_or_default() },
        "VT422" => Error::Invalid(message),
        code => by_class(code, said, message),
    }
}

fn by_class(code: &str, said: &DbError, message: String) -> Error {
    let state = said.code();
    let serialization = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(state);
    if [SqlState::UNIQUE_VIOLATION, SqlState::RESTRICT_VIOLATION].contains(state) {
        return Error::Conflict(message);
    }
    if *state == SqlState::FOREIGN_KEY_VIOLATION {
        return if said.constraint() == Some("insights_kind") {
            Error::Conflict(message)
        } else {
            Error::NotFound(message)
        };
    }
    if [SqlState::CHECK_VIOLATION, SqlState::NOT_NULL_VIOLATION].contains(state) {
        let column = said.constraint().or(said.column()).unwrap_or_default();
        return Error::Invalid(format!("a value is out of its bounds ({column})"));
    }
    match code.get(..2) {
        // Data exceptions and program limits: a NUL in a text, an index row too long.
        Some("22" | "54") => Error::Invalid(message),
        // Connection, resources, operator, system, lock, a standby.
        Some("08" | "53" | "57" | "58" | "55" | "25") => unavailable(format!("{message} ({code})")),
        Some(_) if serialization => unavailable(format!("{message} ({code})")),
        // A table or function is missing: not migrated (yet).
        Some("42") if *state != SqlState::INSUFFICIENT_PRIVILEGE && *state != SqlState::SYNTAX_ERROR => {
            unavailable(format!("the tool database is not migrated: {message} ({code})"))
        }
        _ => Error::Internal(format!("{message} ({code}) {}", said.where_().unwrap_or_default())),
    }
}

/// A bulk write says which insight was refused.
fn at_place(said: &DbError, error: Error) -> Error {
    match said.detail().and_then(|detail| detail.parse().ok()) {
        Some(line) => Error::Line { line, cause: Box::new(error) },
        None => error,
    }
}

pub(super) fn unavailable(cause: String) -> Error {
    Error::Unavailable { retry_after: RETRY_AFTER, cause }
}

/// The error with what is behind it.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}
