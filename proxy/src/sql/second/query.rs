//! Queries: WITH and its scope, SELECT, set operations, what stands behind them.

use std::collections::BTreeSet;

use sqlparser::ast::{
    ConnectByKind, Cte, Distinct, Fetch, GroupByExpr, GroupByWithModifier, LimitClause, NamedWindowDefinition,
    NamedWindowExpr, ObjectName, Offset, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Table, Values, WildcardAdditionalOptions, WindowFrame, WindowFrameBound,
    WindowSpec, With,
};

use super::names::{self, Name};
use super::{Coarse, Finding};
use crate::sql::statement::Modification;

/// One statement's walk through the second tree.
#[derive(Debug, Default)]
pub(super) struct Survey {
    relations: BTreeSet<Name>,
    tables: BTreeSet<Name>,
    functions: BTreeSet<Name>,
    writes: BTreeSet<(Modification, Name)>,
    locks: bool,
    foreign: Option<&'static str>,
    ctes: Vec<String>,
}

impl Survey {
    pub(super) fn finish(self, kind: Coarse) -> Finding {
        let Self { relations, tables, functions, writes, locks, foreign, ctes: _ } = self;
        Finding { kind, relations, tables, functions, writes, locks, foreign }
    }

    /// Marks the text as misread.
    pub(super) fn foreign(&mut self, what: &'static str) {
        self.foreign.get_or_insert(what);
    }

    pub(super) fn function(&mut self, name: Option<Name>) {
        match name {
            Some(name) => {
                self.functions.insert(name);
            }
            None => self.foreign("a computed name"),
        }
    }

    /// A function that PostgreSQL has syntax for.
    pub(super) fn syntax(&mut self, name: &str) {
        self.functions.insert((None, name.to_owned()));
    }

    /// A relation that cannot be a common table expression.
    pub(super) fn relation(&mut self, name: &ObjectName) {
        match names::qualified(name) {
            Some(name) => {
                self.relations.insert(name);
            }
            None => self.foreign("a computed name"),
        }
    }

    /// The target of a statement that writes, which cannot be a common table expression either.
    pub(super) fn written(&mut self, action: Modification, name: &ObjectName) {
        self.relation(name);
        if let Some(name) = names::qualified(name) {
            self.writes.insert((action, name));
        }
    }

    /// A relation in FROM: a common table expression in sight takes an unqualified name.
    pub(super) fn relation_in_from(&mut self, name: &ObjectName) {
        let known = matches!(names::qualified(name), Some((None, name)) if self.ctes.contains(&name));
        if !known {
            self.relation(name);
        }
    }

    pub(super) fn query(&mut self, query: &Query) {
        stacker::maybe_grow(128 << 10, 8 << 20, || self.query_on_stack(query));
    }

