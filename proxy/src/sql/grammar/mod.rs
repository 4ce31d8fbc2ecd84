//! The first reader: PostgreSQL's own grammar (libpg_query), walked in full. It decides.
//!
//! **Architecture invariant:** every kind of node is named in the walk, and every structure is taken apart with all its
//! fields, so that a new grammar breaks the build and not the wall. What is not on the list is refused.

mod assignment;
mod nodes;
mod query;
mod refusal;
mod session;
mod statement;
mod syntax;
mod typist;
mod utility;
mod value;
mod walk;
mod write;

use query::{columns, scope, select};
use value::bomb;
pub(super) use walk::{Witness, too_deep};

use super::access::Access;
use super::denial::{Denial, Rule};
use super::limits::Limits;
use super::statement::Statement;
use crate::wire::sqlstate::SqlState;

/// A statement, and what the second reader is asked to confirm.
pub(super) struct Reading {
    pub(super) statement: Statement,
    pub(super) witness: Witness,
}

/// Reads a text that is within the limits of bytes and depth. Needs a deep stack.
pub(super) fn read(text: &str, limits: &Limits, access: Access) -> Result<Vec<Reading>, Denial> {
    let parsed = pg_query::parse(text, 0).map_err(|error| syntax::refusal(text, error))?;
    let statements = &parsed.protobuf.stmts;
    if statements.len() > limits.statements_max {
        return Err(Denial::new(Rule::Limit, SqlState::PROGRAM_LIMIT_EXCEEDED, "too many statements in one text")
            .detail(format!("the limit is {}", limits.statements_max)));
    }
    let read = statements.iter().map(|statement| statement::read(text, statement, (limits, access)));
    match access {
        Access::Read => read.collect(),
        Access::Store => read.map(|reading| reading.map_err(refusal::in_store)).collect(),
    }
}
