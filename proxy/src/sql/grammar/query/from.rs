//! FROM: relations, subqueries, functions, joins, samples, XMLTABLE.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, ColumnDef, JoinExpr, Node, RangeFunction, RangeSubselect, RangeTableFunc, RangeTableFuncCol,
    RangeTableSample, RangeVar,
};

use crate::sql::denial::Denial;
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::columns;
use crate::sql::grammar::nodes::{
    clauses, constructs, defining_statements, json_expressions, leaves, list_entries, maintaining_statements,
    other_statements, plain_expressions, readable_statements, statement_parts, writing_expressions, writing_statements,
};
use crate::sql::grammar::scope::{Columns, Source};
use crate::sql::grammar::select::select_of;
use crate::sql::grammar::walk::{ITEMS_MAX, Walk, inner, place, qualified, strings, too_deep, unexpected, unsupported};
use crate::sql::statement::{FunctionRef, RelationRef};
use crate::sql::typing::{Derived, Output, Shape, Site, Term};

impl<'t> Walk<'t> {
    pub(in crate::sql::grammar) fn table_item(&mut self, item: &'t Node) -> Result<(), Denial> {
        if self.scope.items() >= ITEMS_MAX {
            return Err(too_deep());
        }
        self.deeper(|walk| match inner(item)? {
            NodeEnum::RangeVar(relation) => walk.range_var(relation),
            NodeEnum::RangeSubselect(subquery) => walk.range_subselect(subquery),
            NodeEnum::RangeFunction(function) => walk.range_function(function),
            NodeEnum::JoinExpr(join) => walk.join(join),
            NodeEnum::RangeTableSample(sample) => walk.sample(sample),
            NodeEnum::RangeTableFunc(table) => walk.xml_table(table),
            NodeEnum::JsonTable(table) => walk.json_table(table),
            other @ (plain_expressions!()
            | constructs!()
            | json_expressions!()
            | list_entries!()
            | leaves!()
            | clauses!()
            | readable_statements!()
            | writing_statements!()
            | defining_statements!()
            | maintaining_statements!()
            | other_statements!()
            | statement_parts!()
            | writing_expressions!()) => Err(unexpected(other)),
        })
    }

    fn range_var(&mut self, relation: &'t RangeVar) -> Result<(), Denial> {
        let alias = relation.alias.as_ref();
        let name = alias.map_or(relation.relname.as_str(), |alias| &alias.aliasname);
        let unqualified = relation.schemaname.is_empty() && relation.catalogname.is_empty();
        if let Some((columns, shape)) = unqualified.then(|| self.scope.cte(&relation.relname)).flatten() {
            self.typist.touch(shape);
            let plain = columns::of_alias(alias).is_empty();
            self.by_place |= !plain;
            let shape = if plain { shape } else { self.typist.shape(Shape::Unknown) };
            self.scope.add_item(name, Source::Columns(renamed(columns, alias)), shape);
            return Ok(());
        }
        let index = self.named_relation(relation)?;
        let names = columns::of_alias(alias);
        self.uses.renames_columns |= !names.is_empty();
        let schema = (!relation.schemaname.is_empty()).then_some(relation.schemaname.as_str());
        let shape = self.typist.shape(if names.is_empty() { Shape::Relation(index) } else { Shape::Unknown });
        self.scope.add_item(
            name,
            if names.is_empty() {
                Source::Relation { index, schema, aliased: alias.is_some() }
            } else {
                Source::Columns(names)
            },
            shape,
        );
        Ok(())
    }

    /// Records a relation that cannot be a common table expression.
    pub(in crate::sql::grammar) fn named_relation(&mut self, relation: &RangeVar) -> Result<usize, Denial> {
        let RangeVar { catalogname, schemaname, relname, inh, relpersistence: _, alias: _, location } = relation;
        if relname.is_empty() {
            return Err(unsupported("a relation without a name"));
        }
        let part = |name: &String| (!name.is_empty()).then(|| name.clone());
        Ok(self.relation(RelationRef {
            database: part(catalogname),
            schema: part(schemaname),
            name: relname.clone(),
            only: !inh,
            position: place(*location),
        }))
    }

    fn range_subselect(&mut self, item: &'t RangeSubselect) -> Result<(), Denial> {
        let RangeSubselect { lateral, subquery, alias } = item;
        let query = select_of(subquery.as_deref(), None)?;
        let hidden = self.scope.hide(!lateral);
        let size = self.select(query)?;
        let outputs = self.typist.last_outputs();
        self.scope.hide(hidden);
        let shape = self.query_shape(outputs.columns, &columns::of_alias(alias.as_ref()));
        self.add_table(alias.as_ref(), None, (columns::of_query(query, alias.as_ref()), shape), size);
        Ok(())
    }

