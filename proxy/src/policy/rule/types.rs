//! Types: naming one runs its input function, its domain's checks, and casts; having values of one can run more.

use std::collections::HashSet;

use crate::catalog::{Cast, CastContext, Catalog, Knowledge, Oid, Origin, Type, TypeKind};
use crate::policy::case::Case;
use crate::policy::compare::comparisons;
use crate::policy::explain::explained;
use crate::policy::harmless::{Reason, judge_oid, judge_tree};
use crate::policy::reach::parts;
use crate::sql::{Denial, Rule, TypeRef};
use crate::wire::sqlstate::SqlState;

use super::{unexplained, written};

/// Reviews every type that the text or the message names.
pub(in crate::policy) fn types(case: &mut Case<'_>) -> Result<(), Denial> {
    let statement = case.statement;
    for reference in &statement.uses.types {
        let found = resolve(case, reference)?;
        for found in std::iter::once(found).chain(case.types_behind(reference.schema.as_deref(), found)) {
            case.speaks_of(found.oid);
            check(case, found.oid, reference.position)?;
        }
    }
    for oid in case.scope.parameter_types {
        if *oid == 0 {
            continue;
        }
        if case.catalog.type_of(*oid).is_none() {
            let message = format!("type with OID {oid} does not exist");
            let denial = Denial::new(Rule::UnknownType, SqlState::UNDEFINED_OBJECT, message);
            return Err(denial.at(statement.uses.parameter_position));
        }
        case.speaks_of(*oid);
        check(case, *oid, statement.uses.parameter_position)?;
    }
    Ok(())
}

fn resolve<'a>(case: &Case<'a>, reference: &TypeRef) -> Result<&'a Type, Denial> {
    let schema = reference.schema.as_deref();
    let found = case.named_type(schema, &reference.name);
    let name = written(schema, &reference.name);
    match found {
        Some(found) if found.origin == Origin::Builtin || !case.uncertain(schema) => Ok(found),
        _ if case.uncertain(schema) => Err(unexplained(Rule::Type, "type", &name).at(reference.position)),
        _ => {
            let message = format!("type \"{name}\" does not exist");
            let denial = Denial::new(Rule::UnknownType, SqlState::UNDEFINED_OBJECT, message).at(reference.position);
            Err(match case.catalog.knowledge() {
                Knowledge::Offline => denial.detail("it is not one of PostgreSQL's own, and no database was asked"),
                Knowledge::Live | Knowledge::Unavailable => denial,
            })
        }
    }
}

/// Making a value of a type: input functions and domain checks, of everything that it is made of.
pub(super) fn check(case: &mut Case<'_>, oid: Oid, position: Option<usize>) -> Result<(), Denial> {
    let mut open = vec![oid];
    while let Some(oid) = open.pop() {
        let Some(found) = case.catalog.type_of(oid) else { continue };
        // Also PostgreSQL's own can hold the user's: a polymorphic array does not, an array of a domain does.
        if !case.named_types.insert(oid) {
            continue;
        }
        if found.origin != Origin::Builtin {
            making(case, found).map_err(|denial| denial.at(position))?;
        }
        parts(case.catalog, found, &mut open);
    }
    Ok(())
}

fn making(case: &Case<'_>, found: &Type) -> Result<(), Denial> {
    if case.policy.allows_type(&case.catalog.type_name(found.oid)) {
        return Ok(());
    }
    if let TypeKind::Domain { checks, .. } = &found.kind
        && let Err((called, reason)) = judge_tree(case.catalog, case.policy, checks)
    {
        return Err(refusal(case, found, &format!("its CHECK calls {called}, which is not permitted"), &reason));
    }
    running(case, found, &found.input)
}

/// The functions of a type itself. Enums, ranges, composites and domains use PostgreSQL's own.
fn running(case: &Case<'_>, found: &Type, functions: &[Oid]) -> Result<(), Denial> {
    for oid in functions {
        // An extension's type may have its functions in C and declared as they like.
        let own =
            |origin: &Origin| matches!((origin, &found.origin), (Origin::Extension(a), Origin::Extension(b)) if a == b);
        let function = case.catalog.function(*oid);
        if function.is_some_and(|function| own(&function.origin)) {
            continue;
        }
        if let Err(reason) = judge_oid(case.catalog, case.policy, *oid) {
            // PostgreSQL's own are all harmless to types that are made with them; by name they are not.
            if function.is_some_and(|function| function.origin == Origin::Builtin) {
                continue;
            }
            return Err(refusal(case, found, "one of its own functions is not permitted", &reason));
        }
    }
    Ok(())
}

fn refusal(case: &Case<'_>, found: &Type, detail: &str, reason: &Reason) -> Denial {
    let name = case.catalog.type_name(found.oid);
    let message = format!("type {name} is not permitted");
    let denial = Denial::new(Rule::Type, SqlState::INSUFFICIENT_PRIVILEGE, message);
    let mut denial = explained(denial, &name, reason);
    denial.detail = Some(detail.to_owned());
    denial.hint = Some(format!("to allow it, add to the policy: types = [\"{name}\"]"));
    denial
}

