//! The rules, one family a file.

mod call;
mod letters;
mod relation;
mod setting;
mod transaction;
mod types;
mod view;

pub(super) use call::{attributes, bodies, functions, operators};
pub(super) use letters::letters;
pub(super) use relation::relations;
pub(super) use setting::{kind, parameter};
pub(in crate::policy) use transaction::ReadWrite;
pub(super) use types::{implied, types};

use crate::sql::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

/// The refusal of a name that only the database could explain, when it cannot be asked.
fn unexplained(rule: Rule, what: &str, name: &str) -> Denial {
    Denial::new(rule, SqlState::INSUFFICIENT_PRIVILEGE, format!("{what} {name} cannot be reviewed now"))
        .detail("the gateway has no fresh snapshot of the database's catalog")
}

/// `schema.name`, or the name alone.
pub(super) fn written(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}
