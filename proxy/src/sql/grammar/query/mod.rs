//! Queries: SELECT, WITH, FROM, the names their columns have and what can be seen from where.

pub(super) mod columns;
mod from;
pub(super) mod scope;
pub(super) mod select;
