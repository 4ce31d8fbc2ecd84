//! Portals: Describe, Execute and Close of them, and what an Execute changes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::dispatch::StatementKey;
use super::dispatch::is_server_name;
use super::op::{Answer, Bound, Change, Effect, Expect, Op, Undo};
use super::settings::{Ledger, quote_setting};
use super::statement::{LocalCommand, Plan, Prepared};
use super::verdict::{Reviewed, Verdicts};
use super::{Session, Stall, failure};
use crate::policy::Permitted;
use crate::sql::{Kind, SetScope};
use crate::wire::backend::{self, Report, TransactionStatus, put_command_complete};
use crate::wire::frontend::NO_VALUES_TEXT_RESULTS;
use crate::wire::sqlstate::SqlState;

impl Session {
    pub(super) fn bind_portal(&mut self, name: &str, statement: Arc<Prepared>) {
        let before = self.portals.insert(name.to_owned(), Bound { statement, batch: self.batch, ran: false });
        self.ops.push_back(Op::Undo(Undo::Portal { name: name.to_owned(), before }));
    }

    pub(super) fn assign_sql_prepared(&mut self, name: &str, reviewed: Option<Arc<Reviewed>>) {
        let before = match reviewed {
            Some(new) => self.sql_prepared.insert(name.to_owned(), new),
            None => self.sql_prepared.remove(name),
        };
        self.batch_changes = true;
        self.ops.push_back(Op::Undo(Undo::SqlPrepared { name: name.to_owned(), before }));
    }

    pub(super) fn describe_portal(&mut self, name: &str) {
        match self.portals.get(name).map(|bound| bound.statement.plan.clone()) {
            Some(Plan::Upstream) => {
                self.ops.push_back(Op::DescribePortal { portal: name.to_owned(), answer_no_data: true });
            }
            Some(Plan::Local(LocalCommand::ShowOwn(name))) => self.describe_own(name),
            Some(Plan::Empty | Plan::Local(_)) => self.local(backend::NO_DATA),
            // A cursor of DECLARE is a portal too.
            None if self.may_be_cursor(name) => {
                self.ops.push_back(Op::DescribePortal { portal: name.to_owned(), answer_no_data: true });
            }
            None => self.refuse(&failure::no_such_portal(name)),
        }
    }

    pub(super) fn execute(&mut self, name: &str, rows_max: i32, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let Some(bound) = self.portals.get(name).cloned() else {
            if self.may_be_cursor(name) {
                self.push_execute(name, rows_max, Effect::None, (0, Answer::Whole));
            } else {
                self.refuse(&failure::no_such_portal(name));
            }
            return Ok(());
        };
        let prepared = Arc::clone(&bound.statement);
        let body = match self.analysed_late(&prepared, verdicts)? {
            None => self.executed(&prepared, verdicts)?,
            late => late,
        };
        if !self.may_run(&prepared, body.as_ref()) {
            return Ok(());
        }
        match &prepared.plan {
            Plan::Upstream => {
                // The one row of `set_config` is made by the first Execute, whatever the others ask for.
                let effect = if bound.ran { Effect::None } else { prepared.effect.clone() };
                self.push_execute(name, rows_max, effect, (prepared.shift, prepared.answer()));
                self.note_sql_prepare(&prepared);
                self.note_run(name, bound);
                self.ends_block |= prepared.ends_transaction;
            }
            Plan::Empty => self.local(backend::EMPTY_QUERY),
            Plan::Local(command) => self.command(&command.clone(), false),
        }
        Ok(())
    }

    /// A portal that changes something does so once.
    fn note_run(&mut self, name: &str, bound: Bound) {
        if bound.ran || matches!(bound.statement.effect, Effect::None | Effect::Isolation(_)) {
            return;
        }
        self.portals.insert(name.to_owned(), Bound { ran: true, ..bound.clone() });
        self.ops.push_back(Op::Undo(Undo::Portal { name: name.to_owned(), before: Some(bound) }));
    }

