//! INSERT and its ON CONFLICT.
//!
//! <https://www.postgresql.org/docs/current/sql-insert.html>

use pg_query::NodeEnum;
use pg_query::protobuf::{IndexElem, InferClause, InsertStmt, Node, OnConflictAction, OnConflictClause};

use crate::sql::denial::Denial;
use crate::sql::grammar::scope::Source;
use crate::sql::grammar::select::select_of;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, strings, unexpected, unsupported};
use crate::sql::statement::Modification;
use crate::sql::typing::Shape;

/// What ON CONFLICT calls the row that was to be inserted.
const EXCLUDED: &str = "excluded";

impl<'t> Walk<'t> {
    /// Returns whether there is a RETURNING. The query that is inserted does not see the table it goes into.
    pub(super) fn insert(&mut self, insert: &'t InsertStmt) -> Result<bool, Denial> {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override: _,
        } = insert;
        with_clause.as_ref().map_or(Ok(()), |with| self.with(with))?;
        // DEFAULT VALUES is no query at all.
        if let Some(query) = select_stmt.as_deref() {
            self.select(select_of(Some(query), None)?)?;
        }
        let index = self.written(relation.as_ref(), Modification::Insert)?;
        for column in cols {
            self.target(column)?;
        }
        if let Some(clause) = on_conflict_clause.as_deref() {
            self.on_conflict(clause, index)?;
        }
        self.returning(returning_clause.as_ref())
    }

    fn on_conflict(&mut self, clause: &'t OnConflictClause, index: usize) -> Result<(), Denial> {
        let OnConflictClause { action, infer, target_list, where_clause, location } = clause;
        self.sorts(place(*location));
        if let Some(infer) = infer.as_deref() {
            let InferClause { index_elems, where_clause, conname: _, location: _ } = infer;
            for element in index_elems {
                self.index_element(element)?;
            }
            self.maybe(where_clause.as_deref())?;
        }
        match OnConflictAction::try_from(*action) {
            Ok(OnConflictAction::OnconflictNothing) => return Ok(()),
            Ok(OnConflictAction::OnconflictUpdate) => self.writes(index, Modification::Update),
            Ok(OnConflictAction::Undefined | OnConflictAction::OnconflictNone) | Err(_) => {
                return Err(unsupported("this form of ON CONFLICT"));
            }
        }
        let shape = self.typist.shape(Shape::Unknown);
        self.scope.add_item(EXCLUDED, Source::Relation { index, schema: None, aliased: true }, shape);
        for target in target_list {
            self.target(target)?;
        }
        self.maybe(where_clause.as_deref()).map(drop)
    }

    /// A column or an expression by which a unique index is found.
    fn index_element(&mut self, element: &'t Node) -> Result<(), Denial> {
        let NodeEnum::IndexElem(element) = inner(element)? else { return Err(unexpected(inner(element)?)) };
        let IndexElem {
            name: _,
            expr,
            indexcolname: _,
            collation,
            opclass,
            opclassopts,
            ordering: _,
            nulls_ordering: _,
        } = element.as_ref();
        if !opclass.is_empty() || !opclassopts.is_empty() {
            return Err(unsupported("an operator class of ON CONFLICT"));
        }
        if !collation.is_empty() {
            let parts = strings(collation)?;
            let (schema, name) = qualified(&parts)?;
            let collation = (schema.map(str::to_owned), name.to_owned());
            if !self.uses.collations.contains(&collation) {
                self.uses.collations.push(collation);
            }
        }
        self.maybe(expr.as_deref()).map(drop)
    }
}
