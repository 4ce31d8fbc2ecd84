//! Operators: each is a function call in disguise.

use crate::catalog::{Knowledge, Oid, Operator, Origin};
use crate::policy::case::Case;
use crate::policy::explain::explained;
use crate::policy::harmless::{Reason, judge_operator};
use crate::policy::infer::{is_polymorphic, operand_types, operator_can_be_chosen};
use crate::sql::{Denial, OperatorRef, Rule};
use crate::wire::sqlstate::SqlState;

use super::candidate::{Candidate, cannot_be_chosen};
use crate::policy::rule::{unexplained, written};

/// Reviews all operators.
pub(in crate::policy) fn operators(case: &mut Case<'_>) -> Result<(), Denial> {
    let statement = case.statement;
    let used = &statement.uses.operators;
    used.iter().enumerate().try_for_each(|(index, operator)| review(case, operator, index))
}

fn review(case: &mut Case<'_>, used: &OperatorRef, index: usize) -> Result<(), Denial> {
    let schema = used.schema.as_deref();
    if case.uncertain(schema) {
        return Err(unexplained(Rule::Operator, "operator", &written(schema, &used.name)).at(used.position));
    }
    let candidates = case.operators(schema, &used.name, used.arguments);
    if candidates.is_empty() {
        return Err(unknown(case, used, index));
    }
    let shapes = || candidates.iter().map(|operator| candidate(operator)).collect::<Vec<_>>();
    for (place, operator) in candidates.iter().enumerate() {
        let allowed = case.policy.allows_operator(case.catalog, operator);
        let function = case.catalog.function(operator.function);
        let verdict = if allowed { Ok(()) } else { judge_operator(case.catalog, case.policy, operator) };
        if let Err((called, reason)) = verdict {
            if cannot_be_chosen(case, &candidate(operator), &shapes()) {
                continue;
            }
            // What a sort or a comparison implies is not looked up by its name; the operator classes are reviewed.
            if used.by_class {
                continue;
            }
            if !operator_can_be_chosen(case, index, &candidates, place) {
                case.findings.hangs_on_types = true;
                continue;
            }
            return Err(refusal(case, operator, called, &reason).at(used.position));
        }
        if let Some(function) = function {
            case.runs(function);
        }
        case.shares_types_in_operators |= is_polymorphic(operator.left) && is_polymorphic(operator.right);
    }
    Ok(())
}

fn candidate(operator: &Operator) -> Candidate<'_> {
    let operands = [operator.left, operator.right].into_iter().filter(|oid| *oid != 0);
    Candidate { schema: &operator.schema, arguments: operands.collect(), builtin: operator.origin == Origin::Builtin }
}

fn refusal(case: &Case<'_>, operator: &Operator, called: Oid, reason: &Reason) -> Denial {
    let operand = |oid| if oid == 0 { "-".to_owned() } else { case.catalog.type_name(oid) };
    let (left, right) = (operand(operator.left), operand(operator.right));
    let signature = format!("{}.{}({left}, {right})", operator.schema, operator.name);
    let message = format!("operator {signature} is not permitted");
    let denial = Denial::new(Rule::Operator, SqlState::INSUFFICIENT_PRIVILEGE, message);
    let Some(function) = case.catalog.function(called) else {
        return denial.detail("the catalog does not hold its function");
    };
    let called = case.catalog.signature(function);
    let mut denial = explained(denial, &called, reason);
    denial.detail = Some(if function.oid == operator.function {
        format!("it calls {called}, which is not permitted")
    } else {
        format!("its negator, its commutator or an operator family calls {called}, which is not permitted")
    });
    if *reason == Reason::NotNamed {
        denial.hint = Some(format!("to allow it, add to the policy: operators = [\"{signature}\"]"));
    }
    denial
}

/// PostgreSQL's own words, where the types of the operands are certain.
fn unknown(case: &mut Case<'_>, used: &OperatorRef, index: usize) -> Denial {
    let name = written(used.schema.as_deref(), &used.name);
    let live = case.catalog.knowledge() == Knowledge::Live;
    if let Some(operation) = operand_types(case, index, &name).filter(|_| live) {
        let message = format!("operator does not exist: {operation}");
        return Denial::new(Rule::UnknownOperator, SqlState::UNDEFINED_FUNCTION, message)
            .at(used.position)
            .hint("No operator matches the given name and argument types. You might need to add explicit type casts.");
    }
    let message = format!("operator does not exist: {name}");
    let denial = Denial::new(Rule::UnknownOperator, SqlState::UNDEFINED_FUNCTION, message).at(used.position);
    match case.catalog.knowledge() {
        Knowledge::Offline => denial.detail("it is not one of PostgreSQL's own, and no database was asked"),
        Knowledge::Live | Knowledge::Unavailable => denial,
    }
}