    pub(super) fn close_portal(&mut self, name: &str) {
        let closed = self.portals.remove(name);
        if closed.is_some() {
            self.ops.push_back(Op::Undo(Undo::Portal { name: name.to_owned(), before: closed.clone() }));
        }
        match closed {
            Some(bound) if bound.statement.plan == Plan::Upstream => {
                self.ops.push_back(Op::ClosePortal { portal: name.to_owned() });
            }
            None if self.may_be_cursor(name) => self.ops.push_back(Op::ClosePortal { portal: name.to_owned() }),
            Some(_) | None => self.local(backend::CLOSE_COMPLETE),
        }
    }

    /// COPY, PREPARE and their like are analysed by PostgreSQL when they run, not when they are bound: their verdict
    /// under what is in force now, where it is another. `None` where the one at hand holds.
    fn analysed_late(&mut self, prepared: &Prepared, verdicts: &dyn Verdicts) -> Result<Option<Arc<Reviewed>>, Stall> {
        let Some(old) = &prepared.reviewed else { return Ok(None) };
        let mut kinds = old.outcome.iter().flat_map(|permitted| permitted.iter()).map(Permitted::kind);
        if old.scope == self.scope && verdicts.current(old) || !kinds.any(is_analysed_late) {
            return Ok(None);
        }
        self.verdict(&old.text, &old.parameter_types, verdicts).map(Some)
    }

    /// The verdict on what an EXECUTE runs, under what is in force now: PostgreSQL resolves its names again when the
    /// search_path moved. `None` for other statements, and for what this session has not PREPAREd.
    pub(super) fn executed(
        &mut self,
        prepared: &Prepared,
        verdicts: &dyn Verdicts,
    ) -> Result<Option<Arc<Reviewed>>, Stall> {
        let body = prepared.executes.as_ref().and_then(|name| self.sql_prepared.get(name)).cloned();
        body.map(|body| self.verdict(&body.text, &body.parameter_types, verdicts)).transpose()
    }

    /// EXECUTE must name what this session PREPAREd, and `body`, the verdict on it, must permit it where it was made
    /// by an earlier text. `false` when it was refused.
    pub(super) fn may_run(&mut self, prepared: &Prepared, body: Option<&Arc<Reviewed>>) -> bool {
        if let Some(name) = prepared.executes.as_ref().filter(|name| !self.sql_prepared.contains_key(*name)) {
            self.refuse(&failure::no_such_statement(name));
            return false;
        }
        if let Some(denied) = body.filter(|body| body.outcome.is_err()) {
            self.deny(denied);
            return false;
        }
        if let Effect::SqlPrepare(name) = &prepared.effect
            && is_server_name(name)
        {
            self.refuse(&failure::duplicate_statement(name));
            return false;
        }
        if let Some(name) = prepared.cursor.as_ref().filter(|name| self.is_kept_from_sql(name)) {
            self.refuse(&failure::not_a_cursor(name));
            return false;
        }
        true
    }

    /// Whether SQL may not touch a portal of the protocol: what runs in it must not run unseen. A plain read changes
    /// nothing, where it is certain that it is what PostgreSQL has under that name. asyncpg sends MOVE to its portals.
    fn is_kept_from_sql(&self, name: &str) -> bool {
        // What is outstanding of this very batch has succeeded when this runs; a batch before it may have failed.
        let certain = !self.expect.iter().any(|expect| matches!(expect, Expect::Ready))
            && !self.ops.iter().any(|op| matches!(op, Op::Sync));
        self.portals.get(name).is_some_and(|bound| !(certain && bound.statement.is_plain_read()))
    }

    /// PREPARE pins from the moment it is sent: a later EXECUTE in the same batch must find it. So do random numbers that
    /// follow from a seed, until the client leaves.
    pub(super) fn note_sql_prepare(&mut self, prepared: &Prepared) {
        self.seeded |= prepared.seeds();
        if let (Effect::SqlPrepare(name), Some(reviewed)) = (&prepared.effect, &prepared.reviewed) {
            // Not with what stood before it: an EXECUTE is reviewed under the path it runs under.
            self.assign_sql_prepared(name, Some(Arc::new(reviewed.on(&prepared.key.text))));
        }
    }

