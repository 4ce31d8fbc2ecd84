//! A whole text under review: read by both readers, then statement by statement by the policy.

use super::scope::{SettingsScope, split_names};
use super::verdict::Asked;
use crate::catalog::Catalog;
use crate::policy::{self, Permitted, Policy, Scope};
use crate::sql::{self, Assigned, Denial, Kind, Rule, SetValue, Statement};
use crate::wire::sqlstate::SqlState;

/// What a text is reviewed with.
#[derive(Debug, Clone, Copy)]
pub struct Rulebook<'a> {
    /// Bounds of the readers.
    pub limits: &'a sql::Limits,
    /// The customer's catalog.
    pub catalog: &'a Catalog,
    /// The reviewer's word.
    pub policy: &'a Policy,
    /// What RESET search_path returns to, in the spelling of SHOW.
    pub default_path: &'a str,
}

/// Reviews every statement of a text, each under the search_path it will run under.
///
/// # Errors
/// The first denial; nothing of a text runs when any of it is denied.
pub fn review_text(asked: &Asked<'_>, rulebook: &Rulebook<'_>) -> Result<Vec<Permitted>, Denial> {
    let statements = sql::read(asked.text, rulebook.limits)?;
    let mut path = Path { names: None, several: statements.len() > 1 };
    let mut permitted = Vec::with_capacity(statements.len());
    for statement in &statements {
        let scope = Scope {
            search_path: path.names.as_deref().unwrap_or(asked.scope.search_path()),
            role: asked.scope.role(),
            database: asked.scope.database(),
            parameter_types: asked.parameter_types,
        };
        permitted.push(policy::review(statement, asked.text, rulebook.catalog, rulebook.policy, &scope)?);
        path.follow(statement, rulebook.default_path)?;
    }
    Ok(permitted)
}

/// The search_path in the middle of a text that moves it.
struct Path {
    names: Option<Vec<String>>,
    several: bool,
}

impl Path {
    fn follow(&mut self, statement: &Statement, default_path: &str) -> Result<(), Denial> {
        if !self.several {
            return Ok(());
        }
        for assignment in statement.uses.assignments.iter().filter(|one| one.name == "search_path") {
            let path = if let Assigned::Text(text) = &assignment.value { text } else { default_path };
            self.names = Some(split_names(path));
        }
        match &statement.kind {
            Kind::Set { name, value: SetValue::List(names), .. } if name == "search_path" => {
                self.names = Some(names.clone());
            }
            Kind::Set { name, value: SetValue::Default, .. } | Kind::Reset { name } if name == "search_path" => {
                self.names = Some(split_names(default_path));
            }
            Kind::Commit { .. }
            | Kind::Rollback { .. }
            | Kind::RollbackTo { .. }
            | Kind::ResetAll
            | Kind::Discard(_)
                if self.names.is_some() =>
            {
                return Err(Denial::new(
                    Rule::UnsupportedStatement,
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "search_path cannot move back within one query string",
                )
                .at(statement.span.start)
                .hint("Send the statements one by one."));
            }
            Kind::Select
            | Kind::Explain { .. }
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
            | Kind::Execute { .. }
            | Kind::Deallocate { .. }
            | Kind::Discard(_)
            | Kind::Unlisten { .. } => {}
        }
        Ok(())
    }
}

impl SettingsScope {
    /// The scope as the policy takes it.
    #[must_use]
    pub fn for_policy<'a>(&'a self, parameter_types: &'a [u32]) -> Scope<'a> {
        Scope { search_path: self.search_path(), role: self.role(), database: self.database(), parameter_types }
    }
}
