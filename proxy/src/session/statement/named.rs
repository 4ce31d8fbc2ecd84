//! The names that a client gives to statements.

use std::sync::Arc;

use bytes::Bytes;

use super::{Plan, Prepared};
use crate::session::op::{Answer, Op};
use crate::session::portal::quote_name;
use crate::session::verdict::{Reviewed, Verdicts};
use crate::session::{Session, Stall};
use crate::wire::backend;
use crate::wire::frontend::NO_VALUES_TEXT_RESULTS;

impl Session {
    pub(in crate::session) fn statement(&self, name: &str) -> Option<Arc<Prepared>> {
        if name.is_empty() { self.unnamed.clone() } else { self.named.get(name).cloned() }
    }

    pub(in crate::session) fn remember_statement(&mut self, name: &str, prepared: Arc<Prepared>) {
        match prepared.plan {
            Plan::Upstream => self.ops.push_back(Op::Parse { statement: Arc::clone(&prepared), answer: true }),
            Plan::Empty | Plan::Local(_) => self.local(backend::PARSE_COMPLETE),
        }
        self.assign_statement(name, Some(prepared));
    }

    /// EXECUTE, or EXPLAIN EXECUTE, of a statement that came by Parse: PostgreSQL has one kind, and sqlx explains what it
    /// prepared. The verdict on the PREPARE that makes it known to SQL by its name; `None` where there is none to make.
    pub(in crate::session) fn made_known(
        &mut self,
        prepared: &Prepared,
        verdicts: &dyn Verdicts,
    ) -> Result<Option<Arc<Reviewed>>, Stall> {
        let Some(name) = prepared.executes.as_ref().filter(|name| !self.sql_prepared.contains_key(*name)) else {
            return Ok(None);
        };
        // Types are declared by number, and PREPARE takes names.
        let untyped = |named: &&Arc<Prepared>| named.key.parameter_types.iter().all(|oid| *oid == 0);
        let Some(named) = self.named.get(name).filter(|named| named.is_plain_read()).filter(untyped) else {
            return Ok(None);
        };
        let text = format!("PREPARE {} AS {}", quote_name(name), named.key.text);
        self.verdict(&text, &[], verdicts).map(Some)
    }

    /// Queues that PREPARE, whose answer is kept from the client. The connection stays with the client from here on.
    /// `false` where it is refused.
    pub(in crate::session) fn make_known(&mut self, reviewed: &Arc<Reviewed>) -> bool {
        let [one] = reviewed.outcome.as_deref().unwrap_or_default() else {
            self.deny(reviewed);
            return false;
        };
        let prepared = Arc::new(self.prepare(reviewed, one, ""));
        let effect = prepared.effect.clone();
        self.foresee(&effect);
        self.ops.push_back(Op::Bind {
            statement: Arc::clone(&prepared),
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
        self.note_sql_prepare(&prepared);
        true
    }
}
