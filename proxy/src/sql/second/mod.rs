//! The second reader: `sqlparser` reads the same text on its own, and what it sees must be what the grammar saw.
//!
//! Its walk is exhaustive as the first one's is: no wildcard over its enums, no `..` over its structures. Where it is
//! known to spell a PostgreSQL construct in its own way, the walk gives the construct PostgreSQL's name.

mod expr;
mod from;
mod names;
mod query;
mod respell;
mod statement;
mod write;

use std::collections::BTreeSet;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

pub(super) use names::Name;

use super::statement::Modification;

/// A statement's kind, as coarse as both readers can tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coarse {
    Select,
    Modify(Modification),
    Explain,
    Copy,
    CopyFrom,
    Show,
    Set,
    SetTransaction,
    Reset,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    Release,
    RollbackTo,
    DeclareCursor,
    Fetch,
    Close,
    Prepare,
    Execute,
    Deallocate,
    Discard,
    Unlisten,
    /// Anything that is no read.
    Other,
}

/// What the second reader sees in one statement.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) kind: Coarse,
    /// Relations read, common table expressions excluded.
    pub(super) relations: BTreeSet<Name>,
    /// Relations of `TABLE name`, whose quotes this reader drops: their case is unsure.
    pub(super) tables: BTreeSet<Name>,
    /// Functions called, under the names PostgreSQL's grammar has for them.
    pub(super) functions: BTreeSet<Name>,
    /// Relations written, and how.
    pub(super) writes: BTreeSet<(Modification, Name)>,
    /// Rows are locked.
    pub(super) locks: bool,
    /// A construct that PostgreSQL does not have: the text was misread.
    pub(super) foreign: Option<&'static str>,
}

/// Levels of recursion the second reader may take: the first one's limit on nesting is the tighter one.
const RECURSION_MAX: usize = 100_000;

/// Reads a text; `None` when this reader cannot. Needs a deep stack.
pub(super) fn read(text: &str) -> Option<Vec<Finding>> {
    let text = respell::respell(text);
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION_MAX).try_with_sql(&text).ok()?;
    let statements = parser.parse_statements().ok()?;
    Some(statements.iter().map(statement::survey).collect())
}
