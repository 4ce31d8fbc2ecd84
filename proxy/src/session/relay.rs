//! Backend messages from the upstream.

mod cut;

pub(super) use cut::Cut;

use bytes::BytesMut;

use super::dispatch::ServerStatements;
use super::fault::{Relay, UpstreamFault};
use super::memory::Block;
use super::op::{Answer, Effect, Expect, Op, Undo};
use super::{Session, failure, portal, settings};
use crate::wire::backend::{self, Fields, TransactionStatus};
use crate::wire::sqlstate::SqlState;

impl Session {
    /// Rows of the statement that is answered now pass without being looked at.
    #[must_use]
    pub fn passes_rows(&self) -> bool {
        matches!(self.expect.front(), Some(Expect::Execute { answer: Answer::Whole, .. }))
    }

    /// Takes one whole backend message.
    pub fn relay(&mut self, tag: u8, body: &[u8], statements: &mut ServerStatements, out: &mut BytesMut) -> Relay {
        if matches!(self.expect.front(), Some(Expect::Replay)) {
            let relay = self.relay_replay(tag, body);
            self.deliver_local(out);
            return relay;
        }
        if self.cut.is_some() {
            return self.relay_cut((tag, body), statements, out);
        }
        let relay = match tag {
            b'N' => Relay::Forward,
            b'S' => self.parameter_status(body),
            b'E' => self.error(body, statements, out),
            b'Z' => self.ready_for_query(body, out),
            b'A' => Relay::Swallow,
            _ => self.answer((tag, body), statements, out),
        };
        self.deliver_local(out);
        relay
    }

    /// The answer that stands next in line.
    fn answer(&mut self, (tag, body): (u8, &[u8]), statements: &mut ServerStatements, out: &mut BytesMut) -> Relay {
        let forward = |answer: bool| if answer { Relay::Forward } else { Relay::Swallow };
        // What is not answered yet with this stays in line.
        match (tag, self.expect.front()) {
            (b't', Some(Expect::DescribeStatement)) => return Relay::Forward,
            (b'D' | b'H' | b'd' | b'c', Some(Expect::Execute { answer, .. })) => {
                return forward(*answer == Answer::Whole);
            }
            _ => {}
        }
        let Some(expected) = self.expect.pop_front() else { return out_of_place(tag) };
        match (tag, expected) {
            (b'1', Expect::Parse { statement, answer, real: true, serial }) => {
                statements.confirm(&statement, serial);
                forward(answer)
            }
            (b'2', Expect::Bind { answer, .. }) => forward(answer),
            (b'3', Expect::ClosePortal { portal }) => {
                self.held_cursors.remove(&portal);
                Relay::Forward
            }
            (b'3', Expect::CloseStatement { .. }) => Relay::Swallow,
            (b'T' | b'n', Expect::DescribeStatement) | (b'T', Expect::DescribePortal { .. }) => Relay::Forward,
            (b'n', Expect::DescribePortal { answer_no_data }) => forward(answer_no_data),
            (b'G', expected @ Expect::Execute { answer: Answer::Whole, .. }) => {
                self.expect.push_front(expected);
                if self.copy_begins() { Relay::Forward } else { out_of_place(tag) }
            }
            (b'C', Expect::Execute { effect, answer, .. }) => {
                self.completed(effect, body);
                if let Answer::Tagged(tag) = answer {
                    backend::put_command_complete(out, tag);
                }
                forward(answer == Answer::Whole)
            }
            (b's', Expect::Execute { effect, answer, .. }) => {
                // Suspended, a SELECT has run: `set_config` has set.
                self.block_follows(&effect);
                portal::apply(&mut self.confirmed, &effect);
                forward(answer == Answer::Whole)
            }
            (b'I', Expect::Execute { answer, .. }) => forward(answer == Answer::Whole),
            (
                tag,
                Expect::Local(_)
                | Expect::Show { .. }
                | Expect::Refuse(_)
                | Expect::Fail
                | Expect::Undo(_)
                | Expect::Parse { .. }
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Execute { .. }
                | Expect::ClosePortal { .. }
                | Expect::CloseStatement { .. }
                | Expect::Ready
                | Expect::Replay,
            ) => out_of_place(tag),
        }
    }

