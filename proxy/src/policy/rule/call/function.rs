//! Functions called by name: every candidate must be harmless.

use crate::catalog::{Function, FunctionKind, Knowledge, Origin};
use crate::policy::case::{Call, Case};
use crate::policy::explain::refusal;
use crate::policy::harmless::{Reason, judge};
use crate::policy::infer::{argument_types, function_can_be_chosen, is_polymorphic};
use crate::policy::store;
use crate::sql::{Denial, FunctionRef, Rule};
use crate::wire::sqlstate::SqlState;

use super::candidate::{Candidate, cannot_be_chosen};
use crate::policy::rule::setting::{Rules, assigned};
use crate::policy::rule::{types, unexplained, written};

/// Reviews all calls.
pub(in crate::policy) fn functions(case: &mut Case<'_>) -> Result<(), Denial> {
    let statement = case.statement;
    // Return types come within reach before anything is ruled out by reach.
    for call in &statement.uses.functions {
        for function in case.functions(call.schema.as_deref(), &call.name, shape(case, call)) {
            for oid in function.columns.iter().chain([&function.returns]) {
                case.speaks_of(*oid);
            }
        }
    }
    for operator in &statement.uses.operators {
        for operator in case.operators(operator.schema.as_deref(), &operator.name, operator.arguments) {
            case.speaks_of(operator.result);
        }
    }
    case.reach.close_over_casts(case.catalog);
    case.occurs.close_over_casts(case.catalog);
    case.compared.close_over_casts(case.catalog);
    words(case)?;
    statement.uses.functions.iter().enumerate().try_for_each(|(index, call)| function(case, call, index))
}

/// A word of a newer grammar is a call to an older server: whatever the database has of that name must be harmless.
fn words(case: &Case<'_>) -> Result<(), Denial> {
    let candidates = |word: &&'static str| {
        let found = case.catalog.functions(word);
        found.filter(|function| case.reaches(None, &function.schema)).collect::<Vec<_>>()
    };
    for function in case.statement.uses.words.iter().flat_map(candidates) {
        judge(case.catalog, case.policy, function)
            .map_err(|reason| refusal(case.catalog, function, &reason, Rule::Function).at(case.statement.span.start))?;
    }
    Ok(())
}

fn shape(case: &Case<'_>, call: &FunctionRef) -> Call {
    let arguments = usize::from(call.arguments);
    Call { arguments, variadic: call.variadic, named: call.named, voids: case.voids().min(arguments) }
}

fn function(case: &mut Case<'_>, call: &FunctionRef, index: usize) -> Result<(), Denial> {
    let schema = call.schema.as_deref();
    if case.uncertain(schema) {
        return Err(unexplained(Rule::Function, "function", &written(schema, &call.name)).at(call.position));
    }
    let mut candidates = case.functions(schema, &call.name, shape(case, call));
    let exact = case.voids() == 0;
    if candidates.is_empty() && call.name == "unnest" && schema.is_none() {
        // `FROM unnest(a, b)` is `ROWS FROM (pg_catalog.unnest(a), pg_catalog.unnest(b))`.
        candidates = case.functions(Some("pg_catalog"), "unnest", Call::one());
    }
    // `text(x)` and `mytype('x')` are casts when no function fits better.
    let cast = (1..=case.voids() + 1)
        .contains(&usize::from(call.arguments))
        .then(|| case.named_type(schema, &call.name))
        .flatten();
    if let Some(found) = cast {
        case.speaks_of(found.oid);
        types::check(case, found.oid, call.position)?;
    }
    if candidates.is_empty() {
        return if cast.is_some() || is_column(case, call) { Ok(()) } else { Err(unknown(case, call, index)) };
    }
    store::callable(case, call)?;
    let shapes = || candidates.iter().map(|function| candidate(function, call)).collect::<Vec<_>>();
    let mut runs: Option<&Function> = None;
    for (place, function) in candidates.iter().enumerate() {
        if let Err(reason) = judge(case.catalog, case.policy, function) {
            if exact && is_assignment(function, case) {
                for one in &case.statement.uses.assignments {
                    let by_value = assigned(rules(case), one, case.scope.parameter_types);
                    case.findings.by_value |= by_value.map_err(|denial| denial.at(call.position))?;
                }
                case.calls(function);
                continue;
            }
            // The type stands in the text like that of a cast, and was reviewed with the others.
            let names_type = matches!(&*function.name, "pg_input_is_valid" | "pg_input_error_info");
            let input = exact && names_type && function.origin == Origin::Builtin && case.statement.uses.types_of_input;
            if input && reason != Reason::Policy {
                case.calls(function);
                runs = runs.or(Some(*function));
                continue;
            }
            if exact && !call.named && !call.variadic && cannot_be_chosen(case, &candidate(function, call), &shapes()) {
                continue;
            }
            // PostgreSQL's own are refused by name, whatever the types.
            let by_name = function.origin == Origin::Builtin && reason != Reason::Policy;
            if !by_name && !function_can_be_chosen(case, index, &candidates, place) {
                case.findings.hangs_on_types = true;
                continue;
            }
            return Err(refusal(case.catalog, function, &reason, Rule::Function).at(call.position));
        }
        case.calls(function);
        case.shares_types |= function.arguments.iter().filter(|oid| is_polymorphic(**oid)).count() > 1;
        runs = runs.or(Some(*function));
    }
    let name = runs.map_or_else(|| written(schema, &call.name), Function::qualified);
    if !case.findings.functions.contains(&name) {
        case.findings.functions.push(name);
    }
    Ok(())
}

