//! The names PostgreSQL gives to the columns of a query, as far as the text alone tells (`FigureColname`).

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExprKind, Alias, JsonExprOp, MinMaxOp, Node, SelectStmt, SetOperation, SqlValueFunctionOp, SubLinkType, XmlExprOp,
};

use crate::sql::grammar::scope::Columns;

/// One column of a query's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql::grammar) enum Output<'t> {
    Named(&'t str),
    /// One column whose name the text does not show.
    Nameless,
    /// `*`: any number of columns.
    Star,
}

/// Columns that a query certainly has under the alias it stands in.
pub(in crate::sql::grammar) fn of_query<'t>(query: &'t SelectStmt, alias: Option<&'t Alias>) -> Columns<'t> {
    of_named_query(query, alias.map_or(&[], |alias| alias.colnames.as_slice()))
}

/// The same with a list of column names, as a common table expression has it.
pub(in crate::sql::grammar) fn of_named_query<'t>(query: &'t SelectStmt, names: &'t [Node]) -> Columns<'t> {
    of_outputs(&outputs(query), names)
}

/// The same for what RETURNING lists.
pub(in crate::sql::grammar) fn of_named_targets<'t>(targets: &'t [Node], names: &'t [Node]) -> Columns<'t> {
    of_outputs(&targets.iter().map(output).collect::<Vec<_>>(), names)
}

fn of_outputs<'t>(outputs: &[Output<'t>], names: &'t [Node]) -> Columns<'t> {
    let star = outputs.contains(&Output::Star);
    let renamed = names.iter().filter_map(text);
    // Behind a star the place of a column is unknown: it may be one of those that were renamed.
    let kept_from = if star && !names.is_empty() { outputs.len() } else { names.len() };
    let kept = outputs.iter().skip(kept_from).filter_map(|output| match output {
        Output::Named(name) => Some(*name),
        Output::Nameless | Output::Star => None,
    });
    renamed.chain(kept).collect()
}

/// Names of an alias list.
pub(in crate::sql::grammar) fn of_alias<'t>(alias: Option<&'t Alias>) -> Columns<'t> {
    alias.map_or(&[][..], |alias| alias.colnames.as_slice()).iter().filter_map(text).collect()
}

/// The text of a String node.
pub(in crate::sql::grammar) fn text(node: &Node) -> Option<&str> {
    if let Some(NodeEnum::String(text)) = &node.node { Some(text.sval.as_str()) } else { None }
}

fn outputs(query: &SelectStmt) -> Vec<Output<'_>> {
    const VALUES: [&str; 8] = ["column1", "column2", "column3", "column4", "column5", "column6", "column7", "column8"];
    let mut first = query;
    while let (false, Some(left)) = (is_simple(first), first.larg.as_deref()) {
        first = left;
    }
    if let Some(row) = first.values_lists.first() {
        let width = if let Some(NodeEnum::List(list)) = &row.node { list.items.len() } else { 0 };
        return (0..width).map(|at| VALUES.get(at).map_or(Output::Nameless, |name| Output::Named(name))).collect();
    }
    first.target_list.iter().map(output).collect()
}

/// Whether a query sorts, groups, makes distinct or pairs columns by their places, so that a star needs no name for it.
pub(in crate::sql::grammar) fn compares_by_place(query: &SelectStmt) -> bool {
    let sorted = query.sort_clause.iter().filter_map(|node| node.node.as_ref()).any(|node| {
        if let NodeEnum::SortBy(sort) = node { sort.node.as_deref().is_none_or(may_be_place) } else { true }
    });
    sorted || !is_simple(query) || !query.distinct_clause.is_empty() || query.group_clause.iter().any(may_be_place)
}

/// A number is a place, also inside of a row or a grouping set. What begins with a name, a sign or a call is a value.
fn may_be_place(node: &Node) -> bool {
    !matches!(
        &node.node,
        Some(NodeEnum::ColumnRef(_) | NodeEnum::FuncCall(_) | NodeEnum::AExpr(_) | NodeEnum::TypeCast(_))
    )
}

fn is_simple(query: &SelectStmt) -> bool {
    matches!(SetOperation::try_from(query.op), Ok(SetOperation::SetopNone | SetOperation::Undefined))
}

