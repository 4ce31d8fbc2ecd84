//! Portals: Describe, Execute and Close of them, and what an Execute changes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::op::{Change, Effect, Op};
use super::settings::{Ledger, quote_setting};
use super::statement::{LocalCommand, Plan, Prepared, StatementKey};
use super::verdict::Verdicts;
use super::{Session, Stall, failure};
use crate::sql::SetScope;
use crate::wire::backend::{self, Report, TransactionStatus, put_command_complete};
use crate::wire::frontend::NO_VALUES_TEXT_RESULTS;
use crate::wire::sqlstate::SqlState;

impl Session {
    pub(super) fn describe_portal(&mut self, name: &str) {
        match self.portals.get(name).map(|prepared| prepared.plan.clone()) {
            Some(Plan::Upstream) => {
                self.ops.push_back(Op::DescribePortal { portal: name.to_owned(), answer_no_data: true });
            }
            Some(Plan::Empty | Plan::Local(_)) => self.local(backend::NO_DATA),
            // A cursor of DECLARE is a portal too.
            None if self.holds_cursors() => {
                self.ops.push_back(Op::DescribePortal { portal: name.to_owned(), answer_no_data: true });
            }
            None => self.refuse(&failure::no_such_portal(name)),
        }
    }

    pub(super) fn execute(&mut self, name: &str, rows_max: i32, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let Some(prepared) = self.portals.get(name).cloned() else {
            if self.holds_cursors() {
                self.push_execute(name, rows_max, Effect::None, 0);
            } else {
                self.refuse(&failure::no_such_portal(name));
            }
            return Ok(());
        };
        if !self.may_execute(&prepared, verdicts)? {
            return Ok(());
        }
        match &prepared.plan {
            Plan::Upstream => {
                self.note_sql_prepare(&prepared);
                self.push_execute(name, rows_max, prepared.effect.clone(), prepared.shift);
            }
            Plan::Empty => self.local(backend::EMPTY_QUERY),
            Plan::Local(command) => self.command(&command.clone()),
        }
        Ok(())
    }

    pub(super) fn close_portal(&mut self, name: &str) {
        match self.portals.remove(name) {
            Some(prepared) if prepared.plan == Plan::Upstream => {
                self.ops.push_back(Op::ClosePortal { portal: name.to_owned() });
            }
            None if self.holds_cursors() => self.ops.push_back(Op::ClosePortal { portal: name.to_owned() }),
            Some(_) | None => self.local(backend::CLOSE_COMPLETE),
        }
    }

    /// EXECUTE must name what this session PREPAREd, and what it PREPAREd must still be permitted: PostgreSQL
    /// resolves its names again when the search_path moved. `false` when it was refused.
    pub(super) fn may_execute(&mut self, prepared: &Prepared, verdicts: &dyn Verdicts) -> Result<bool, Stall> {
        let Some(name) = &prepared.executes else { return Ok(true) };
        let Some(body) = self.sql_prepared.get(name).cloned() else {
            self.refuse(&failure::no_such_statement(name).hint("EXECUTE runs what PREPARE made in this session."));
            return Ok(false);
        };
        let reviewed = self.verdict(&body.text, &body.parameter_types, verdicts)?;
        if reviewed.outcome.is_err() {
            self.deny(&reviewed);
            return Ok(false);
        }
        Ok(true)
    }

    /// PREPARE pins from the moment it is sent: a later EXECUTE in the same batch must find it.
    pub(super) fn note_sql_prepare(&mut self, prepared: &Prepared) {
        if let (Effect::SqlPrepare(name), Some(reviewed)) = (&prepared.effect, &prepared.reviewed) {
            self.sql_prepared.entry(name.clone()).or_insert_with(|| Arc::clone(reviewed));
        }
    }

    fn push_execute(&mut self, portal: &str, rows_max: i32, effect: Effect, shift: usize) {
        self.foresee(&effect);
        self.ops.push_back(Op::Execute { portal: portal.to_owned(), rows_max, effect, shift, answer: true });
    }

    /// Takes an effect into account for what is reviewed next, before PostgreSQL has confirmed it.
    pub(super) fn foresee(&mut self, effect: &Effect) {
        if *effect == Effect::None {
            return;
        }
        self.batch_changes = true;
        let before = self.ahead.clone();
        apply(&mut self.ahead, effect);
        if self.ahead != before {
            self.rescope();
        }
    }

