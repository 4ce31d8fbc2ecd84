//! `vitrine check`: the verdict on a text, without a gateway. Offline against PostgreSQL's own objects, or against the
//! catalog of a live server.

mod jsonl;
mod report;

use std::sync::Arc;

use crate::catalog::{Catalog, builtin};
use crate::policy::{Permitted, Policy, Scope, review};
use crate::sql::{Access, Denial, Limits, read};

pub use jsonl::answer;
pub use report::{position, report};

/// What a text is reviewed against.
#[derive(Debug, Clone)]
pub struct Reviewer {
    pub catalog: Arc<Catalog>,
    pub policy: Policy,
    pub limits: Limits,
    /// As set; `$user` unexpanded.
    pub search_path: Vec<String>,
    pub role: String,
    pub database: String,
}

impl Reviewer {
    /// Against PostgreSQL's own objects; relations are taken as given.
    #[must_use]
    pub fn offline(policy: Policy) -> Self {
        Self {
            catalog: builtin(),
            policy,
            limits: Limits::default(),
            search_path: ["$user", "public"].map(str::to_owned).to_vec(),
            role: String::new(),
            database: String::new(),
        }
    }

    /// Reviews every statement of a text.
    #[must_use]
    pub fn verdict(&self, text: &str) -> Verdict {
        let statements = match read(text, &self.limits) {
            Ok(statements) => statements,
            Err(denial) => return Verdict { statements: 0, permitted: Vec::new(), denial: Some(denial) },
        };
        let scope = Scope {
            search_path: &self.search_path,
            role: &self.role,
            database: &self.database,
            access: Access::Read,
            parameter_types: &[],
        };
        let mut verdict = Verdict { statements: statements.len(), permitted: Vec::new(), denial: None };
        for statement in &statements {
            match review(statement, text, &self.catalog, &self.policy, &scope) {
                Ok(permitted) => verdict.permitted.push(permitted),
                Err(denial) => {
                    verdict.denial = Some(denial);
                    break;
                }
            }
        }
        verdict
    }
}

/// The verdict on a text: it passes when every statement does.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// How many statements were read; zero when reading failed.
    pub statements: usize,
    /// Those that pass, up to the first that does not.
    pub permitted: Vec<Permitted>,
    pub denial: Option<Denial>,
}

impl Verdict {
    /// Relations read by the statements that pass, each once.
    #[must_use]
    pub fn relations(&self) -> Vec<&str> {
        once(self.permitted.iter().flat_map(Permitted::relations))
    }

    /// Why the text is not answered from memory; `None` where it is, as far as the text alone tells.
    #[must_use]
    pub fn not_kept(&self) -> Option<String> {
        match self.permitted.as_slice() {
            [one] if self.denial.is_none() => crate::cache::refusal(one),
            _ => Some("kind".to_owned()),
        }
    }

    /// Functions called by the statements that pass, each once.
    #[must_use]
    pub fn functions(&self) -> Vec<&str> {
        once(self.permitted.iter().flat_map(Permitted::functions))
    }
}

fn once<'v>(names: impl Iterator<Item = &'v String>) -> Vec<&'v str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}