    fn completed(&mut self, effect: Effect, body: &[u8]) {
        let mut effect = effect;
        if let Effect::EndTransaction { commit, .. } = &mut effect {
            *commit = backend::decode_command_complete(body).is_ok_and(|tag| tag == "COMMIT");
        }
        self.ledgers_follow(&effect);
        self.block_follows(&effect);
        match effect {
            Effect::Hold(name) => self.declared_cursors.push(name),
            Effect::CloseCursor(Some(name)) => {
                self.held_cursors.remove(&name);
            }
            Effect::CloseCursor(None) => self.held_cursors.clear(),
            Effect::RollbackTo(_) => self.failed_here = false,
            Effect::EndTransaction { commit, .. } => {
                self.failed_here = false;
                self.cursors_outlive(commit);
            }
            Effect::None
            | Effect::CopyIn
            | Effect::Isolation(_)
            | Effect::Set(_)
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::SqlPrepare(_) => {}
        }
    }

    fn error(&mut self, body: &[u8], statements: &mut ServerStatements, out: &mut BytesMut) -> Relay {
        let Ok(fields) = Fields::decode(body) else { return Relay::Fault(UpstreamFault::OutOfPlace(b'E')) };
        if fields.ends_connection() {
            let sqlstate = fields.sqlstate().unwrap_or(SqlState::CONNECTION_FAILURE);
            let message = fields.field(b'M').unwrap_or_default().to_owned();
            return Relay::Fault(UpstreamFault::Ended { sqlstate, message });
        }
        if fields.field(b'R') == Some("RevalidateCachedQuery") {
            statements.forget_all();
            if self.status == TransactionStatus::Idle {
                return Relay::Fault(UpstreamFault::StalePlan);
            }
        }
        let shift = self.shift();
        let asked_for = matches!(self.expect.front(), Some(Expect::Fail));
        let fields = self.in_the_client_s_names(&fields, shift);
        self.failed(statements);
        match fields {
            _ if asked_for => Relay::Swallow,
            None => Relay::Forward,
            Some(bytes) => {
                out.extend_from_slice(&bytes);
                Relay::Swallow
            }
        }
    }

    /// The error as the client must see it, where that is not as it came: positions count from the start of what the
    /// client sent, and a prepared statement has the client's name.
    fn in_the_client_s_names(&self, fields: &Fields<'_>, shift: usize) -> Option<BytesMut> {
        let renamed = match (self.expect.front(), fields.field(b'M')) {
            (Some(Expect::Bind { statement, .. }), Some(message)) => failure::renamed(message, &statement.client_name),
            _ => None,
        };
        if renamed.is_none() && (shift == 0 || fields.field(b'P').is_none()) {
            return None;
        }
        let mut fields = Fields(fields.0.clone());
        if let Some(message) = &renamed {
            fields.0.iter_mut().filter(|(key, _)| *key == b'M').for_each(|(_, value)| *value = message);
        }
        let mut bytes = BytesMut::new();
        fields.put_shifted(&mut bytes, shift);
        Some(bytes)
    }

    /// Characters by which the position of an error in the present statement is off.
    fn shift(&self) -> usize {
        self.expect
            .iter()
            .find_map(|expect| match expect {
                Expect::Execute { shift, .. } => Some(*shift),
                Expect::Parse { statement, .. } => Some(statement.shift),
                Expect::Ready => Some(0),
                Expect::Local(_)
                | Expect::Show { .. }
                | Expect::Refuse(_)
                | Expect::Fail
                | Expect::Undo(_)
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::ClosePortal { .. }
                | Expect::CloseStatement { .. }
                | Expect::Replay => None,
            })
            .unwrap_or(0)
    }

    /// The server skips everything until the next Sync, so nothing of it is expected any more.
    fn failed(&mut self, statements: &mut ServerStatements) {
        self.batch_failed = true;
        let end = self.expect.iter().position(|expect| matches!(expect, Expect::Ready));
        let mut undone = Vec::new();
        for expect in self.expect.drain(..end.unwrap_or(self.expect.len())) {
            match expect {
                Expect::Parse { statement, real: true, serial, .. } => statements.forget(&statement, serial),
                Expect::CloseStatement { name } => statements.not_closed(name),
                Expect::Undo(undo) => undone.push(undo),
                Expect::Parse { .. }
                | Expect::Local(_)
                | Expect::Show { .. }
                | Expect::Refuse(_)
                | Expect::Fail
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Execute { .. }
                | Expect::ClosePortal { .. }
                | Expect::Ready
                | Expect::Replay => {}
            }
        }
        if end.is_none() {
            undone.extend(self.skip_queued());
        }
        self.copy_ends();
        self.undo(undone);
    }

    /// The batch failed and its Sync has not been sent yet: what comes before it is skipped here too. Returns what was
    /// taken for granted in it.
    fn skip_queued(&mut self) -> Vec<Undo> {
        let queued_sync = self.ops.iter().position(|op| matches!(op, Op::Sync));
        self.skipping = queued_sync.is_none();
        let skipped = self.ops.drain(..queued_sync.unwrap_or(self.ops.len()));
        skipped.filter_map(|op| if let Op::Undo(undo) = op { Some(undo) } else { None }).collect()
    }