pub(in crate::sql::grammar) fn output(node: &Node) -> Output<'_> {
    let Some(NodeEnum::ResTarget(target)) = node.node.as_ref() else { return Output::Nameless };
    if !target.name.is_empty() {
        return Output::Named(&target.name);
    }
    let Some(value) = target.val.as_deref() else { return Output::Nameless };
    if ends_in_star(value) {
        return Output::Star;
    }
    figure(value).map_or(Output::Nameless, |(_, name)| Output::Named(name))
}

/// The qualifier of a `*` that is a target of its own: nothing, or the names before it.
pub(in crate::sql::grammar) fn star_of(target: &Node) -> Option<Vec<&str>> {
    let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else { return None };
    let Some(NodeEnum::ColumnRef(column)) = target.val.as_deref()?.node.as_ref() else { return None };
    let (_, before) = column.fields.split_last()?;
    before.iter().map(text).collect()
}

pub(in crate::sql::grammar) fn ends_in_star(value: &Node) -> bool {
    let last = if let Some(NodeEnum::ColumnRef(column)) = &value.node {
        column.fields.last()
    } else if let Some(NodeEnum::AIndirection(field)) = &value.node {
        field.indirection.last()
    } else {
        None
    };
    matches!(last.and_then(|node| node.node.as_ref()), Some(NodeEnum::AStar(_)))
}

/// The name a FROM item has that is a function without an alias.
pub(in crate::sql::grammar) fn of_function(node: &Node) -> Option<&str> {
    figure(node).map(|(_, name)| name)
}

/// How sure PostgreSQL is of a name: a cast's type gives way to a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

fn strong(name: &str) -> Option<(Strength, &str)> {
    Some((Strength::Strong, name))
}

fn figure(node: &Node) -> Option<(Strength, &str)> {
    stacker::maybe_grow(32 << 10, 1 << 20, || figure_on_stack(node))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a name that is not known makes a reference to it unsure, nothing more"
)]
fn figure_on_stack(node: &Node) -> Option<(Strength, &str)> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => last_text(&column.fields),
        NodeEnum::AIndirection(field) => last_text(&field.indirection).or_else(|| figure(field.arg.as_deref()?)),
        NodeEnum::FuncCall(call) => last_text(&call.funcname),
        NodeEnum::AExpr(operation) if operation.kind == i32::from(AExprKind::AexprNullif) => strong("nullif"),
        NodeEnum::CollateClause(clause) => figure(clause.arg.as_deref()?),
        NodeEnum::TypeCast(cast) => match cast.arg.as_deref().and_then(figure) {
            Some((Strength::Strong, name)) => strong(name),
            Some((Strength::Weak, _)) | None => {
                let names = &cast.type_name.as_ref()?.names;
                last_text(names).map(|(_, name)| (Strength::Weak, name))
            }
        },
        NodeEnum::CaseExpr(case) => match case.defresult.as_deref().and_then(figure) {
            Some((Strength::Strong, name)) => strong(name),
            Some((Strength::Weak, _)) | None => Some((Strength::Weak, "case")),
        },
        NodeEnum::SubLink(link) => sublink(link.sub_link_type, link.subselect.as_deref()),
        other => construct(other),
    }
}

fn last_text(parts: &[Node]) -> Option<(Strength, &str)> {
    parts.iter().rev().find_map(text).and_then(strong)
}

fn sublink(kind: i32, query: Option<&Node>) -> Option<(Strength, &str)> {
    match SubLinkType::try_from(kind).ok()? {
        SubLinkType::ExistsSublink => strong("exists"),
        SubLinkType::ArraySublink => strong("array"),
        SubLinkType::ExprSublink => {
            let Some(NodeEnum::SelectStmt(query)) = query?.node.as_ref() else { return None };
            match outputs(query).first()? {
                Output::Named(name) => strong(name),
                Output::Nameless | Output::Star => None,
            }
        }
        SubLinkType::Undefined
        | SubLinkType::AllSublink
        | SubLinkType::AnySublink
        | SubLinkType::RowcompareSublink
        | SubLinkType::MultiexprSublink
        | SubLinkType::CteSublink => None,
    }
}

