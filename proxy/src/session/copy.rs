//! COPY FROM STDIN: the client's rows pass through to the upstream, while nothing else does.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY>. To the upstream it is always the extended
//! protocol. From an Execute that may begin a COPY until its answer is here, no frame of the client can be understood: a
//! Sync is swallowed by a copy and ends a batch otherwise. And nothing may be sent behind it: the server would take it
//! for data.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::Session;
use super::op::{Effect, Expect, Op};
use crate::wire::frame::Frame;
use crate::wire::frontend;
use crate::wire::reader::Reader;

/// Where the session stands with copies from the client.
#[derive(Debug, Default)]
pub(super) struct CopyIn {
    state: State,
    /// Copies that are queued or sent and have not taken their rows.
    outstanding: usize,
    /// Rows on their way to the upstream.
    data: VecDeque<Op>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    No,
    /// An Execute that begins one is queued.
    Queued,
    /// It was sent; the answer decides.
    Asked,
    /// CopyInResponse came: frames are data.
    Open,
    /// The client said its last word of it, which is queued.
    Closing,
}

impl CopyIn {
    /// What the next frame means is not known yet.
    pub(super) fn decides(&self) -> bool {
        matches!(self.state, State::Queued | State::Asked | State::Closing)
    }

    /// Steps that are queued must wait.
    fn holds_steps(&self) -> bool {
        matches!(self.state, State::Asked | State::Open)
    }

    fn next(&self) -> State {
        if self.outstanding > 0 { State::Queued } else { State::No }
    }
}

impl Session {
    /// The client's rows are asked for.
    #[must_use]
    pub fn copies_in(&self) -> bool {
        self.copy_in.state == State::Open
    }

    /// Notes that a step was queued, if it begins a copy.
    pub(super) fn note_copy(&mut self, effect: &Effect) {
        if *effect == Effect::CopyIn {
            self.copy_in.outstanding += 1;
            if self.copy_in.state == State::No {
                self.copy_in.state = State::Queued;
            }
        }
    }

    /// The step that goes to the upstream next: rows before everything else.
    pub(super) fn next_step(&mut self) -> Option<Op> {
        if let Some(data) = self.copy_in.data.pop_front() {
            return Some(data);
        }
        if self.copy_in.state == State::Closing {
            self.copy_in.outstanding = self.copy_in.outstanding.saturating_sub(1);
            self.copy_in.state = self.copy_in.next();
        }
        if self.copy_in.holds_steps() {
            return None;
        }
        let op = self.ops.pop_front()?;
        if matches!(op, Op::Execute { effect: Effect::CopyIn, .. }) {
            self.copy_in.state = State::Asked;
        }
        Some(op)
    }

    /// CopyInResponse; `false` where nobody asked for a copy.
    pub(super) fn copy_begins(&mut self) -> bool {
        let expected = matches!(self.expect.front(), Some(Expect::Execute { effect: Effect::CopyIn, .. }));
        if !expected || self.copy_in.state != State::Asked {
            return false;
        }
        self.copy_in.state = State::Open;
        true
    }

    /// The copy, if there is one, failed or is gone with the rest of its batch.
    pub(super) fn copy_ends(&mut self) {
        if self.copy_in.state == State::No {
            return;
        }
        self.copy_in.data.clear();
        let begins = |effect: &Effect| *effect == Effect::CopyIn;
        let queued = self.ops.iter().filter(|op| matches!(op, Op::Execute { effect, .. } if begins(effect))).count();
        self.copy_in.outstanding = queued;
        self.copy_in.state = self.copy_in.next();
    }

    /// A frame while rows are asked for. What has no place there fails the copy, as it does in PostgreSQL.
    pub(super) fn copy_frame(&mut self, frame: &Frame) {
        match frame.tag {
            b'd' => self.copy_in.data.push_back(Op::CopyData(frame.body.clone())),
            b'c' if frame.body.is_empty() => self.close_copy(Op::CopyDone),
            b'f' => {
                let mut body = Reader::new(&frame.body);
                let reason = body.string().map(str::to_owned).unwrap_or_default();
                self.close_copy(Op::CopyFail(reason));
            }
            // Sent by those who did not know that what they sent was a COPY.
            b'S' | b'H' => {}
            tag => {
                self.ended |= tag == b'X';
                self.fail_copy(&format!("unexpected message type 0x{tag:02X} during COPY from stdin"));
            }
        }
    }

    /// Ends a copy that cannot go on.
    pub(super) fn fail_copy(&mut self, reason: &str) {
        self.close_copy(Op::CopyFail(reason.to_owned()));
    }

    fn close_copy(&mut self, last: Op) {
        self.copy_in.data.push_back(last);
        self.copy_in.state = State::Closing;
    }
}

/// Writes a step of a copy.
pub(super) fn put(op: &Op, out: &mut BytesMut) {
    match op {
        Op::CopyData(rows) => frontend::put_copy_data(out, rows),
        Op::CopyDone => frontend::put_copy_done(out),
        Op::CopyFail(reason) => frontend::put_copy_fail(out, reason),
        Op::Local(_)
        | Op::Show { .. }
        | Op::Refuse(_)
        | Op::Fail
        | Op::Undo(_)
        | Op::Parse { .. }
        | Op::Bind { .. }
        | Op::DescribeStatement { .. }
        | Op::DescribePortal { .. }
        | Op::Execute { .. }
        | Op::ClosePortal { .. }
        | Op::Sync
        | Op::Flush => {}
    }
}
