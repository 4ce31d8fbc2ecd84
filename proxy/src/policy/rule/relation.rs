//! Relations: what a name means, and everything that reading it implies.

use crate::catalog::{Knowledge, Oid, Origin, Relation, RelationKind};
use crate::policy::Policy;
use crate::policy::case::Case;
use crate::policy::store;
use crate::sql::{Denial, RelationRef, Rule};
use crate::wire::sqlstate::SqlState;

use super::{types, unexplained, view, written};

/// Resolves and reviews all relations.
pub(in crate::policy) fn relations(case: &mut Case<'_>) -> Result<(), Denial> {
    let statement = case.statement;
    for reference in &statement.uses.relations {
        same_database(case, reference)?;
        let found = resolve(case, reference)?;
        store::readable(case, reference, found)?;
        let name = found.map_or_else(|| written(reference.schema.as_deref(), &reference.name), Relation::qualified);
        if !case.findings.relations.contains(&name) {
            case.findings.relations.push(name);
        }
        let reading = Reading { position: reference.position, through: None };
        let behind = found.map_or(Vec::new(), |first| case.relations_behind(reference.schema.as_deref(), first));
        // Which of several it is hangs on what the role may enter: then nothing is known of its columns.
        case.resolved.push(found.filter(|_| behind.is_empty()));
        for relation in found.into_iter().chain(behind) {
            reading.read(case, relation, reference.only)?;
        }
    }
    Ok(())
}

/// PostgreSQL's own words for a name of three parts.
fn same_database(case: &Case<'_>, reference: &RelationRef) -> Result<(), Denial> {
    let Some(database) = reference.database.as_deref().filter(|database| *database != case.scope.database) else {
        return Ok(());
    };
    let schema = reference.schema.as_deref().unwrap_or_default();
    let message = format!("cross-database references are not implemented: \"{database}.{schema}.{}\"", reference.name);
    Err(Denial::new(Rule::UnknownRelation, SqlState::FEATURE_NOT_SUPPORTED, message).at(reference.position))
}

fn resolve<'a>(case: &Case<'a>, reference: &RelationRef) -> Result<Option<&'a Relation>, Denial> {
    let schema = reference.schema.as_deref();
    let found = case.named_relation(schema, &reference.name);
    if found.is_some_and(|relation| relation.origin == Origin::Builtin) {
        return Ok(found);
    }
    let name = written(schema, &reference.name);
    match case.catalog.knowledge() {
        Knowledge::Unavailable => Err(unexplained(Rule::Relation, "relation", &name).at(reference.position)),
        Knowledge::Live if found.is_none() => Err(unknown(&name, reference.position)),
        Knowledge::Live => Ok(found),
        Knowledge::Offline => {
            if case.policy.hides(schema.unwrap_or("public"), &reference.name) {
                return Err(hidden(case.policy, &name).at(reference.position));
            }
            let own = schema.is_some_and(|schema| schema == "pg_catalog" || schema == "information_schema");
            if own || schema.is_some_and(|schema| schema.starts_with("pg_temp")) {
                return Err(unknown(&name, reference.position));
            }
            Ok(None)
        }
    }
}

fn unknown(name: &str, position: Option<usize>) -> Denial {
    let message = format!("relation \"{name}\" does not exist");
    Denial::new(Rule::UnknownRelation, SqlState::UNDEFINED_TABLE, message).at(position)
}

fn hidden(policy: &Policy, name: &str) -> Denial {
    let denial =
        Denial::new(Rule::Relation, SqlState::INSUFFICIENT_PRIVILEGE, format!("relation {name} is not permitted"));
    if policy.hides_itself(name) {
        return denial.detail("the policy hides it").hint("to show it, take it out of hidden_relations in the policy");
    }
    denial
        .detail("it holds secrets of the server, or values past the privileges on their tables")
        .hint(format!("to show it, add to the policy: shown_relations = [\"{name}\"]"))
}

