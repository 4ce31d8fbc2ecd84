//! Comparing values: sorting, grouping and searching call functions that stand nowhere in a text, those of a type's
//! operator classes.
//!
//! Reading a value calls none of them, and neither does reading through an index from one end to the other: only what is
//! sorted, grouped, made distinct, compared or searched for is.

use crate::catalog::{Catalog, Oid, Operator, OperatorClass, Relation, TreeUses};
use crate::sql::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

use super::Policy;
use super::case::Case;
use super::explain::explained;
use super::harmless::{Reason, judge_oid};
use super::infer::is_polymorphic;
use super::reach::Reach;

/// Reviews what the statement itself compares: values of every type that can be an operand in it.
pub(super) fn comparisons(case: &Case<'_>) -> Result<(), Denial> {
    if case.statement.uses.operators.is_empty() && case.statement.uses.functions.is_empty() {
        return Ok(());
    }
    let operands = if names_what_it_compares(case) { &case.compared } else { &case.reach };
    for class in case.catalog.operator_classes() {
        if !within(case.catalog, operands, class) || (class.framing && !case.mentions.frames()) {
            continue;
        }
        let Err((oid, reason)) = judge_class(case.catalog, case.policy, class) else { continue };
        let name = case.catalog.type_name(class.input);
        let message = format!("comparing values of type {name} is not permitted");
        let denial = Denial::new(Rule::Operator, SqlState::INSUFFICIENT_PRIVILEGE, message);
        let signature = case.catalog.function(oid).map(|function| case.catalog.signature(function));
        let signature = signature.unwrap_or_default();
        let mut denial = explained(denial, &signature, &reason);
        denial.detail = Some(format!("its operator class calls {signature}, which is not permitted"));
        return Err(denial);
    }
    Ok(())
}

/// Whether a column that is compared stands in the text under its own name.
fn names_what_it_compares(case: &Case<'_>) -> bool {
    let uses = &case.statement.uses;
    !(uses.whole_rows || uses.compares_by_place || uses.renames_columns || case.mentions.hides_names())
}

/// The first function of the operator classes under a relation's indexes that a search of this statement can run.
///
/// A search needs a condition on a column of the index, on any of them: since version 18 one on a later column is enough.
/// `quals`: conditions that are not in the text, of a view or a row security policy, can be on the relation.
pub(super) fn searches(case: &Case<'_>, relation: &Relation, quals: bool) -> Result<(), (String, Reason)> {
    let all = quals || !names_what_it_compares(case);
    let searched = relation.searches.iter().filter(|search| {
        all || search.columns.is_empty() || search.columns.iter().any(|column| case.mentions.says(column))
    });
    for oid in searched.flat_map(|search| search.functions.iter()) {
        judge_oid(case.catalog, case.policy, *oid).map_err(|reason| (signature(case.catalog, *oid), reason))?;
    }
    Ok(())
}

/// What a stored expression compares without naming the functions: values of a type by an operator of its class, and
/// arrays, rows and ranges by what they hold.
pub(super) fn judge_stored(catalog: &Catalog, policy: &Policy, uses: &TreeUses) -> Result<(), (String, Reason)> {
    let classes = catalog.operator_classes();
    if classes.is_empty() {
        return Ok(());
    }
    let operators: Vec<&Operator> = uses.operators.iter().filter_map(|oid| catalog.operator(*oid)).collect();
    let takes_any = |oid: &Oid| matches!(*oid, RECORD | RECORDS | ANY) || is_polymorphic(*oid);
    let of_any = operators.iter().any(|operator| takes_any(&operator.left) || takes_any(&operator.right));
    let mut functions = uses.functions.iter().filter_map(|oid| catalog.function(*oid));
    let deep = uses.compares || of_any || functions.any(|function| function.arguments.iter().any(takes_any));
    let mut held = Reach::default();
    if deep {
        uses.values.iter().for_each(|oid| held.add(catalog, *oid));
    }
    for class in classes {
        let named = operators.iter().any(|operator| class.functions.contains(&operator.function));
        // The bounds of a frame name their function.
        if named || (deep && !class.framing && within(catalog, &held, class)) {
            judge_class(catalog, policy, class).map_err(|(oid, reason)| (signature(catalog, oid), reason))?;
        }
    }
    Ok(())
}

/// Whether values of the types that a class compares can occur.
fn within(catalog: &Catalog, types: &Reach, class: &OperatorClass) -> bool {
    [class.input, class.other].iter().all(|oid| *oid == 0 || types.holds(catalog, *oid))
}

fn judge_class(catalog: &Catalog, policy: &Policy, class: &OperatorClass) -> Result<(), (Oid, Reason)> {
    class.functions.iter().try_for_each(|oid| judge_oid(catalog, policy, *oid).map_err(|reason| (*oid, reason)))
}

fn signature(catalog: &Catalog, oid: Oid) -> String {
    catalog.function(oid).map_or_else(|| format!("function {oid}"), |function| catalog.signature(function))
}

/// `record`, `record[]` and `"any"`.
const RECORD: Oid = 2249;
const RECORDS: Oid = 2287;
const ANY: Oid = 2276;