    /// The end of a transaction decides which of its cursors WITH HOLD live on.
    fn cursors_outlive(&mut self, commit: bool) {
        let declared = std::mem::take(&mut self.declared_cursors);
        if commit {
            self.held_cursors.extend(declared);
        }
    }

    fn ready_for_query(&mut self, body: &[u8], out: &mut BytesMut) -> Relay {
        let Ok(status) = TransactionStatus::decode(body) else {
            return Relay::Fault(UpstreamFault::OutOfPlace(b'Z'));
        };
        let Some(Expect::Ready) = self.expect.pop_front() else {
            return Relay::Fault(UpstreamFault::OutOfPlace(b'Z'));
        };
        match self.end_own_block(status) {
            Ok(true) => {}
            Ok(false) => return Relay::Swallow,
            Err(fault) => return Relay::Fault(fault),
        }
        let (told, before) = (self.end_batch(status), out.len());
        self.told(out);
        if told == status && out.len() == before {
            return Relay::Forward;
        }
        backend::put_ready(out, told);
        Relay::Swallow
    }

    /// The end of a batch that was answered here.
    pub(super) fn ready(&mut self, status: TransactionStatus, out: &mut BytesMut) {
        let told = self.end_batch(status);
        self.told(out);
        backend::put_ready(out, told);
    }

    /// The end of a batch: the status that the client is told.
    fn end_batch(&mut self, status: TransactionStatus) -> TransactionStatus {
        let told = match status {
            TransactionStatus::InTransaction if self.failed_here => TransactionStatus::Failed,
            TransactionStatus::InTransaction => status,
            TransactionStatus::Idle | TransactionStatus::Failed => {
                self.failed_here = false;
                status
            }
        };
        if status == TransactionStatus::Idle {
            self.ledgers_end(!self.batch_failed);
            self.block = Block::default();
            self.cursors_outlive(!self.batch_failed);
            let answered = self.batches_answered + 1;
            self.portals.retain(|_, bound| bound.batch > answered);
        }
        self.batches_answered += 1;
        self.batch_failed = false;
        self.refusing.take_if(|batch| *batch <= self.batches_answered);
        self.status = told;
        if self.is_quiet() {
            self.settle();
        }
        told
    }

    /// Hands out what was made here and stands next in line. Returns how many answers that were.
    pub fn deliver_local(&mut self, out: &mut BytesMut) -> usize {
        let mut delivered = 0;
        while self.expect.front().is_some_and(Expect::is_made_here) {
            match self.expect.pop_front() {
                Some(Expect::Local(bytes)) => out.extend_from_slice(&bytes),
                Some(Expect::Show { name, columns }) => self.put_own(name, columns, out),
                Some(Expect::Parse { answer: true, .. }) => out.extend_from_slice(backend::PARSE_COMPLETE),
                Some(Expect::Refuse(bytes)) => {
                    out.extend_from_slice(&bytes);
                    self.batch_failed = true;
                    self.failed_here = true;
                }
                Some(Expect::Undo(_)) => continue,
                _ => {}
            }
            delivered += 1;
        }
        delivered
    }

    fn parameter_status(&mut self, body: &[u8]) -> Relay {
        match backend::decode_parameter_status(body) {
            Ok((name, value)) if settings::has_moved(self.origin.seed.access, name, value) => {
                Relay::Fault(UpstreamFault::SettingMoved(name.to_owned()))
            }
            Ok(_) => Relay::Forward,
            Err(_) => Relay::Fault(UpstreamFault::OutOfPlace(b'S')),
        }
    }

    fn relay_replay(&mut self, tag: u8, body: &[u8]) -> Relay {
        match tag {
            b'Z' => {
                self.expect.pop_front();
                Relay::Swallow
            }
            // The client knows the values of its own settings.
            b'S' => match self.parameter_status(body) {
                Relay::Forward | Relay::Swallow => Relay::Swallow,
                Relay::Fault(fault) => Relay::Fault(fault),
            },
            b'E' => {
                let fields = Fields::decode(body).unwrap_or(Fields(Vec::new()));
                Relay::Fault(UpstreamFault::Replay {
                    sqlstate: fields.sqlstate().unwrap_or(SqlState::INTERNAL_ERROR),
                    message: fields.field(b'M').unwrap_or_default().to_owned(),
                })
            }
            b'C' | b'N' | b'I' | b'A' => Relay::Swallow,
            tag => Relay::Fault(UpstreamFault::OutOfPlace(tag)),
        }
    }
}

fn out_of_place(tag: u8) -> Relay {
    Relay::Fault(UpstreamFault::OutOfPlace(tag))
}
