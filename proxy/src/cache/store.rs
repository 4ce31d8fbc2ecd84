//! What is kept, bounded in bytes: moka, which keeps what is asked for often and lately.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::notification::RemovalCause;

use super::answer::Answer;
use super::counters::Counters;
use super::freshness::{Stamp, Tables};
use super::key::Key;

/// Bounds of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of all entries, keys and all.
    pub bytes_max: u64,
    /// Bytes of one.
    pub entry_bytes_max: usize,
}

/// One kept answer.
#[derive(Debug)]
pub struct Entry {
    /// What is sent.
    pub answer: Answer,
    /// What was known of the database before it was asked.
    pub stamp: Stamp,
    /// The relations under it.
    pub tables: Tables,
    /// How long it took upstream.
    pub took: Duration,
    hits: AtomicU64,
}

impl Entry {
    pub(super) fn new(answer: Answer, stamp: Stamp, tables: Tables, took: Duration) -> Self {
        Self { answer, stamp, tables, took, hits: AtomicU64::new(0) }
    }

    pub(super) fn served(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was served.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Bytes that it takes, without its key.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.answer.bytes() + self.tables.len() * size_of::<usize>()
    }
}

/// What moka, the reference counts and the allocator take beside an entry and its key: measured by the test of memory.
const OVERHEAD_BYTES: usize = 300;
/// An answer that nobody asked for so long is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// The kept answers.
#[derive(Debug)]
pub struct Store {
    entries: moka::sync::Cache<Key, Arc<Entry>, ahash::RandomState>,
    limits: StoreLimits,
    counters: Arc<Counters>,
    /// Counts the times that somebody asked for entries to be dropped.
    drops: AtomicU64,
}

impl Store {
    pub(super) fn new(limits: StoreLimits, counters: &Arc<Counters>) -> Self {
        let told = Arc::clone(counters);
        let entries = moka::sync::Cache::builder()
            .max_capacity(limits.bytes_max)
            .weigher(|key: &Key, entry: &Arc<Entry>| weight(key, entry))
            .time_to_idle(IDLE_MAX)
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => told.evicted_size.increment(),
                RemovalCause::Expired => told.evicted_idle.increment(),
                RemovalCause::Explicit | RemovalCause::Replaced => {}
            })
            .build_with_hasher(ahash::RandomState::new());
        Self { entries, limits, counters: Arc::clone(counters), drops: AtomicU64::new(0) }
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> StoreLimits {
        self.limits
    }

    /// What is kept under a key, whether it may be served or not.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    /// Keeps an answer, with what an older one of the same key knows beyond it.
    pub(super) fn keep(&self, key: Key, entry: Entry) {
        // Asked for first, because moka keeps a record of each `get`, and hardly ever is there one.
        let older = if self.entries.contains_key(&key) { self.entries.get(&key) } else { None };
        let entry = match older.filter(|older| older.stamp.is_of_epoch(&entry.stamp)) {
            Some(older) => Entry { answer: entry.answer.or(&older.answer), ..entry },
            None => entry,
        };
        self.counters.kept.increment();
        self.entries.insert(key, Arc::new(entry));
    }

    /// Drops an answer under which something changed.
    pub(super) fn drop_changed(&self, key: &Key) {
        self.entries.invalidate(key);
        self.counters.evicted_changed.increment();
    }

    /// Drops what `is_meant`; returns how many that were.
    pub fn drop_asked(&self, is_meant: impl Fn(&Key, &Entry) -> bool) -> u64 {
        self.drops.fetch_add(1, Ordering::AcqRel);
        let mut dropped = 0;
        for (key, entry) in &self.entries {
            if is_meant(&key, &entry) {
                self.entries.invalidate(&*key);
                dropped += 1;
            }
        }
        self.counters.evicted_asked.add(dropped);
        dropped
    }

    /// Drops what can never be served again.
    pub fn sweep(&self, is_dead: impl Fn(&Key, &Entry) -> bool) {
        for (key, entry) in &self.entries {
            if is_dead(&key, &entry) {
                self.drop_changed(&key);
            }
        }
        self.entries.run_pending_tasks();
    }

    /// Counts the times that somebody asked for entries to be dropped: what was asked for before is not kept.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.drops.load(Ordering::Acquire)
    }

    /// Every entry, in no order.
    pub fn each(&self, mut look: impl FnMut(&Key, &Entry)) {
        for (key, entry) in &self.entries {
            look(&key, &entry);
        }
    }

    /// Entries, and the bytes that they take.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}

fn weight(key: &Key, entry: &Entry) -> u32 {
    u32::try_from(key.bytes() + entry.bytes() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
}
