//! Steps written as frontend messages for one upstream connection, and what that connection knows by name.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;

use super::op::{Expect, Op};
use super::statement::Prepared;
pub use super::statement::StatementKey;
use super::{Session, copy, failure};
use crate::sql::Access;
use crate::wire::frontend;

/// Prepared statements that live on one upstream connection, named by the gateway.
#[derive(Debug)]
pub struct ServerStatements {
    /// What the connection is for: statements that were reviewed for anything else are not sent on it.
    access: Access,
    named: HashMap<Arc<StatementKey>, Named, ahash::RandomState>,
    unnamed: Option<Unnamed>,
    /// Names given up and not closed yet.
    given_up: Vec<Arc<str>>,
    named_max: usize,
    /// Of the texts of `named`.
    named_bytes: usize,
    next_number: u64,
    clock: u64,
}

#[derive(Debug)]
struct Named {
    name: Arc<str>,
    used: u64,
    /// Its Parse, while that is not answered.
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Unnamed {
    key: Arc<StatementKey>,
    pending: Option<Pending>,
}

/// A Parse that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    /// The batch it was sent in.
    batch: u64,
    /// Unique on the connection.
    serial: u64,
}

/// Statements kept on one connection: what pgbouncer's `max_prepared_statements` defaults to.
const NAMED_MAX: usize = 200;
/// What their texts may take together, on this side and on the server's.
const NAMED_BYTES_MAX: usize = 16 << 20;
/// A longer text is not kept: it is said again where it is asked for again.
const KEPT_BYTES_MAX: usize = 1 << 20;

impl Default for ServerStatements {
    /// Those of a customer connection.
    fn default() -> Self {
        Self::new(NAMED_MAX)
    }
}

impl ServerStatements {
    /// At most `named_max` statements are kept; the one not used for longest makes room.
    #[must_use]
    pub fn new(named_max: usize) -> Self {
        Self {
            access: Access::Read,
            named: HashMap::default(),
            unnamed: None,
            given_up: Vec::new(),
            named_max: named_max.max(1),
            named_bytes: 0,
            next_number: 0,
            clock: 0,
        }
    }