    fn push_execute(&mut self, portal: &str, rows_max: i32, effect: Effect, (shift, answer): (usize, Answer)) {
        self.foresee(&effect);
        self.note_copy(&effect);
        self.ops.push_back(Op::Execute { portal: portal.to_owned(), rows_max, effect, shift, answer });
    }

    /// Takes an effect into account for what is reviewed next, before PostgreSQL has confirmed it.
    pub(super) fn foresee(&mut self, effect: &Effect) {
        if matches!(effect, Effect::None | Effect::CopyIn | Effect::Isolation(_)) {
            return;
        }
        self.batch_changes = true;
        let before = self.ahead.clone();
        // COMMIT of a block that failed undoes it.
        let undone = Effect::EndTransaction { commit: false, chain: false };
        let fails = matches!(effect, Effect::EndTransaction { .. }) && self.status == TransactionStatus::Failed;
        apply(&mut self.ahead, if fails { &undone } else { effect });
        if self.ahead != before {
            self.rescope();
        }
    }

    /// A name that is no portal of the protocol may be one of DECLARE, which has a name.
    fn may_be_cursor(&self, name: &str) -> bool {
        !name.is_empty() && self.holds_cursors()
    }

    fn holds_cursors(&self) -> bool {
        self.status != TransactionStatus::Idle || self.batch_open || !self.held_cursors.is_empty() || !self.is_quiet()
    }

    /// A command about the session, answered here; `columns` describes its rows too.
    pub(super) fn command(&mut self, command: &LocalCommand, columns: bool) {
        if self.in_failed_block() {
            return self.refuse(&failure::in_failed_transaction());
        }
        match command {
            LocalCommand::DiscardAll => self.discard_all(),
            LocalCommand::Nothing(tag) => self.complete(tag),
            LocalCommand::Unlisten => self.complete("UNLISTEN"),
            LocalCommand::ResetAll => {
                self.reset_all();
                self.complete("RESET");
            }
            LocalCommand::Deallocate(Some(name)) => self.deallocate(name),
            LocalCommand::Deallocate(None) => self.deallocate_all(),
            LocalCommand::SetOwn { name, value, scope, tag } => self.set_own(name, value.as_deref(), (*scope, tag)),
            LocalCommand::ShowOwn(name) => self.show_own(name, columns),
        }
    }

    fn deallocate(&mut self, name: &str) {
        let (is_named, is_prepared) = (self.named.contains_key(name), self.sql_prepared.contains_key(name));
        if !is_named && !is_prepared {
            return self.refuse(&failure::no_such_statement(name));
        }
        if is_prepared {
            self.deallocate_upstream(name);
        }
        self.complete("DEALLOCATE");
        if is_named {
            self.assign_statement(name, None);
        }
    }

    fn deallocate_all(&mut self) {
        self.deallocate_silently();
        self.complete("DEALLOCATE ALL");
    }

    pub(super) fn deallocate_upstream(&mut self, name: &str) {
        self.run_own(&format!("DEALLOCATE {}", quote_name(name)), Effect::SqlPrepare(name.to_owned()));
        self.assign_sql_prepared(name, None);
    }

    fn discard_all(&mut self) {
        // What stands before it in its batch is one transaction with it.
        let alone = !self.batch_open
            && self.ops.iter().rev().take_while(|op| !matches!(op, Op::Sync)).all(|op| !op.needs_upstream());
        if self.status != TransactionStatus::Idle || !alone {
            let message = "DISCARD ALL cannot run inside a transaction block";
            self.refuse(&Report::error(SqlState::ACTIVE_SQL_TRANSACTION, message));
            return;
        }
        self.deallocate_silently();
        self.portals.clear();
        if !self.held_cursors.is_empty() {
            self.run_own("CLOSE ALL", Effect::CloseCursor(None));
        }
        self.reset_all();
        self.complete("DISCARD ALL");
    }

