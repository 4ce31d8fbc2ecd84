//! A result that is longer than what passes of one: the rest of it, and of its batch, is kept from the client, and the
//! statement fails as if PostgreSQL had refused to go on.
//!
//! The upstream is asked to cancel. Whether it does or was done already, the client sees the same: an error in the place
//! of the result's end, and a transaction block that has failed.

use bytes::BytesMut;

use crate::session::dispatch::ServerStatements;
use crate::session::op::{Effect, Expect, Undo};
use crate::session::{Relay, Session, UpstreamFault, failure};
use crate::wire::backend::{Report, TransactionStatus};

/// A batch of which the client sees no more than an error.
#[derive(Debug)]
pub(in crate::session) struct Cut {
    report: Report,
    told: bool,
    /// What was taken for granted after the error.
    undone: Vec<Undo>,
}

impl Session {
    /// The result that is being answered is longer than what passes. [`Self::relay`] keeps the rest of its batch from the
    /// client, and puts `report` in the place of its end.
    pub fn cut(&mut self, report: Report) {
        let is_whole = self.expect.iter().any(|expect| matches!(expect, Expect::Ready));
        let undone = if is_whole { Vec::new() } else { self.skip_queued() };
        // What comes next depends on how this ends.
        self.refusing = Some(self.batches_answered + 1);
        self.cut = Some(Cut { report, told: false, undone });
    }

    /// The client has the error that stands for the rest of the batch.
    pub(in crate::session) fn has_told_cut(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.told)
    }

    /// The rows that come now are for nobody.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    pub(super) fn relay_cut(
        &mut self,
        (tag, body): (u8, &[u8]),
        statements: &mut ServerStatements,
        out: &mut BytesMut,
    ) -> Relay {
        let mut kept_back = BytesMut::new();
        let relay = match tag {
            b'N' => return Relay::Forward,
            b'S' => return self.parameter_status(body),
            b'A' => Relay::Swallow,
            b'Z' => return self.end_of_cut(body, out),
            b'E' => self.error(body, statements, &mut kept_back),
            _ => self.answer((tag, body), statements, &mut kept_back),
        };
        self.pass_over();
        match relay {
            Relay::Fault(_) => relay,
            Relay::Forward | Relay::Swallow => {
                if matches!(tag, b'C' | b's' | b'E') {
                    self.tell_cut(out);
                }
                Relay::Swallow
            }
        }
    }

    /// What was made here and stands next in line was never to be seen.
    fn pass_over(&mut self) {
        while self.expect.front().is_some_and(Expect::is_made_here) {
            if let Some(Expect::Undo(undo)) = self.expect.pop_front()
                && let Some(cut) = &mut self.cut
            {
                cut.undone.push(undo);
            }
        }
    }

    fn tell_cut(&mut self, out: &mut BytesMut) {
        if let Some(cut) = self.cut.as_mut().filter(|cut| !cut.told) {
            cut.report.put(out);
            cut.told = true;
        }
    }

    fn end_of_cut(&mut self, body: &[u8], out: &mut BytesMut) -> Relay {
        let Ok(status) = TransactionStatus::decode(body) else {
            return Relay::Fault(UpstreamFault::OutOfPlace(b'Z'));
        };
        self.tell_cut(out);
        if let Some(cut) = self.cut.take() {
            self.undo(cut.undone);
        }
        // Where the upstream was done before it was told to stop, its block is as good as new, and the client's is not. What
        // was set in a batch without a block is set, then: the ledger follows the upstream.
        self.failed_here |= status == TransactionStatus::InTransaction;
        let relay = self.ready_for_query(body, out);
        if self.failed_here && self.next_batch_goes_on() {
            // It was sent before anybody knew that the block has failed.
            self.cut(failure::in_failed_transaction());
            self.pass_over();
        } else {
            self.deliver_local(out);
        }
        relay
    }

    /// The batch that is answered next asks something of the upstream, and does not end the block.
    fn next_batch_goes_on(&self) -> bool {
        let batch = self.expect.iter().take_while(|expect| !matches!(expect, Expect::Ready));
        let ends = |expect: &Expect| {
            let Expect::Execute { effect, .. } = expect else { return false };
            matches!(effect, Effect::EndTransaction { .. } | Effect::RollbackTo(_))
        };
        let (mut asks, mut ends_block) = (false, false);
        for expect in batch {
            asks |= expect.is_upstream_s();
            ends_block |= ends(expect);
        }
        asks && !ends_block
    }
}
