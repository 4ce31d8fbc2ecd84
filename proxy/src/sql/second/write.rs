//! INSERT, UPDATE and DELETE.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, DoUpdate, FromTable, Insert, ObjectName, OnConflict, OnConflictAction,
    OnInsert, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableObject, TableWithJoins, Update,
    UpdateTableFromKind,
};

use super::query::Survey;
use super::{Coarse, names};
use crate::sql::statement::Modification;

/// What kind of statement a query is: `WITH … INSERT` is a query to this reader.
pub(super) fn kind_of_query(query: &Query) -> Coarse {
    match &*query.body {
        SetExpr::Insert(_) => Coarse::Modify(Modification::Insert),
        SetExpr::Update(_) => Coarse::Modify(Modification::Update),
        SetExpr::Delete(_) => Coarse::Modify(Modification::Delete),
        SetExpr::Merge(_) => Coarse::Other,
        SetExpr::Select(_)
        | SetExpr::Query(_)
        | SetExpr::SetOperation { .. }
        | SetExpr::Values(_)
        | SetExpr::Table(_) => Coarse::Select,
    }
}

impl Survey {
    /// A statement that writes rows, on its own or in WITH.
    pub(super) fn modification(&mut self, statement: &Statement) -> Coarse {
        if let Statement::Insert(insert) = statement {
            self.insert(insert);
            Coarse::Modify(Modification::Insert)
        } else if let Statement::Update(update) = statement {
            self.update(update);
            Coarse::Modify(Modification::Update)
        } else if let Statement::Delete(delete) = statement {
            self.delete(delete);
            Coarse::Modify(Modification::Delete)
        } else {
            self.foreign("a statement that writes");
            Coarse::Other
        }
    }

    fn insert(&mut self, insert: &Insert) {
        let Insert {
            insert_token: _,
            optimizer_hints: _,
            or,
            ignore,
            into: _,
            table,
            table_alias: _,
            columns: _,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        let of_others = or.is_some() || *ignore || *overwrite || *has_table_keyword || *replace_into;
        let more = !assignments.is_empty() || partitioned.is_some() || !after_columns.is_empty() || priority.is_some();
        let clauses = output.is_some() || insert_alias.is_some() || settings.is_some() || format_clause.is_some();
        let several = multi_table_insert_type.is_some() || !multi_table_into_clauses.is_empty();
        let when = !multi_table_when_clauses.is_empty() || multi_table_else_clause.is_some();
        if of_others || more || clauses || several || when {
            self.foreign("an INSERT of another database");
        }
        match table {
            TableObject::TableName(name) => {
                self.written(Modification::Insert, name);
                on.iter().for_each(|on| self.on_insert(on, name));
            }
            TableObject::TableFunction(_) | TableObject::TableQuery(_) => self.foreign("INSERT into no table"),
        }
        source.iter().for_each(|query| self.query(query));
        self.returning(returning.as_deref());
    }

    fn on_insert(&mut self, on: &OnInsert, name: &ObjectName) {
        // The enum is open: whatever else there is, PostgreSQL does not have it.
        let OnInsert::OnConflict(OnConflict { conflict_target: _, action }) = on else {
            return self.foreign("an INSERT of another database");
        };
        match action {
            OnConflictAction::DoNothing => {}
            OnConflictAction::DoUpdate(DoUpdate { assignments, selection }) => {
                self.written(Modification::Update, name);
                self.assignments(assignments);
                selection.iter().for_each(|condition| self.expr(condition));
            }
        }
    }

    fn update(&mut self, update: &Update) {
        let Update {
            update_token: _,
            optimizer_hints: _,
            table,
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        if output.is_some() || or.is_some() || !order_by.is_empty() || limit.is_some() {
            self.foreign("an UPDATE of another database");
        }
        self.target(Modification::Update, table);
        match from {
            Some(UpdateTableFromKind::AfterSet(tables)) => tables.iter().for_each(|table| self.table_with_joins(table)),
            Some(UpdateTableFromKind::BeforeSet(_)) => self.foreign("FROM before SET"),
            None => {}
        }
        self.assignments(assignments);
        selection.iter().for_each(|condition| self.expr(condition));
        self.returning(returning.as_deref());
    }

    fn delete(&mut self, delete: &Delete) {
        let Delete {
            delete_token: _,
            optimizer_hints: _,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        let of_others = !tables.is_empty() || output.is_some() || !order_by.is_empty() || limit.is_some();
        match from {
            FromTable::WithFromKeyword(from) if !of_others => match from.as_slice() {
                [table] => self.target(Modification::Delete, table),
                _ => self.foreign("DELETE of several tables"),
            },
            FromTable::WithFromKeyword(_) | FromTable::WithoutKeyword(_) => {
                self.foreign("a DELETE of another database");
            }
        }
        using.iter().flatten().for_each(|table| self.table_with_joins(table));
        selection.iter().for_each(|condition| self.expr(condition));
        self.returning(returning.as_deref());
    }

    /// The one table that is written. `ONLY` reads as a table of that name with an alias, as it does in FROM.
    fn target(&mut self, action: Modification, table: &TableWithJoins) {
        let TableWithJoins { relation, joins } = table;
        let TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } = relation
        else {
            return self.foreign("a statement that writes no table");
        };
        if !joins.is_empty() || !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
            return self.foreign("a join that is written");
        }
        if !names::is_keyword(name, "only") {
            return self.written(action, name);
        }
        match alias {
            Some(TableAlias { explicit: false, name, columns: _, at: _ }) => {
                self.written(action, &ObjectName::from(vec![name.clone()]));
            }
            Some(TableAlias { explicit: true, name: _, columns: _, at: _ }) | None => {
                self.foreign("a table called ONLY");
            }
        }
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        for Assignment { target, value } in assignments {
            match target {
                AssignmentTarget::ColumnName(_) | AssignmentTarget::Tuple(_) => self.expr(value),
            }
        }
    }

    fn returning(&mut self, returning: Option<&[SelectItem]>) {
        returning.iter().copied().flatten().for_each(|item| self.item(item));
    }
}