    fn deallocate_silently(&mut self) {
        let (named, unnamed) = (Arc::new(std::mem::take(&mut self.named)), self.unnamed.take());
        self.named_bytes = 0;
        self.ops.push_back(Op::Undo(Undo::Statements { named, unnamed }));
        let names: Vec<String> = self.sql_prepared.keys().cloned().collect();
        for name in names {
            self.deallocate_upstream(&name);
        }
    }

    /// RESET ALL, spelled out: the connection's own RESET ALL would also undo what the gateway set.
    fn reset_all(&mut self) {
        self.own.reset_all();
        let (now, then) = (self.ahead.effective(), Arc::clone(self.ahead.startup()));
        let mut changes: Vec<String> = Vec::new();
        for name in now.keys().chain(then.keys()) {
            if now.get(name) != then.get(name) && !changes.contains(name) {
                changes.push(name.clone());
            }
        }
        for name in &changes {
            let sql = match then.get(name) {
                Some(value) => format!("SET {} TO {value}", quote_setting(name)),
                None => format!("RESET {}", quote_setting(name)),
            };
            let change = Change::new(name.as_str(), None, SetScope::Session);
            self.run_own(&sql, Effect::Set(vec![change]));
        }
    }

    /// The gateway's own statement in the client's stream: its answers are kept from the client, its errors are not.
    pub(super) fn run_own(&mut self, sql: &str, effect: Effect) {
        let statement = Arc::new(Prepared {
            access: self.origin.seed.access,
            may_be_repeated: true,
            key: Arc::new(StatementKey::new(sql.into(), Arc::from([]), Arc::clone(&self.scope), 0)),
            plan: Plan::Upstream,
            effect: effect.clone(),
            shift: 0,
            ends_transaction: false,
            returns_rows: false,
            keep: false,
            reviewed: None,
            executes: None,
            cursor: None,
            tag: None,
            client_name: "".into(),
        });
        self.foresee(&effect);
        self.ops.push_back(Op::Bind {
            statement,
            portal: String::new(),
            values: Bytes::from_static(NO_VALUES_TEXT_RESULTS),
            answer: false,
        });
        self.ops.push_back(Op::Execute {
            portal: String::new(),
            rows_max: 0,
            effect,
            shift: 0,
            answer: Answer::Nothing,
        });
    }

    pub(super) fn complete(&mut self, tag: &str) {
        let mut bytes = BytesMut::new();
        put_command_complete(&mut bytes, tag);
        self.ops.push_back(Op::Local(bytes.freeze()));
    }
}

/// Whether PostgreSQL resolves the names of a statement when it runs.
fn is_analysed_late(kind: &Kind) -> bool {
    let copies = matches!(kind, Kind::CopyToStdout | Kind::CopyFromStdin { .. });
    copies || matches!(kind, Kind::Prepare { .. } | Kind::Explain { .. } | Kind::DeclareCursor { .. })
}

pub(super) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes an effect into a ledger.
pub(super) fn apply(ledger: &mut Ledger, effect: &Effect) {
    match effect {
        Effect::Set(changes) => {
            for change in changes {
                match change.value.as_deref() {
                    None if change.beyond_startup => ledger.unset(&change.name, change.scope),
                    value => ledger.set(&change.name, value, change.scope),
                }
            }
        }
        Effect::EndTransaction { commit: true, .. } => ledger.commit(),
        Effect::EndTransaction { commit: false, .. } => ledger.rollback(),
        Effect::Savepoint(name) => ledger.savepoint(name),
        Effect::Release(name) => ledger.release(name),
        Effect::RollbackTo(name) => ledger.rollback_to(name),
        Effect::None
        | Effect::CopyIn
        | Effect::Isolation(_)
        | Effect::Hold(_)
        | Effect::CloseCursor(_)
        | Effect::SqlPrepare(_) => {}
    }
}
