//! A prepared statement as the session holds it: the text that goes upstream and how it is carried out.

mod key;
mod kind;
mod named;

use std::sync::Arc;

pub use key::StatementKey;
pub(super) use kind::{cursor, effect, ends_transaction, executes, may_be_repeated, plan, returns_rows, worth_keeping};

use super::Session;
use super::op::{Answer, Effect, Op, Undo};
use super::settings::{Settings, quote_setting};
use super::verdict::Reviewed;
use crate::policy::{Permitted, is_access_mode};
use crate::sql::{Access, IsolationLevel, Kind, SetScope, SetValue, TransactionModes};

/// A statement the client prepared, or one statement of a simple query.
#[derive(Debug)]
pub struct Prepared {
    /// The kind of connection that it was reviewed for; others do not take it.
    pub access: Access,
    /// It may be sent again where a connection broke before it answered: never so a write.
    pub may_be_repeated: bool,
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

    /// Whether something is true of what was permitted.
    fn any_permitted(&self, is: impl Fn(&Permitted) -> bool) -> bool {
        let permitted = self.reviewed.as_ref().and_then(|reviewed| reviewed.outcome.as_ref().ok());
        permitted.is_some_and(|all| all.iter().any(is))
    }

    /// It leaves random numbers in the session that can be foretold.
    #[must_use]
    pub(super) fn seeds(&self) -> bool {
        self.any_permitted(Permitted::seeds)
    }

    /// It shows what is prepared on its connection.
    #[must_use]
    pub(super) fn sees_statements(&self) -> bool {
        self.any_permitted(Permitted::sees_statements)
    }

    /// A query whose run changes nothing in the session, and whose names were resolved when it was bound.
    #[must_use]
    pub(super) fn is_plain_read(&self) -> bool {
        let permitted = self.reviewed.as_ref().and_then(|reviewed| reviewed.outcome.as_ref().ok());
        self.plan == Plan::Upstream
            && self.effect == Effect::None
            && permitted.is_some_and(|all| all.iter().all(|one| matches!(one.kind(), Kind::Select) && one.only_reads()))
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
    /// Nothing, under that tag: DISCARD of what a pooled connection does not hold for the client, RESET ROLE and its kin.
    Nothing(&'static str),
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

/// The text that goes upstream in place of the client's, where they differ: to a customer database every BEGIN goes out
/// READ ONLY (wall 5), READ WRITE does not in any spelling, whatever the policy let pass, and RESET returns to what the
/// client started with.
#[must_use]
pub(super) fn rewritten(kind: &Kind, access: Access, startup: &Settings) -> Option<String> {
    match kind {
        Kind::Set { name, scope, value: SetValue::Default } => {
            startup.get(name).map(|value| restored(name, *scope, value))
        }
        Kind::Reset { name } => startup.get(name).map(|value| restored(name, SetScope::Session, value)),
        Kind::Begin { start, modes } if access == Access::Read => Some(begin(*start, modes)),
        Kind::SetTransaction(asked) if access == Access::Read && asked.read_write.is_some() => {
            Some(format!("SET TRANSACTION{}", modes(asked)))
        }
        Kind::SetSessionCharacteristics(asked) if access == Access::Read && asked.read_write.is_some() => {
            Some(format!("SET SESSION CHARACTERISTICS AS TRANSACTION{}", modes(asked)))
        }
        Kind::Set { name, scope, value: SetValue::List(_) } if access == Access::Read && is_access_mode(name) => {
            Some(restored(name, *scope, "on"))
        }
        Kind::Begin { .. }
        | Kind::Modify { .. }
        | Kind::CopyFromStdin { .. }
        | Kind::Commit { .. }
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

fn begin(start: bool, asked: &TransactionModes) -> String {
    format!("{}{}", if start { "START TRANSACTION" } else { "BEGIN" }, modes(asked))
}

/// The modes of a transaction of a customer's route: READ ONLY, whatever was said.
fn modes(modes: &TransactionModes) -> String {
    let mut sql = String::new();
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

/// The schema of the views that COPY FROM STDIN goes through: PostgreSQL refuses it on a table with row-level security.
const COPY_SCHEMA: &str = "vitrine_copy";

/// The text of a COPY FROM STDIN with the view of the same name in place of the table; `base` is where the text begins
/// among the positions of the review.
pub(super) fn copying_into_view(text: &str, permitted: &Permitted, base: usize) -> Option<String> {
    let Kind::CopyFromStdin { target } = permitted.kind() else { return None };
    let uses = &permitted.statement().uses;
    let table = uses.writes.first().and_then(|write| uses.relations.get(write.relation))?;
    let (start, end) = (target.start.checked_sub(base)?, target.end.checked_sub(base)?);
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    Some(format!("{before}{COPY_SCHEMA}.\"{}\"{after}", table.name.replace('"', "\"\"")))
}

impl Session {
    /// Lets a name stand for another statement, or for none; returns the one before.
    pub(super) fn rename_statement(&mut self, name: &str, statement: Option<Arc<Prepared>>) -> Option<Arc<Prepared>> {
        if name.is_empty() {
            return std::mem::replace(&mut self.unnamed, statement);
        }
        self.named_bytes += statement.as_ref().map_or(0, |new| new.key.text.len());
        let before = match statement {
            Some(new) => self.named.insert(name.to_owned(), new),
            None => self.named.remove(name),
        };
        self.named_bytes = self.named_bytes.saturating_sub(before.as_ref().map_or(0, |old| old.key.text.len()));
        before
    }

    /// The same, as a step that is taken back when what was sent before it fails.
    pub(super) fn assign_statement(&mut self, name: &str, statement: Option<Arc<Prepared>>) {
        if name.is_empty() && statement.is_none() && self.unnamed.is_none() {
            return;
        }
        let before = self.rename_statement(name, statement);
        self.ops.push_back(Op::Undo(Undo::Statement { name: name.to_owned(), before }));
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
            read_write: Some(1),
            deferrable: Some(true),
            snapshot: None,
        };
        assert_eq!(begin(true, &modes), "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE");
        let sent = |kind: &Kind| rewritten(kind, Access::Read, &Settings::new());
        let set = sent(&Kind::SetTransaction(modes.clone()));
        assert_eq!(set.as_deref(), Some("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"));
        let only = TransactionModes { read_write: Some(9), ..TransactionModes::default() };
        let set = sent(&Kind::SetSessionCharacteristics(only.clone()));
        assert_eq!(set.as_deref(), Some("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"));
        assert_eq!(rewritten(&Kind::SetTransaction(only), Access::Store, &Settings::new()), None);
        for name in ["transaction_read_only", "default_transaction_read_only"] {
            let off = SetValue::List(vec!["off".to_owned()]);
            let set = Kind::Set { name: name.to_owned(), scope: SetScope::Local, value: off };
            assert_eq!(sent(&set), Some(format!("SET LOCAL \"{name}\" TO on")));
        }
    }
}
