//! A prepared statement as the session holds it: the text that goes upstream and how it is carried out.

use std::sync::Arc;

use super::dispatch::StatementKey;
use super::memory::own;
use super::op::{Answer, Change, Effect};
use super::settings::{self, Settings, quote_setting};
use super::verdict::Reviewed;
use crate::sql::{
    Assigned, Assignment, DiscardTarget, IsolationLevel, Kind, SetScope, SetValue, Statement, TransactionModes,
};

/// A statement the client prepared, or one statement of a simple query.
#[derive(Debug)]
pub struct Prepared {
    /// What upstream connections know it by.
    pub key: Arc<StatementKey>,
    /// How it is carried out.
    pub plan: Plan,
    /// What it changes when it completes.
    pub effect: Effect,
    /// Characters that stand before `key.text` in what the client sent: added to error positions.
    pub shift: usize,
    /// It ends a transaction block: accepted after a failure.
    pub ends_transaction: bool,
    /// It returns rows (or may): a simple query asks for its description.
    pub returns_rows: bool,
    /// Worth a name on the upstream connection: the client named it, or the text came often.
    pub keep: bool,
    /// What was reviewed, for reviewing it again under other settings; `None` for the gateway's own text.
    pub reviewed: Option<Arc<Reviewed>>,
    /// For EXECUTE and EXPLAIN EXECUTE: the name that must have been prepared by PREPARE.
    pub executes: Option<String>,
    /// For DECLARE, FETCH, MOVE and CLOSE: the cursor's name, which must not be a portal of the protocol.
    pub cursor: Option<String>,
    /// The command tag the client is told, where another statement runs in place of its own.
    pub tag: Option<&'static str>,
    /// What the client calls it.
    pub client_name: Box<str>,
}

impl Prepared {
    /// What the client sees of its answer.
    #[must_use]
    pub(super) fn answer(&self) -> Answer {
        self.tag.map_or(Answer::Whole, Answer::Tagged)
    }

    /// A query whose run changes nothing in the session, and whose names were resolved when it was bound.
    #[must_use]
    pub(super) fn is_plain_read(&self) -> bool {
        let permitted = self.reviewed.as_ref().and_then(|reviewed| reviewed.outcome.as_ref().ok());
        self.plan == Plan::Upstream
            && self.effect == Effect::None
            && permitted.is_some_and(|all| all.iter().all(|one| matches!(one.kind(), Kind::Select)))
    }
}

/// Who carries a statement out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// PostgreSQL.
    Upstream,
    /// Nobody: the text is empty.
    Empty,
    /// The session itself.
    Local(LocalCommand),
}

