//! One watched relation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::catalog::Oid;

/// The relations under one answer.
pub type Tables = Arc<[Arc<Table>]>;

/// A relation, and when it was last seen to change.
#[derive(Debug)]
pub struct Table {
    /// Its OID.
    pub oid: Oid,
    /// The epoch that a change was found with.
    changed_at: AtomicU64,
    /// The epoch that a change of more than rows was found with, or a doubt.
    redefined_at: AtomicU64,
    /// Nothing can be told of it: it has a storage of its own.
    strange: AtomicBool,
    seen: Mutex<Seen>,
}

/// What the last look found of it.
#[derive(Debug, Default)]
struct Seen {
    signature: Option<Signature>,
    /// It was looked at for the first time: whether that was before or after a change that went with it is not known.
    is_first: bool,
    /// The transactions that held a writer's lock on it.
    writers: Vec<String>,
}

impl Table {
    pub(super) fn new(oid: Oid) -> Self {
        Self {
            oid,
            changed_at: AtomicU64::new(0),
            redefined_at: AtomicU64::new(0),
            strange: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// The epoch that a change was last found with.
    #[must_use]
    pub fn changed_at(&self) -> u64 {
        self.changed_at.load(Ordering::Acquire)
    }

    /// The epoch that a change of its definition, its grants or its policies was last found with.
    #[must_use]
    pub fn redefined_at(&self) -> u64 {
        self.redefined_at.load(Ordering::Acquire)
    }

    pub(super) fn is_strange(&self) -> bool {
        self.strange.load(Ordering::Relaxed)
    }

    pub(super) fn is_unseen(&self) -> bool {
        self.seen.lock().signature.is_none()
    }

    /// The snapshot has not moved since the last look: what was read then is exact.
    pub(super) fn is_settled(&self) {
        self.seen.lock().is_first = false;
    }

    /// Takes a look; a change, or a doubt about one, counts from `epoch`. Returns whether more than rows surely changed.
    pub(super) fn look(&self, look: Look, epoch: u64) -> bool {
        let mut seen = self.seen.lock();
        let is_first = seen.is_first || seen.signature.is_none();
        let before = seen.signature.as_ref();
        let is_redefined = before.is_some_and(|before| before.definition != look.signature.definition);
        let has_other_rows = before.is_some_and(|before| before.rows != look.signature.rows);
        let ended = seen.writers.iter().any(|writer| !look.writers.contains(writer));
        if is_first || is_redefined {
            self.change(epoch);
        } else if has_other_rows || ended {
            self.changed_at.fetch_max(epoch, Ordering::AcqRel);
        }
        *seen = Seen { signature: Some(look.signature), is_first: false, writers: look.writers };
        self.strange.store(look.strange, Ordering::Relaxed);
        is_redefined
    }

    /// A look while the snapshot stays. The first one is a beginning and no change; another one finds what was counted
    /// before and told only now, which answers of this epoch know of: it counts from `next_epoch`. Who writes meanwhile may
    /// end before the next look, and is kept in mind.
    pub(super) fn look_late(&self, look: Look, next_epoch: u64) {
        let mut seen = self.seen.lock();
        let Some(before) = &mut seen.signature else {
            *seen = Seen { signature: Some(look.signature), is_first: true, writers: look.writers };
            self.strange.store(look.strange, Ordering::Relaxed);
            return;
        };
        if before.rows != look.signature.rows {
            before.rows = look.signature.rows;
            self.changed_at.fetch_max(next_epoch, Ordering::AcqRel);
        }
        for writer in look.writers {
            if !seen.writers.contains(&writer) {
                seen.writers.push(writer);
            }
        }
    }

    /// It is stale whatever it holds.
    pub(super) fn change(&self, epoch: u64) {
        self.redefined_at.fetch_max(epoch, Ordering::AcqRel);
        self.changed_at.fetch_max(epoch, Ordering::AcqRel);
    }
}

/// What one look finds of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// What changes with it.
    pub(super) signature: Signature,
    /// The transactions that hold a writer's lock on it.
    pub(super) writers: Vec<String>,
    /// It has a storage of its own.
    pub(super) strange: bool,
}

/// What changes with a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// Columns, grants, policies, rules, children.
    pub(super) definition: String,
    /// Counters and file node.
    pub(super) rows: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(rows: &str, writers: &[&str]) -> Look {
        let writers = writers.iter().map(|writer| (*writer).to_owned()).collect();
        let signature = Signature { definition: "one".to_owned(), rows: rows.to_owned() };
        Look { signature, writers, strange: false }
    }

    #[test]
    fn rows_are_told_from_all_else() {
        let table = Table::new(1);
        table.look_late(look("a", &[]), 2);
        table.is_settled();
        table.look(look("b", &[]), 2);
        assert_eq!((table.changed_at(), table.redefined_at()), (2, 0));
        let mut other = look("b", &[]);
        other.signature.definition = "two".to_owned();
        table.look(other, 3);
        assert_eq!((table.changed_at(), table.redefined_at()), (3, 3));
        // Whether a first look came before or after a change of either kind is not known.
        let unsure = Table::new(2);
        unsure.look(look("a", &[]), 4);
        assert_eq!((unsure.changed_at(), unsure.redefined_at()), (4, 4));
    }

    #[test]
    fn what_is_told_late_was_before() {
        let table = Table::new(1);
        table.look_late(look("a", &[]), 2);
        assert_eq!(table.changed_at(), 0);
        table.look_late(look("b", &["3/7"]), 2);
        assert_eq!(table.changed_at(), 2);
        // The writer that was seen late has ended by the next look.
        table.is_settled();
        table.look(look("b", &[]), 5);
        assert_eq!((table.changed_at(), table.redefined_at()), (5, 0));
    }

    #[test]
    fn a_doubt_counts_as_a_change() {
        let table = Table::new(1);
        table.look_late(look("a", &[]), 2);
        assert_eq!(table.changed_at(), 0);
        // The snapshot moved before anybody could say that the first look was exact.
        table.look(look("a", &[]), 2);
        assert_eq!(table.changed_at(), 2);
        table.look(look("a", &[]), 3);
        assert_eq!(table.changed_at(), 2);
    }

    #[test]
    fn changes_and_writers_that_ended_are_seen() {
        let table = Table::new(1);
        table.look_late(look("a", &[]), 2);
        table.is_settled();
        table.look(look("a", &["3/7"]), 2);
        assert_eq!(table.changed_at(), 0);
        table.look(look("b", &["3/7"]), 3);
        assert_eq!(table.changed_at(), 3);
        table.look(look("b", &["3/7", "4/1"]), 4);
        assert_eq!(table.changed_at(), 3);
        table.look(look("b", &["3/8", "4/1"]), 5);
        assert_eq!(table.changed_at(), 5, "a procedure may commit and go on");
        table.look(look("b", &[]), 6);
        assert_eq!(table.changed_at(), 6);
        table.look(look("b", &[]), 7);
        assert_eq!(table.changed_at(), 6);
    }
}
