//! One statement: which kind it is, where it lies, and the walk through it.

use std::ops::Range;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{RawStmt, SelectStmt};

use super::assignment::assignments;
use super::nodes::{
    clauses, constructs, defining_statements, from_items, json_expressions, leaves, list_entries,
    maintaining_statements, other_statements, plain_expressions, statement_parts, writing_expressions,
    writing_statements,
};
use super::walk::{Walk, inner, unsupported};
use super::{Reading, refusal};
use crate::sql::access::Access;
use crate::sql::denial::Denial;
use crate::sql::lexer::{Lexeme, Lexer};
use crate::sql::limits::Limits;
use crate::sql::statement::{Kind, Statement, Uses};

pub(super) fn read(text: &str, statement: &RawStmt, (limits, access): (&Limits, Access)) -> Result<Reading, Denial> {
    let RawStmt { stmt, stmt_location, stmt_len } = statement;
    let span = span(text, *stmt_location, *stmt_len)?;
    let node = inner(stmt.as_deref().ok_or_else(|| unsupported("an empty statement"))?)?;
    let mut walk = Walk::new(limits, text, access);
    let kind = walk.statement(node, text, &span).map_err(|denial| place_in(denial, &span))?;
    let types_of_input = walk.input_calls > 0 && walk.input_calls == walk.input_calls_known;
    let whole_rows = walk.uses.whole_rows || walk.stars > 0;
    let compares_by_place = walk.by_place && walk.star_targets;
    let uses =
        Uses { whole_rows, compares_by_place, types_of_input, typing: Arc::new(walk.typist.finish()), ..walk.uses };
    Ok(Reading { statement: Statement { kind, span, uses }, witness: walk.witness })
}

/// A refusal without a place points at its statement.
fn place_in(denial: Denial, span: &Range<usize>) -> Denial {
    let position = denial.position.unwrap_or(span.start);
    denial.at(position)
}

/// Where the statement's own text lies, without what stands before its first word.
fn span(text: &str, location: i32, length: i32) -> Result<Range<usize>, Denial> {
    let outside = || unsupported("a statement outside its text");
    let start = usize::try_from(location).map_err(|_| outside())?;
    let length = usize::try_from(length).map_err(|_| outside())?;
    let end = if length == 0 { text.len() } else { start.saturating_add(length) };
    let own = text.get(start..end).ok_or_else(outside)?;
    let mut tokens = Lexer::new(own).filter(|token| !matches!(token.lexeme, Lexeme::Comment(_)));
    let first = tokens.next().map_or(0, |token| token.span.start);
    let last = if length == 0 { tokens.last().map_or(own.len(), |token| token.span.end) } else { own.trim_end().len() };
    Ok(start.saturating_add(first)..start.saturating_add(last))
}

impl<'t> Walk<'t> {
    /// Walks a whole statement.
    pub(super) fn statement(&mut self, node: &'t NodeEnum, text: &str, span: &Range<usize>) -> Result<Kind, Denial> {
        if self.may_modify(node) {
            return self.modification(node);
        }
        match node {
            NodeEnum::SelectStmt(query) => self.top_query(query),
            NodeEnum::ExplainStmt(explain) => self.explain(explain, span),
            NodeEnum::CopyStmt(copy) => self.copy(copy, text, span.start),
            NodeEnum::VariableSetStmt(set) => super::session::set(set, span.start),
            NodeEnum::VariableShowStmt(show) => Ok(super::session::show(show)),
            NodeEnum::TransactionStmt(transaction) => super::session::transaction(transaction, span.start),
            NodeEnum::DeclareCursorStmt(cursor) => self.declare_cursor(cursor, span.start),
            NodeEnum::FetchStmt(fetch) => super::session::fetch(fetch),
            NodeEnum::ClosePortalStmt(close) => Ok(super::session::close(close)),
            NodeEnum::PrepareStmt(prepare) => self.prepare(prepare, text, span),
            NodeEnum::ExecuteStmt(execute) => self.execute(execute),
            NodeEnum::DeallocateStmt(deallocate) => Ok(super::session::deallocate(deallocate)),
            NodeEnum::DiscardStmt(discard) => super::session::discard(discard),
            NodeEnum::UnlistenStmt(unlisten) => Ok(super::session::unlisten(unlisten)),
            refused @ (writing_statements!()
            | defining_statements!()
            | maintaining_statements!()
            | other_statements!()
            | statement_parts!()
            | plain_expressions!()
            | constructs!()
            | json_expressions!()
            | list_entries!()
            | from_items!()
            | writing_expressions!()
            | leaves!()
            | clauses!()) => Err(refusal::statement(refused, &words(text, span), span.start)),
        }
    }
}

impl<'t> Walk<'t> {
    /// A query that is a statement of its own: here `set_config` may stand for SET.
    fn top_query(&mut self, query: &'t SelectStmt) -> Result<Kind, Denial> {
        self.select(query)?;
        if self.config_calls > 0 {
            let assignments = assignments(query);
            if assignments.len() == self.config_calls {
                self.uses.assignments = assignments;
            }
        }
        Ok(Kind::Select)
    }
}

/// The statement's first keywords, upper case, as PostgreSQL's command tags have them: never a name or a literal.
pub(super) fn words(text: &str, span: &Range<usize>) -> String {
    const LONGER: [&str; 4] = ["CREATE", "ALTER", "DROP", "SECURITY"];
    const BETWEEN: [&str; 11] = [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "UNIQUE",
        "GLOBAL",
        "LOCAL",
        "UNLOGGED",
        "RECURSIVE",
        "MATERIALIZED",
        "TRUSTED",
    ];
    const OBJECTS: [&str; 34] = [
        "TABLE",
        "VIEW",
        "INDEX",
        "SCHEMA",
        "SEQUENCE",
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "TYPE",
        "DOMAIN",
        "ROLE",
        "USER",
        "GROUP",
        "DATABASE",
        "EXTENSION",
        "TRIGGER",
        "RULE",
        "POLICY",
        "SERVER",
        "AGGREGATE",
        "OPERATOR",
        "CAST",
        "COLLATION",
        "CONVERSION",
        "LANGUAGE",
        "PUBLICATION",
        "SUBSCRIPTION",
        "STATISTICS",
        "TABLESPACE",
        "TRANSFORM",
        "SYSTEM",
        "OWNED",
        "LABEL",
        "EVENT",
    ];
    let own = text.get(span.clone()).unwrap_or_default();
    let mut words = Lexer::new(own)
        .filter(|token| token.lexeme == Lexeme::Word)
        .filter_map(|token| own.get(token.span))
        .map(str::to_ascii_uppercase)
        .take(8);
    let Some(first) = words.next() else { return "this statement".to_owned() };
    if first == "IMPORT" {
        return "IMPORT FOREIGN SCHEMA".to_owned();
    }
    if !LONGER.contains(&first.as_str()) {
        return first;
    }
    match words.find(|word| !BETWEEN.contains(&word.as_str())) {
        Some(object) if OBJECTS.contains(&object.as_str()) => format!("{first} {object}"),
        Some(_) | None => first,
    }
}
