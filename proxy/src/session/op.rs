//! What a session asks of its upstream connection, and what it expects back, in order.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::statement::Prepared;
use super::verdict::Reviewed;
use crate::sql::SetScope;

/// One step towards the upstream. Steps are kept until the first byte of an answer, so that a read that was not
/// answered at all can be repeated on another connection.
#[derive(Debug, Clone)]
pub enum Op {
    /// An answer made here, delivered in its place among the upstream's answers.
    Local(Bytes),
    /// SHOW of a setting of the gateway's own, answered in its place; `columns` describes it too.
    Show { name: &'static str, columns: bool },
    /// A refusal made here: delivered in its place; what follows it until Sync never runs.
    Refuse(Bytes),
    /// Fails the upstream's transaction too: a refusal undoes the SET that stood before it in its batch.
    Fail,
    /// Nothing; where what stands before it fails, the session takes a step back.
    Undo(Undo),
    /// Make `statement` known. `answer` sends ParseComplete on.
    Parse { statement: Arc<Prepared>, answer: bool },
    /// Bind `values` to a portal.
    Bind { statement: Arc<Prepared>, portal: String, values: Bytes, answer: bool },
    /// ParameterDescription and RowDescription of a statement.
    DescribeStatement { statement: Arc<Prepared> },
    /// RowDescription of a portal; `answer_no_data` also sends NoData on (extended protocol).
    DescribePortal { portal: String, answer_no_data: bool },
    /// Run a portal.
    Execute { portal: String, rows_max: i32, effect: Effect, shift: usize, answer: Answer },
    /// Close a portal.
    ClosePortal { portal: String },
    /// The client's rows of a COPY FROM STDIN: one CopyData.
    CopyData(Bytes),
    /// The end of its rows.
    CopyDone,
    /// The client, or the gateway in its place, gives the copy up.
    CopyFail(String),
    /// End of a batch.
    Sync,
    /// Ask for what is outstanding.
    Flush,
}

impl Op {
    /// Whether a connection is needed for it. A Sync or Flush after nothing but local answers needs none.
    #[must_use]
    pub fn needs_upstream(&self) -> bool {
        match self {
            Self::Local(_) | Self::Show { .. } | Self::Refuse(_) | Self::Undo(_) | Self::Sync | Self::Flush => false,
            Self::Fail
            | Self::Parse { .. }
            | Self::Bind { .. }
            | Self::DescribeStatement { .. }
            | Self::DescribePortal { .. }
            | Self::Execute { .. }
            | Self::CopyData(_)
            | Self::CopyDone
            | Self::CopyFail(_)
            | Self::ClosePortal { .. } => true,
        }
    }

    /// The statement that it brings to the upstream.
    pub(super) fn statement(&self) -> Option<&Prepared> {
        match self {
            Self::Parse { statement, .. } | Self::Bind { statement, .. } | Self::DescribeStatement { statement } => {
                Some(statement)
            }
            Self::Local(_)
            | Self::Show { .. }
            | Self::Refuse(_)
            | Self::Undo(_)
            | Self::Fail
            | Self::DescribePortal { .. }
            | Self::Execute { .. }
            | Self::ClosePortal { .. }
            | Self::CopyData(_)
            | Self::CopyDone
            | Self::CopyFail(_)
            | Self::Sync
            | Self::Flush => None,
        }
    }

    /// Whether it may be sent a second time where the first brought no answer: a read may, a write never.
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        let copies = matches!(self, Self::CopyData(_) | Self::CopyDone | Self::CopyFail(_));
        !copies && self.statement().is_none_or(|statement| statement.may_be_repeated)
    }
}

/// What the client sees of a statement's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// All of it.
    Whole,
    /// Its end alone, under this tag: another statement ran in place of the client's.
    Tagged(&'static str),
    /// Nothing but an error.
    Nothing,
}

/// What the session took for granted when a message came, and takes back when PostgreSQL never got to it.
#[derive(Debug, Clone)]
pub enum Undo {
    /// A prepared statement: what its name stood for before.
    Statement { name: String, before: Option<Arc<Prepared>> },
    /// All prepared statements.
    Statements { named: Arc<HashMap<String, Arc<Prepared>>>, unnamed: Option<Arc<Prepared>> },
    /// A portal.
    Portal { name: String, before: Option<Bound> },
    /// A statement of SQL's PREPARE.
    SqlPrepared { name: String, before: Option<Arc<Reviewed>> },
}

