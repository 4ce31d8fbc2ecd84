//! Simple queries in the middle of a batch: PostgreSQL skips them where the batch fails, and ends the batch with them
//! where not, so they wait until that is known.

use super::Session;
use super::op::{Expect, Op};
use crate::wire::frame::Frame;

/// A frame that was put aside.
#[derive(Debug)]
pub(super) enum Held {
    Whole(Frame),
    /// Nothing of it was kept.
    TooLong {
        tag: u8,
        bytes_max: usize,
    },
}

impl Session {
    /// A frame was taken and put aside, and its time [may have come](Self::must_wait): see [`Self::take_held`].
    #[must_use]
    pub fn holds_frame(&self) -> bool {
        self.held.is_some()
    }

    /// The frame that was put aside, to be [received](Self::receive) before any other.
    pub fn take_held(&mut self) -> Option<Frame> {
        match self.held.take()? {
            Held::Whole(frame) => Some(frame),
            Held::TooLong { tag, bytes_max } => {
                self.oversized(tag, bytes_max);
                None
            }
        }
    }

    /// Puts aside what PostgreSQL skips where the batch it stands in fails, and ends the batch with where not.
    pub(super) fn hold(&mut self, held: Held) {
        self.ops.push_back(Op::Flush);
        self.held = Some(held);
    }

    /// Puts a simple query aside until everything before it is answered.
    pub(super) fn hold_query(&mut self, sql: &str) {
        let body = [sql.as_bytes(), b"\0"].concat();
        self.hold(Held::Whole(Frame { tag: b'Q', body: body.into() }));
    }

    /// Messages of the present batch are not answered, and what becomes of them decides over those that follow.
    pub(super) fn batch_is_undecided(&self) -> bool {
        match self.ops.iter().rposition(|op| matches!(op, Op::Sync)) {
            Some(end) => self.ops.iter().skip(end + 1).any(Op::needs_upstream),
            None => self.ops.iter().any(Op::needs_upstream) || self.sent_is_undecided(),
        }
    }

    /// The same of those that were sent.
    pub(super) fn sent_is_undecided(&self) -> bool {
        let mut sent = self.expect.iter().rev().take_while(|expect| !matches!(expect, Expect::Ready));
        sent.any(Expect::is_upstream_s)
    }
}
