//! UPDATE and DELETE.
//!
//! <https://www.postgresql.org/docs/current/sql-update.html>, <https://www.postgresql.org/docs/current/sql-delete.html>

use pg_query::protobuf::{DeleteStmt, UpdateStmt};

use crate::sql::denial::Denial;
use crate::sql::grammar::walk::Walk;
use crate::sql::statement::Modification;

impl<'t> Walk<'t> {
    /// Returns whether there is a RETURNING.
    pub(super) fn update(&mut self, update: &'t UpdateStmt) -> Result<bool, Denial> {
        let UpdateStmt { relation, target_list, where_clause, from_clause, returning_clause, with_clause } = update;
        with_clause.as_ref().map_or(Ok(()), |with| self.with(with))?;
        self.written(relation.as_ref(), Modification::Update)?;
        for item in from_clause {
            self.table_item(item)?;
        }
        for target in target_list {
            self.target(target)?;
        }
        self.maybe(where_clause.as_deref())?;
        self.returning(returning_clause.as_ref())
    }

    /// Returns whether there is a RETURNING.
    pub(super) fn delete(&mut self, delete: &'t DeleteStmt) -> Result<bool, Denial> {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } = delete;
        with_clause.as_ref().map_or(Ok(()), |with| self.with(with))?;
        self.written(relation.as_ref(), Modification::Delete)?;
        for item in using_clause {
            self.table_item(item)?;
        }
        self.maybe(where_clause.as_deref())?;
        self.returning(returning_clause.as_ref())
    }
}