/// Constructs that lend their keyword to the column. Whatever is not here has no name that is sure.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a name that is not known makes a reference to it unsure, nothing more"
)]
fn construct(node: &NodeEnum) -> Option<(Strength, &str)> {
    match node {
        NodeEnum::GroupingFunc(_) => strong("grouping"),
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::MinMaxExpr(call) => strong(min_max_name(call.op)),
        NodeEnum::SqlvalueFunction(call) => strong(value_function_name(call.op)?),
        NodeEnum::XmlExpr(call) => strong(xml_name(call.op)?),
        NodeEnum::XmlSerialize(_) => strong("xmlserialize"),
        NodeEnum::JsonFuncExpr(call) => strong(json_function_name(call.op)?),
        NodeEnum::JsonParseExpr(_) => strong("json"),
        NodeEnum::JsonScalarExpr(_) => strong("json_scalar"),
        NodeEnum::JsonSerializeExpr(_) => strong("json_serialize"),
        NodeEnum::JsonObjectConstructor(_) => strong("json_object"),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => strong("json_array"),
        NodeEnum::JsonObjectAgg(_) => strong("json_objectagg"),
        NodeEnum::JsonArrayAgg(_) => strong("json_arrayagg"),
        _ => None,
    }
}

pub(in crate::sql::grammar) fn min_max_name(op: i32) -> &'static str {
    if op == i32::from(MinMaxOp::IsLeast) { "least" } else { "greatest" }
}

/// The keyword of a value function, lower case.
pub(in crate::sql::grammar) fn value_function_name(op: i32) -> Option<&'static str> {
    Some(match SqlValueFunctionOp::try_from(op).ok()? {
        SqlValueFunctionOp::SqlvalueFunctionOpUndefined => return None,
        SqlValueFunctionOp::SvfopCurrentDate => "current_date",
        SqlValueFunctionOp::SvfopCurrentTime | SqlValueFunctionOp::SvfopCurrentTimeN => "current_time",
        SqlValueFunctionOp::SvfopCurrentTimestamp | SqlValueFunctionOp::SvfopCurrentTimestampN => "current_timestamp",
        SqlValueFunctionOp::SvfopLocaltime | SqlValueFunctionOp::SvfopLocaltimeN => "localtime",
        SqlValueFunctionOp::SvfopLocaltimestamp | SqlValueFunctionOp::SvfopLocaltimestampN => "localtimestamp",
        SqlValueFunctionOp::SvfopCurrentRole => "current_role",
        SqlValueFunctionOp::SvfopCurrentUser => "current_user",
        SqlValueFunctionOp::SvfopUser => "user",
        SqlValueFunctionOp::SvfopSessionUser => "session_user",
        SqlValueFunctionOp::SvfopCurrentCatalog => "current_catalog",
        SqlValueFunctionOp::SvfopCurrentSchema => "current_schema",
    })
}

/// The type of a value function, by its keyword.
pub(in crate::sql::grammar) fn value_function_type(keyword: &str) -> &'static str {
    match keyword {
        "current_date" => "date",
        "current_time" => "timetz",
        "current_timestamp" => "timestamptz",
        "localtime" => "time",
        "localtimestamp" => "timestamp",
        _ => "name",
    }
}

/// The keyword of an XML construct; `None` for IS DOCUMENT, which has none.
pub(in crate::sql::grammar) fn xml_name(op: i32) -> Option<&'static str> {
    Some(match XmlExprOp::try_from(op).ok()? {
        XmlExprOp::Undefined | XmlExprOp::IsDocument => return None,
        XmlExprOp::IsXmlconcat => "xmlconcat",
        XmlExprOp::IsXmlelement => "xmlelement",
        XmlExprOp::IsXmlforest => "xmlforest",
        XmlExprOp::IsXmlparse => "xmlparse",
        XmlExprOp::IsXmlpi => "xmlpi",
        XmlExprOp::IsXmlroot => "xmlroot",
        XmlExprOp::IsXmlserialize => "xmlserialize",
    })
}

/// The keyword of a JSON query function.
pub(in crate::sql::grammar) fn json_function_name(op: i32) -> Option<&'static str> {
    Some(match JsonExprOp::try_from(op).ok()? {
        JsonExprOp::Undefined => return None,
        JsonExprOp::JsonExistsOp => "json_exists",
        JsonExprOp::JsonQueryOp => "json_query",
        JsonExprOp::JsonValueOp => "json_value",
        JsonExprOp::JsonTableOp => "json_table",
    })
}
