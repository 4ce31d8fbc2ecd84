//! Everything that is not an insight: kinds, documents, configurations, profiles, memory.

mod documents;
mod kinds;
mod memories;
mod profiles;

use crate::service::{Error, Result};

/// The record of a write that no kind's schema has a say in.
pub(super) fn settled<T>(written: Option<T>) -> Result<T> {
    written.ok_or_else(|| Error::Internal("a write without a kind asked for one".to_owned()))
}
