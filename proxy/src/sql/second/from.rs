//! FROM: this reader shows functions as relations and `ONLY t` as a table called ONLY; both are put right here.

use sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableFunctionArgs, TableSample,
    TableSampleKind, TableSampleQuantity, TableWithJoins, XmlNamespaceDefinition, XmlPassingArgument, XmlPassingClause,
    XmlTableColumn, XmlTableColumnOption,
};
use sqlparser::ast::{FunctionArg, FunctionArgExpr};

use super::names;
use super::query::Survey;

impl Survey {
    pub(super) fn table_with_joins(&mut self, table: &TableWithJoins) {
        let TableWithJoins { relation, joins } = table;
        self.factor(relation);
        for Join { relation, global, join_operator } in joins {
            if *global {
                self.foreign("GLOBAL JOIN");
            }
            self.factor(relation);
            self.join(join_operator);
        }
    }

    fn join(&mut self, join: &JoinOperator) {
        match join {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => match constraint {
                JoinConstraint::On(condition) => self.expr(condition),
                JoinConstraint::Using(_) | JoinConstraint::Natural | JoinConstraint::None => {}
            },
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::AsOf { match_condition: _, constraint: _ }
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => self.foreign("a join of another database"),
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        stacker::maybe_grow(128 << 10, 8 << 20, || self.factor_on_stack(factor));
    }

    fn factor_on_stack(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality: _,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let hinted = !with_hints.is_empty() || version.is_some() || !partitions.is_empty();
                if hinted || json_path.is_some() || !index_hints.is_empty() {
                    self.foreign("a table with hints");
                }
                self.sample(sample.as_ref());
                match args {
                    None => self.named_table(name, alias.as_ref()),
                    Some(args) => self.table_call(name, args),
                }
            }
            TableFactor::Derived { lateral: _, subquery, alias: _, sample } => {
                self.sample(sample.as_ref());
                self.query(subquery);
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality: _, alias: _ } => {
                self.function(names::qualified(name));
                self.arguments(args);
            }
            TableFactor::UNNEST { alias: _, array_exprs, with_offset, with_offset_alias, with_ordinality: _ } => {
                if *with_offset || with_offset_alias.is_some() {
                    self.foreign("UNNEST WITH OFFSET");
                }
                self.syntax("unnest");
                self.exprs(array_exprs);
            }
            TableFactor::NestedJoin { table_with_joins, alias: _ } => self.table_with_joins(table_with_joins),
            TableFactor::JsonTable { json_expr, json_path: _, columns: _, alias: _ } => {
                self.syntax("json_table");
                self.expr(json_expr);
            }
            TableFactor::XmlTable { namespaces, row_expression, passing, columns, alias: _ } => {
                self.syntax("xmltable");
                namespaces.iter().for_each(|XmlNamespaceDefinition { uri, name: _ }| self.expr(uri));
                self.expr(row_expression);
                let XmlPassingClause { arguments } = passing;
                for XmlPassingArgument { expr, alias: _, by_value: _ } in arguments {
                    self.expr(expr);
                }
                columns.iter().for_each(|column| self.xml_column(column));
            }
            TableFactor::TableFunction { expr: _, alias: _ } => self.foreign("TABLE (…) in FROM"),
            TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::SemanticView { .. } => self.foreign("a FROM item of another database"),
        }
    }

    /// A table by name. ONLY is reserved to PostgreSQL: unquoted it is never a name, the "alias" behind it is.
    fn named_table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) {
        if !names::is_keyword(name, "only") {
            return self.relation_in_from(name);
        }
        match alias {
            Some(TableAlias { explicit: _, name, columns: _, at: _ }) => {
                self.relation_in_from(&ObjectName::from(vec![name.clone()]));
            }
            None => self.foreign("a table called ONLY"),
        }
    }

    /// `name(…)` in FROM: a function, or `ONLY (name)`.
    fn table_call(&mut self, name: &ObjectName, call: &TableFunctionArgs) {
        let TableFunctionArgs { args, settings } = call;
        if settings.is_some() {
            self.foreign("SETTINGS");
        }
        if !names::is_keyword(name, "only") {
            self.function(names::qualified(name));
            return self.arguments(args);
        }
        match args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))] => {
                self.relation_in_from(&ObjectName::from(vec![name.clone()]));
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(name)))] => {
                self.relation_in_from(&ObjectName::from(name.clone()));
            }
            _ => self.foreign("a function called ONLY"),
        }
    }

    fn sample(&mut self, sample: Option<&TableSampleKind>) {
        let sample = match sample {
            Some(TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) => sample,
            None => return,
        };
        let TableSample { modifier: _, name: _, quantity, seed: _, bucket, offset } = sample.as_ref();
        if bucket.is_some() || offset.is_some() {
            self.foreign("a sample by bucket");
        }
        if let Some(TableSampleQuantity { parenthesized: _, value, unit: _ }) = quantity {
            self.expr(value);
        }
    }

    fn xml_column(&mut self, column: &XmlTableColumn) {
        let XmlTableColumn { name: _, option } = column;
        match option {
            XmlTableColumnOption::NamedInfo { r#type: _, path, default, nullable: _ } => {
                path.iter().for_each(|path| self.expr(path));
                default.iter().for_each(|default| self.expr(default));
            }
            XmlTableColumnOption::ForOrdinality => {}
        }
    }
}