    /// Those of a connection for that access.
    #[must_use]
    pub fn of(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// None are kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Their names are never used again: a plan turned out to be out of date.
    pub fn forget_all(&mut self) {
        self.given_up.extend(self.named.drain().map(|(_, named)| named.name));
        self.named_bytes = 0;
        self.unnamed = None;
    }

    /// The connection goes back: a long text is not held for whom it may never be asked for again.
    pub fn rest(&mut self) {
        self.unnamed.take_if(|unnamed| unnamed.key.text.len() > KEPT_BYTES_MAX);
    }

    /// Leaves nothing of anybody's for one who looks at what is prepared: all is closed before the next Parse.
    fn make_blank(&mut self) {
        self.given_up.push(Arc::from(""));
        self.forget_all();
    }

    /// A simple query of the gateway's own went out: it destroys the unnamed statement.
    pub fn forget_unnamed(&mut self) {
        self.unnamed = None;
    }

    /// A Close that the server skipped: to be sent again.
    pub(super) fn not_closed(&mut self, name: Arc<str>) {
        self.given_up.push(name);
    }

    /// A Parse failed or was skipped.
    pub(super) fn forget(&mut self, statement: &Prepared, serial: u64) {
        let is_it = |pending: Option<Pending>| pending.is_some_and(|pending| pending.serial == serial);
        if !keeps(statement) {
            self.unnamed.take_if(|unnamed| is_it(unnamed.pending));
        } else if self.named.get(&statement.key).is_some_and(|named| is_it(named.pending)) {
            self.remove(&statement.key);
        }
    }

    /// A Parse succeeded.
    pub(super) fn confirm(&mut self, statement: &Prepared, serial: u64) {
        let pending = if keeps(statement) {
            self.named.get_mut(&statement.key).map(|named| &mut named.pending)
        } else {
            self.unnamed.as_mut().map(|unnamed| &mut unnamed.pending)
        };
        if let Some(pending) = pending {
            pending.take_if(|pending| pending.serial == serial);
        }
    }

    /// The name a statement is known by here. One whose Parse was sent in an earlier batch
    /// and is not answered is not relied on: what fails with it must not fail this batch.
    fn name(&mut self, statement: &Prepared, batch: u64) -> Option<ServerName> {
        let certain = |pending: Option<Pending>| pending.is_none_or(|pending| pending.batch == batch);
        if !keeps(statement) {
            // Most texts of this kind came for the first time: they are not even looked for among the named.
            let unnamed = self.unnamed.as_ref().filter(|unnamed| unnamed.key == statement.key);
            return unnamed.filter(|unnamed| certain(unnamed.pending)).map(|_| ServerName::Unnamed);
        }
        self.clock += 1;
        let named = self.named.get_mut(&statement.key).filter(|named| certain(named.pending))?;
        named.used = self.clock;
        Some(ServerName::Named(Arc::clone(&named.name)))
    }

    /// Takes a name for a new statement, giving up the one not used for longest where there are too many.
    /// The number with the name tells this Parse from others of the same statement.
    fn register(&mut self, statement: &Prepared, batch: u64) -> (ServerName, u64) {
        self.clock += 1;
        let serial = self.clock;
        let pending = Some(Pending { batch, serial });
        if !keeps(statement) {
            self.unnamed = Some(Unnamed { key: Arc::clone(&statement.key), pending });
            return (ServerName::Unnamed, serial);
        }
        let bytes = statement.key.text.len();
        while (self.named.len() >= self.named_max || self.named_bytes + bytes > NAMED_BYTES_MAX)
            && let Some(evicted) = self.evict()
        {
            self.given_up.push(evicted);
        }
        self.next_number += 1;
        let name: Arc<str> = server_name(self.next_number).into();
        let named = Named { name: Arc::clone(&name), used: self.clock, pending };
        self.named_bytes += bytes;
        if let Some(doubtful) = self.named.insert(Arc::clone(&statement.key), named) {
            self.named_bytes -= bytes;
            self.given_up.push(doubtful.name);
        }
        (ServerName::Named(name), serial)
    }

    fn evict(&mut self) -> Option<Arc<str>> {
        let oldest = self.named.iter().min_by_key(|(_, named)| named.used).map(|(key, _)| Arc::clone(key))?;
        self.remove(&oldest).map(|named| named.name)
    }

    fn remove(&mut self, key: &Arc<StatementKey>) -> Option<Named> {
        let named = self.named.remove(key)?;
        self.named_bytes = self.named_bytes.saturating_sub(key.text.len());
        Some(named)
    }
}

/// Whether a connection keeps a statement under a name.
fn keeps(statement: &Prepared) -> bool {
    statement.keep && statement.key.text.len() <= KEPT_BYTES_MAX
}

/// What a connection knows a statement by.
enum ServerName {
    Unnamed,
    Named(Arc<str>),
}

impl ServerName {
    fn as_str(&self) -> &str {
        match self {
            Self::Unnamed => "",
            Self::Named(name) => name,
        }
    }
}

const SERVER_NAME: &str = "vitrine_";

/// The name of a statement of the gateway's own making.
fn server_name(number: u64) -> String {
    format!("{SERVER_NAME}{number}")
}

/// Whether a name is one that the gateway may give.
pub(super) fn is_server_name(name: &str) -> bool {
    name.starts_with(SERVER_NAME)
}

impl Session {
    /// Writes the first queued step for a connection that knows `statements`, and notes what must come back.
    /// Returns the step, for repeating it elsewhere; `None` when nothing is queued.
    pub fn dispatch(&mut self, statements: &mut ServerStatements, out: &mut BytesMut) -> Option<Op> {
        let op = self.next_step()?;
        if op.statement().is_some_and(|statement| statement.access != statements.access) {
            return self.misrouted(statements, out);
        }
        self.batch_open = !matches!(op, Op::Sync) && (self.batch_open || op.needs_upstream());
        self.send(&op, statements, out);
        Some(op)
    }

    /// A statement met a connection of the other kind: neither it nor anything else of its batch is sent. Routes are made
    /// so that this cannot come about.
    fn misrouted(&mut self, statements: &mut ServerStatements, out: &mut BytesMut) -> Option<Op> {
        let end = self.ops.iter().position(|op| matches!(op, Op::Sync)).unwrap_or(self.ops.len());
        self.ops.drain(..end);
        self.copy_ends();
        let mut bytes = BytesMut::new();
        failure::misrouted().put(&mut bytes);
        let refusal = Op::Refuse(bytes.freeze());
        self.send(&refusal, statements, out);
        Some(refusal)
    }

