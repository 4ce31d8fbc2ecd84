//! What upstream connections know statements by.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::scope::{SettingsScope, hasher};

/// What a statement on an upstream connection is known by. Two clients share one only when text, parameter types and
/// every setting that text could be read under are equal; all of it is compared, never a hash alone.
#[derive(Debug)]
pub struct StatementKey {
    /// The text as it goes upstream.
    pub text: Arc<str>,
    /// Declared parameter types.
    pub parameter_types: Arc<[u32]>,
    /// The settings it was reviewed under.
    pub scope: Arc<SettingsScope>,
    /// The catalog it was reviewed with: after DDL a plan may have another shape.
    pub catalog_version: u64,
    /// Made when it is first asked for, and once: 0 before.
    hash: AtomicU64,
}

impl StatementKey {
    /// The key of a text reviewed under `scope` with the catalog of that version.
    #[must_use]
    pub fn new(text: Arc<str>, parameter_types: Arc<[u32]>, scope: Arc<SettingsScope>, catalog_version: u64) -> Self {
        Self { text, parameter_types, scope, catalog_version, hash: AtomicU64::new(0) }
    }

    /// The same under the same, of another text.
    #[must_use]
    pub(in crate::session) fn with_text(&self, text: Arc<str>) -> Self {
        Self::new(text, Arc::clone(&self.parameter_types), Arc::clone(&self.scope), self.catalog_version)
    }
}

impl PartialEq for StatementKey {
    fn eq(&self, other: &Self) -> bool {
        self.catalog_version == other.catalog_version
            && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
            && self.parameter_types == other.parameter_types
            && (Arc::ptr_eq(&self.scope, &other.scope) || self.scope == other.scope)
    }
}

impl Eq for StatementKey {}

impl Hash for StatementKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut hash = self.hash.load(Ordering::Relaxed);
        if hash == 0 {
            hash = hasher().hash_one((&self.text, &self.parameter_types, &self.scope));
            self.hash.store(hash, Ordering::Relaxed);
        }
        state.write_u64(hash);
    }
}