fn rules<'a>(case: &Case<'a>) -> Rules<'a> {
    Rules { policy: case.policy, access: case.scope.access }
}

/// `set_config` where the reader found every call of it to be a SET in disguise.
fn is_assignment(function: &Function, case: &Case<'_>) -> bool {
    &*function.name == "set_config" && function.origin == Origin::Builtin && !case.statement.uses.assignments.is_empty()
}

fn candidate<'c>(function: &'c Function, call: &FunctionRef) -> Candidate<'c> {
    let count = usize::from(call.arguments);
    Candidate {
        schema: &function.schema,
        arguments: (0..count).filter_map(|index| function.argument(index)).collect(),
        builtin: function.origin == Origin::Builtin
            && function.variadic.is_none()
            && function.kind != FunctionKind::Procedure,
    }
}

/// `name(t)` is `t.name` when there is no such function.
fn is_column(case: &Case<'_>, call: &FunctionRef) -> bool {
    let mut relations = case.resolved.iter().flatten();
    call.arguments == 1
        && call.schema.is_none()
        && case.catalog.knowledge() == Knowledge::Live
        && relations.any(|relation| relation.columns.iter().any(|column| *column.name == *call.name))
}

/// PostgreSQL's own words, where the types of the arguments are certain.
fn unknown(case: &mut Case<'_>, call: &FunctionRef, index: usize) -> Denial {
    let name = written(call.schema.as_deref(), &call.name);
    let live = case.catalog.knowledge() == Knowledge::Live && !call.named && !call.variadic;
    if let Some(types) = argument_types(case, index).filter(|_| live) {
        let message = format!("function {name}({types}) does not exist");
        return Denial::new(Rule::UnknownFunction, SqlState::UNDEFINED_FUNCTION, message)
            .at(call.position)
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.");
    }
    let message = format!("function {name} does not exist");
    let denial = Denial::new(Rule::UnknownFunction, SqlState::UNDEFINED_FUNCTION, message).at(call.position);
    if case.catalog.functions(&call.name).any(|function| case.reaches(call.schema.as_deref(), &function.schema)) {
        return denial
            .detail("no function of that name takes as many arguments")
            .hint("check the arguments, and add explicit type casts");
    }
    match case.catalog.knowledge() {
        Knowledge::Offline => denial
            .detail("it is not one of PostgreSQL's own, and no database was asked")
            .hint("ask the database with --customer-url"),
        Knowledge::Live | Knowledge::Unavailable => {
            denial.hint("check its name and its schema: search_path may not lead there")
        }
    }
}
