//! What each kind of statement means to the session: who carries it out, what it changes, what it returns.

use super::{LocalCommand, Plan};
use crate::policy::{Permitted, is_access_mode, is_identity};
use crate::session::memory::own;
use crate::session::op::{Change, Effect, Isolation};
use crate::session::settings;
use crate::sql::{
    Access, Assigned, Assignment, DiscardTarget, IsolationLevel, Kind, SetScope, SetValue, TransactionModes, Uses,
};

/// Who carries a kind out.
#[must_use]
pub(in crate::session) fn plan(kind: &Kind) -> Plan {
    match kind {
        Kind::Discard(DiscardTarget::All) => Plan::Local(LocalCommand::DiscardAll),
        Kind::Discard(DiscardTarget::Plans) => Plan::Local(LocalCommand::Nothing("DISCARD PLANS")),
        Kind::Discard(DiscardTarget::Sequences) => Plan::Local(LocalCommand::Nothing("DISCARD SEQUENCES")),
        Kind::Discard(DiscardTarget::Temp) => Plan::Local(LocalCommand::Nothing("DISCARD TEMP")),
        // Only the way back passes the policy. It never goes upstream, where it could lead to another role.
        Kind::Set { name, .. } if is_identity(name) => Plan::Local(LocalCommand::Nothing("SET")),
        Kind::Reset { name } if is_identity(name) => Plan::Local(LocalCommand::Nothing("RESET")),
        Kind::Deallocate { name } => Plan::Local(LocalCommand::Deallocate(name.clone())),
        Kind::ResetAll => Plan::Local(LocalCommand::ResetAll),
        Kind::Unlisten { name: _ } => Plan::Local(LocalCommand::Unlisten),
        Kind::Select
        | Kind::Modify { .. }
        | Kind::CopyFromStdin { .. }
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
pub(in crate::session) fn effect(kind: &Kind, uses: &Uses, access: Access) -> Effect {
    match kind {
        Kind::Set { name, .. } | Kind::Reset { name } if own::is_own(name) || is_identity(name) => Effect::None,
        // It is on already, and stays on: see `rewritten`.
        Kind::Set { name, value: SetValue::List(_), .. } if access == Access::Read && is_access_mode(name) => {
            Effect::None
        }
        Kind::Set { name, scope, value } => one_change(name, settings::right_side(value), *scope),
        Kind::Reset { name } => one_change(name, None, SetScope::Session),
        Kind::SetSessionCharacteristics(modes) => Effect::Set(characteristics(modes, access)),
        Kind::Commit { chain } => Effect::EndTransaction { commit: true, chain: *chain },
        Kind::Rollback { chain } => Effect::EndTransaction { commit: false, chain: *chain },
        Kind::Savepoint { name } => Effect::Savepoint(name.clone()),
        Kind::Release { name } => Effect::Release(name.clone()),
        Kind::RollbackTo { name } => Effect::RollbackTo(name.clone()),
        Kind::DeclareCursor { name, hold: true } => Effect::Hold(name.clone()),
        Kind::ClosePortal { name } => Effect::CloseCursor(name.clone()),
        Kind::Prepare { name, .. } => Effect::SqlPrepare(name.clone()),
        Kind::Select if !uses.assignments.is_empty() => Effect::Set(uses.assignments.iter().map(assigned).collect()),
        Kind::CopyFromStdin { .. } => Effect::CopyIn,
        Kind::Begin { modes, .. } | Kind::SetTransaction(modes) => Effect::Isolation(isolation(modes, access)),
        Kind::Select
        | Kind::Modify { .. }
        | Kind::Explain { .. }
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::ResetAll
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::Execute { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => Effect::None,
    }
}

/// READ UNCOMMITTED is READ COMMITTED to PostgreSQL.
fn isolation(modes: &TransactionModes, access: Access) -> Isolation {
    match modes.isolation {
        _ if modes.snapshot.is_some() => Isolation::Other,
        // Elsewhere the words have no meaning.
        _ if modes.read_write.is_some() && access == Access::Store => Isolation::Other,
        Some(IsolationLevel::ReadUncommitted | IsolationLevel::ReadCommitted) => Isolation::ReadCommitted,
        Some(IsolationLevel::RepeatableRead | IsolationLevel::Serializable) => Isolation::Other,
        None => Isolation::Unsaid,
    }
}

fn one_change(name: &str, value: Option<String>, scope: SetScope) -> Effect {
    Effect::Set(vec![Change::new(name, value, scope)])
}

fn assigned(assignment: &Assignment) -> Change {
    let Assignment { name, value, scope } = assignment;
    let change = |value| Change::new(name.as_str(), value, *scope);
    match value {
        Assigned::Default => Change { beyond_startup: true, ..change(None) },
        Assigned::Text(text) => change(Some(settings::of_text(name, text))),
        Assigned::Parameter(number) => Change { parameter: Some(*number), ..change(None) },
    }
}

/// SET SESSION CHARACTERISTICS is a SET of the `default_transaction_…` settings.
fn characteristics(modes: &TransactionModes, access: Access) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut change = |name: &str, value: &str| {
        changes.push(Change::new(name, Some(settings::quote_literal(value)), SetScope::Session));
    };
    if let Some(isolation) = modes.isolation {
        change("default_transaction_isolation", super::isolation_words(isolation));
    }
    // Everywhere else transactions are read-only, whatever is said.
    if access == Access::Store && (modes.read_only || modes.read_write.is_some()) {
        change("default_transaction_read_only", if modes.read_only { "on" } else { "off" });
    }
    if let Some(deferrable) = modes.deferrable {
        change("default_transaction_deferrable", if deferrable { "on" } else { "off" });
    }
    changes
}

/// The name in `EXECUTE name` and `EXPLAIN EXECUTE name`.
#[must_use]
pub(in crate::session) fn executes(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Execute { name } => Some(name),
        Kind::Explain { inner, .. } => executes(inner),
        Kind::Select
        | Kind::Modify { .. }
        | Kind::CopyFromStdin { .. }
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
pub(in crate::session) fn cursor(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::DeclareCursor { name, .. } | Kind::Fetch { name, .. } => Some(name),
        Kind::ClosePortal { name } => name.as_deref(),
        Kind::Explain { .. }
        | Kind::Execute { .. }
        | Kind::Modify { .. }
        | Kind::CopyFromStdin { .. }
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
pub(in crate::session) fn ends_transaction(kind: &Kind) -> bool {
    matches!(kind, Kind::Commit { .. } | Kind::Rollback { .. } | Kind::RollbackTo { .. })
}

/// Whether a kind returns rows.
#[must_use]
pub(in crate::session) fn returns_rows(kind: &Kind) -> bool {
    match kind {
        Kind::Select
        | Kind::Modify { returning: true, .. }
        | Kind::Explain { .. }
        | Kind::Show { .. }
        | Kind::Fetch { is_move: false, .. }
        | Kind::Execute { .. } => true,
        Kind::Modify { returning: false, .. }
        | Kind::CopyFromStdin { .. }
        | Kind::CopyToStdout
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
pub(in crate::session) fn worth_keeping(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Select
            | Kind::Modify { .. }
            | Kind::Show { .. }
            | Kind::Begin { .. }
            | Kind::Commit { .. }
            | Kind::Rollback { .. }
    )
}

/// Whether a statement may be sent a second time when nobody knows what became of the first.
pub(in crate::session) fn may_be_repeated(permitted: &Permitted) -> bool {
    let is_known = match permitted.kind() {
        Kind::Modify { .. } | Kind::CopyFromStdin { .. } | Kind::Execute { .. } | Kind::Commit { .. } => false,
        Kind::Explain { inner, .. } => **inner == Kind::Select,
        Kind::Select
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Reset { .. }
        | Kind::ResetAll
        | Kind::Begin { .. }
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
        | Kind::Unlisten { .. } => true,
    };
    permitted.access() == Access::Read || (is_known && permitted.only_reads())
}
