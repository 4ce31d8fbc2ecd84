//! What a session asks of its upstream connection, and what it expects back, in order.

use std::sync::Arc;

use bytes::Bytes;

use super::statement::Prepared;
use crate::sql::SetScope;

/// One step towards the upstream. Steps are kept until the first byte of an answer, so that a read that was not
/// answered at all can be repeated on another connection.
#[derive(Debug, Clone)]
pub enum Op {
    /// An answer made here, delivered in its place among the upstream's answers.
    Local(Bytes),
    /// A refusal made here: delivered in its place; what follows it until Sync never runs.
    Refuse(Bytes),
    /// Make `statement` known. `answer` sends ParseComplete on. `name` is the client's, forgotten when this fails.
    Parse { statement: Arc<Prepared>, answer: Option<String> },
    /// Bind `values` to a portal.
    Bind { statement: Arc<Prepared>, portal: String, values: Bytes, answer: bool },
    /// ParameterDescription and RowDescription of a statement.
    DescribeStatement { statement: Arc<Prepared> },
    /// RowDescription of a portal; `answer_no_data` also sends NoData on (extended protocol).
    DescribePortal { portal: String, answer_no_data: bool },
    /// Run a portal.
    Execute { portal: String, rows_max: i32, effect: Effect, shift: usize, answer: bool },
    /// Close a portal.
    ClosePortal { portal: String },
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
            Self::Local(_) | Self::Refuse(_) | Self::Sync | Self::Flush => false,
            Self::Parse { .. }
            | Self::Bind { .. }
            | Self::DescribeStatement { .. }
            | Self::DescribePortal { .. }
            | Self::Execute { .. }
            | Self::ClosePortal { .. } => true,
        }
    }
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
    /// PREPARE: the connection stays with the client.
    SqlPrepare(String),
    /// DEALLOCATE of a statement made by PREPARE.
    SqlDeallocate(String),
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
}

impl Change {
    /// A change whose value is known.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Option<String>, scope: SetScope) -> Self {
        Self { name: name.into(), value, scope, parameter: None }
    }
}

/// What must come back next.
#[derive(Debug)]
pub(super) enum Expect {
    /// Bytes of our own.
    Local(Bytes),
    /// A refusal of our own.
    Refuse(Bytes),
    /// ParseComplete, from upstream (`real`) or made here because the connection knows the statement already.
    Parse { statement: Arc<Prepared>, answer: Option<String>, real: bool },
    /// BindComplete.
    Bind { answer: bool },
    /// ParameterDescription, then RowDescription or NoData.
    DescribeStatement,
    /// RowDescription or NoData.
    DescribePortal { answer_no_data: bool },
    /// Rows and the end of Execute.
    Execute { effect: Effect, shift: usize, answer: bool },
    /// CloseComplete.
    Close { answer: bool },
    /// ReadyForQuery.
    Ready,
    /// The gateway's own replay of settings: everything up to its ReadyForQuery.
    Replay,
}
