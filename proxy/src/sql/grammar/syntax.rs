//! The grammar's own refusals: PostgreSQL's message, and the place it means.

use crate::sql::denial::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

/// Turns libpg_query's error into PostgreSQL's.
pub(super) fn refusal(_text: &str, error: pg_query::Error) -> Denial {
    match error {
        pg_query::Error::Parse(message) => Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, message),
        other => Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, other.to_string()),
    }
}
