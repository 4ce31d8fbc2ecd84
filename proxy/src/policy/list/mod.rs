//! What is known about PostgreSQL's own objects and about extensions: plain lists, each with its reason.

mod extension;
mod function;
mod parameter;
mod relation;
mod remedy;
mod setting;
mod steady;
pub(super) mod store;

pub(super) use extension::{
    changes_session, extension_runs_text, is_harmless_of_extension, leaves_database, spreads_tables,
};
pub(super) use function::{
    computes_partitions, fills_rows, is_denied, is_harmless_volatile, runs_text, sees_statements,
};
pub(super) use parameter::is_parameter;
pub(super) use relation::HIDDEN;
pub(super) use remedy::{Remedy, never, remedy};
pub(crate) use setting::is_identity;
pub(super) use setting::{Check, check_of};
pub(super) use steady::{asks_the_system, is_steady, tells_the_time};
