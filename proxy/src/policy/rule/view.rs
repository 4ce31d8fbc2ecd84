//! Views, row security policies and virtual columns: what their stored definitions call.

use crate::catalog::{Relation, RelationKind, TreeUses};
use crate::policy::case::Case;
use crate::policy::compare;
use crate::policy::explain::explained;
use crate::policy::harmless::judge_tree;
use crate::sql::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

use super::relation::{Reading, coerced};

/// Reviews a view through its own definition, down to the last table.
pub(super) fn view(case: &mut Case<'_>, view: &Relation, reading: Reading<'_>) -> Result<(), Denial> {
    let Some(uses) = &view.view else {
        return Err(refusal(view, "its definition is not known").at(reading.position));
    };
    if !case.policy.allows_view(&view.schema, &view.name) {
        calls(case, view, uses, reading)?;
    }
    let catalog = case.catalog;
    for oid in &uses.relations {
        match catalog.relation(*oid) {
            Some(relation) => Reading { through: Some(view), ..reading }.read(case, relation, false)?,
            None => return Err(refusal(view, "it reads a relation that is not known").at(reading.position)),
        }
    }
    Ok(())
}

/// Reviews the expressions that run whenever a table is read.
pub(super) fn implied(
    case: &mut Case<'_>,
    relation: &Relation,
    uses: &TreeUses,
    reading: Reading<'_>,
) -> Result<(), Denial> {
    calls(case, relation, uses, reading)?;
    let catalog = case.catalog;
    for oid in uses.relations.iter().filter(|oid| **oid != relation.oid) {
        if let Some(found) = catalog.relation(*oid) {
            Reading { through: Some(relation), ..reading }.read(case, found, false)?;
        }
    }
    Ok(())
}

/// Reviews what a search in one of the relation's indexes runs.
pub(super) fn searches(case: &Case<'_>, relation: &Relation, reading: Reading<'_>) -> Result<(), Denial> {
    // A policy of a parent holds for its children too.
    let quals = reading.through.is_some() || case.findings.row_security || relation.implied.is_some();
    let Err((called, reason)) = compare::searches(case, relation, quals) else { return Ok(()) };
    let mut denial = explained(refusal(relation, ""), &called, &reason);
    denial.detail = Some(format!("a search in an index of it calls {called}, which is not permitted"));
    Err(denial.at(reading.position))
}

fn calls(case: &mut Case<'_>, relation: &Relation, uses: &TreeUses, reading: Reading<'_>) -> Result<(), Denial> {
    if let Err((called, reason)) = judge_tree(case.catalog, case.policy, uses) {
        let mut denial = explained(refusal(relation, ""), &called, &reason);
        denial.detail = Some(format!("its definition calls {called}, which is not permitted"));
        if relation.kind == RelationKind::View {
            let name = relation.qualified();
            denial = denial.hint(format!("to trust it with what it calls, add to the policy: views = [\"{name}\"]"));
        }
        return Err(denial.at(reading.position));
    }
    let catalog = case.catalog;
    let of_operators = uses.operators.iter().filter_map(|oid| catalog.operator(*oid)).map(|operator| operator.function);
    for oid in uses.functions.iter().copied().chain(of_operators) {
        if let Some(function) = catalog.function(oid) {
            case.runs(function);
        }
    }
    uses.types.iter().try_for_each(|oid| coerced(case, *oid, reading.position))
}

fn refusal(relation: &Relation, detail: &str) -> Denial {
    let message = format!("reading {} is not permitted", relation.qualified());
    Denial::new(Rule::View, SqlState::INSUFFICIENT_PRIVILEGE, message).detail(detail)
}
