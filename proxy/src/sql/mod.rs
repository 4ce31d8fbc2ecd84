//! Text to statements, by two readers: PostgreSQL's own grammar (libpg_query) decides, `sqlparser` must agree.
//!
//! **Architecture invariant:** nothing in here knows a catalog, a policy, a socket or a clock: text in, values out.

mod agree;
mod denial;
mod gauge;
mod grammar;
mod lexer;
mod limits;
mod second;
mod shape;
mod statement;

pub use denial::{Denial, Rule};
pub use limits::Limits;
pub use shape::{fingerprint, shape};
pub use statement::{
    Assigned, Assignment, DiscardTarget, FieldRef, FieldSource, FunctionRef, IsolationLevel, Kind, OperatorRef,
    RelationRef, SetScope, SetValue, Statement, TransactionModes, TypeRef, Uses,
};

use std::panic::catch_unwind;

use crate::wire::sqlstate::SqlState;

/// Reads a text: what its statements are and what they use, in order. A text without a statement is an empty list.
///
/// # Errors
/// A [`Denial`] when the text is not PostgreSQL's grammar, reaches a limit, holds a statement that can never be
/// permitted, or is not the same to both readers.
pub fn read(text: &str, limits: &Limits) -> Result<Vec<Statement>, Denial> {
    let stack_bytes = gauge::measure(text, limits)?;
    stacker::maybe_grow(stack_bytes, stack_bytes, || {
        // Neither reader is ours: a panic in one of them refuses the text and nothing else.
        catch_unwind(|| read_twice(text, limits)).unwrap_or_else(|_| Err(unreadable()))
    })
}

fn read_twice(text: &str, limits: &Limits) -> Result<Vec<Statement>, Denial> {
    let readings = grammar::read(text, limits)?;
    if let Some(findings) = second::read(text) {
        agree::agree(&readings, &findings)?;
    }
    Ok(readings.into_iter().map(|reading| reading.statement).collect())
}

fn unreadable() -> Denial {
    Denial::new(Rule::UnsupportedNode, SqlState::FEATURE_NOT_SUPPORTED, "the statement cannot be read")
}
