//! Simple queries: every statement goes upstream as one Parse (wall 3), all before one Sync, so that several statements
//! keep their one implicit transaction.

use std::sync::Arc;

use bytes::Bytes;

use super::op::Op;
use super::statement::{Plan, Prepared};
use super::verdict::Verdicts;
use super::{Session, Stall, failure};
use crate::wire::backend;
use crate::wire::frontend::NO_VALUES_TEXT_RESULTS;

impl Session {
    pub(super) fn query(&mut self, sql: &str, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let reviewed = self.verdict(sql, &[], verdicts)?;
        // As in PostgreSQL, a simple query destroys the unnamed statement and the unnamed portal.
        self.unnamed = None;
        self.portals.remove("");
        let permitted = match &reviewed.outcome {
            Ok(permitted) => permitted,
            Err(_) => {
                self.deny(&reviewed);
                self.sync();
                return Ok(());
            }
        };
        if permitted.is_empty() {
            self.local(backend::EMPTY_QUERY);
            self.sync();
            return Ok(());
        }
        if let Some(uses) = permitted.iter().map(|one| &one.statement().uses).find(|uses| uses.parameter_max > 0) {
            self.refuse_at_once(&failure::no_parameter(sql, uses.parameter_position));
            return Ok(());
        }
        let statements: Vec<Prepared> = permitted.iter().map(|one| self.prepare(&reviewed, one, "")).collect();
        self.run_all(statements, verdicts)
    }

    fn run_all(&mut self, statements: Vec<Prepared>, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        // What PREPARE in this very text makes is reviewed with the text; only older ones can stall, and they do so
        // before anything was queued.
        for prepared in &statements {
            let fresh = statements.iter().any(|other| prepares(other, prepared));
            if !fresh && !self.may_execute(prepared, verdicts)? {
                self.sync();
                return Ok(());
            }
        }
        for prepared in statements {
            if self.failed_here && !prepared.ends_transaction {
                self.refuse(&failure::in_failed_transaction());
                break;
            }
            let prepared = self.ending(Arc::new(prepared));
            let ends = prepared.ends_transaction;
            self.run_one(prepared);
            if ends {
                self.failed_here = false;
            }
            if self.skipping {
                break;
            }
        }
        self.sync();
        Ok(())
    }

    fn run_one(&mut self, prepared: Arc<Prepared>) {
        match &prepared.plan {
            Plan::Empty => self.local(backend::EMPTY_QUERY),
            Plan::Local(command) => self.command(&command.clone()),
            Plan::Upstream => {
                self.note_sql_prepare(&prepared);
                self.foresee(&prepared.effect);
                let portal = String::new;
                self.ops.push_back(Op::Bind {
                    statement: Arc::clone(&prepared),
                    portal: portal(),
                    values: Bytes::from_static(NO_VALUES_TEXT_RESULTS),
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
                    answer: true,
                });
            }
        }
    }
}

fn prepares(other: &Prepared, user: &Prepared) -> bool {
    matches!((&other.effect, &user.executes), (super::Effect::SqlPrepare(made), Some(used)) if made == used)
}