    fn send(&mut self, op: &Op, statements: &mut ServerStatements, out: &mut BytesMut) {
        match op {
            Op::Local(bytes) => self.expect.push_back(Expect::Local(bytes.clone())),
            Op::Show { name, columns } => self.expect.push_back(Expect::Show { name, columns: *columns }),
            Op::Refuse(bytes) => self.expect.push_back(Expect::Refuse(bytes.clone())),
            Op::Fail => {
                // Numbers begin at 1: no statement has this name, and Bind of it is an error.
                frontend::put_bind(out, "", &server_name(0), frontend::NO_VALUES_TEXT_RESULTS);
                self.expect.push_back(Expect::Fail);
            }
            Op::Undo(undo) => self.expect.push_back(Expect::Undo(undo.clone())),
            Op::Parse { statement, answer } => self.send_parse(statement, *answer, statements, out),
            Op::Bind { statement, portal, values, answer } => {
                if statement.sees_statements() {
                    statements.make_blank();
                }
                let name = self.known(statement, statements, out);
                frontend::put_bind(out, portal, name.as_str(), values);
                self.expect.push_back(Expect::Bind { statement: Arc::clone(statement), answer: *answer });
            }
            Op::DescribeStatement { statement } => {
                let name = self.known(statement, statements, out);
                frontend::put_describe(out, b'S', name.as_str());
                self.expect.push_back(Expect::DescribeStatement);
            }
            Op::DescribePortal { portal, answer_no_data } => {
                frontend::put_describe(out, b'P', portal);
                self.expect.push_back(Expect::DescribePortal { answer_no_data: *answer_no_data });
            }
            Op::Execute { portal, rows_max, effect, shift, answer } => {
                frontend::put_execute(out, portal, *rows_max);
                self.expect.push_back(Expect::Execute { effect: effect.clone(), shift: *shift, answer: *answer });
            }
            Op::ClosePortal { portal } => {
                frontend::put_close(out, b'P', portal);
                self.expect.push_back(Expect::ClosePortal { portal: portal.clone() });
            }
            Op::Sync => {
                self.batches_sent += 1;
                frontend::put_sync(out);
                self.expect.push_back(Expect::Ready);
            }
            // What was answered, or will be by a Sync, needs none: the connection may be somebody else's by then.
            Op::Flush if !self.sent_is_undecided() => {}
            Op::Flush => frontend::put_flush(out),
            Op::CopyData(_) | Op::CopyDone | Op::CopyFail(_) => copy::put(op, out),
        }
    }

    fn send_parse(
        &mut self,
        statement: &Arc<Prepared>,
        answer: bool,
        statements: &mut ServerStatements,
        out: &mut BytesMut,
    ) {
        let batch = self.batches_sent;
        let real = statements.name(statement, batch).is_none();
        let mut serial = 0;
        if real {
            let name;
            (name, serial) = statements.register(statement, batch);
            for name in std::mem::take(&mut statements.given_up) {
                frontend::put_close(out, b'S', &name);
                self.expect.push_back(Expect::CloseStatement { name });
            }
            frontend::put_parse(out, name.as_str(), &statement.key.text, &statement.key.parameter_types);
        }
        self.expect.push_back(Expect::Parse { statement: Arc::clone(statement), answer, real, serial });
    }

    /// The name of a statement on this connection, which is told of it first where it does not know it.
    fn known(
        &mut self,
        statement: &Arc<Prepared>,
        statements: &mut ServerStatements,
        out: &mut BytesMut,
    ) -> ServerName {
        if let Some(name) = statements.name(statement, self.batches_sent) {
            return name;
        }
        self.send_parse(statement, false, statements, out);
        statements.name(statement, self.batches_sent).unwrap_or(ServerName::Unnamed)
    }

    /// Starts a lease on a connection whose client settings differ: `sql` replays them as one simple query.
    pub fn replay_settings(&mut self, sql: &str, statements: &mut ServerStatements, out: &mut BytesMut) {
        statements.forget_unnamed();
        frontend::put_query(out, sql);
        self.expect.push_back(Expect::Replay);
    }
}
