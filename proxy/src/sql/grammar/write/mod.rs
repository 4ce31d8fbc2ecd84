//! Statements that write rows: for the insight store alone. A walk for a customer database never comes here.

mod change;
mod insert;
mod lock;

use std::ops::Range;

use pg_query::NodeEnum;
use pg_query::protobuf::{MultiAssignRef, Node, RangeVar, ReturningClause, ReturningOption, SetToDefault};

use super::bomb::Size;
use super::scope::{Columns, Source};
use super::select::select_of;
use super::walk::{Walk, inner, place, unexpected, unsupported};
use crate::sql::access::Access;
use crate::sql::denial::Denial;
use crate::sql::lexer::{Lexeme, Lexer};
use crate::sql::statement::{Kind, Modification, WriteRef};
use crate::sql::typing::Shape;

impl<'t> Walk<'t> {
    /// Whether a node is a statement that this text may write with.
    pub(super) fn may_modify(&self, node: &NodeEnum) -> bool {
        let rows = matches!(node, NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_));
        rows && self.access == Access::Store
    }

    /// Walks such a statement, in a scope of its own.
    pub(super) fn modification(&mut self, node: &'t NodeEnum) -> Result<Kind, Denial> {
        if !self.may_modify(node) {
            return Err(unexpected(node));
        }
        // What values become when they are assigned is not worked out.
        self.typist.doubt();
        self.deeper(|walk| {
            let mark = walk.scope.enter();
            let outcome = if let NodeEnum::InsertStmt(insert) = node {
                walk.insert(insert).map(|returning| (Modification::Insert, returning))
            } else if let NodeEnum::UpdateStmt(update) = node {
                walk.update(update).map(|returning| (Modification::Update, returning))
            } else if let NodeEnum::DeleteStmt(delete) = node {
                walk.delete(delete).map(|returning| (Modification::Delete, returning))
            } else {
                Err(unexpected(node))
            };
            walk.scope.leave(mark);
            walk.typist.close_query();
            outcome.map(|(action, returning)| Kind::Modify { action, returning })
        })
    }

    /// The query of a common table expression, which may write.
    pub(super) fn cte_query(&mut self, node: Option<&'t Node>, position: Option<usize>) -> Result<Size, Denial> {
        match node.map(inner).transpose()? {
            Some(writing) if self.may_modify(writing) => self.modification(writing).map(|_| Size::NOTHING),
            Some(_) | None => self.select(select_of(node, position)?),
        }
    }

    /// What a statement that writes in WITH returns; `None` when it is no such statement.
    pub(super) fn returned(&self, node: Option<&'t Node>) -> Option<&'t [Node]> {
        let node = inner(node?).ok().filter(|node| self.may_modify(node))?;
        let clause = if let NodeEnum::InsertStmt(insert) = node {
            insert.returning_clause.as_ref()
        } else if let NodeEnum::UpdateStmt(update) = node {
            update.returning_clause.as_ref()
        } else if let NodeEnum::DeleteStmt(delete) = node {
            delete.returning_clause.as_ref()
        } else {
            None
        };
        Some(clause.map_or(&[], |clause| clause.exprs.as_slice()))
    }

    /// Records a target and puts it in sight; returns its place among the relations.
    fn written(&mut self, relation: Option<&'t RangeVar>, action: Modification) -> Result<usize, Denial> {
        let relation = relation.ok_or_else(|| unsupported("a statement that writes no table"))?;
        let index = self.target_of(relation, action)?;
        let alias = relation.alias.as_ref();
        let name = alias.map_or(relation.relname.as_str(), |alias| &alias.aliasname);
        let schema = (!relation.schemaname.is_empty()).then_some(relation.schemaname.as_str());
        let shape = self.typist.shape(Shape::Unknown);
        self.scope.add_item(name, Source::Relation { index, schema, aliased: alias.is_some() }, shape);
        Ok(index)
    }

    fn target_of(&mut self, relation: &'t RangeVar, action: Modification) -> Result<usize, Denial> {
        let index = self.named_relation(relation)?;
        self.writes(index, action);
        Ok(index)
    }

    fn writes(&mut self, relation: usize, action: Modification) {
        let write = WriteRef { relation, action };
        if !self.uses.writes.contains(&write) {
            self.uses.writes.push(write);
        }
    }

    /// COPY table FROM STDIN, and the WHERE it may have.
    pub(super) fn copy_from(
        &mut self,
        relation: Option<&'t RangeVar>,
        condition: Option<&'t Node>,
        text: &str,
    ) -> Result<Kind, Denial> {
        let written = relation.and_then(|relation| place(relation.location)).and_then(|start| name_at(text, start));
        let target = written.ok_or_else(|| unsupported("COPY of this form"))?;
        self.typist.doubt();
        let mark = self.scope.enter();
        let walked = self.written(relation, Modification::Insert).and_then(|_| self.maybe(condition));
        self.scope.leave(mark);
        walked.map(|_| Kind::CopyFromStdin { target })
    }

    /// RETURNING; whether there is one. What `WITH (OLD AS …)` names is left unresolved: any attribute of it is looked at.
    fn returning(&mut self, clause: Option<&'t ReturningClause>) -> Result<bool, Denial> {
        let Some(ReturningClause { options, exprs }) = clause else { return Ok(false) };
        for option in options {
            let NodeEnum::ReturningOption(option) = inner(option)? else { return Err(unexpected(inner(option)?)) };
            let ReturningOption { option: _, value, location: _ } = option;
            let nothing: Columns<'t> = Columns::from([]);
            let shape = self.typist.shape(Shape::Unknown);
            self.scope.add_item(value, Source::Columns(nothing), shape);
        }
        for target in exprs {
            self.target(target)?;
        }
        Ok(!exprs.is_empty())
    }

    /// DEFAULT, and the common source of `(a, b) = …`. Where PostgreSQL does not expect one, it says so itself.
    pub(super) fn assigned(&mut self, node: &'t NodeEnum) -> Result<Size, Denial> {
        if let NodeEnum::SetToDefault(default) = node {
            let SetToDefault { xpr: _, type_id: _, type_mod: _, collation: _, location: _ } = default.as_ref();
            return Ok(Size::NOTHING);
        }
        let NodeEnum::MultiAssignRef(assigned) = node else { return Err(unexpected(node)) };
        let MultiAssignRef { source, colno: _, ncolumns: _ } = assigned.as_ref();
        self.maybe(source.as_deref())
    }
}

/// Where a name of one or more parts stands that begins at `start`: `"a" . b`. White space and comments may be inside.
fn name_at(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let mut tokens = Lexer::new(rest).filter(|token| !matches!(token.lexeme, Lexeme::Comment(_))).peekable();
    let mut end = 0;
    loop {
        let part = tokens.next().filter(|token| matches!(token.lexeme, Lexeme::Word | Lexeme::QuotedWord))?;
        end = end.max(part.span.end);
        if tokens.next_if(|token| token.lexeme == Lexeme::Sign(b'.')).is_none() {
            return Some(start..start.saturating_add(end));
        }
    }
}