    fn holds_cursors(&self) -> bool {
        self.status != TransactionStatus::Idle || !self.held_cursors.is_empty() || !self.is_quiet()
    }

    /// A command about the session, answered here.
    pub(super) fn command(&mut self, command: &LocalCommand) {
        match command {
            LocalCommand::DiscardAll => self.discard_all(),
            LocalCommand::DiscardNothing(tag) => self.complete(tag),
            LocalCommand::Unlisten => self.complete("UNLISTEN"),
            LocalCommand::ResetAll => {
                self.reset_all();
                self.complete("RESET");
            }
            LocalCommand::Deallocate(Some(name)) => self.deallocate(name),
            LocalCommand::Deallocate(None) => self.deallocate_all(),
        }
    }

    fn deallocate(&mut self, name: &str) {
        if self.named.contains_key(name) {
            self.forget_statement(name);
            self.complete("DEALLOCATE");
        } else if self.sql_prepared.contains_key(name) {
            self.run_own(&format!("DEALLOCATE {}", quote_name(name)), Effect::SqlDeallocate(name.to_owned()));
            self.complete("DEALLOCATE");
        } else {
            self.refuse(&failure::no_such_statement(name));
        }
    }

    fn deallocate_all(&mut self) {
        self.named.clear();
        self.named_bytes = 0;
        self.unnamed = None;
        let names: Vec<String> = self.sql_prepared.keys().cloned().collect();
        for name in names {
            self.run_own(&format!("DEALLOCATE {}", quote_name(&name)), Effect::SqlDeallocate(name));
        }
        self.complete("DEALLOCATE ALL");
    }

    fn discard_all(&mut self) {
        if self.status != TransactionStatus::Idle {
            let message = "DISCARD ALL cannot run inside a transaction block";
            self.refuse(&Report::error(SqlState::ACTIVE_SQL_TRANSACTION, message));
            return;
        }
        self.deallocate_silently();
        self.reset_all();
        self.complete("DISCARD ALL");
    }

    fn deallocate_silently(&mut self) {
        self.named.clear();
        self.named_bytes = 0;
        self.unnamed = None;
        self.portals.clear();
        let names: Vec<String> = self.sql_prepared.keys().cloned().collect();
        for name in names {
            self.run_own(&format!("DEALLOCATE {}", quote_name(&name)), Effect::SqlDeallocate(name));
        }
        if !self.held_cursors.is_empty() {
            self.run_own("CLOSE ALL", Effect::CloseCursor(None));
        }
    }

    /// RESET ALL, spelled out: the connection's own RESET ALL would also undo what the gateway set.
    fn reset_all(&mut self) {
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
    fn run_own(&mut self, sql: &str, effect: Effect) {
        let statement = Arc::new(Prepared {
            key: Arc::new(StatementKey {
                text: sql.into(),
                parameter_types: Arc::from([]),
                scope: Arc::clone(&self.scope),
                catalog_version: 0,
            }),
            plan: Plan::Upstream,
            effect: effect.clone(),
            shift: 0,
            ends_transaction: false,
            returns_rows: false,
            keep: false,
            reviewed: None,
            executes: None,
        });
        self.foresee(&effect);
        self.ops.push_back(Op::Bind {
            statement,
            portal: String::new(),
            values: Bytes::from_static(NO_VALUES_TEXT_RESULTS),
            answer: false,
        });
        self.ops.push_back(Op::Execute { portal: String::new(), rows_max: 0, effect, shift: 0, answer: false });
    }

    pub(super) fn complete(&mut self, tag: &str) {
        let mut bytes = BytesMut::new();
        put_command_complete(&mut bytes, tag);
        self.ops.push_back(Op::Local(bytes.freeze()));
    }
}

fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes an effect into a ledger.
pub(super) fn apply(ledger: &mut Ledger, effect: &Effect) {
    match effect {
        Effect::Set(changes) => {
            for change in changes {
                ledger.set(&change.name, change.value.as_deref(), change.scope);
            }
        }
        Effect::EndTransaction { commit: true, .. } => ledger.commit(),
        Effect::EndTransaction { commit: false, .. } => ledger.rollback(),
        Effect::Savepoint(name) => ledger.savepoint(name),
        Effect::Release(name) => ledger.release(name),
        Effect::RollbackTo(name) => ledger.rollback_to(name),
        Effect::None | Effect::Hold(_) | Effect::CloseCursor(_) | Effect::SqlPrepare(_) | Effect::SqlDeallocate(_) => {}
    }
}
