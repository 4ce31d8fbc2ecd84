//! Text to statements, by two readers: PostgreSQL's own grammar (libpg_query) decides, `sqlparser` must agree.
//!
//! **Architecture invariant:** nothing in here knows a catalog, a policy, a socket or a clock: text in, values out.

mod access;
mod agree;
mod denial;
mod gauge;
mod grammar;
mod lexer;
mod limits;
mod second;
mod shape;
mod statement;
mod typing;

pub use access::Access;
pub use denial::{Denial, Rule};
pub use limits::Limits;
pub use shape::{fingerprint, shape};
pub use statement::{
    Assigned, Assignment, Conversion, ConversionSource, DiscardTarget, FieldRef, FieldSource, FunctionRef,
    IsolationLevel, Kind, Modification, OperatorRef, RelationRef, SetScope, SetValue, Statement, TransactionModes,
    TypeRef, Uses, WriteRef, says_now,
};

pub use lexer::name_beyond_ascii;
pub use typing::{Derived, Output, Shape, Sight, Site, Term, Typing};

use std::panic::catch_unwind;

use crate::wire::sqlstate::SqlState;

/// Reads a text: what its statements are and what they use, in order. A text without a statement is an empty list.
///
/// # Errors
/// A [`Denial`] when the text is not PostgreSQL's grammar, reaches a limit, holds a statement that can never be
/// permitted, or is not the same to both readers.
pub fn read(text: &str, limits: &Limits) -> Result<Vec<Statement>, Denial> {
    read_for(text, limits, Access::Read)
}

/// The same for a route of that access.
///
/// # Errors
/// As [`read`].
pub fn read_for(text: &str, limits: &Limits, access: Access) -> Result<Vec<Statement>, Denial> {
    let depth = gauge::measure(text, limits)?;
    if depth.own_thread {
        return std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("sql reader".to_owned()).stack_size(depth.stack_bytes);
            let reader = thread.spawn_scoped(scope, || read_twice(text, limits, access)).map_err(|_| no_stack())?;
            reader.join().unwrap_or_else(|_| Err(unreadable()))
        });
    }
    // Neither reader is ours: a panic in one of them refuses the text and nothing else.
    stacker::maybe_grow(depth.stack_bytes, depth.stack_bytes, || {
        catch_unwind(|| read_twice(text, limits, access)).unwrap_or_else(|_| Err(unreadable()))
    })
}

fn no_stack() -> Denial {
    Denial::new(Rule::Limit, SqlState::OUT_OF_MEMORY, "out of memory").detail("no stack for a deeply nested statement")
}

fn read_twice(text: &str, limits: &Limits, access: Access) -> Result<Vec<Statement>, Denial> {
    let readings = grammar::read(text, limits, access)?;
    if let Some(findings) = second::read(text) {
        agree::agree(&readings, &findings)?;
    }
    Ok(readings.into_iter().map(|reading| reading.statement).collect())
}

fn unreadable() -> Denial {
    Denial::new(Rule::UnsupportedNode, SqlState::FEATURE_NOT_SUPPORTED, "the statement cannot be read")
}
