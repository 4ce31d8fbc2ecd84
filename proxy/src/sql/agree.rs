//! Whether two readers saw the same text: as many statements, of the same kinds, over the same relations and functions.

use std::collections::HashSet;

use super::denial::{Denial, Rule};
use super::grammar::{Reading, Witness};
use super::second::{Coarse, Finding};
use super::statement::Kind;
use crate::wire::sqlstate::SqlState;

/// Compares what the grammar read with what the second reader found.
///
/// # Errors
/// A refusal that names what differs.
pub(super) fn agree(readings: &[Reading], findings: &[Finding]) -> Result<(), Denial> {
    if readings.len() != findings.len() {
        return Err(disagreement(
            format!("one sees {} statements, the other {}", readings.len(), findings.len()),
            None,
        ));
    }
    for (reading, finding) in readings.iter().zip(findings) {
        statement(reading, finding).map_err(|what| disagreement(what, Some(reading.statement.span.start)))?;
    }
    Ok(())
}

fn disagreement(what: String, position: Option<usize>) -> Denial {
    Denial::new(Rule::ReadersDisagree, SqlState::INSUFFICIENT_PRIVILEGE, "the statement can be read in two ways")
        .detail(what)
        .hint("write it without unusual spellings; if it is an ordinary read, report it")
        .at(position)
}

fn statement(reading: &Reading, finding: &Finding) -> Result<(), String> {
    let Finding { kind, relations: _, tables: _, functions: _, writes: _, locks, foreign } = finding;
    if let Some(what) = foreign {
        return Err(format!("one sees {what}"));
    }
    let expected = coarse(&reading.statement.kind);
    if *kind != expected {
        return Err(format!("one sees {expected:?}, the other {kind:?}"));
    }
    relations(reading, finding)?;
    writes(reading, finding)?;
    if *locks != reading.statement.uses.locks {
        return Err("only one sees rows being locked".to_owned());
    }
    functions(reading, finding)
}

/// Both see the same tables written, in the same ways: for a customer database, none.
fn writes(reading: &Reading, finding: &Finding) -> Result<(), String> {
    let uses = &reading.statement.uses;
    let mut written = HashSet::new();
    for write in &uses.writes {
        let Some(relation) = uses.relations.get(write.relation) else {
            return Err("one sees nothing written".to_owned());
        };
        written.insert((write.action, (relation.schema.clone(), relation.name.clone())));
    }
    let found: HashSet<_> = finding.writes.iter().cloned().collect();
    match written.symmetric_difference(&found).next() {
        Some((action, (schema, name))) => {
            Err(format!("only one sees {action:?} on relation {}", spell(schema.as_deref(), name)))
        }
        None => Ok(()),
    }
}

fn relations(reading: &Reading, finding: &Finding) -> Result<(), String> {
    let uses = &reading.statement.uses;
    let read: HashSet<(Option<&str>, &str)> =
        uses.relations.iter().map(|relation| (relation.schema.as_deref(), relation.name.as_str())).collect();
    for (schema, name) in &finding.relations {
        // A keyword in FROM, `FROM current_date`, looks like a relation.
        let keyword = schema.is_none() && uses.value_functions.contains(&name.as_str());
        if !keyword && !read.contains(&(schema.as_deref(), name.as_str())) {
            return Err(format!("only one sees relation {}", spell(schema.as_deref(), name)));
        }
    }
    for (schema, name) in &finding.tables {
        if !read.iter().any(|relation| same_but_for_case(relation, schema.as_deref(), name)) {
            return Err(format!("only one sees relation {}", spell(schema.as_deref(), name)));
        }
    }
    for relation in &read {
        let (schema, name) = relation;
        let found = finding.relations.contains(&((*schema).map(str::to_owned), (*name).to_owned()))
            || finding.tables.iter().any(|(schema, name)| same_but_for_case(relation, schema.as_deref(), name));
        if !found {
            return Err(format!("only one sees relation {}", spell(*schema, name)));
        }
    }
    Ok(())
}

fn same_but_for_case(relation: &(Option<&str>, &str), schema: Option<&str>, name: &str) -> bool {
    let schemas = match (relation.0, schema) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    schemas && relation.1.eq_ignore_ascii_case(name)
}

fn functions(reading: &Reading, finding: &Finding) -> Result<(), String> {
    let Witness { written, implied, constructs, ctes: _ } = &reading.witness;
    let values = &reading.statement.uses.value_functions;
    for (schema, name) in &finding.functions {
        let syntax = schema.as_deref().is_none_or(|schema| schema == "pg_catalog")
            && (implied.contains(name)
                || constructs.contains(name.as_str())
                || values.contains(&name.as_str())
                || (name == "trim" && ["btrim", "ltrim", "rtrim"].iter().any(|trim| implied.contains(*trim))));
        if !syntax && !written.contains(&(schema.clone(), name.clone())) {
            return Err(format!("only one sees function {}", spell(schema.as_deref(), name)));
        }
    }
    for name in written {
        if !finding.functions.contains(name) {
            return Err(format!("only one sees function {}", spell(name.0.as_deref(), &name.1)));
        }
    }
    Ok(())
}

fn spell(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}

/// A kind as coarse as the second reader tells it.
fn coarse(kind: &Kind) -> Coarse {
    match kind {
        Kind::Select => Coarse::Select,
        Kind::Modify { action, returning: _ } => Coarse::Modify(*action),
        Kind::CopyFromStdin { target: _ } => Coarse::CopyFrom,
        Kind::Explain { analyze: _, generic_plan: _, costs: _, inner: _ } => Coarse::Explain,
        Kind::CopyToStdout => Coarse::Copy,
        Kind::Show { name: _ } => Coarse::Show,
        Kind::Set { name: _, scope: _, value: _ } => Coarse::Set,
        Kind::SetTransaction(_) | Kind::SetSessionCharacteristics(_) => Coarse::SetTransaction,
        Kind::Reset { name: _ } | Kind::ResetAll => Coarse::Reset,
        Kind::Begin { start: _, modes: _ } => Coarse::Begin,
        Kind::Commit { chain: _ } => Coarse::Commit,
        Kind::Rollback { chain: _ } => Coarse::Rollback,
        Kind::Savepoint { name: _ } => Coarse::Savepoint,
        Kind::Release { name: _ } => Coarse::Release,
        Kind::RollbackTo { name: _ } => Coarse::RollbackTo,
        Kind::DeclareCursor { name: _, hold: _ } => Coarse::DeclareCursor,
        Kind::Fetch { name: _, is_move: _ } => Coarse::Fetch,
        Kind::ClosePortal { name: _ } => Coarse::Close,
        Kind::Prepare { name: _, inner: _, body: _ } => Coarse::Prepare,
        Kind::Execute { name: _ } => Coarse::Execute,
        Kind::Deallocate { name: _ } => Coarse::Deallocate,
        Kind::Discard(_) => Coarse::Discard,
        Kind::Unlisten { name: _ } => Coarse::Unlisten,
    }
}
