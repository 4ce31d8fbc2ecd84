//! Backend messages from the upstream.

use bytes::BytesMut;

use super::dispatch::ServerStatements;
use super::op::{Effect, Expect};
use super::{Session, portal};
use crate::wire::backend::{self, Fields, TransactionStatus};
use crate::wire::sqlstate::SqlState;

/// What becomes of one backend message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// It goes to the client as it is, before whatever was appended to `out`.
    Forward,
    /// It does not; what was appended to `out` goes in its place.
    Swallow,
    /// The connection cannot be used any further.
    Fault(UpstreamFault),
}

/// Why a connection cannot be used any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFault {
    /// A message came that nothing asked for.
    OutOfPlace(u8),
    /// The server ended the connection: SQLSTATE and message of its FATAL.
    Ended { sqlstate: SqlState, message: String },
    /// A setting that the walls stand on moved.
    SettingMoved(String),
    /// Replaying the client's settings failed, with the server's own words.
    Replay { sqlstate: SqlState, message: String },
    /// A kept plan no longer fits the tables; nothing of this batch was answered yet.
    StalePlan,
}

/// Settings that must not move on an upstream connection, with the only value they may have (wall 5).
const PINNED: &[(&str, &str)] =
    &[("client_encoding", "UTF8"), ("standard_conforming_strings", "on"), ("default_transaction_read_only", "on")];

impl Session {
    /// Rows of the statement that is answered now pass without being looked at.
    #[must_use]
    pub fn passes_rows(&self) -> bool {
        matches!(self.expect.front(), Some(Expect::Execute { answer: true, .. }))
    }

    /// Takes one whole backend message.
    pub fn relay(&mut self, tag: u8, body: &[u8], statements: &mut ServerStatements, out: &mut BytesMut) -> Relay {
        if matches!(self.expect.front(), Some(Expect::Replay)) {
            let relay = self.relay_replay(tag, body);
            self.deliver_local(out);
            return relay;
        }
        let relay = match tag {
            b'N' => Relay::Forward,
            b'S' => self.parameter_status(body),
            b'E' => self.error(body, statements, out),
            b'Z' => self.ready_for_query(body, out),
            b'A' => Relay::Swallow,
            _ => self.answer(tag, body),
        };
        self.deliver_local(out);
        relay
    }

