//! Which functions are harmless: the heart of the policy. Everything else asks here.

use super::Policy;
use super::compare::judge_stored;
use super::list::{self, Remedy};
use crate::catalog::{Catalog, Function, FunctionKind, Oid, Origin, TreeUses, Volatility};

/// Why a function is not harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// It takes text and runs it as SQL, or as a type's or a relation's name.
    TextAsCode,
    /// A built-in that writes, waits, signals or leaves the database.
    Builtin(Remedy),
    /// The policy says no.
    Policy,
    /// Of an extension that leaves the database or runs text.
    Leaves(String),
    /// Of an extension, and volatile.
    VolatileExtension(String),
    /// The user's own, and not named by the policy.
    NotNamed,
    /// The catalog refers to a function that it does not hold.
    Missing,
}

/// Whether a function may run.
pub(super) fn judge(catalog: &Catalog, policy: &Policy, function: &Function) -> Result<(), Reason> {
    if policy.denies_function(catalog, function) {
        return Err(Reason::Policy);
    }
    match &function.origin {
        Origin::Builtin => builtin(catalog, policy, function),
        _ if policy.allows_function(catalog, function) => Ok(()),
        _ if function.kind == FunctionKind::Aggregate => aggregate(catalog, policy, function),
        Origin::Extension(extension) => of_extension(extension, function),
        Origin::User => Err(Reason::NotNamed),
    }
}

/// Whether the function with that OID may run.
pub(super) fn judge_oid(catalog: &Catalog, policy: &Policy, oid: Oid) -> Result<(), Reason> {
    catalog.function(oid).map_or(Err(Reason::Missing), |function| judge(catalog, policy, function))
}

/// The first function of a stored expression that may not run, with the reason; operators count as their functions, and
/// comparisons as those of the operator classes.
pub(super) fn judge_tree(catalog: &Catalog, policy: &Policy, uses: &TreeUses) -> Result<(), (String, Reason)> {
    let of_operator = |oid: &Oid| catalog.operator(*oid).map_or(0, |operator| operator.function);
    let functions = uses.functions.iter().copied().chain(uses.operators.iter().map(of_operator));
    for oid in functions {
        if let Err(reason) = judge_oid(catalog, policy, oid) {
            return Err((named(catalog, oid), reason));
        }
    }
    if uses.unreadable {
        return Err(("a stored expression that cannot be read".to_owned(), Reason::Missing));
    }
    judge_stored(catalog, policy, uses)
}

fn named(catalog: &Catalog, oid: Oid) -> String {
    catalog.function(oid).map_or_else(|| format!("function {oid}"), |function| catalog.signature(function))
}

fn builtin(catalog: &Catalog, policy: &Policy, function: &Function) -> Result<(), Reason> {
    if list::runs_text(&function.name) {
        return Err(Reason::TextAsCode);
    }
    let volatile = function.volatility == Volatility::Volatile && function.kind != FunctionKind::Aggregate;
    let harmless = if volatile { list::is_harmless_volatile(&function.name) } else { !list::is_denied(&function.name) };
    if harmless {
        return Ok(());
    }
    let remedy = list::remedy(&function.name, function.arguments.len());
    let allowed = !matches!(remedy, Remedy::Never(_)) && policy.allows_function(catalog, function);
    if allowed { Ok(()) } else { Err(Reason::Builtin(remedy)) }
}

/// An aggregate is what it is made of.
fn aggregate(catalog: &Catalog, policy: &Policy, function: &Function) -> Result<(), Reason> {
    if function.parts.is_empty() {
        return Err(Reason::NotNamed);
    }
    for part in &function.parts {
        let part = catalog.function(*part).ok_or(Reason::Missing)?;
        // Made of aggregates it cannot be: no recursion without end.
        if part.kind == FunctionKind::Aggregate || judge(catalog, policy, part).is_err() {
            return Err(match &function.origin {
                Origin::Extension(extension) => Reason::VolatileExtension(extension.to_string()),
                Origin::Builtin | Origin::User => Reason::NotNamed,
            });
        }
    }
    Ok(())
}

fn of_extension(extension: &str, function: &Function) -> Result<(), Reason> {
    if list::leaves_database(extension) || list::extension_runs_text(extension, &function.name) {
        return Err(Reason::Leaves(extension.to_owned()));
    }
    if function.volatility != Volatility::Volatile || list::is_harmless_of_extension(extension, &function.name) {
        return Ok(());
    }
    Err(Reason::VolatileExtension(extension.to_owned()))
}
