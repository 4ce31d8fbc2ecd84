//! Attribute notation: `t.f` is `f(t)` when `t` has no column `f`.
//!
//! <https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-USAGE>

use crate::catalog::{CastContext, Function, Knowledge, Oid, Relation, TypeKind};
use crate::policy::case::{Call, Case};
use crate::policy::explain::refusal;
use crate::policy::harmless::judge;
use crate::policy::infer::is_polymorphic;
use crate::sql::{Denial, FieldRef, FieldSource, Rule};

use crate::policy::rule::relation::ancestors;
use crate::policy::rule::{types, unexplained};

/// Reviews everything that has a dot in it.
pub(in crate::policy) fn attributes(case: &mut Case<'_>) -> Result<(), Denial> {
    let statement = case.statement;
    statement.uses.fields.iter().try_for_each(|field| attribute(case, field))
}

fn attribute(case: &mut Case<'_>, field: &FieldRef) -> Result<(), Denial> {
    let relation = match field.source {
        FieldSource::Column => return Ok(()),
        FieldSource::Unknown => None,
        FieldSource::Relation(index) => case.resolved.get(index).copied().flatten(),
    };
    if relation.is_some_and(|relation| is_column(relation, &field.name)) {
        return Ok(());
    }
    if case.catalog.knowledge() == Knowledge::Unavailable {
        return Err(unexplained(Rule::AttributeCall, "attribute", &field.name).at(field.position));
    }
    // `x.mytype` is `mytype(x)`, a cast.
    if let Some(found) = case.named_type(None, &field.name) {
        case.speaks_of(found.oid);
        types::check(case, found.oid, field.position)?;
    }
    for function in case.functions(None, &field.name, Call::one()) {
        let Some(argument) = function.argument(0) else { continue };
        // Of a relation only rows come; of anything else, whatever there is.
        let of_relation = matches!(field.source, FieldSource::Relation(_));
        if of_relation && !takes_row(case, argument, relation) {
            continue;
        }
        match judge(case.catalog, case.policy, function) {
            Ok(()) => note(case, function),
            Err(reason) => {
                let denial = refusal(case.catalog, function, &reason, Rule::AttributeCall);
                return Err(denial.at(field.position));
            }
        }
    }
    Ok(())
}

fn note(case: &mut Case<'_>, function: &Function) {
    case.calls(function);
    for oid in function.columns.iter().chain([&function.returns]) {
        case.speaks_of(*oid);
    }
}

fn is_column(relation: &Relation, name: &str) -> bool {
    matches!(name, "tableoid" | "ctid" | "xmin" | "xmax" | "cmin" | "cmax")
        || relation.columns.iter().any(|column| &*column.name == name)
}

/// Whether an argument of that type can be a row of the relation, or of any when the relation is not known.
fn takes_row(case: &Case<'_>, argument: Oid, relation: Option<&Relation>) -> bool {
    const RECORD: Oid = 2249;
    const ANY: Oid = 2276;
    let found = match case.catalog.type_of(argument) {
        Some(found) => found,
        None => return true,
    };
    match &found.kind {
        TypeKind::Domain { base, .. } => takes_row(case, *base, relation),
        TypeKind::Pseudo => argument == RECORD || argument == ANY || is_polymorphic(argument),
        TypeKind::Composite(_)
        | TypeKind::Base
        | TypeKind::Array(_)
        | TypeKind::Enum
        | TypeKind::Range(_)
        | TypeKind::Multirange(_) => {
            let composite = matches!(found.kind, TypeKind::Composite(_));
            let Some(relation) = relation else { return composite };
            let row_types = ancestors(case, relation);
            let mut casts = case.catalog.added_casts();
            row_types.contains(&argument)
                || casts.any(|cast| {
                    cast.context == CastContext::Implicit && cast.target == argument && row_types.contains(&cast.source)
                })
        }
    }
}
