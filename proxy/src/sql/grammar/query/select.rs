//! SELECT, VALUES and WITH.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CommonTableExpr, CteCycleClause, CteSearchClause, IntoClause, Node, ResTarget, SelectStmt, SetOperation, SortBy,
    WindowDef, WithClause,
};

use crate::sql::denial::Denial;
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::columns;
use crate::sql::grammar::nodes::writing_statements;
use crate::sql::grammar::refusal;
use crate::sql::grammar::scope::Source;
use crate::sql::grammar::typist::Outputs;
use crate::sql::grammar::walk::{ITEMS_MAX, Walk, inner, place, qualified, strings, too_deep, unexpected, unsupported};
use crate::sql::statement::OperatorRef;
use crate::sql::typing::{Output, Shape, Term};

impl<'t> Walk<'t> {
    /// A whole SELECT in a scope of its own.
    pub(in crate::sql::grammar) fn select(&mut self, query: &'t SelectStmt) -> Result<Size, Denial> {
        self.deeper(|walk| {
            let mark = walk.scope.enter();
            let size = walk.select_in_scope(query);
            walk.scope.leave(mark);
            walk.typist.close_query();
            size
        })
    }

    fn select_in_scope(&mut self, query: &'t SelectStmt) -> Result<Size, Denial> {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op,
            all: _,
            larg,
            rarg,
        } = query;
        if let Some(into) = into_clause {
            return Err(select_into(into));
        }
        self.by_place |= columns::compares_by_place(query);
        with_clause.as_ref().map_or(Ok(()), |with| self.with(with))?;
        let mut outputs = Outputs::default();
        let mut size = self.set_operation(*op, larg.as_deref(), rarg.as_deref(), &mut outputs)?;
        for item in from_clause {
            self.table_item(item)?;
        }
        if !values_lists.is_empty() {
            size = size.or(self.values(values_lists, &mut outputs)?);
        }
        self.distinct(distinct_clause)?;
        size = size.or(self.targets(target_list, &mut outputs)?);
        self.maybe(where_clause.as_deref())?;
        self.grouping(group_clause)?;
        self.maybe(having_clause.as_deref())?;
        for window in window_clause {
            let NodeEnum::WindowDef(window) = inner(window)? else { return Err(unexpected(inner(window)?)) };
            self.window(window)?;
        }
        self.order(sort_clause)?;
        self.maybe(limit_offset.as_deref())?;
        self.maybe(limit_count.as_deref())?;
        for clause in locking_clause {
            self.row_lock(clause)?;
        }
        self.typist.are_outputs(outputs);
        Ok(size)
    }

    fn set_operation(
        &mut self,
        op: i32,
        left: Option<&'t SelectStmt>,
        right: Option<&'t SelectStmt>,
        outputs: &mut Outputs,
    ) -> Result<Size, Denial> {
        match SetOperation::try_from(op) {
            Ok(SetOperation::SetopNone) => Ok(Size::NOTHING),
            Ok(SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept) => {
                let (Some(left), Some(right)) = (left, right) else { return Err(unsupported("a set operation")) };
                self.sorts(None);
                let mut size = self.select(left)?;
                let left = self.typist.last_outputs().columns;
                size = size.or(self.select(right)?);
                let right = self.typist.last_outputs().columns;
                outputs.columns = self.paired(&left, &right);
                outputs.left = Some(left);
                // Its own columns are in sight of ORDER BY, and of nothing else.
                let shape = self.typist.shape(Shape::Unknown);
                self.scope.add_item("", Source::Columns([].into()), shape);
                Ok(size)
            }
            Ok(SetOperation::Undefined) | Err(_) => Err(unsupported("a set operation")),
        }
    }

    /// The columns of a set operation: the names are the left side's, the types what both have in common.
    fn paired(&mut self, left: &[Output], right: &[Output]) -> Vec<Output> {
        let mut columns = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            let (Output::Column { name, value: left }, Output::Column { name: _, value: right }) = (left, right) else {
                return vec![Output::Unclear];
            };
            let value = self.typist.together(&[*left, *right]);
            columns.push(Output::Column { name: name.clone(), value });
        }
        if left.len() == right.len() { columns } else { vec![Output::Unclear] }
    }

    fn values(&mut self, rows: &'t [Node], outputs: &mut Outputs) -> Result<Size, Denial> {
        let mut widest = Size::NOTHING;
        let mut columns: Vec<Vec<Term>> = Vec::new();
        for row in rows {
            let NodeEnum::List(list) = inner(row)? else { return Err(unexpected(inner(row)?)) };
            columns.resize(columns.len().max(list.items.len()), Vec::new());
            for (value, column) in list.items.iter().zip(&mut columns) {
                widest = widest.or(self.expression(value)?);
                column.push(self.typist.last());
            }
        }
        for (place, terms) in columns.iter().enumerate() {
            let value = self.typist.together(terms);
            let name = Some(format!("column{}", place.saturating_add(1)));
            outputs.columns.push(Output::Column { name, value });
        }
        let shape = self.typist.shape(Shape::Columns(outputs.columns.clone().into()));
        self.scope.add_item("*VALUES*", Source::Columns([].into()), shape);
        Ok(widest)
    }

    fn distinct(&mut self, clause: &'t [Node]) -> Result<(), Denial> {
        for node in clause {
            self.sorts(None);
            // Plain DISTINCT is a list of one empty node.
            if node.node.is_some() {
                self.expression(node)?;
            }
        }
        Ok(())
    }

    fn targets(&mut self, targets: &'t [Node], outputs: &mut Outputs) -> Result<Size, Denial> {
        let mut widest = Size::NOTHING;
        for target in targets {
            widest = widest.or(self.target(target)?);
            outputs.columns.push(self.output(target));
        }
        Ok(widest)
    }

    /// The column, or the columns, of the target that was walked just now.
    fn output(&mut self, target: &Node) -> Output {
        let value = self.typist.last();
        match columns::output(target) {
            columns::Output::Named(name) => Output::Column { name: Some(name.to_owned()), value },
            columns::Output::Nameless => Output::Column { name: None, value },
            columns::Output::Star => {
                self.star_targets = true;
                let star = columns::star_of(target);
                // As a target it stands for columns, not for a row.
                self.stars -= usize::from(star.as_ref().is_some_and(|before| !before.is_empty()));
                let shapes = match star.as_deref() {
                    Some([]) => self.scope.visible(),
                    Some([qualifier]) => vec![self.scope.shape_of(None, qualifier)],
                    Some(_) | None => vec![None],
                };
                shapes.into_iter().collect::<Option<Box<[u32]>>>().map_or(Output::Unclear, Output::All)
            }
        }
    }

    /// `value AS name`, in a target list and in the argument lists of XML functions.
    pub(in crate::sql::grammar) fn target(&mut self, target: &'t Node) -> Result<Size, Denial> {
        let NodeEnum::ResTarget(target) = inner(target)? else { return Err(unexpected(inner(target)?)) };
        let ResTarget { name, indirection, val, location: _ } = target.as_ref();
        self.alias(name);
        self.indirection(indirection)?;
        let size = self.maybe(val.as_deref())?;
        if size.bytes > 0 {
            let named =
                if name.is_empty() { val.as_deref().and_then(columns::of_function) } else { Some(name.as_str()) };
            named.into_iter().for_each(|name| self.widen(name, size));
        }
        Ok(size)
    }

    /// Remembers that a column of that name may hold a value built out of constants.
    pub(in crate::sql::grammar) fn widen(&mut self, name: &'t str, size: Size) {
        let widest = self.widths.entry(name).or_default();
        *widest = (*widest).max(size.bytes);
    }

    pub(in crate::sql::grammar) fn grouping(&mut self, clause: &'t [Node]) -> Result<(), Denial> {
        if !clause.is_empty() {
            self.sorts(None);
        }
        self.all(clause).map(drop)
    }

    /// ORDER BY, of a query, a window or an aggregate.
    pub(in crate::sql::grammar) fn order(&mut self, clause: &'t [Node]) -> Result<(), Denial> {
        for node in clause {
            let NodeEnum::SortBy(sort) = inner(node)? else { return Err(unexpected(inner(node)?)) };
            self.sort(sort)?;
        }
        Ok(())
    }

    fn sort(&mut self, sort: &'t SortBy) -> Result<(), Denial> {
        let SortBy { node, sortby_dir: _, sortby_nulls: _, use_op, location } = sort;
        self.maybe(node.as_deref())?;
        self.sorts(None);
        if !use_op.is_empty() {
            let parts = strings(use_op)?;
            let (schema, name) = qualified(&parts)?;
            self.operator(
                OperatorRef {
                    schema: schema.map(str::to_owned),
                    name: name.to_owned(),
                    arguments: 2,
                    by_class: false,
                    position: place(*location),
                },
                vec![None],
            );
        }
        Ok(())
    }

    /// OVER (…) and the WINDOW clause.
    pub(in crate::sql::grammar) fn window(&mut self, window: &'t WindowDef) -> Result<(), Denial> {
        let WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location,
        } = window;
        if !partition_clause.is_empty() {
            self.sorts(place(*location));
        }
        self.all(partition_clause)?;
        self.order(order_clause)?;
        self.maybe(start_offset.as_deref())?;
        self.maybe(end_offset.as_deref())?;
        Ok(())
    }

    /// WITH: a query is in sight of those after it and of the body; of itself and all others when RECURSIVE.
    pub(in crate::sql::grammar) fn with(&mut self, with: &'t WithClause) -> Result<(), Denial> {
        let WithClause { ctes, recursive, location: _ } = with;
        if self.scope.cte_count().saturating_add(ctes.len()) > ITEMS_MAX {
            return Err(too_deep());
        }
        let shapes: Vec<_> = ctes.iter().map(|_| self.typist.shape(Shape::Unknown)).collect();
        if *recursive {
            for (node, shape) in ctes.iter().zip(&shapes) {
                self.announce(node, *shape)?;
            }
        }
        for (node, shape) in ctes.iter().zip(shapes) {
            self.cte(node, shape)?;
            if !*recursive {
                self.announce(node, shape)?;
            }
        }
        Ok(())
    }

    fn announce(&mut self, node: &'t Node, shape: Option<u32>) -> Result<(), Denial> {
        let NodeEnum::CommonTableExpr(cte) = inner(node)? else { return Err(unexpected(inner(node)?)) };
        let columns = match self.returned(cte.ctequery.as_deref()) {
            Some(targets) => columns::of_named_targets(targets, &cte.aliascolnames),
            None => {
                columns::of_named_query(select_of(cte.ctequery.as_deref(), place(cte.location))?, &cte.aliascolnames)
            }
        };
        let extra = [
            cte.search_clause.as_ref().map(|clause| clause.search_seq_column.as_str()),
            cte.cycle_clause.as_ref().map(|clause| clause.cycle_mark_column.as_str()),
            cte.cycle_clause.as_ref().map(|clause| clause.cycle_path_column.as_str()),
        ];
        let columns = columns.iter().copied().chain(extra.into_iter().flatten()).collect();
        self.witness.ctes.insert(cte.ctename.clone());
        self.scope.add_cte(&cte.ctename, columns, shape);
        Ok(())
    }

    fn cte(&mut self, node: &'t Node, shape: Option<u32>) -> Result<(), Denial> {
        let NodeEnum::CommonTableExpr(cte) = inner(node)? else { return Err(unexpected(inner(node)?)) };
        let CommonTableExpr {
            ctename: _,
            aliascolnames,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location,
            cterecursive: _,
            cterefcount: _,
            ctecolnames: _,
            ctecoltypes: _,
            ctecoltypmods: _,
            ctecolcollations: _,
        } = cte.as_ref();
        self.typist.untouch(shape);
        let size = self.cte_query(ctequery.as_deref(), place(*location))?;
        let outputs = self.typist.last_outputs();
        let recursive = self.typist.untouch(shape);
        let names = strings(aliascolnames)?;
        self.by_place |= !names.is_empty();
        names.iter().for_each(|name| self.widen(name, size));
        // The columns of a recursive query are those of its first part.
        let mut columns = if recursive { outputs.left.unwrap_or_default() } else { outputs.columns };
        if search_clause.is_some() || cycle_clause.is_some() {
            columns.push(Output::Unclear);
        }
        let columns = self.query_shape(columns, &names);
        self.typist.reshape(shape, columns);
        if let Some(clause) = search_clause {
            let CteSearchClause { search_col_list: _, search_breadth_first: _, search_seq_column: _, location: _ } =
                clause;
        }
        cycle_clause.as_deref().map_or(Ok(()), |clause| self.cycle(clause))
    }

    fn cycle(&mut self, clause: &'t CteCycleClause) -> Result<(), Denial> {
        let CteCycleClause {
            cycle_col_list: _,
            cycle_mark_column: _,
            cycle_mark_value,
            cycle_mark_default,
            cycle_path_column: _,
            location,
            cycle_mark_type: _,
            cycle_mark_typmod: _,
            cycle_mark_collation: _,
            cycle_mark_neop: _,
        } = clause;
        self.sorts(place(*location));
        self.maybe(cycle_mark_value.as_deref())?;
        self.maybe(cycle_mark_default.as_deref())?;
        Ok(())
    }
}

/// The SELECT that a place for a query holds.
pub(in crate::sql::grammar) fn select_of(node: Option<&Node>, position: Option<usize>) -> Result<&SelectStmt, Denial> {
    let query = inner(node.ok_or_else(|| unsupported("an empty query"))?)?;
    if let NodeEnum::SelectStmt(query) = query {
        return Ok(query);
    }
    Err(if matches!(query, writing_statements!()) {
        refusal::written_in_query(query, position)
    } else {
        unexpected(query)
    })
}

fn select_into(into: &IntoClause) -> Denial {
    let position = into.rel.as_ref().and_then(|relation| place(relation.location));
    refusal::write("SELECT INTO", position)
}