    /// The answer that stands next in line.
    fn answer(&mut self, tag: u8, body: &[u8]) -> Relay {
        let forward = |answer: bool| if answer { Relay::Forward } else { Relay::Swallow };
        let Some(expected) = self.expect.pop_front() else { return out_of_place(tag) };
        match (tag, expected) {
            (b'1', Expect::Parse { answer, real: true, .. }) => forward(answer.is_some()),
            (b'2', Expect::Bind { answer }) | (b'3', Expect::Close { answer }) => forward(answer),
            (b't', Expect::DescribeStatement) => {
                self.expect.push_front(Expect::DescribeStatement);
                Relay::Forward
            }
            (b'T' | b'n', Expect::DescribeStatement) | (b'T', Expect::DescribePortal { .. }) => Relay::Forward,
            (b'n', Expect::DescribePortal { answer_no_data }) => forward(answer_no_data),
            (b'D' | b'H' | b'd' | b'c', Expect::Execute { effect, shift, answer }) => {
                self.expect.push_front(Expect::Execute { effect, shift, answer });
                forward(answer)
            }
            (b'C', Expect::Execute { effect, answer, .. }) => {
                self.completed(effect, body);
                forward(answer)
            }
            (b's' | b'I', Expect::Execute { answer, .. }) => forward(answer),
            (
                tag,
                Expect::Local(_)
                | Expect::Refuse(_)
                | Expect::Parse { .. }
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Execute { .. }
                | Expect::Close { .. }
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
        portal::apply(&mut self.confirmed, &effect);
        match effect {
            Effect::Hold(name) => {
                self.held_cursors.insert(name);
            }
            Effect::CloseCursor(Some(name)) => {
                self.held_cursors.remove(&name);
            }
            Effect::CloseCursor(None) => self.held_cursors.clear(),
            Effect::SqlDeallocate(name) => {
                self.sql_prepared.remove(&name);
            }
            Effect::RollbackTo(_) | Effect::EndTransaction { .. } => self.failed_here = false,
            Effect::None | Effect::Set(_) | Effect::Savepoint(_) | Effect::Release(_) | Effect::SqlPrepare(_) => {}
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
        self.failed(statements);
        if shift == 0 || fields.field(b'P').is_none() {
            return Relay::Forward;
        }
        fields.put_shifted(out, shift);
        Relay::Swallow
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
                | Expect::Refuse(_)
                | Expect::Bind { .. }
                | Expect::DescribeStatement
                | Expect::DescribePortal { .. }
                | Expect::Close { .. }
                | Expect::Replay => None,
            })
            .unwrap_or(0)
    }

    /// The server skips everything until the next Sync, so nothing of it is expected any more.
    fn failed(&mut self, statements: &mut ServerStatements) {
        self.batch_failed = true;
        while let Some(expect) = self.expect.front() {
            if matches!(expect, Expect::Ready) {
                return;
            }
            if let Some(expect) = self.expect.pop_front() {
                if let Expect::Parse { statement, real: true, .. } = &expect {
                    statements.forget(statement);
                }
                self.forget_unparsed(&expect);
            }
        }
        // The Sync has not come from the client yet: what does come before it is skipped here too.
        let queued_sync = self.ops.iter().position(|op| matches!(op, super::Op::Sync));
        match queued_sync {
            Some(index) => drop(self.ops.drain(..index)),
            None => {
                self.ops.clear();
                self.skipping = true;
            }
        }
    }

    /// A statement whose Parse did not succeed does not exist.
    pub(super) fn forget_unparsed(&mut self, expect: &Expect) {
        match expect {
            Expect::Parse { answer: Some(name), .. } => self.forget_statement(name),
            Expect::Execute { effect: Effect::SqlPrepare(name), .. } => {
                self.sql_prepared.remove(name);
            }
            Expect::Parse { .. }
            | Expect::Local(_)
            | Expect::Refuse(_)
            | Expect::Bind { .. }
            | Expect::DescribeStatement
            | Expect::DescribePortal { .. }
            | Expect::Execute { .. }
            | Expect::Close { .. }
            | Expect::Ready
            | Expect::Replay => {}
        }
    }

    fn ready_for_query(&mut self, body: &[u8], out: &mut BytesMut) -> Relay {
        let Ok(status) = TransactionStatus::decode(body) else {
            return Relay::Fault(UpstreamFault::OutOfPlace(b'Z'));
        };
        let Some(Expect::Ready) = self.expect.pop_front() else {
            return Relay::Fault(UpstreamFault::OutOfPlace(b'Z'));
        };
        self.ready(status, out);
        Relay::Swallow
    }

    /// The end of a batch, as the client is told.
    pub(super) fn ready(&mut self, status: TransactionStatus, out: &mut BytesMut) {
        let told = match status {
            TransactionStatus::InTransaction if self.failed_here => TransactionStatus::Failed,
            TransactionStatus::InTransaction => status,
            TransactionStatus::Idle | TransactionStatus::Failed => {
                self.failed_here = false;
                status
            }
        };
        if status == TransactionStatus::Idle {
            if self.batch_failed {
                self.confirmed.rollback()
            } else {
                self.confirmed.commit()
            }
            self.portals.clear();
        }
        self.batch_failed = false;
        self.refusing = self.ops.iter().any(|op| matches!(op, super::Op::Refuse(_)))
            || self.expect.iter().any(|expect| matches!(expect, Expect::Refuse(_)));
        self.status = told;
        backend::put_ready(out, told);
        if self.is_quiet() {
            self.settle();
        }
    }

    /// Hands out what was made here and stands next in line.
    pub fn deliver_local(&mut self, out: &mut BytesMut) {
        loop {
            match self.expect.pop_front() {
                Some(Expect::Local(bytes)) => out.extend_from_slice(&bytes),
                Some(Expect::Parse { real: false, answer, .. }) => {
                    if answer.is_some() {
                        out.extend_from_slice(backend::PARSE_COMPLETE);
                    }
                }
                Some(Expect::Refuse(bytes)) => {
                    out.extend_from_slice(&bytes);
                    self.batch_failed = true;
                    self.failed_here = true;
                }
                Some(other) => {
                    self.expect.push_front(other);
                    return;
                }
                None => return,
            }
        }
    }

    fn parameter_status(&mut self, body: &[u8]) -> Relay {
        match backend::decode_parameter_status(body) {
            Ok((name, value)) if moved(name, value) => Relay::Fault(UpstreamFault::SettingMoved(name.to_owned())),
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
            b'S' => self.parameter_status(body),
            b'E' => {
                let fields = Fields::decode(body).unwrap_or(Fields(Vec::new()));
                Relay::Fault(UpstreamFault::Replay {
                    sqlstate: fields.sqlstate().unwrap_or(SqlState::INTERNAL_ERROR),
                    message: fields.field(b'M').unwrap_or_default().to_owned(),
                })
            }
            b'C' | b'N' | b'I' => Relay::Swallow,
            tag => Relay::Fault(UpstreamFault::OutOfPlace(tag)),
        }
    }
}

fn out_of_place(tag: u8) -> Relay {
    Relay::Fault(UpstreamFault::OutOfPlace(tag))
}

fn moved(name: &str, value: &str) -> bool {
    PINNED.iter().any(|(pinned, only)| *pinned == name && *only != value)
}
