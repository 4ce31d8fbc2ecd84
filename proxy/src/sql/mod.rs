//! Text to statements, by two readers: PostgreSQL's own grammar (libpg_query) decides, `sqlparser` must agree.
//!
//! **Architecture invariant:** nothing in here knows a catalog, a policy, a socket or a clock: text in, values out.

mod denial;
mod statement;

pub use denial::{Denial, Rule};
pub use statement::{
    DiscardTarget, FieldRef, FieldSource, FunctionRef, IsolationLevel, Kind, OperatorRef, RelationRef, SetScope,
    SetValue, Statement, TransactionModes, TypeRef, Uses,
};
