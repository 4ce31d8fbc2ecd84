//! The SQL door of the insight store: its own tables and nothing else, and nothing that would show another tenant.
//!
//! Row-level security, forced, and a role that owns nothing are behind all of this.

use crate::catalog::{Origin, Relation};
use crate::sql::{Access, Denial, FunctionRef, Kind, Modification, RelationRef, Rule};
use crate::wire::sqlstate::SqlState;

use super::case::Case;
use super::list::store as list;
use super::rule::written;

/// What is written and locked. For a customer's route the readers let none of it through; this is the second look.
pub(super) fn writes(case: &Case<'_>) -> Result<(), Denial> {
    let uses = &case.statement.uses;
    if case.scope.access == Access::Read {
        if uses.writes.is_empty() && !uses.locks && !is_of_writing(&case.statement.kind) {
            return Ok(());
        }
        let message = "cannot execute a statement that writes through a read-only gateway";
        let denial = Denial::new(Rule::Write, SqlState::READ_ONLY_SQL_TRANSACTION, message);
        return Err(denial.at(case.statement.span.start));
    }
    if uses.locks {
        let system = |found: &&Relation| found.origin == Origin::Builtin;
        if let Some(found) = case.resolved.iter().flatten().copied().find(system) {
            let message = format!("locking rows of {} is not permitted", found.qualified());
            let denial = Denial::new(Rule::Lock, SqlState::INSUFFICIENT_PRIVILEGE, message);
            return Err(denial.at(case.statement.span.start));
        }
    }
    for write in &uses.writes {
        let reference = uses.relations.get(write.relation);
        let position = reference.and_then(|reference| reference.position);
        let found = case.resolved.get(write.relation).copied().flatten();
        let allowed = found.filter(|found| is_own(found)).and_then(|found| list::modifications(&found.name));
        if !allowed.is_some_and(|allowed| allowed.contains(&write.action)) {
            let name = found.map_or_else(
                || reference.map_or_else(String::new, |named| written(named.schema.as_deref(), &named.name)),
                Relation::qualified,
            );
            let message = format!("{} on {name} is not permitted", words(write.action));
            let denial = Denial::new(Rule::Write, SqlState::INSUFFICIENT_PRIVILEGE, message);
            return Err(denial.hint(hint(found, write.action)).at(position));
        }
    }
    Ok(())
}

fn hint(found: Option<&Relation>, action: Modification) -> &'static str {
    match (found.map(|found| &*found.name), action) {
        (Some("insights"), Modification::Delete) => "set retraction_reason, or supersede it by a new version",
        (Some("kinds"), _) => "kinds are made through the HTTP API",
        _ => "insights, evidence, documents, user_configuration, profiles and memory can be written",
    }
}

fn words(action: Modification) -> &'static str {
    match action {
        Modification::Insert => "INSERT",
        Modification::Update => "UPDATE",
        Modification::Delete => "DELETE",
    }
}

fn is_of_writing(kind: &Kind) -> bool {
    match kind {
        Kind::Modify { .. } | Kind::CopyFromStdin { .. } => true,
        Kind::Explain { inner, .. } | Kind::Prepare { inner, .. } => is_of_writing(inner),
        Kind::Select
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::Set { .. }
        | Kind::SetTransaction(_)
        | Kind::SetSessionCharacteristics(_)
        | Kind::Begin { .. }
        | Kind::Reset { .. }
        | Kind::ResetAll
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::ClosePortal { .. }
        | Kind::Execute { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => false,
    }
}

fn is_own(relation: &Relation) -> bool {
    relation.origin == Origin::User && &*relation.schema == list::SCHEMA
}

/// Whether a relation that the text names may be read: the store's own tables, and PostgreSQL's catalogs but for those
/// that show what others do.
pub(super) fn readable(case: &Case<'_>, reference: &RelationRef, found: Option<&Relation>) -> Result<(), Denial> {
    if case.scope.access == Access::Read {
        return Ok(());
    }
    let readable = found.is_some_and(|found| match found.origin {
        Origin::Builtin => !list::shows_others(&found.name),
        Origin::User => is_own(found) && list::modifications(&found.name).is_some(),
        Origin::Extension(_) => false,
    });
    if readable {
        return Ok(());
    }
    let name = found.map_or_else(|| written(reference.schema.as_deref(), &reference.name), Relation::qualified);
    let builtin = found.is_some_and(|found| found.origin == Origin::Builtin);
    let (rule, detail) = if builtin {
        (Rule::Tenant, "it shows what others do")
    } else {
        (Rule::Relation, "it is none of the insight store's tables")
    };
    let denial = Denial::new(rule, SqlState::INSUFFICIENT_PRIVILEGE, format!("relation {name} is not permitted"));
    Err(denial.detail(detail).at(reference.position))
}

/// Whether a function of PostgreSQL's own may be called where tenants share a server.
pub(super) fn callable(case: &Case<'_>, call: &FunctionRef) -> Result<(), Denial> {
    if case.scope.access == Access::Read || !list::function_shows_others(&call.name) {
        return Ok(());
    }
    let message = format!("function {} is not permitted", written(call.schema.as_deref(), &call.name));
    let denial = Denial::new(Rule::Tenant, SqlState::INSUFFICIENT_PRIVILEGE, message);
    Err(denial.detail("it shows what others do").at(call.position))
}

/// Settings that tell whose rows are seen.
pub(super) fn setting(access: Access, name: &str) -> Result<(), Denial> {
    let name = name.to_ascii_lowercase();
    if access == Access::Read || !(name == "row_security" || name.starts_with("vitrine.")) {
        return Ok(());
    }
    let message = format!("parameter \"{name}\" cannot be set through the gateway");
    Err(Denial::new(Rule::Tenant, SqlState::INSUFFICIENT_PRIVILEGE, message)
        .detail("the tenant is that of the user who logged in"))
}

/// Whether a setting makes transactions read-only or not: in the store a client may choose.
pub(crate) fn is_access_mode(name: &str) -> bool {
    matches!(name, "default_transaction_read_only" | "transaction_read_only")
}

/// EXPLAIN shows the plan alone: estimates are made of all tenants' rows, and ANALYZE counts the rows it was not to see.
pub(super) fn explain(access: Access, analyze: bool, costs: bool) -> Result<(), Denial> {
    if access == Access::Read || !(analyze || costs) {
        return Ok(());
    }
    let message = "EXPLAIN shows the plan alone in the insight store";
    Err(Denial::new(Rule::Tenant, SqlState::INSUFFICIENT_PRIVILEGE, message)
        .detail("estimates and row counts are those of all tenants together")
        .hint("use EXPLAIN (COSTS OFF)"))
}