/// Commands about the session, answered by the session: a pooled connection must not see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalCommand {
    /// DISCARD ALL.
    DiscardAll,
    /// DISCARD of something that a pooled connection does not hold for the client.
    DiscardNothing(&'static str),
    /// DEALLOCATE.
    Deallocate(Option<String>),
    /// RESET ALL.
    ResetAll,
    /// UNLISTEN: nothing can be listened to.
    Unlisten,
    /// SET or RESET (`None`) of a setting of the gateway's own.
    SetOwn { name: String, value: Option<String>, scope: SetScope, tag: &'static str },
    /// SHOW of one.
    ShowOwn(&'static str),
}

/// Who carries a kind out.
#[must_use]
pub(super) fn plan(kind: &Kind) -> Plan {
    match kind {
        Kind::Discard(DiscardTarget::All) => Plan::Local(LocalCommand::DiscardAll),
        Kind::Discard(DiscardTarget::Plans) => Plan::Local(LocalCommand::DiscardNothing("DISCARD PLANS")),
        Kind::Discard(DiscardTarget::Sequences) => Plan::Local(LocalCommand::DiscardNothing("DISCARD SEQUENCES")),
        Kind::Discard(DiscardTarget::Temp) => Plan::Local(LocalCommand::DiscardNothing("DISCARD TEMP")),
        Kind::Deallocate { name } => Plan::Local(LocalCommand::Deallocate(name.clone())),
        Kind::ResetAll => Plan::Local(LocalCommand::ResetAll),
        Kind::Unlisten { name: _ } => Plan::Local(LocalCommand::Unlisten),
        Kind::Select
        | Kind::Explain { .. }
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Reset { .. }
        | Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::ClosePortal { .. }
        | Kind::Prepare { .. }
        | Kind::Execute { .. } => Plan::Upstream,
    }
}

/// What a statement changes in the session.
#[must_use]
pub(super) fn effect(statement: &Statement) -> Effect {
    match &statement.kind {
        Kind::Set { name, .. } | Kind::Reset { name } if own::is_own(name) => Effect::None,
        Kind::Set { name, scope, value } => one_change(name, settings::right_side(value), *scope),
        Kind::Reset { name } => one_change(name, None, SetScope::Session),
        Kind::SetSessionCharacteristics(modes) => Effect::Set(characteristics(modes)),
        Kind::Commit { chain } => Effect::EndTransaction { commit: true, chain: *chain },
        Kind::Rollback { chain } => Effect::EndTransaction { commit: false, chain: *chain },
        Kind::Savepoint { name } => Effect::Savepoint(name.clone()),
        Kind::Release { name } => Effect::Release(name.clone()),
        Kind::RollbackTo { name } => Effect::RollbackTo(name.clone()),
        Kind::DeclareCursor { name, hold: true } => Effect::Hold(name.clone()),
        Kind::ClosePortal { name } => Effect::CloseCursor(name.clone()),
        Kind::Prepare { name, .. } => Effect::SqlPrepare(name.clone()),
        Kind::Select if !statement.uses.assignments.is_empty() => {
            Effect::Set(statement.uses.assignments.iter().map(assigned).collect())
        }
        Kind::Select
        | Kind::Explain { .. }
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::SetTransaction(_)
        | Kind::ResetAll
        | Kind::Begin { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::Execute { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => Effect::None,
    }
}

fn one_change(name: &str, value: Option<String>, scope: SetScope) -> Effect {
    Effect::Set(vec![Change::new(name, value, scope)])
}

fn assigned(assignment: &Assignment) -> Change {
    let Assignment { name, value, scope } = assignment;
    let change = |value| Change::new(name.as_str(), value, *scope);
    match value {
        Assigned::Default => change(None),
        Assigned::Text(text) => change(Some(settings::of_text(name, text))),
        Assigned::Parameter(number) => Change { parameter: Some(*number), ..change(None) },
    }
}

/// SET SESSION CHARACTERISTICS is a SET of the `default_transaction_…` settings.
fn characteristics(modes: &TransactionModes) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut change = |name: &str, value: &str| {
        changes.push(Change::new(name, Some(settings::quote_literal(value)), SetScope::Session));
    };
    if let Some(isolation) = modes.isolation {
        change("default_transaction_isolation", isolation_words(isolation));
    }
    if let Some(deferrable) = modes.deferrable {
        change("default_transaction_deferrable", if deferrable { "on" } else { "off" });
    }
    changes
}

/// The name in `EXECUTE name` and `EXPLAIN EXECUTE name`.
#[must_use]
pub(super) fn executes(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Execute { name } => Some(name),
        Kind::Explain { inner, .. } => executes(inner),
        Kind::Select
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Reset { .. }
        | Kind::ResetAll
        | Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::ClosePortal { .. }
        | Kind::Prepare { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => None,
    }
}

/// The cursor that a statement names.
#[must_use]
pub(super) fn cursor(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::DeclareCursor { name, .. } | Kind::Fetch { name, .. } => Some(name),
        Kind::ClosePortal { name } => name.as_deref(),
        Kind::Explain { .. }
        | Kind::Execute { .. }
        | Kind::Select
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Reset { .. }
        | Kind::ResetAll
        | Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::Prepare { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => None,
    }
}

/// Whether a kind is accepted in a failed transaction block.
#[must_use]
pub(super) fn ends_transaction(kind: &Kind) -> bool {
    matches!(kind, Kind::Commit { .. } | Kind::Rollback { .. } | Kind::RollbackTo { .. })
}

/// Whether a kind returns rows.
#[must_use]
pub(super) fn returns_rows(kind: &Kind) -> bool {
    match kind {
        Kind::Select
        | Kind::Explain { .. }
        | Kind::Show { .. }
        | Kind::Fetch { is_move: false, .. }
        | Kind::Execute { .. } => true,
        Kind::CopyToStdout
        | Kind::Fetch { is_move: true, .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Reset { .. }
        | Kind::ResetAll
        | Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::ClosePortal { .. }
        | Kind::Prepare { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => false,
    }
}

/// Whether a name on the upstream connection pays when the text comes again.
#[must_use]
pub(super) fn worth_keeping(kind: &Kind) -> bool {
    matches!(kind, Kind::Select | Kind::Show { .. } | Kind::Begin { .. } | Kind::Commit { .. } | Kind::Rollback { .. })
}

/// The text that goes upstream in place of the client's, where they differ: every BEGIN goes out READ ONLY (wall 5),
/// and RESET returns to what the client started with.
#[must_use]
pub(super) fn rewritten(kind: &Kind, startup: &Settings) -> Option<String> {
    match kind {
        Kind::Set { name, scope, value: SetValue::Default } => {
            startup.get(name).map(|value| restored(name, *scope, value))
        }
        Kind::Reset { name } => startup.get(name).map(|value| restored(name, SetScope::Session, value)),
        Kind::Begin { start, modes } => Some(begin(*start, modes)),
        Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Select
        | Kind::Explain { .. }
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::ResetAll
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::ClosePortal { .. }
        | Kind::Prepare { .. }
        | Kind::Execute { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => None,
    }
}

/// What a client's RESET returns to is its own start-up value, not the connection's.
fn restored(name: &str, scope: SetScope, value: &str) -> String {
    let local = if scope == SetScope::Local { "LOCAL " } else { "" };
    format!("SET {local}{} TO {value}", quote_setting(name))
}

/// The command tag of a statement in place of which another one runs, where the two differ.
#[must_use]
pub(super) fn own_tag(kind: &Kind, startup: &Settings) -> Option<&'static str> {
    if let Kind::Reset { name } = kind
        && startup.contains_key(name)
    {
        return Some("RESET");
    }
    None
}

fn begin(start: bool, modes: &TransactionModes) -> String {
    let mut sql = String::from(if start { "START TRANSACTION" } else { "BEGIN" });
    if let Some(isolation) = modes.isolation {
        sql.push_str(" ISOLATION LEVEL ");
        sql.push_str(&isolation_words(isolation).to_uppercase());
        sql.push(',');
    }
    sql.push_str(" READ ONLY");
    match modes.deferrable {
        Some(true) => sql.push_str(", DEFERRABLE"),
        Some(false) => sql.push_str(", NOT DEFERRABLE"),
        None => {}
    }
    sql
}

fn isolation_words(isolation: IsolationLevel) -> &'static str {
    match isolation {
        IsolationLevel::ReadUncommitted => "read uncommitted",
        IsolationLevel::ReadCommitted => "read committed",
        IsolationLevel::RepeatableRead => "repeatable read",
        IsolationLevel::Serializable => "serializable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_begin_goes_out_read_only() {
        let plain = TransactionModes::default();
        assert_eq!(begin(false, &plain), "BEGIN READ ONLY");
        let modes = TransactionModes {
            isolation: Some(IsolationLevel::Serializable),
            read_only: true,
            deferrable: Some(true),
            snapshot: None,
        };
        assert_eq!(begin(true, &modes), "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE");
    }
}
