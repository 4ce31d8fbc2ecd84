//! Bodies that are text: a harmless function of an extension, or of PostgreSQL before version 14, looks up what it calls
//! when it runs, under the search_path of whoever calls it. What it finds there must be harmless too.

use std::collections::HashSet;

use crate::catalog::{Function, Oid, Operator, Origin, TypeKind};
use crate::policy::case::Case;
use crate::policy::harmless::{judge, judge_operator, judge_tree};
use crate::policy::reach::Reach;
use crate::sql::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

/// Reviews the bodies of all functions that may run.
pub(in crate::policy) fn bodies(case: &Case<'_>) -> Result<(), Denial> {
    let catalog = case.catalog;
    let (mut open, mut seen) = (case.bodies.clone(), HashSet::new());
    while let Some(oid) = open.pop() {
        let Some(function) = catalog.function(oid).filter(|_| seen.insert(oid)) else { continue };
        for word in &function.words {
            let qualified = word.strip_prefix("pg_catalog.");
            if let Some(found) = found_instead(case, word).filter(|_| qualified.is_none()) {
                return Err(refusal(case, function, &found));
            }
            // A body of that kind can be called by another.
            let called = catalog.functions(qualified.unwrap_or(word)).filter(|called| !called.words.is_empty());
            open.extend(called.map(|called| called.oid));
        }
    }
    Ok(())
}

fn refusal(case: &Case<'_>, function: &Function, found: &str) -> Denial {
    let message = format!("function {} is not permitted", case.catalog.signature(function));
    Denial::new(Rule::Function, SqlState::INSUFFICIENT_PRIVILEGE, message)
        .at(case.statement.span.start)
        .detail(format!("it looks up names when it runs, and finds {found}, which is not permitted"))
        .hint("set search_path so that it is not found, or allow it by the policy")
}

/// What somebody put where `word` is looked up, and what may not run.
fn found_instead(case: &Case<'_>, word: &str) -> Option<String> {
    let (catalog, policy) = (case.catalog, case.policy);
    let own = |origin: &Origin, schema: &str| *origin == Origin::User && case.reaches(None, schema);
    let functions = catalog.functions(word).filter(|found| own(&found.origin, &found.schema));
    for found in functions.filter(|found| can_be_meant(case, &found.arguments)) {
        let hidden = || {
            catalog.functions(word).any(|other| {
                hides(case, &other.origin, &other.schema, &found.schema) && other.arguments == found.arguments
            })
        };
        if judge(catalog, policy, found).is_err() && !hidden() {
            return Some(format!("function {}", catalog.signature(found)));
        }
    }
    let operators = catalog.operators(word).filter(|found| own(&found.origin, &found.schema));
    for found in operators.filter(|found| can_be_meant(case, &[found.left, found.right])) {
        let same = |other: &Operator| other.left == found.left && other.right == found.right;
        let hidden = || {
            catalog.operators(word).any(|other| hides(case, &other.origin, &other.schema, &found.schema) && same(other))
        };
        if judge_operator(catalog, policy, found).is_err() && !hidden() {
            return Some(format!("operator {}.{}", found.schema, found.name));
        }
    }
    let mut types = catalog.types(word).filter(|found| own(&found.origin, &found.schema));
    if let Some(found) = types.find(
        |found| matches!(&found.kind, TypeKind::Domain { checks, .. } if judge_tree(catalog, policy, checks).is_err()),
    ) {
        return Some(format!("type {}", catalog.type_name(found.oid)));
    }
    let mut relations = catalog.relations(word).filter(|found| own(&found.origin, &found.schema));
    let found = relations.find(|found| {
        let mut trees = found.view.iter().chain(&found.implied);
        trees.any(|uses| judge_tree(catalog, policy, uses).is_err())
    })?;
    Some(format!("relation {}", found.qualified()))
}

/// A body deals in types that its author knew: what needs a value of another one cannot be meant.
fn can_be_meant(case: &Case<'_>, arguments: &[Oid]) -> bool {
    let nothing = Reach::default();
    !arguments.iter().any(|oid| nothing.cannot_fill(case.catalog, *oid))
}

/// Whether what came with PostgreSQL in schema `its` stands before schema `mine` in the path.
fn hides(case: &Case<'_>, origin: &Origin, its: &str, mine: &str) -> bool {
    let rank = |schema: &str| case.path.iter().position(|entry| *entry == schema);
    *origin == Origin::Builtin && rank(its).is_some_and(|its| rank(mine).is_none_or(|mine| its < mine))
}
