//! SQL/JSON: constructors, query functions, JSON_TABLE. All of them call built-in functions alone.
//!
//! <https://www.postgresql.org/docs/current/functions-json.html>

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonAggConstructor, JsonArgument, JsonArrayAgg, JsonArrayConstructor, JsonArrayQueryConstructor, JsonBehavior,
    JsonFuncExpr, JsonIsPredicate, JsonKeyValue, JsonObjectAgg, JsonObjectConstructor, JsonOutput, JsonParseExpr,
    JsonScalarExpr, JsonSerializeExpr, JsonTable, JsonTableColumn, JsonTablePathSpec, JsonValueExpr, Node,
};

use crate::sql::denial::Denial;
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::columns;
use crate::sql::grammar::nodes::{
    clauses, constructs, defining_statements, from_items, leaves, list_entries, maintaining_statements,
    other_statements, plain_expressions, readable_statements, statement_parts, writing_expressions, writing_statements,
};
use crate::sql::grammar::select::select_of;
use crate::sql::grammar::walk::{Walk, inner, unexpected, unsupported};
use crate::sql::typing::Shape;

impl<'t> Walk<'t> {
    pub(in crate::sql::grammar) fn json(&mut self, node: &'t NodeEnum) -> Result<Size, Denial> {
        match node {
            NodeEnum::JsonFuncExpr(call) => self.json_query(call),
            NodeEnum::JsonParseExpr(call) => {
                let JsonParseExpr { expr, output, unique_keys: _, location: _ } = call.as_ref();
                self.construct("json");
                self.json_output(output.as_ref())?;
                self.json_value(expr.as_deref())
            }
            NodeEnum::JsonScalarExpr(call) => {
                let JsonScalarExpr { expr, output, location: _ } = call.as_ref();
                self.construct("json_scalar");
                self.json_output(output.as_ref())?;
                self.maybe(expr.as_deref())
            }
            NodeEnum::JsonSerializeExpr(call) => {
                let JsonSerializeExpr { expr, output, location: _ } = call.as_ref();
                self.construct("json_serialize");
                self.json_output(output.as_ref())?;
                self.json_value(expr.as_deref())
            }
            NodeEnum::JsonObjectConstructor(call) => {
                let JsonObjectConstructor { exprs, output, absent_on_null: _, unique: _, location: _ } = call;
                self.construct("json_object");
                self.json_output(output.as_ref())?;
                self.all(exprs)
            }
            NodeEnum::JsonArrayConstructor(call) => {
                let JsonArrayConstructor { exprs, output, absent_on_null: _, location: _ } = call;
                self.construct("json_array");
                self.json_output(output.as_ref())?;
                self.all(exprs)
            }
            NodeEnum::JsonArrayQueryConstructor(call) => {
                let JsonArrayQueryConstructor { query, output, format: _, absent_on_null: _, location: _ } =
                    call.as_ref();
                self.construct("json_array");
                self.json_output(output.as_ref())?;
                self.select(select_of(query.as_deref(), None)?)
            }
            NodeEnum::JsonObjectAgg(call) => self.json_object_aggregate(call),
            NodeEnum::JsonArrayAgg(call) => {
                let JsonArrayAgg { constructor, arg, absent_on_null: _ } = call.as_ref();
                self.construct("json_arrayagg");
                self.json_aggregate(constructor.as_deref())?;
                self.json_value(arg.as_deref())
            }
            NodeEnum::JsonIsPredicate(test) => {
                let JsonIsPredicate { expr, format: _, item_type: _, unique_keys: _, location: _ } = test.as_ref();
                self.maybe(expr.as_deref())
            }
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value)),
            NodeEnum::JsonKeyValue(pair) => self.json_pair(pair),
            plain_expressions!()
            | constructs!()
            | list_entries!()
            | leaves!()
            | from_items!()
            | clauses!()
            | readable_statements!()
            | writing_statements!()
            | defining_statements!()
            | maintaining_statements!()
            | other_statements!()
            | statement_parts!()
            | writing_expressions!() => Err(unexpected(node)),
        }
    }

    fn json_object_aggregate(&mut self, call: &'t JsonObjectAgg) -> Result<Size, Denial> {
        let JsonObjectAgg { constructor, arg, absent_on_null: _, unique: _ } = call;
        self.construct("json_objectagg");
        self.json_aggregate(constructor.as_deref())?;
        arg.as_deref().map_or(Ok(Size::NOTHING), |pair| self.json_pair(pair))
    }

    fn json_pair(&mut self, pair: &'t JsonKeyValue) -> Result<Size, Denial> {
        let JsonKeyValue { key, value } = pair;
        Ok(self.maybe(key.as_deref())?.plus(self.json_value(value.as_deref())?))
    }

    fn json_value(&mut self, value: Option<&'t JsonValueExpr>) -> Result<Size, Denial> {
        let Some(JsonValueExpr { raw_expr, formatted_expr, format: _ }) = value else { return Ok(Size::NOTHING) };
        Ok(self.maybe(raw_expr.as_deref())?.plus(self.maybe(formatted_expr.as_deref())?))
    }

    fn json_output(&mut self, output: Option<&'t JsonOutput>) -> Result<(), Denial> {
        let Some(JsonOutput { type_name, returning: _ }) = output else { return Ok(()) };
        type_name.as_ref().map_or(Ok(None), |named| self.type_name(named)).map(drop)
    }

    fn json_aggregate(&mut self, constructor: Option<&'t JsonAggConstructor>) -> Result<(), Denial> {
        let Some(constructor) = constructor else { return Err(unsupported("a JSON aggregate")) };
        let JsonAggConstructor { output, agg_filter, agg_order, over, location: _ } = constructor;
        self.json_output(output.as_ref())?;
        self.maybe(agg_filter.as_deref())?;
        self.order(agg_order)?;
        over.as_deref().map_or(Ok(()), |window| self.window(window))
    }

    fn json_behavior(&mut self, behavior: Option<&'t JsonBehavior>) -> Result<(), Denial> {
        let Some(JsonBehavior { btype: _, expr, coerce: _, location: _ }) = behavior else { return Ok(()) };
        self.maybe(expr.as_deref()).map(drop)
    }

    fn json_passing(&mut self, passing: &'t [Node]) -> Result<(), Denial> {
        for argument in passing {
            let NodeEnum::JsonArgument(argument) = inner(argument)? else { return Err(unexpected(inner(argument)?)) };
            let JsonArgument { val, name: _ } = argument.as_ref();
            self.json_value(val.as_deref())?;
        }
        Ok(())
    }

    fn json_query(&mut self, call: &'t JsonFuncExpr) -> Result<Size, Denial> {
        let JsonFuncExpr {
            op,
            column_name: _,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper: _,
            quotes: _,
            location: _,
        } = call;
        self.construct(columns::json_function_name(*op).ok_or_else(|| unsupported("a JSON function"))?);
        let size = self.json_value(context_item.as_deref())?;
        self.maybe(pathspec.as_deref())?;
        self.json_passing(passing)?;
        self.json_output(output.as_ref())?;
        self.json_behavior(on_empty.as_deref())?;
        self.json_behavior(on_error.as_deref())?;
        Ok(size)
    }

    pub(in crate::sql::grammar) fn json_table(&mut self, table: &'t JsonTable) -> Result<(), Denial> {
        let JsonTable { context_item, pathspec, passing, columns, on_error, alias, lateral: _, location: _ } = table;
        self.construct("json_table");
        self.json_value(context_item.as_deref())?;
        self.json_path(pathspec.as_deref())?;
        self.json_passing(passing)?;
        let mut names = Vec::new();
        self.json_columns(columns, &mut names)?;
        self.json_behavior(on_error.as_deref())?;
        let renamed = columns::of_alias(alias.as_ref());
        let certain = if renamed.is_empty() { names.into() } else { renamed };
        self.add_table(alias.as_ref(), Some("json_table"), (certain, Shape::Unknown), Size::NOTHING);
        Ok(())
    }

    fn json_path(&mut self, path: Option<&'t JsonTablePathSpec>) -> Result<(), Denial> {
        let Some(JsonTablePathSpec { string, name: _, name_location: _, location: _ }) = path else { return Ok(()) };
        self.maybe(string.as_deref()).map(drop)
    }

    fn json_columns(&mut self, nodes: &'t [Node], names: &mut Vec<&'t str>) -> Result<(), Denial> {
        for node in nodes {
            let NodeEnum::JsonTableColumn(column) = inner(node)? else { return Err(unexpected(inner(node)?)) };
            let JsonTableColumn {
                coltype: _,
                name,
                type_name,
                pathspec,
                format: _,
                wrapper: _,
                quotes: _,
                columns,
                on_empty,
                on_error,
                location: _,
            } = column.as_ref();
            if !name.is_empty() {
                names.push(name);
            }
            type_name.as_ref().map_or(Ok(None), |named| self.type_name(named))?;
            self.json_path(pathspec.as_deref())?;
            self.json_behavior(on_empty.as_deref())?;
            self.json_behavior(on_error.as_deref())?;
            self.deeper(|walk| walk.json_columns(columns, names))?;
        }
        Ok(())
    }
}