/// Where a relation comes from: named in the text, or read by a view that is.
#[derive(Clone, Copy)]
pub(super) struct Reading<'v> {
    pub(super) position: Option<usize>,
    pub(super) through: Option<&'v Relation>,
}

impl Reading<'_> {
    /// Reviews the reading of a relation, of its children, and of whatever a view reads.
    pub(super) fn read(self, case: &mut Case<'_>, relation: &Relation, only: bool) -> Result<(), Denial> {
        // PostgreSQL's own views mask what they read.
        let masked = self.through.is_some_and(|view| view.origin == Origin::Builtin);
        if !masked && case.policy.hides(&relation.schema, &relation.name) {
            return Err(self.refused(hidden(case.policy, &relation.qualified())));
        }
        if !case.seen_relations.insert((relation.oid, only)) {
            return Ok(());
        }
        self.note(case, relation);
        if relation.kind == RelationKind::Foreign && !case.policy.allows_foreign(&relation.schema, &relation.name) {
            return Err(self.refused(foreign(relation)));
        }
        if relation.kind == RelationKind::View {
            view::view(case, relation, self)?;
        }
        if let Some(uses) = &relation.implied {
            view::implied(case, relation, uses, self)?;
        }
        view::searches(case, relation, self)?;
        if only {
            return Ok(());
        }
        let catalog = case.catalog;
        for child in &relation.children {
            // A child that the snapshot does not hold is a session's own temporary table, which no other can read.
            if let Some(child) = catalog.relation(*child) {
                self.read(case, child, false)?;
            }
        }
        Ok(())
    }

    fn note(self, case: &mut Case<'_>, relation: &Relation) {
        case.steady_relation(relation);
        let findings = &mut case.findings;
        findings.relation_oids.push(relation.oid);
        findings.row_security |= relation.row_security;
        findings.foreign |= relation.kind == RelationKind::Foreign;
        findings.system |= relation.origin == Origin::Builtin;
        if relation.origin != Origin::Builtin {
            case.reach.add(case.catalog, relation.row_type);
            for column in &relation.columns {
                case.reach.add(case.catalog, column.type_oid);
                // What stands under a view is resolved already: no name of the text leads there.
                if self.through.is_none() && case.mentions.name(&column.name) {
                    case.occurs.add(case.catalog, column.type_oid);
                }
                if self.through.is_none() && case.mentions.says(&column.name) {
                    case.compared.add(case.catalog, column.type_oid);
                }
            }
        }
    }

    /// A refusal that says which view led there.
    pub(super) fn refused(self, denial: Denial) -> Denial {
        let denial = denial.at(self.position);
        match self.through {
            Some(view) => denial.detail(format!("view {} reads it", view.qualified())),
            None => denial,
        }
    }
}

fn foreign(relation: &Relation) -> Denial {
    let name = relation.qualified();
    Denial::new(Rule::Relation, SqlState::INSUFFICIENT_PRIVILEGE, format!("foreign table {name} is not permitted"))
        .detail("reading it runs on another server")
        .hint(format!("to allow it, add to the policy: foreign_tables = [\"{name}\"]"))
}

/// Relations of that OID and their ancestors: whose row type a row of it can be taken for.
pub(super) fn ancestors(case: &Case<'_>, relation: &Relation) -> Vec<Oid> {
    let mut row_types = Vec::new();
    let mut open = vec![relation.oid];
    let mut seen = Vec::new();
    while let Some(oid) = open.pop() {
        if seen.contains(&oid) {
            continue;
        }
        seen.push(oid);
        if let Some(found) = case.catalog.relation(oid) {
            row_types.push(found.row_type);
            open.extend(found.parents.iter().copied());
        }
    }
    row_types
}

/// A type that a stored expression coerces to.
pub(super) fn coerced(case: &mut Case<'_>, oid: Oid, position: Option<usize>) -> Result<(), Denial> {
    case.reach.add(case.catalog, oid);
    types::check(case, oid, position)
}
