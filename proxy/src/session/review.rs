//! A whole text under review: read by both readers, then statement by statement by the policy.

use super::scope::{SettingsScope, split_names};
use super::verdict::Asked;
use crate::catalog::Catalog;
use crate::policy::{self, Permitted, Policy, Scope};
use crate::sql::{self, Assigned, Denial, DiscardTarget, Kind, Rule, SetValue, Statement};
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
}

/// Reviews every statement of a text, each under the search_path it will run under.
///
/// # Errors
/// The first denial; nothing of a text runs when any of it is denied.
pub fn review_text(asked: &Asked<'_>, rulebook: &Rulebook<'_>) -> Result<Vec<Permitted>, Denial> {
    let statements = sql::read_for(asked.text, rulebook.limits, asked.scope.access())?;
    let mut path = Path::new(asked.scope);
    let mut permitted = Vec::with_capacity(statements.len());
    for (index, statement) in statements.iter().enumerate() {
        let scope = Scope { search_path: path.names(), ..asked.scope.for_policy(asked.parameter_types) };
        permitted.push(policy::review(statement, asked.text, rulebook.catalog, rulebook.policy, &scope)?);
        if index + 1 < statements.len() {
            path.follow(statement)?;
        }
    }
    Ok(permitted)
}

/// The search_path in the middle of a text that moves it.
struct Path<'a> {
    scope: &'a SettingsScope,
    moved_to: Option<Vec<String>>,
    /// The end of the transaction may move it again.
    is_settled: bool,
}

impl<'a> Path<'a> {
    fn new(scope: &'a SettingsScope) -> Self {
        Self { scope, moved_to: None, is_settled: scope.is_settled() }
    }

    fn names(&self) -> &[String] {
        self.moved_to.as_deref().unwrap_or(self.scope.search_path())
    }

    fn moves(&mut self, names: Vec<String>) {
        self.moved_to = Some(names);
        self.is_settled = false;
    }

    /// What the statements after this one are read under.
    fn follow(&mut self, statement: &Statement) -> Result<(), Denial> {
        for assignment in statement.uses.assignments.iter().filter(|one| one.name == "search_path") {
            match &assignment.value {
                Assigned::Text(text) => self.moves(split_names(text)),
                Assigned::Default | Assigned::Parameter(_) => self.moves(self.scope.born_path().to_vec()),
            }
        }
        match &statement.kind {
            Kind::Set { name, value: SetValue::List(names), .. } if name == "search_path" => self.moves(names.clone()),
            Kind::Set { name, value: SetValue::Default, .. } | Kind::Reset { name } if name == "search_path" => {
                self.moves(self.scope.reset_path().to_vec());
            }
            Kind::ResetAll | Kind::Discard(DiscardTarget::All) => self.moves(self.scope.reset_path().to_vec()),
            Kind::Commit { .. } | Kind::Rollback { .. } | Kind::RollbackTo { .. } if !self.is_settled => {
                return Err(unsettled(statement));
            }
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
            | Kind::Execute { .. }
            | Kind::Deallocate { .. }
            | Kind::Discard(DiscardTarget::Plans | DiscardTarget::Sequences | DiscardTarget::Temp)
            | Kind::Unlisten { .. } => {}
        }
        Ok(())
    }
}

/// What follows would be read under a search_path that only the end of the transaction decides.
fn unsettled(statement: &Statement) -> Denial {
    let message = "statements cannot follow an end of transaction that moves search_path within one query string";
    Denial::new(Rule::UnsupportedStatement, SqlState::FEATURE_NOT_SUPPORTED, message)
        .at(statement.span.start)
        .hint("send the statements one by one")
}

impl SettingsScope {
    /// The scope as the policy takes it.
    #[must_use]
    pub fn for_policy<'a>(&'a self, parameter_types: &'a [u32]) -> Scope<'a> {
        Scope {
            search_path: self.search_path(),
            role: self.role(),
            database: self.database(),
            access: self.access(),
            parameter_types,
        }
    }
}
