//! Simple queries: every statement goes upstream as one Parse (wall 3), all before one Sync, so that several statements
//! keep their one implicit transaction.

mod numbers;

use std::sync::Arc;

use bytes::Bytes;

use super::op::{Effect, Op};
use super::statement::{Plan, Prepared};
use super::verdict::{Reviewed, Verdicts};
use super::{Session, Stall, UpstreamFault, failure};
use crate::policy::Permitted;
use crate::sql::{Access, Kind, SetScope};
use crate::wire::backend::{self, Report, TransactionStatus};
use crate::wire::frontend::NO_VALUES_TEXT_RESULTS;

/// A block that the gateway opens around the statements of one simple query, where PostgreSQL has an implicit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnBlock {
    None,
    Open,
    /// It failed, and is rolled back before the client is told.
    Ending,
}

impl Session {
    pub(super) fn query(&mut self, sql: &str, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let reviewed = self.verdict(sql, &[], verdicts)?;
        if let Some((like, values)) = self.with_numbers_bound(sql, &reviewed, verdicts)? {
            self.query_with(&like, values);
            return Ok(());
        }
        let permitted = reviewed.outcome.as_deref().unwrap_or_default();
        // Only what an EXECUTE runs can still want a verdict: that is asked for before anything is queued.
        let mut statements = Vec::with_capacity(permitted.len());
        let mut unknown = Vec::new();
        for one in permitted {
            let prepared = Arc::new(self.prepare(&reviewed, one, ""));
            unknown.extend(self.made_known(&prepared, verdicts)?);
            let body = self.executed(&prepared, verdicts)?;
            statements.push((prepared, body));
        }
        let wants_block = reviewed.outcome.as_ref().is_ok_and(|permitted| wants_block(permitted));
        if wants_block && !self.is_quiet() {
            // Whether a block is open already is not known yet.
            self.hold_query(sql);
            return Ok(());
        }
        // As in PostgreSQL, a simple query destroys the unnamed statement and the unnamed portal.
        self.assign_statement("", None);
        self.portals.remove("");
        if !self.in_failed_block() && !unknown.iter().all(|reviewed| self.make_known(reviewed)) {
            self.sync();
            return Ok(());
        }
        match &reviewed.outcome {
            Ok(permitted) if permitted.is_empty() => self.local(backend::EMPTY_QUERY),
            Ok(permitted) if wants_block && self.status == TransactionStatus::Idle => {
                let begin = if self.origin.seed.access == Access::Read { "BEGIN READ ONLY" } else { "BEGIN" };
                self.run_own(begin, Effect::None);
                self.run_all(statements, permitted);
                if !self.skipping {
                    self.run_own("COMMIT", Effect::None);
                }
                self.own_block = OwnBlock::Open;
            }
            Ok(permitted) => self.run_all(statements, permitted),
            Err(_) => self.deny(&reviewed),
        }
        self.sync();
        Ok(())
    }

    /// The same, of the one statement that runs in place of a text, with values.
    fn query_with(&mut self, like: &Arc<Reviewed>, values: Bytes) {
        self.assign_statement("", None);
        self.portals.remove("");
        match like.outcome.as_deref() {
            Ok([one]) if !self.in_failed_block() => {
                let prepared = Arc::new(self.prepare(like, one, ""));
                self.run_one(prepared, values);
            }
            Ok(_) => self.refuse(&failure::in_failed_transaction()),
            Err(_) => self.deny(like),
        }
        self.sync();
    }

    /// A ReadyForQuery has come: whether it is the client's.
    pub(super) fn end_own_block(&mut self, status: TransactionStatus) -> Result<bool, UpstreamFault> {
        match self.own_block {
            OwnBlock::None => {}
            OwnBlock::Open | OwnBlock::Ending if status == TransactionStatus::Idle => self.own_block = OwnBlock::None,
            OwnBlock::Open => {
                self.own_block = OwnBlock::Ending;
                self.run_own("ROLLBACK", Effect::None);
                self.ops.push_back(Op::Sync);
                return Ok(false);
            }
            OwnBlock::Ending => return Err(UpstreamFault::OutOfPlace(b'Z')),
        }
        Ok(true)
    }