/// Reviews what runs without being named: casts, output functions, comparisons, and checks of domains that values are
/// quietly turned into.
pub(in crate::policy) fn implied(case: &mut Case<'_>) -> Result<(), Denial> {
    let catalog = case.catalog;
    for cast in catalog.added_casts() {
        if cast.function != 0 && can_apply(case, cast) {
            harmless_cast(case, cast)?;
        }
    }
    comparisons(case)?;
    let added = case.reach.added(catalog);
    for found in &added {
        if !case.policy.allows_type(&catalog.type_name(found.oid)) {
            running(case, found, &found.output)?;
        }
    }
    let arrays = case.shares_types_in_operators && mentions_arrays(case, &added);
    // A literal beside a row, an array or a range becomes one: COALESCE(row, '(1,x)') makes every domain in it. Rows and
    // arrays of what is read can be made in the statement itself.
    let made =
        case.statement.uses.whole_rows || case.makes_containers || case.text.to_ascii_lowercase().contains("array");
    if case.fills_rows || case.shares_types || arrays || (made && case.mentions.literals()) {
        for found in &added {
            check(case, found.oid, None)?;
        }
    } else if case.mentions.literals() {
        // Beside a value of a domain it becomes one of what the domain is over, and no CHECK runs: only rows, arrays
        // and ranges hold domains that it is made into.
        for found in case.occurs.values(catalog) {
            if is_container(catalog, found) {
                check(case, found.oid, None)?;
            }
        }
    }
    Ok(())
}

/// A type whose values are made of others, a domain over one included.
fn is_container(catalog: &Catalog, found: &Type) -> bool {
    match &found.kind {
        TypeKind::Array(_) | TypeKind::Composite(_) | TypeKind::Range(_) | TypeKind::Multirange(_) => true,
        TypeKind::Domain { base, .. } => catalog.type_of(*base).is_none_or(|base| is_container(catalog, base)),
        TypeKind::Base | TypeKind::Enum | TypeKind::Pseudo => false,
    }
}

/// Whether PostgreSQL can come to use a cast in this statement.
fn can_apply(case: &Case<'_>, cast: &Cast) -> bool {
    let catalog = case.catalog;
    if !case.reach.holds(catalog, cast.source) {
        return false;
    }
    let builtin = |oid| catalog.type_of(oid).is_none_or(|found| found.origin == Origin::Builtin);
    // to_json() and its family look for a cast to json, inside of rows too.
    let to_json = matches!(cast.target, JSON | JSONB) && !builtin(cast.source) && case.makes_json;
    let quietly = case.occurs.holds(catalog, cast.source)
        && match cast.context {
            // WHERE, LIMIT and some arguments take assignment casts to PostgreSQL's own types too.
            CastContext::Implicit | CastContext::Assignment if builtin(cast.target) => !case.mentions.is_bare(),
            CastContext::Implicit => case.occurs.holds(catalog, cast.target),
            CastContext::Assignment | CastContext::Explicit => false,
        };
    case.named_types.contains(&cast.target) || to_json || quietly
}

fn harmless_cast(case: &Case<'_>, cast: &Cast) -> Result<(), Denial> {
    let Err(reason) = judge_oid(case.catalog, case.policy, cast.function) else { return Ok(()) };
    let types = [cast.source, cast.target].map(|oid| case.catalog.type_name(oid));
    let message = format!("the cast from {} to {} is not permitted", types[0], types[1]);
    let denial = Denial::new(Rule::Type, SqlState::INSUFFICIENT_PRIVILEGE, message);
    let signature = case.catalog.function(cast.function).map(|function| case.catalog.signature(function));
    let signature = signature.unwrap_or_default();
    let mut denial = explained(denial, &signature, &reason);
    denial.detail = Some(format!("it calls {signature}, which is not permitted"));
    Err(denial)
}

/// An array of a domain can be in play: literals beside it become its elements, and the domain's CHECK runs.
fn mentions_arrays(case: &Case<'_>, added: &[&Type]) -> bool {
    let domains: HashSet<Oid> =
        added.iter().filter(|found| matches!(found.kind, TypeKind::Domain { .. })).map(|found| found.oid).collect();
    if domains.is_empty() {
        return false;
    }
    let text = case.text.get(case.statement.span.clone()).unwrap_or(case.text).to_ascii_lowercase();
    let of_domain = |oid: Oid| {
        case.catalog
            .type_of(oid)
            .is_some_and(|found| matches!(found.kind, TypeKind::Array(of) if domains.contains(&of)))
    };
    let columns = case.resolved.iter().flatten().flat_map(|relation| relation.columns.iter());
    let columns = columns.filter(|column| case.mentions.name(&column.name));
    text.contains("array")
        || case.statement.uses.functions.iter().any(|call| call.name.contains("array"))
        || columns.map(|column| column.type_oid).any(of_domain)
}

const JSON: Oid = 114;
const JSONB: Oid = 3802;
