//! The names that a client gives to statements.

use std::sync::Arc;

use super::{Plan, Prepared};
use crate::session::Session;
use crate::session::op::Op;
use crate::wire::backend;

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
}
