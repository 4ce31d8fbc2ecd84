//! Verdicts, and the memory of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::scope::SettingsScope;
use crate::policy::Permitted;
use crate::sql::Denial;

/// How often a text must have come before it is worth a name on an upstream connection.
const HOT_USES: u32 = 2;

/// One reviewed text: all its statements, or why it is refused.
#[derive(Debug)]
pub struct Reviewed {
    /// The whole text as the client sent it.
    pub text: Arc<str>,
    /// Declared parameter types.
    pub parameter_types: Arc<[u32]>,
    /// What it was reviewed under.
    pub scope: Arc<SettingsScope>,
    /// Versions of what it was reviewed with.
    pub versions: Versions,
    /// Every statement, permitted; or the first denial.
    pub outcome: Result<Vec<Permitted>, Denial>,
    uses: AtomicU32,
}

/// The versions of policy and catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Versions {
    /// `Policy::version`.
    pub policy: u64,
    /// `Catalog::version`.
    pub catalog: u64,
}

impl Reviewed {
    /// A verdict.
    #[must_use]
    pub fn new(asked: Asked<'_>, versions: Versions, outcome: Result<Vec<Permitted>, Denial>) -> Self {
        Self {
            text: asked.text.into(),
            parameter_types: asked.parameter_types.into(),
            scope: Arc::clone(asked.scope),
            versions,
            outcome,
            uses: AtomicU32::new(0),
        }
    }

    /// Counts one more use and tells whether the text is hot by now.
    pub fn use_again(&self) -> bool {
        self.uses.fetch_add(1, Ordering::Relaxed) + 1 >= HOT_USES
    }

    fn answers(&self, asked: &Asked<'_>, versions: Versions) -> bool {
        self.versions == versions
            && *self.text == *asked.text
            && *self.parameter_types == *asked.parameter_types
            && (Arc::ptr_eq(&self.scope, asked.scope) || self.scope == *asked.scope)
    }
}

/// What is to be reviewed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Declared parameter types of Parse.
    pub parameter_types: &'a [u32],
    /// What it is read under.
    pub scope: &'a Arc<SettingsScope>,
}

/// Where a session asks for verdicts that are known already.
pub trait Verdicts {
    /// The verdict for exactly this text, these types, this scope and the present versions.
    fn recall(&self, asked: &Asked<'_>) -> Option<Arc<Reviewed>>;
    /// Whether a verdict is one of the present versions.
    fn current(&self, reviewed: &Reviewed) -> bool;
}

/// A bounded memory of verdicts. Entries are found by hash and compared in full. Two generations approximate
/// least recently used: what is not asked for while a generation fills is forgotten.
#[derive(Debug)]
pub struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    shard_entries_max: usize,
    shard_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, Arc<Reviewed>>,
    old: HashMap<u64, Arc<Reviewed>>,
    young_bytes: usize,
}

const SHARDS: usize = 16;

impl Memory {
    /// A memory of about `entries_max` verdicts whose texts take about `bytes_max` bytes.
    #[must_use]
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            shard_entries_max: (entries_max / SHARDS / 2).max(1),
            shard_bytes_max: (bytes_max / SHARDS / 2).max(1),
        }
    }

    /// The verdict for exactly what is asked.
    #[must_use]
    pub fn recall(&self, asked: &Asked<'_>, versions: Versions) -> Option<Arc<Reviewed>> {
        let hash = self.hash(asked);
        let mut shard = self.shard(hash)?.lock();
        if let Some(found) = shard.young.get(&hash) {
            return found.answers(asked, versions).then(|| Arc::clone(found));
        }
        let found = shard.old.get(&hash).filter(|found| found.answers(asked, versions)).cloned()?;
        self.insert(&mut shard, hash, Arc::clone(&found));
        Some(found)
    }

    /// Remembers a verdict.
    pub fn remember(&self, reviewed: &Arc<Reviewed>) {
        let asked = Asked { text: &reviewed.text, parameter_types: &reviewed.parameter_types, scope: &reviewed.scope };
        let hash = self.hash(&asked);
        if let Some(shard) = self.shard(hash) {
            self.insert(&mut shard.lock(), hash, Arc::clone(reviewed));
        }
    }

    fn insert(&self, shard: &mut Shard, hash: u64, reviewed: Arc<Reviewed>) {
        if shard.young.len() >= self.shard_entries_max || shard.young_bytes >= self.shard_bytes_max {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes += reviewed.text.len();
        shard.young.insert(hash, reviewed);
    }

    fn hash(&self, asked: &Asked<'_>) -> u64 {
        self.hasher.hash_one((asked.text, asked.parameter_types, asked.scope))
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::try_from(hash >> 60).unwrap_or(0))
    }
}

impl Asked<'_> {
    /// Whether a review is long enough to keep other sessions of the thread waiting.
    #[must_use]
    pub fn is_long(&self) -> bool {
        const LONG_BYTES: usize = 16 * 1024;
        self.text.len() > LONG_BYTES
    }
}
