//! Which functions are harmless: the heart of the policy. Everything else asks here.

use super::Policy;
use super::compare::judge_stored;
use super::list::{self, Remedy};
use super::reach::parts;
use crate::catalog::{
    Catalog, Function, FunctionKind, Oid, Operator, Origin, RelationKind, TreeUses, TypeKind, Volatility,
};

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

/// Whether an operator may be used: its function, and what the planner can run in its place or beside it. With the
/// function that may not run.
pub(super) fn judge_operator(catalog: &Catalog, policy: &Policy, operator: &Operator) -> Result<(), (Oid, Reason)> {
    // A shell operator has no function: calling it is an error.
    let own = Some(operator.function).filter(|oid| *oid != 0);
    for oid in own.into_iter().chain(operator.linked.iter().copied()) {
        judge_oid(catalog, policy, oid).map_err(|reason| (oid, reason))?;
    }
    Ok(())
}

/// The first function of a stored expression that may not run, with the reason; operators count as their functions, and
/// comparisons as those of the operator classes.
pub(super) fn judge_tree(catalog: &Catalog, policy: &Policy, uses: &TreeUses) -> Result<(), (String, Reason)> {
    for oid in uses.functions.iter().copied() {
        judge_oid(catalog, policy, oid).map_err(|reason| (named(catalog, oid), reason))?;
    }
    for oid in &uses.operators {
        let Some(operator) = catalog.operator(*oid) else {
            return Err((format!("operator {oid}"), Reason::Missing));
        };
        judge_operator(catalog, policy, operator).map_err(|(oid, reason)| (named(catalog, oid), reason))?;
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
    let denied = list::is_denied(&function.name)
        || (list::computes_partitions(&function.name) && partitions_run_code(catalog, policy));
    let harmless = if volatile { list::is_harmless_volatile(&function.name) } else { !denied };
    if harmless {
        return Ok(());
    }
    let remedy = list::remedy(&function.name, function.arguments.len());
    let allowed = !matches!(remedy, Remedy::Never(_)) && policy.allows_function(catalog, function);
    if allowed { Ok(()) } else { Err(Reason::Builtin(remedy)) }
}

/// Whether some partitioned table's operator classes are the user's own: given the table's OID, a built-in function runs
/// what hangs on them.
fn partitions_run_code(catalog: &Catalog, policy: &Policy) -> bool {
    let partitioned = catalog.objects().relations.iter().filter(|found| found.kind == RelationKind::Partitioned);
    let mut called = partitioned.filter_map(|found| found.implied.as_ref()).flat_map(|uses| uses.functions.iter());
    called.any(|oid| {
        catalog
            .function(*oid)
            .is_none_or(|function| function.origin == Origin::User && !policy.allows_function(catalog, function))
    })
}

/// An aggregate is what it is made of, and what its arguments and states are made into.
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
    let types = function.arguments.iter().chain(&function.states).chain(&function.variadic);
    if types.copied().any(|oid| checks_run_code(catalog, policy, oid)) { Err(Reason::NotNamed) } else { Ok(()) }
}

/// Whether making a value of a type runs a domain's CHECK that may not run.
fn checks_run_code(catalog: &Catalog, policy: &Policy, oid: Oid) -> bool {
    let (mut open, mut seen) = (vec![oid], Vec::new());
    while let Some(oid) = open.pop() {
        let Some(found) = catalog.type_of(oid).filter(|_| !seen.contains(&oid)) else { continue };
        seen.push(oid);
        if let TypeKind::Domain { checks, .. } = &found.kind
            && !policy.allows_type(&catalog.type_name(oid))
            && judge_tree(catalog, policy, checks).is_err()
        {
            return true;
        }
        parts(catalog, found, &mut open);
    }
    false
}

fn of_extension(extension: &str, function: &Function) -> Result<(), Reason> {
    if list::leaves_database(extension) || list::extension_runs_text(extension, &function.name) {
        return Err(Reason::Leaves(extension.to_owned()));
    }
    if list::changes_session(extension, &function.name, function.arguments.len()) {
        return Err(Reason::VolatileExtension(extension.to_owned()));
    }
    if function.volatility != Volatility::Volatile || list::is_harmless_of_extension(extension, &function.name) {
        return Ok(());
    }
    Err(Reason::VolatileExtension(extension.to_owned()))
}
