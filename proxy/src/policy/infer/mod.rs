//! What types the values of a statement have, as far as that is certain, and which functions and operators PostgreSQL
//! can come to choose for them.
//!
//! **Architecture invariant:** a doubt rules nothing out. Only candidates that PostgreSQL cannot choose by its own rules
//! are left out of account.

mod choose;
mod coerce;
mod column;
mod term;

use std::rc::Rc;

use crate::catalog::{Function, FunctionKind, Operator, Origin};
use crate::sql::Site;

use super::case::Case;
use choose::Choice;
pub(super) use coerce::{Known, is_polymorphic};

/// Beyond so many ways to call one function, or terms of a statement, nothing is ruled out: it would take too long.
const SITES_MAX: usize = 2_000;
const TERMS_MAX: usize = 10_000;

/// Whether PostgreSQL can choose the candidate at `place` in any of the calls of the function at `index` of
/// `Uses::functions`.
pub(super) fn function_can_be_chosen(
    case: &mut Case<'_>,
    index: usize,
    candidates: &[&Function],
    place: usize,
) -> bool {
    let typing = &*case.statement.uses.typing;
    let Some(sites) = typing.calls.get(index).filter(|sites| is_within_reason(case, sites)) else {
        return true;
    };
    let types = case.types();
    sites.iter().any(|site| {
        let Some(arguments) = known(&types, site) else { return true };
        let choices: Vec<Choice> =
            candidates.iter().map(|function| of_function(case, function, arguments.len())).collect();
        choose::functions(case.catalog, &choices, &arguments).contains(&place)
    })
}

/// The same for an operator, at `index` of `Uses::operators`.
pub(super) fn operator_can_be_chosen(
    case: &mut Case<'_>,
    index: usize,
    candidates: &[&Operator],
    place: usize,
) -> bool {
    let typing = &*case.statement.uses.typing;
    let Some(sites) = typing.operations.get(index).filter(|sites| is_within_reason(case, sites)) else {
        return true;
    };
    let types = case.types();
    let choices: Vec<Choice> = candidates.iter().map(|operator| of_operator(case, operator)).collect();
    sites.iter().any(|site| {
        let Some(operands) = known(&types, site) else { return true };
        choose::operators(case.catalog, &choices, &operands).contains(&place)
    })
}

/// What the arguments of the first call of the function at `index` are, as PostgreSQL's messages list them; `None` where
/// that is not certain.
pub(super) fn argument_types(case: &mut Case<'_>, index: usize) -> Option<String> {
    let typing = &*case.statement.uses.typing;
    let sites = typing.calls.get(index)?;
    listed(case, sites).map(|names| names.join(", "))
}

/// The same of an operator, with the operator among its operands.
pub(super) fn operand_types(case: &mut Case<'_>, index: usize, operator: &str) -> Option<String> {
    let typing = &*case.statement.uses.typing;
    let sites = typing.operations.get(index)?;
    match listed(case, sites)?.as_slice() {
        [right] => Some(format!("{operator} {right}")),
        [left, right] => Some(format!("{left} {operator} {right}")),
        _ => None,
    }
}

fn listed(case: &mut Case<'_>, sites: &[Site]) -> Option<Vec<String>> {
    let site = sites.first().filter(|_| is_within_reason(case, sites))?;
    let types = case.types();
    let name = |known: Known| match known {
        Known::Type(oid) => Some(case.catalog.type_name(oid)),
        Known::Literal => Some("unknown".to_owned()),
        Known::Unclear => None,
    };
    known(&types, site)?.into_iter().map(name).collect()
}

fn is_within_reason(case: &Case<'_>, sites: &[Site]) -> bool {
    let typing = &*case.statement.uses.typing;
    // Where arguments are left out of account, no call is what it looks like.
    let plain = !typing.incomplete && case.voids() == 0;
    plain && !sites.is_empty() && sites.len() <= SITES_MAX && typing.terms.len() <= TERMS_MAX
}

/// The types of a statement's terms, worked out once.
pub(super) type Types = Rc<term::Terms>;

/// Works out what every term of the statement is.
pub(super) fn types(case: &Case<'_>) -> Types {
    Rc::new(term::Terms::of(case))
}

fn known(types: &term::Terms, site: &Site) -> Option<Vec<Known>> {
    site.as_ref().map(|terms| terms.iter().map(|term| types.known(*term)).collect())
}

/// A candidate of a call with so many arguments.
fn of_function(case: &Case<'_>, function: &Function, count: usize) -> Choice {
    // An expanded variadic takes one element at least; whether a candidate with fewer counts is PostgreSQL's to say.
    let complete = function.variadic.is_none() || count >= function.arguments.len();
    Choice {
        arguments: (0..count).filter_map(|index| function.argument(index)).collect(),
        rank: rank(case, &function.schema),
        certain: is_own(&function.origin, &function.schema) && complete && function.kind != FunctionKind::Procedure,
    }
}

fn of_operator(case: &Case<'_>, operator: &Operator) -> Choice {
    let operands = [operator.left, operator.right].into_iter().filter(|oid| *oid != 0);
    Choice {
        arguments: operands.collect(),
        rank: rank(case, &operator.schema),
        certain: is_own(&operator.origin, &operator.schema),
    }
}

/// Every role may enter `pg_catalog`, and what came with PostgreSQL stays.
fn is_own(origin: &Origin, schema: &str) -> bool {
    *origin == Origin::Builtin && schema == "pg_catalog"
}

fn rank(case: &Case<'_>, schema: &str) -> usize {
    case.path.iter().position(|entry| *entry == schema).unwrap_or(usize::MAX)
}
