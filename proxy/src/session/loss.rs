//! What becomes of a session whose upstream connection is gone.

use std::collections::HashMap;
use std::hash::BuildHasher;

use bytes::BytesMut;

use super::Session;
use super::op::{Expect, Op, Undo};
use super::simple::OwnBlock;
use crate::wire::backend::{Report, TransactionStatus};

impl Session {
    /// Whether a batch was sent whose end is still to be answered.
    #[must_use]
    pub fn owes_ready(&self) -> bool {
        self.expect.iter().any(|expect| matches!(expect, Expect::Ready | Expect::Replay))
            || self.ops.iter().any(|op| matches!(op, Op::Sync))
    }

    /// The connection is gone. What was outstanding failed; the session itself goes on. Every batch that is
    /// outstanding is answered with `report`, so that each Sync has its ReadyForQuery.
    pub fn upstream_gone(&mut self, report: &Report, out: &mut BytesMut) {
        let (batches, mut rest) = self.drop_outstanding();
        rest |= self.batch_open && !self.skipping;
        self.forget_connection();
        self.confirmed.rollback();
        self.own.rollback();
        for has_work in batches {
            if has_work {
                report.put(out);
            }
            self.batch_failed = true;
            self.ready(TransactionStatus::Idle, out);
        }
        if rest {
            report.put(out);
            self.skipping = true;
            self.batch_failed = true;
        }
        self.settle();
    }

    /// Queues again what was sent on a connection that broke before it answered anything.
    pub fn rewind(&mut self, sent: Vec<Op>) {
        self.expect.clear();
        for op in sent.into_iter().rev() {
            self.ops.push_front(op);
        }
    }

    /// Nothing of this client's lives on a connection any more.
    fn forget_connection(&mut self) {
        self.sql_prepared.clear();
        self.held_cursors.clear();
        self.declared_cursors.clear();
        self.portals.clear();
        self.failed_here = false;
        self.own_block = OwnBlock::None;
        self.batch_open = false;
        self.status = TransactionStatus::Idle;
    }

    /// Drops all steps. Returns for each batch whether something of it was still to be answered, and the same for
    /// what has no Sync yet.
    fn drop_outstanding(&mut self) -> (Vec<bool>, bool) {
        let (mut batches, mut rest, mut undone) = (Vec::new(), false, Vec::new());
        for expect in std::mem::take(&mut self.expect) {
            match expect {
                Expect::Ready => batches.push(std::mem::take(&mut rest)),
                Expect::Undo(undo) => undone.push(undo),
                Expect::Replay => {}
                Expect::Local(_)
                | Expect::Show { .. }
                | Expect::Refuse(_)
                | Expect::Fail
                | Expect::Parse { .. }
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Execute { .. }
                | Expect::ClosePortal { .. }
                | Expect::CloseStatement { .. } => rest = true,
            }
        }
        for op in std::mem::take(&mut self.ops) {
            match op {
                Op::Sync => batches.push(std::mem::take(&mut rest)),
                Op::Undo(undo) => undone.push(undo),
                Op::Flush => {}
                Op::Local(_)
                | Op::Show { .. }
                | Op::Refuse(_)
                | Op::Fail
                | Op::Parse { .. }
                | Op::Bind { .. }
                | Op::DescribeStatement { .. }
                | Op::DescribePortal { .. }
                | Op::Execute { .. }
                | Op::CopyData(_)
                | Op::CopyDone
                | Op::CopyFail(_)
                | Op::ClosePortal { .. } => rest = true,
            }
        }
        self.copy_ends();
        self.undo(undone);
        (batches, rest)
    }

    /// Takes back, last first, what was taken for granted.
    pub(super) fn undo(&mut self, undone: Vec<Undo>) {
        for undo in undone.into_iter().rev() {
            match undo {
                Undo::Statement { name, before } => drop(self.rename_statement(&name, before)),
                Undo::Statements { named, unnamed } => {
                    self.named = (*named).clone();
                    self.named_bytes = self.named.values().map(|one| one.key.text.len()).sum();
                    self.unnamed = unnamed;
                }
                Undo::Portal { name, before } => drop(put_or_remove(&mut self.portals, &name, before)),
                Undo::SqlPrepared { name, before } => drop(put_or_remove(&mut self.sql_prepared, &name, before)),
            }
        }
    }
}

fn put_or_remove<V, S: BuildHasher>(map: &mut HashMap<String, V, S>, name: &str, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    }
}