/// A portal: its statement, and the batch it was bound in.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What Execute runs.
    pub statement: Arc<Prepared>,
    /// Counts Syncs.
    pub batch: u64,
    /// Its effect was had.
    pub ran: bool,
}

/// What a statement changes in the session once PostgreSQL has confirmed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// SET, RESET and `set_config`.
    Set(Vec<Change>),
    /// COMMIT or ROLLBACK; the command tag has the last word on which it was.
    EndTransaction { commit: bool, chain: bool },
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE.
    Release(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// DECLARE … WITH HOLD: the connection stays with the client.
    Hold(String),
    /// CLOSE; `None` closes all.
    CloseCursor(Option<String>),
    /// PREPARE, or DEALLOCATE of what it made: what comes next is read when it is decided.
    SqlPrepare(String),
    /// COPY FROM STDIN: the client's rows come next.
    CopyIn,
    /// BEGIN and SET TRANSACTION.
    Isolation(Isolation),
}

/// What BEGIN or SET TRANSACTION says of the isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Nothing.
    Unsaid,
    /// READ COMMITTED: each statement sees what is committed when it begins.
    ReadCommitted,
    /// One that sees one state throughout, or somebody else's, or might write.
    Other,
}

/// One setting that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The setting, lower case.
    pub name: String,
    /// The right side of its SET; `None` is RESET.
    pub value: Option<String>,
    /// For the session or the transaction.
    pub scope: SetScope,
    /// The value is bound to this parameter, and `value` is not known before Bind.
    pub parameter: Option<u16>,
    /// Without a value: back to what the connection was born with, past what the client started with. `set_config` with
    /// NULL does so, as its text goes upstream unchanged.
    pub beyond_startup: bool,
}

impl Change {
    /// A change whose value is known.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Option<String>, scope: SetScope) -> Self {
        Self { name: name.into(), value, scope, parameter: None, beyond_startup: false }
    }
}

/// What must come back next.
#[derive(Debug)]
pub(super) enum Expect {
    /// Bytes of our own.
    Local(Bytes),
    /// See [`Op::Show`].
    Show { name: &'static str, columns: bool },
    /// A refusal of our own.
    Refuse(Bytes),
    /// The error asked for by [`Op::Fail`].
    Fail,
    /// Nothing: see [`Op::Undo`].
    Undo(Undo),
    /// ParseComplete, from upstream (`real`) or made here because the connection knows the statement already.
    /// `serial` tells it from others, where it is real.
    Parse { statement: Arc<Prepared>, answer: bool, real: bool, serial: u64 },
    /// BindComplete.
    Bind { statement: Arc<Prepared>, answer: bool },
    /// ParameterDescription, then RowDescription or NoData.
    DescribeStatement,
    /// RowDescription or NoData.
    DescribePortal { answer_no_data: bool },
    /// Rows and the end of Execute.
    Execute { effect: Effect, shift: usize, answer: Answer },
    /// CloseComplete of a portal.
    ClosePortal { portal: String },
    /// CloseComplete of a statement of the gateway's own naming.
    CloseStatement { name: Arc<str> },
    /// ReadyForQuery.
    Ready,
    /// The gateway's own replay of settings: everything up to its ReadyForQuery.
    Replay,
}

impl Expect {
    /// Whether the upstream has the say: it may be an error instead.
    pub(super) fn is_upstream_s(&self) -> bool {
        match self {
            Self::Local(_) | Self::Show { .. } | Self::Refuse(_) | Self::Undo(_) | Self::Ready => false,
            Self::Fail
            | Self::Parse { .. }
            | Self::Bind { .. }
            | Self::DescribeStatement
            | Self::DescribePortal { .. }
            | Self::Execute { .. }
            | Self::ClosePortal { .. }
            | Self::CloseStatement { .. }
            | Self::Replay => true,
        }
    }

    /// Whether nothing needs to come for it.
    pub(super) fn is_made_here(&self) -> bool {
        match self {
            Self::Local(_) | Self::Show { .. } | Self::Refuse(_) | Self::Undo(_) | Self::Parse { real: false, .. } => {
                true
            }
            Self::Parse { real: true, .. }
            | Self::Fail
            | Self::Bind { .. }
            | Self::DescribeStatement
            | Self::DescribePortal { .. }
            | Self::Execute { .. }
            | Self::ClosePortal { .. }
            | Self::CloseStatement { .. }
            | Self::Ready
            | Self::Replay => false,
        }
    }
}
