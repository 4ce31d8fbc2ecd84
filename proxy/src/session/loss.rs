//! What becomes of a session whose upstream connection is gone.

use std::collections::HashMap;
use std::hash::BuildHasher;

use bytes::BytesMut;

use super::Session;
use super::memory::Block;
use super::op::{Expect, Op, Undo};
use super::simple::OwnBlock;
use crate::wire::backend::{self, Report, TransactionStatus};

impl Session {
    /// Whether a batch was sent whose end is still to be answered.
    #[must_use]
    pub fn owes_ready(&self) -> bool {
        self.expect.iter().any(|expect| matches!(expect, Expect::Ready | Expect::Replay))
            || self.ops.iter().any(|op| matches!(op, Op::Sync))
    }

    /// The connection is gone. What was outstanding failed; the session itself goes on. Every batch that is
    /// outstanding is answered, with `report` in place of what the upstream would have said first, so that each Sync has
    /// its ReadyForQuery.
    pub fn upstream_gone(&mut self, report: &Report, out: &mut BytesMut) {
        let (batches, mut rest) = self.drop_outstanding(report);
        let told = rest.over || self.skipping;
        let in_batch = self.batch_open;
        self.forget_connection();
        self.confirmed.rollback();
        self.own.rollback();
        for answers in batches {
            out.extend_from_slice(&answers);
            self.batch_failed = true;
            self.ready(TransactionStatus::Idle, out);
        }
        if in_batch && !told {
            report.put(&mut rest.answers);
        }
        out.extend_from_slice(&rest.answers);
        if in_batch || told {
            self.skipping = true;
            self.batch_failed = true;
        }
        if in_batch && !told && self.held.take().is_some() {
            // All before the simple query was answered: the error is its own, and it ends its batch.
            self.sync();
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
        self.seeded = false;
        self.held_cursors.clear();
        self.declared_cursors.clear();
        self.portals.clear();
        self.failed_here = false;
        self.own_block = OwnBlock::None;
        self.block = Block::default();
        self.batch_open = false;
        self.cut = None;
        self.status = TransactionStatus::Idle;
    }

    /// Drops all steps. Returns what is answered to each batch, and to what has no Sync yet.
    fn drop_outstanding(&mut self, report: &Report) -> (Vec<BytesMut>, Ending) {
        // Where the client has the error of the first batch already, nothing more is said in that.
        let (mut batches, mut undone) = (Vec::new(), Vec::new());
        let mut ending = Ending { answers: BytesMut::new(), over: self.batch_failed || self.has_told_cut() };
        for expect in std::mem::take(&mut self.expect) {
            match expect {
                Expect::Show { name, columns } if !ending.over => self.put_own(name, columns, &mut ending.answers),
                Expect::Show { .. } => {}
                Expect::Ready => batches.push(ending.next()),
                Expect::Undo(undo) => undone.extend(ending.over.then_some(undo)),
                Expect::Local(bytes) => ending.made_here(&bytes),
                Expect::Refuse(bytes) => ending.refused(&bytes),
                Expect::Parse { real: false, answer: true, .. } => ending.made_here(backend::PARSE_COMPLETE),
                Expect::Replay | Expect::Parse { real: false, answer: false, .. } => {}
                Expect::Fail
                | Expect::Parse { real: true, .. }
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Execute { .. }
                | Expect::ClosePortal { .. }
                | Expect::CloseStatement { .. } => ending.lost(report),
            }
        }
        for op in std::mem::take(&mut self.ops) {
            match op {
                Op::Sync => batches.push(ending.next()),
                Op::Undo(undo) => undone.extend(ending.over.then_some(undo)),
                Op::Local(bytes) => ending.made_here(&bytes),
                Op::Refuse(bytes) => ending.refused(&bytes),
                Op::Flush => {}
                Op::Show { name, columns } if !ending.over => self.put_own(name, columns, &mut ending.answers),
                Op::Show { .. } => {}
                Op::Fail
                | Op::Parse { .. }
                | Op::Bind { .. }
                | Op::DescribeStatement { .. }
                | Op::DescribePortal { .. }
                | Op::Execute { .. }
                | Op::CopyData(_)
                | Op::CopyDone
                | Op::CopyFail(_)
                | Op::ClosePortal { .. } => ending.lost(report),
            }
        }
        self.copy_ends();
        self.undo(undone);
        (batches, ending)
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

/// The answers to one batch whose connection is gone.
struct Ending {
    answers: BytesMut,
    /// The client has an error: what follows in the batch is skipped.
    over: bool,
}

impl Ending {
    fn made_here(&mut self, bytes: &[u8]) {
        if !self.over {
            self.answers.extend_from_slice(bytes);
        }
    }

    fn refused(&mut self, bytes: &[u8]) {
        self.made_here(bytes);
        self.over = true;
    }

    fn lost(&mut self, report: &Report) {
        if !self.over {
            report.put(&mut self.answers);
        }
        self.over = true;
    }

    /// The end of the batch: its answers.
    fn next(&mut self) -> BytesMut {
        self.over = false;
        std::mem::take(&mut self.answers)
    }
}

fn put_or_remove<V, S: BuildHasher>(map: &mut HashMap<String, V, S>, name: &str, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    }
}