    fn query_on_stack(&mut self, query: &Query) {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            self.foreign("a clause of another database");
        }
        self.locks |= !locks.is_empty();
        let mark = self.ctes.len();
        with.iter().for_each(|with| self.with(with));
        self.body(body);
        order_by.iter().for_each(|order| self.order(order));
        limit_clause.iter().for_each(|limit| self.limit(limit));
        if let Some(Fetch { with_ties: _, percent, quantity }) = fetch {
            if *percent {
                self.foreign("FETCH … PERCENT");
            }
            quantity.iter().for_each(|quantity| self.expr(quantity));
        }
        self.ctes.truncate(mark);
    }

    fn with(&mut self, with: &With) {
        let With { with_token: _, recursive, cte_tables } = with;
        if *recursive {
            self.ctes.extend(cte_tables.iter().map(|cte| names::fold(&cte.alias.name)));
        }
        for cte in cte_tables {
            let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
            if from.is_some() {
                self.foreign("WITH … FROM");
            }
            self.query(query);
            if !*recursive {
                self.ctes.push(names::fold(&alias.name));
            }
        }
    }

    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
                stacker::maybe_grow(128 << 10, 8 << 20, || {
                    self.body(left);
                    self.body(right);
                });
            }
            SetExpr::Values(values) => {
                let Values { explicit_row: _, value_keyword: _, rows } = values;
                rows.iter().for_each(|row| self.exprs(&row.content));
            }
            SetExpr::Table(table) => self.table(table),
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.modification(statement);
            }
            SetExpr::Merge(_) => self.foreign("MERGE"),
        }
    }

    /// `TABLE name`: its quotes are lost.
    fn table(&mut self, table: &Table) {
        let Table { table_name, schema_name } = table;
        let Some(name) = table_name else { return self.foreign("TABLE without a name") };
        let in_sight = self.ctes.iter().any(|cte| cte.eq_ignore_ascii_case(name));
        if schema_name.is_some() || !in_sight {
            self.tables.insert((schema_name.clone(), name.clone()));
        }
    }

    fn select(&mut self, select: &Select) {
        let Select {
            select_token: _,
            optimizer_hints: _,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let other_clauses = prewhere.is_some() || !cluster_by.is_empty() || !distribute_by.is_empty();
        if other_clauses || !sort_by.is_empty() || qualify.is_some() || !lateral_views.is_empty() {
            self.foreign("a clause of another database");
        }
        if select_modifiers.is_some() || top.is_some() || exclude.is_some() || value_table_mode.is_some() {
            self.foreign("a modifier of another database");
        }
        if into.is_some() {
            self.foreign("SELECT INTO");
        }
        match flavor {
            SelectFlavor::Standard => {}
            SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => self.foreign("FROM without SELECT"),
        }
        for clause in connect_by {
            match clause {
                ConnectByKind::ConnectBy { connect_token: _, nocycle: _, relationships: _ }
                | ConnectByKind::StartWith { start_token: _, condition: _ } => self.foreign("CONNECT BY"),
            }
        }
        match distinct {
            Some(Distinct::On(exprs)) => self.exprs(exprs),
            Some(Distinct::All | Distinct::Distinct) | None => {}
        }
        projection.iter().for_each(|item| self.item(item));
        from.iter().for_each(|table| self.table_with_joins(table));
        selection.iter().for_each(|condition| self.expr(condition));
        self.group_by(group_by);
        having.iter().for_each(|condition| self.expr(condition));
        for NamedWindowDefinition(_, window) in named_window {
            match window {
                NamedWindowExpr::NamedWindow(_) => {}
                NamedWindowExpr::WindowSpec(window) => self.window(window),
            }
        }
    }

    pub(super) fn item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ } => self.expr(expr),
            SelectItem::ExprWithAliases { expr, aliases: _ } => {
                self.foreign("several names for one value");
                self.expr(expr);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options) => {
                self.wildcard(options);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), options) => {
                self.expr(expr);
                self.wildcard(options);
            }
            SelectItem::Wildcard(options) => self.wildcard(options),
        }
    }

    pub(super) fn wildcard(&mut self, options: &WildcardAdditionalOptions) {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias: _,
        } = options;
        let chosen = opt_ilike.is_some() || opt_exclude.is_some() || opt_except.is_some();
        if chosen || opt_replace.is_some() || opt_rename.is_some() {
            self.foreign("a choice behind *");
        }
    }

    fn group_by(&mut self, group_by: &GroupByExpr) {
        let modifiers = match group_by {
            // PostgreSQL's GROUP BY ALL and GROUP BY DISTINCT name no columns here.
            GroupByExpr::All(modifiers) => modifiers,
            GroupByExpr::Expressions(exprs, modifiers) => {
                self.exprs(exprs);
                modifiers
            }
        };
        for modifier in modifiers {
            match modifier {
                GroupByWithModifier::Rollup | GroupByWithModifier::Cube | GroupByWithModifier::Totals => {
                    self.foreign("GROUP BY … WITH");
                }
                GroupByWithModifier::GroupingSets(expr) => self.expr(expr),
            }
        }
    }

    fn order(&mut self, order: &OrderBy) {
        let OrderBy { kind, interpolate } = order;
        if interpolate.is_some() {
            self.foreign("INTERPOLATE");
        }
        match kind {
            OrderByKind::All(_) => self.foreign("ORDER BY ALL"),
            OrderByKind::Expressions(exprs) => self.order_exprs(exprs),
        }
    }

    pub(super) fn order_exprs(&mut self, exprs: &[OrderByExpr]) {
        for OrderByExpr { expr, options: _, with_fill } in exprs {
            if with_fill.is_some() {
                self.foreign("WITH FILL");
            }
            self.expr(expr);
        }
    }

    fn limit(&mut self, limit: &LimitClause) {
        match limit {
            LimitClause::LimitOffset { limit, offset, limit_by } => {
                if !limit_by.is_empty() {
                    self.foreign("LIMIT … BY");
                }
                limit.iter().for_each(|limit| self.expr(limit));
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expr(value);
                }
            }
            LimitClause::OffsetCommaLimit { offset: _, limit: _ } => self.foreign("LIMIT with a comma"),
        }
    }

    pub(super) fn window(&mut self, window: &WindowSpec) {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = window;
        self.exprs(partition_by);
        self.order_exprs(order_by);
        if let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame {
            self.bound(start_bound);
            end_bound.iter().for_each(|bound| self.bound(bound));
        }
    }

    fn bound(&mut self, bound: &WindowFrameBound) {
        match bound {
            WindowFrameBound::CurrentRow | WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => {}
            WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) => self.expr(expr),
        }
    }
}
