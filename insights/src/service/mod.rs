//! What can be asked of a store. The HTTP routes know these traits and nothing below them, so that a store can be
//! exchanged (a test keeps one in memory).
//!
//! Every call takes the [`Identity`] that asks; a record of another tenant does not exist for it.

mod error;
mod records;

pub use error::{Error, Result, Unfit};
pub use records::{
    BulkCount, Capabilities, Change as Outcome, Documents, Feed, Health, Insights, Keys, Kinds, Memories, ProfilePatch,
    Profiles, Written,
};

use crate::model::Identity;

/// All of it.
pub trait Service: Insights + Kinds + Documents + Profiles + Memories + Feed + Keys + Health {}

impl<T: Insights + Kinds + Documents + Profiles + Memories + Feed + Keys + Health> Service for T {}

/// Who wrote, and the request's `Idempotency-Key` where it had one. The same key with the same request answers what it
/// answered before, whenever that was; with another request it is [`Error::KeyReused`].
#[derive(Debug, Clone)]
pub struct Writer {
    pub identity: Identity,
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key` and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 bytes, chosen by the client.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
}
