//! What a request carries: bounded, then parsed, then checked; a route receives values.

mod body;
mod check;
mod condition;
mod idempotency;
mod json;
mod lines;
mod query;
mod segments;
mod write;

pub(super) use body::{media_type, pieces};
pub(super) use check::{Checked, Faults};
pub(super) use condition::{Condition, etag, has};
pub(super) use idempotency::{RequestDigest, idempotency_key};
pub(super) use json::parse;
pub(super) use lines::{Bounds, Lines, Source};
pub(super) use query::Parameters;
pub(super) use segments::Segments;
pub(super) use write::{Bare, Read, Write};
