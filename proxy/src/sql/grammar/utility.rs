//! Statements around a query: EXPLAIN, COPY, DECLARE CURSOR, PREPARE, EXECUTE.

use std::ops::Range;

use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, DeclareCursorStmt, DefElem, ExecuteStmt, ExplainStmt, Node, PrepareStmt, RangeVar};

use super::refusal;
use super::select::select_of;
use super::statement::words;
use super::walk::{Walk, inner, place, string, unsupported};
use crate::sql::access::Access;
use crate::sql::denial::{Denial, Rule};
use crate::sql::lexer::{Lexeme, Lexer};
use crate::sql::statement::Kind;
use crate::wire::sqlstate::SqlState;

/// DECLARE … WITH HOLD, as `parsenodes.h` numbers it.
const CURSOR_OPTION_HOLD: i32 = 0x0020;

impl<'t> Walk<'t> {
    /// <https://www.postgresql.org/docs/current/sql-explain.html>
    pub(super) fn explain(&mut self, explain: &'t ExplainStmt, span: &Range<usize>) -> Result<Kind, Denial> {
        let ExplainStmt { query, options } = explain;
        let (mut analyze, mut generic_plan, mut costs) = (false, false, true);
        for option in options {
            let (name, value, position) = option_of(option)?;
            match name {
                "analyze" => analyze |= truth(value, position)?,
                "generic_plan" => generic_plan |= truth(value, position)?,
                "costs" => costs = truth(value, position)?,
                "verbose" | "settings" | "buffers" | "serialize" | "wal" | "timing" | "summary" | "memory"
                | "format" => {}
                _ => return Err(unknown_option("EXPLAIN", position)),
            }
        }
        let query = query.as_deref().ok_or_else(|| unsupported("an empty EXPLAIN"))?;
        let query = inner(query)?;
        let inner = if let NodeEnum::SelectStmt(query) = query {
            self.select(query).map(|_| Kind::Select)?
        } else if self.may_modify(query) {
            self.modification(query)?
        } else if let NodeEnum::DeclareCursorStmt(cursor) = query {
            self.declare_cursor(cursor, span.start)?
        } else if let NodeEnum::ExecuteStmt(execute) = query {
            self.execute(execute)?
        } else {
            return Err(refusal::statement(query, "this statement", span.start));
        };
        Ok(Kind::Explain { analyze, generic_plan, costs, inner: Box::new(inner) })
    }

    /// <https://www.postgresql.org/docs/current/sql-copy.html>
    pub(super) fn copy(&mut self, copy: &'t CopyStmt, text: &str, position: usize) -> Result<Kind, Denial> {
        let CopyStmt { relation, query, attlist, is_from, is_program, filename, options, where_clause } = copy;
        if *is_from && self.access == Access::Read {
            let position = relation.as_ref().and_then(|relation| place(relation.location)).or(Some(position));
            return Err(Denial { rule: Rule::Copy, ..refusal::write("COPY FROM", position) });
        }
        if *is_program || !filename.is_empty() {
            let what = match (*is_program, *is_from) {
                (true, true) => "COPY from an external program",
                (true, false) => "COPY to an external program",
                (false, true) => "COPY from a file of the server",
                (false, false) => "COPY to a file of the server",
            };
            return Err(Denial::new(
                Rule::Copy,
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to {what}"),
            )
            .hint(if *is_from {
                "COPY … FROM STDIN takes the rows from the client"
            } else {
                "COPY … TO STDOUT sends the rows to the client"
            })
            .at(position));
        }
        for option in options {
            let (name, value, position) = option_of(option)?;
            match name {
                "format" | "delimiter" | "null" | "header" | "quote" | "escape" | "force_quote" | "encoding"
                | "default" | "freeze" | "force_not_null" | "force_null" | "on_error" | "log_verbosity" => {
                    plain(value)?;
                }
                _ => return Err(unknown_option("COPY", position)),
            }
        }
        for column in attlist {
            string(column)?;
        }
        if *is_from {
            return self.copy_from(relation.as_ref(), where_clause.as_deref(), text);
        }
        if where_clause.is_some() {
            return Err(unsupported("COPY TO with WHERE"));
        }
        match (relation, query) {
            (Some(relation), None) => self.named_relation(relation).map(drop)?,
            (None, Some(query)) => self.select(select_of(Some(query), Some(position))?).map(drop)?,
            (Some(RangeVar { .. }), Some(_)) | (None, None) => return Err(unsupported("COPY of this form")),
        }
        Ok(Kind::CopyToStdout)
    }

