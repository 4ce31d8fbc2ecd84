//! What a kept answer is found by. Two questions share one only when everything that can change the answer is equal; all
//! of it is compared, never a hash alone.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use crate::session::{StatementKey, hasher};

/// Statement (text, parameter types, database, role, settings, catalog version), policy version, and the values of Bind
/// byte for byte: parameter formats, parameters, result formats.
#[derive(Debug, Clone)]
pub struct Key {
    statement: Arc<StatementKey>,
    policy_version: u64,
    values: Bytes,
    /// Made once: a question is looked for in several places.
    hash: u64,
}

impl Key {
    /// The key of a read. `values` is the body of Bind behind the names; empty where nothing is bound.
    #[must_use]
    pub fn new(statement: &Arc<StatementKey>, policy_version: u64, values: &Bytes) -> Self {
        let hash = hasher().hash_one((statement, values));
        Self { statement: Arc::clone(statement), policy_version, values: values.clone(), hash }
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &StatementKey {
        &self.statement
    }

    /// The same key in memory of its own: values are a part of what was read from the client, which would be held.
    #[must_use]
    pub(super) fn owned(&self) -> Self {
        Self { values: Bytes::copy_from_slice(&self.values), ..self.clone() }
    }

    /// Bytes that the key takes.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        let statement = &self.statement;
        size_of::<Self>()
            + size_of::<StatementKey>()
            + statement.text.len()
            + statement.parameter_types.len() * size_of::<u32>()
            + self.values.len()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.policy_version == other.policy_version
            && self.values == other.values
            && (Arc::ptr_eq(&self.statement, &other.statement) || self.statement == other.statement)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