    fn run_all(&mut self, statements: Vec<(Arc<Prepared>, Option<Arc<Reviewed>>)>, permitted: &[Permitted]) {
        let scope = Arc::clone(&self.scope);
        let (mut moved, mut moved_back) = (false, false);
        for ((prepared, body), permitted) in statements.into_iter().zip(permitted) {
            if self.in_failed_block() && !prepared.ends_transaction {
                self.refuse(&failure::in_failed_transaction());
            } else if let Some(report) = unbound(&prepared, permitted) {
                self.refuse(&report);
            } else if prepared.executes.as_ref().is_some_and(|name| self.sql_prepared.contains_key(name)) && moved {
                // What it runs was not reviewed under what this very text has set, even if it has set it back.
                self.refuse(&failure::execute_after_set());
            } else if moved_back {
                self.refuse(&failure::after_path_moved_back());
            } else if self.may_run(&prepared, body.as_ref()) {
                let (before, ends) = (Arc::clone(&self.scope), may_move_back(permitted.kind()));
                let prepared = self.ending(prepared);
                self.run_one(prepared, Bytes::from_static(NO_VALUES_TEXT_RESULTS));
                // The text was reviewed as if its path stayed.
                moved_back |= ends && self.scope.search_path() != before.search_path();
                moved |= self.scope != scope;
            }
            if self.skipping {
                break;
            }
        }
    }

    fn run_one(&mut self, prepared: Arc<Prepared>, values: Bytes) {
        match &prepared.plan {
            Plan::Empty => self.local(backend::EMPTY_QUERY),
            Plan::Local(command) => self.command(&command.clone(), true),
            Plan::Upstream => {
                self.own_up(&prepared);
                self.foresee(&prepared.effect);
                self.note_copy(&prepared.effect);
                let portal = String::new;
                self.ops.push_back(Op::Bind {
                    statement: Arc::clone(&prepared),
                    portal: portal(),
                    values,
                    answer: false,
                });
                if prepared.returns_rows {
                    self.ops.push_back(Op::DescribePortal { portal: portal(), answer_no_data: false });
                }
                self.ops.push_back(Op::Execute {
                    portal: portal(),
                    rows_max: 0,
                    effect: prepared.effect.clone(),
                    shift: prepared.shift,
                    answer: prepared.answer(),
                });
                self.note_sql_prepare(&prepared);
                self.ends_block |= prepared.ends_transaction;
            }
        }
    }
}

/// Whether PostgreSQL would miss the implicit block that it makes of several statements in one simple query: as several
/// Parse, they are one transaction all the same, but (before version 18) not one in which this may be said.
fn wants_block(permitted: &[Permitted]) -> bool {
    let is_block_s = |kind: &Kind| {
        matches!(
            kind,
            Kind::DeclareCursor { hold: false, .. }
                | Kind::Set { scope: SetScope::Local, .. }
                | Kind::SetTransaction(_)
        )
    };
    let is_control = |kind: &Kind| {
        matches!(
            kind,
            Kind::Begin { .. }
                | Kind::Commit { .. }
                | Kind::Rollback { .. }
                | Kind::Savepoint { .. }
                | Kind::Release { .. }
                | Kind::RollbackTo { .. }
        )
    };
    let mut kinds = permitted.iter().map(Permitted::kind);
    permitted.len() > 1 && kinds.clone().any(is_block_s) && !kinds.any(is_control)
}

/// Ends what SET began, so that the path may be what it was before: nothing that the text itself tells. (RESET ALL it
/// does tell, and the review follows it.)
fn may_move_back(kind: &Kind) -> bool {
    matches!(kind, Kind::Commit { .. } | Kind::Rollback { .. } | Kind::RollbackTo { .. })
}

/// `$1` where nothing can bind it; PREPARE alone has parameters of its own.
fn unbound(prepared: &Prepared, permitted: &Permitted) -> Option<Report> {
    let statement = permitted.statement();
    let binds = matches!(statement.kind, Kind::Prepare { .. });
    let reviewed = prepared.reviewed.as_ref().filter(|_| statement.uses.parameter_max > 0 && !binds)?;
    Some(failure::no_parameter(&reviewed.text, statement.uses.parameter_position))
}