    pub(super) fn declare_cursor(&mut self, cursor: &'t DeclareCursorStmt, position: usize) -> Result<Kind, Denial> {
        let DeclareCursorStmt { portalname, options, query } = cursor;
        self.select(select_of(query.as_deref(), Some(position))?)?;
        Ok(Kind::DeclareCursor { name: portalname.clone(), hold: options & CURSOR_OPTION_HOLD != 0 })
    }

    pub(super) fn prepare(
        &mut self,
        prepare: &'t PrepareStmt,
        text: &str,
        span: &Range<usize>,
    ) -> Result<Kind, Denial> {
        let PrepareStmt { name, argtypes, query } = prepare;
        let body = body(text, span).ok_or_else(|| unsupported("this form of PREPARE"))?;
        let query = query.as_deref().ok_or_else(|| unsupported("an empty PREPARE"))?;
        let query = inner(query)?;
        self.type_names(argtypes)?;
        let kind = if let NodeEnum::SelectStmt(query) = query {
            self.select(query).map(|_| Kind::Select)?
        } else if self.may_modify(query) {
            self.modification(query)?
        } else {
            return Err(refusal::statement(query, &words(text, &body), body.start));
        };
        Ok(Kind::Prepare { name: name.clone(), inner: Box::new(kind), body })
    }

    pub(super) fn execute(&mut self, execute: &'t ExecuteStmt) -> Result<Kind, Denial> {
        let ExecuteStmt { name, params } = execute;
        self.all(params)?;
        Ok(Kind::Execute { name: name.clone() })
    }
}

/// The text of the statement behind `PREPARE name (types) AS`.
fn body(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let own = text.get(span.clone())?;
    let mut depth = 0_usize;
    let mut tokens = Lexer::new(own).filter(|token| !matches!(token.lexeme, Lexeme::Comment(_))).skip(2);
    loop {
        let token = tokens.next()?;
        let word = own.get(token.span)?;
        match token.lexeme {
            Lexeme::Sign(b'(' | b'[') => depth += 1,
            Lexeme::Sign(b')' | b']') => depth = depth.saturating_sub(1),
            Lexeme::Word if depth == 0 && word.eq_ignore_ascii_case("as") => break,
            Lexeme::Word
            | Lexeme::QuotedWord
            | Lexeme::Text
            | Lexeme::Number
            | Lexeme::Parameter
            | Lexeme::Operator
            | Lexeme::Sign(_)
            | Lexeme::Comment(_) => {}
        }
    }
    Some(span.start.saturating_add(tokens.next()?.span.start)..span.end)
}

/// An option's name, value and place.
fn option_of(node: &Node) -> Result<(&str, Option<&Node>, Option<usize>), Denial> {
    let NodeEnum::DefElem(option) = inner(node)? else { return Err(unsupported("an option of this form")) };
    let DefElem { defnamespace, defname, arg, defaction: _, location, arg_location: _ } = option.as_ref();
    if !defnamespace.is_empty() {
        return Err(unsupported("a qualified option"));
    }
    Ok((defname, arg.as_deref(), place(*location)))
}

/// A value as `defGetBoolean` reads it: absent is true.
fn truth(value: Option<&Node>, position: Option<usize>) -> Result<bool, Denial> {
    let Some(value) = value else { return Ok(true) };
    let word = word(value).unwrap_or_default().to_ascii_lowercase();
    match word.as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, "option requires a Boolean value").at(position)),
    }
}

fn word(value: &Node) -> Option<String> {
    let value = value.node.as_ref()?;
    if let NodeEnum::String(text) = value {
        Some(text.sval.clone())
    } else if let NodeEnum::Integer(number) = value {
        Some(number.ival.to_string())
    } else if let NodeEnum::Boolean(truth) = value {
        Some(truth.boolval.to_string())
    } else {
        None
    }
}

/// An option's value must be a word, a number or a list of names.
fn plain(value: Option<&Node>) -> Result<(), Denial> {
    let Some(value) = value.map(inner).transpose()? else { return Ok(()) };
    if let NodeEnum::List(list) = value {
        return list.items.iter().try_for_each(|name| string(name).map(drop));
    }
    let simple = matches!(
        value,
        NodeEnum::String(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::AStar(_)
            | NodeEnum::TypeName(_)
    );
    if simple { Ok(()) } else { Err(unsupported("an option of this form")) }
}

fn unknown_option(statement: &str, position: Option<usize>) -> Denial {
    Denial::new(
        Rule::UnsupportedStatement,
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("{statement} option is not supported"),
    )
    .hint("only options that the gateway knows to be harmless pass")
    .at(position)
}