    /// Adds a FROM item that is not a relation under its alias, or under the name it has without one.
    pub(in crate::sql::grammar) fn add_table(
        &mut self,
        alias: Option<&'t Alias>,
        default_name: Option<&'t str>,
        (columns, shape): (Columns<'t>, Shape),
        size: Size,
    ) {
        let name = alias.map(|alias| alias.aliasname.as_str()).or(default_name);
        self.by_place |= !columns::of_alias(alias).is_empty();
        if size.bytes > 0 {
            // A renamed column may be any of the widest.
            let renamed = columns::of_alias(alias);
            renamed.iter().copied().chain(name).for_each(|name| self.widen(name, size));
        }
        // Without a name, as a subquery may be since PostgreSQL 16, its columns are there all the same.
        let shape = self.typist.shape(shape);
        self.scope.add_item(name.unwrap_or_default(), Source::Columns(columns), shape);
    }

    /// The columns of a query in FROM or WITH under a list of other names.
    pub(in crate::sql::grammar) fn query_shape(&mut self, mut columns: Vec<Output>, names: &[&str]) -> Shape {
        if names.len() > columns.len() {
            return Shape::Unknown;
        }
        for (place, output) in columns.iter_mut().enumerate() {
            if let Output::Column { name, value } = output {
                *value = self.typist.settled(*value);
                if let Some(other) = names.get(place) {
                    *name = Some((*other).to_owned());
                }
            } else if place < names.len() {
                // Behind a star the place of a column is not known.
                return Shape::Unknown;
            }
        }
        Shape::Columns(columns.into())
    }

    fn range_function(&mut self, item: &'t RangeFunction) -> Result<(), Denial> {
        let RangeFunction { lateral: _, ordinality, is_rowsfrom: _, functions, alias, coldeflist } = item;
        let mut value = Term::Unclear;
        let mut defined = !coldeflist.is_empty();
        let mut widest = Size::NOTHING;
        let mut default_name = None;
        let mut names: Vec<&'t str> = columns::of_alias(alias.as_ref()).to_vec();
        for function in functions {
            let NodeEnum::List(pair) = inner(function)? else { return Err(unexpected(inner(function)?)) };
            let [call, definitions] = pair.items.as_slice() else { return Err(unsupported("a function in FROM")) };
            widest = widest.or(self.expression(call)?);
            value = self.typist.last();
            default_name = default_name.or_else(|| columns::of_function(call));
            // No column definition list is an empty node.
            if definitions.node.is_some() {
                let NodeEnum::List(list) = inner(definitions)? else { return Err(unexpected(inner(definitions)?)) };
                defined = true;
                self.column_definitions(&list.items, &mut names)?;
            }
        }
        self.column_definitions(coldeflist, &mut names)?;
        let plain = functions.len() == 1 && !defined;
        let shape = if plain { value_shape(value, alias.as_ref(), default_name, *ordinality) } else { Shape::Unknown };
        self.add_table(alias.as_ref(), default_name, (names.into(), shape), widest);
        Ok(())
    }

    /// `AS t(a int, b text COLLATE "C")`.
    fn column_definitions(&mut self, definitions: &'t [Node], names: &mut Vec<&'t str>) -> Result<(), Denial> {
        for definition in definitions {
            let NodeEnum::ColumnDef(column) = inner(definition)? else { return Err(unexpected(inner(definition)?)) };
            let ColumnDef {
                colname,
                type_name,
                compression: _,
                inhcount: _,
                is_local: _,
                is_not_null: _,
                is_from_type: _,
                storage: _,
                storage_name: _,
                raw_default,
                cooked_default,
                identity: _,
                identity_sequence: _,
                generated: _,
                coll_clause,
                coll_oid: _,
                constraints,
                fdwoptions,
                location: _,
            } = column.as_ref();
            if raw_default.is_some() || cooked_default.is_some() || !constraints.is_empty() || !fdwoptions.is_empty() {
                return Err(unsupported("a constraint of a column in FROM"));
            }
            names.push(colname);
            type_name.as_ref().map_or(Ok(None), |named| self.type_name(named))?;
            coll_clause.as_deref().map_or(Ok(Size::NOTHING), |clause| self.collate(clause))?;
        }
        Ok(())
    }

    fn join(&mut self, join: &'t JoinExpr) -> Result<(), Denial> {
        let JoinExpr { jointype: _, is_natural, larg, rarg, using_clause, join_using_alias, quals, alias, rtindex: _ } =
            join;
        let (Some(left), Some(right)) = (larg.as_deref(), rarg.as_deref()) else { return Err(unsupported("a join")) };
        let first = self.scope.items();
        self.table_item(left)?;
        let middle = self.scope.items();
        self.table_item(right)?;
        if *is_natural {
            self.implied_operator("=", vec![None], None);
        }
        for column in using_clause.iter().filter_map(columns::text) {
            let site = self.merged(column, first, middle);
            self.implied_operator("=", vec![site], None);
        }
        let outer = self.scope.see_from(first);
        if let Some(alias) = join_using_alias {
            let merged = using_clause.iter().filter_map(columns::text).collect();
            let shape = self.typist.shape(Shape::Unknown);
            self.scope.add_item(&alias.aliasname, Source::Columns(merged), shape);
        }
        self.maybe(quals.as_deref())?;
        self.scope.see_from(outer);
        if let Some(alias) = alias {
            self.uses.renames_columns |= !alias.colnames.is_empty();
            self.scope.hide_items(first);
            let shape = self.typist.shape(Shape::Unknown);
            self.scope.add_item(&alias.aliasname, Source::Columns(columns::of_alias(Some(alias))), shape);
        }
        Ok(())
    }

    /// The two columns that USING compares: left items start at `first`, right ones at `middle`.
    fn merged(&mut self, column: &str, first: usize, middle: usize) -> Site {
        let sides = [self.scope.shapes(first, middle), self.scope.shapes(middle, usize::MAX)];
        let terms = sides.map(|shapes| {
            let sight = self.typist.sight(&shapes, None);
            let column = |sight| Derived::Column { sight, name: column.to_owned() };
            sight.map_or(Term::Unclear, |sight| self.typist.derive(column(sight)))
        });
        Some(terms.into())
    }

    fn sample(&mut self, sample: &'t RangeTableSample) -> Result<(), Denial> {
        let RangeTableSample { relation, method, args, repeatable, location } = sample;
        let Some(NodeEnum::RangeVar(relation)) = relation.as_deref().map(inner).transpose()? else {
            return Err(unsupported("TABLESAMPLE of something that is not a table"));
        };
        self.range_var(relation)?;
        let parts = strings(method)?;
        let (schema, name) = qualified(&parts)?;
        // A sampling method is a function of one argument, of type internal.
        let index = self.function(FunctionRef {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            arguments: 1,
            variadic: false,
            named: false,
            position: place(*location),
        });
        self.typist.call(index, None);
        self.witness.implied.insert(name.to_owned());
        let hidden = self.scope.hide(true);
        self.all(args)?;
        self.maybe(repeatable.as_deref())?;
        self.scope.hide(hidden);
        self.uses.unrepeatable_sample |= repeatable.is_none();
        Ok(())
    }

    fn xml_table(&mut self, table: &'t RangeTableFunc) -> Result<(), Denial> {
        let RangeTableFunc { lateral: _, docexpr, rowexpr, namespaces, columns, alias, location: _ } = table;
        self.construct("xmltable");
        self.maybe(docexpr.as_deref())?;
        self.maybe(rowexpr.as_deref())?;
        for namespace in namespaces {
            self.target(namespace)?;
        }
        let mut names: Vec<&'t str> = columns::of_alias(alias.as_ref()).to_vec();
        for column in columns {
            let NodeEnum::RangeTableFuncCol(column) = inner(column)? else { return Err(unexpected(inner(column)?)) };
            let RangeTableFuncCol {
                colname,
                type_name,
                for_ordinality: _,
                is_not_null: _,
                colexpr,
                coldefexpr,
                location: _,
            } = column.as_ref();
            if names.len() < ITEMS_MAX {
                names.push(colname);
            }
            type_name.as_ref().map_or(Ok(None), |named| self.type_name(named))?;
            self.maybe(colexpr.as_deref())?;
            self.maybe(coldefexpr.as_deref())?;
        }
        // Column aliases rename the first columns: then only the new names are certain.
        let certain = if alias.as_ref().is_some_and(|alias| !alias.colnames.is_empty()) {
            columns::of_alias(alias.as_ref())
        } else {
            names.into()
        };
        self.add_table(alias.as_ref(), Some("xmltable"), (certain, Shape::Unknown), Size::NOTHING);
        Ok(())
    }
}

/// The one column of a function in FROM, if what it returns is a plain value.
fn value_shape(value: Term, alias: Option<&Alias>, default_name: Option<&str>, ordinality: bool) -> Shape {
    let names = columns::of_alias(alias);
    let own = alias.map(|alias| alias.aliasname.as_str()).or(default_name);
    let (Some(name), true) = (names.first().copied().or(own), names.len() <= 2) else { return Shape::Unknown };
    let counter = names.get(1).copied().unwrap_or("ordinality").to_owned();
    Shape::Value { name: name.to_owned(), named: !names.is_empty(), value, ordinality: ordinality.then_some(counter) }
}

/// Columns of a WITH query under an alias that may rename the first of them.
fn renamed<'t>(columns: Columns<'t>, alias: Option<&'t Alias>) -> Columns<'t> {
    let names = columns::of_alias(alias);
    if names.is_empty() { columns } else { names }
}
