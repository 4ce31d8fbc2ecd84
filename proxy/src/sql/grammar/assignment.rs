//! `SELECT set_config('name', 'value', false)`: a SET in the clothes of a function, as drivers use it.
//!
//! It counts as one only where it surely runs once, with what stands in the text: as an entry of the target list of a
//! SELECT that has nothing else, or as pgAdmin says it. Any other call of `set_config` is left to the policy, which refuses it.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AExprKind, FuncCall, Node, SelectStmt};

use super::walk::{inner, qualified, strings};
use crate::sql::statement::{Assigned, Assignment, SetScope};

pub(super) const SET_CONFIG: &str = "set_config";

/// The assignments of a query that does nothing but read values.
pub(super) fn assignments(query: &SelectStmt) -> Vec<Assignment> {
    if !(is_bare(query) || is_of_pgadmin(query))
        || !query.target_list.iter().all(|node| target(node).is_some() || is_one_value(node))
    {
        return Vec::new();
    }
    query.target_list.iter().filter_map(target).collect()
}

/// A target that surely makes one row: a function that returns a set could make none, or many. A parameter is cast to text
/// or not at all: its type is that of all its uses, `set_config` among them.
fn is_one_value(node: &Node) -> bool {
    let Ok(NodeEnum::ResTarget(target)) = inner(node) else { return false };
    let mut value = target.val.as_deref();
    let mut cast_to_other = false;
    loop {
        let Some(Ok(node)) = value.map(inner) else { return false };
        if let NodeEnum::TypeCast(cast) = node {
            value = cast.arg.as_deref();
            cast_to_other |= !is_text(cast);
            continue;
        }
        if let NodeEnum::ParamRef(_) = node {
            return !cast_to_other;
        }
        let plain = matches!(node, NodeEnum::AConst(_) | NodeEnum::SqlvalueFunction(_));
        return plain || is_call_of(node, "current_setting");
    }
}

fn is_call_of(node: &NodeEnum, name: &str) -> bool {
    let NodeEnum::FuncCall(call) = node else { return false };
    let parts = strings(&call.funcname);
    parts.is_ok_and(|parts| {
        qualified(&parts).is_ok_and(|(schema, own)| matches!(schema, None | Some("pg_catalog")) && own == name)
    })
}

/// A target list alone: one row, no condition.
fn is_bare(query: &SelectStmt) -> bool {
    let only_targets = SelectStmt {
        target_list: query.target_list.clone(),
        op: query.op,
        limit_option: query.limit_option,
        ..SelectStmt::default()
    };
    *query == only_targets && query.op() == pg_query::protobuf::SetOperation::SetopNone
}

/// What pgAdmin says on each connection: `SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE
/// name = 'bytea_output'`. Every server has that parameter, so there is one row.
fn is_of_pgadmin(query: &SelectStmt) -> bool {
    const PARAMETER: &str = "bytea_output";
    let bare = SelectStmt { from_clause: Vec::new(), where_clause: None, ..query.clone() };
    let [entry] = query.target_list.as_slice() else { return false };
    let sets_it = target(entry).is_some_and(|assignment| assignment.name == PARAMETER);
    let [source] = query.from_clause.as_slice() else { return false };
    sets_it
        && is_bare(&bare)
        && is_list_of_settings(source)
        && query.where_clause.as_deref().is_some_and(|condition| names(condition, PARAMETER))
}

/// `pg_show_all_settings()`, without columns of its own.
fn is_list_of_settings(source: &Node) -> bool {
    let Ok(NodeEnum::RangeFunction(source)) = inner(source) else { return false };
    let plain = !source.lateral && !source.ordinality && !source.is_rowsfrom && source.coldeflist.is_empty();
    let [function] = source.functions.as_slice() else { return false };
    let Ok(NodeEnum::List(function)) = inner(function) else { return false };
    let Some(Ok(call)) = function.items.first().map(inner) else { return false };
    plain && source.alias.is_none() && is_call_of(call, "pg_show_all_settings")
}

/// `name = 'PARAMETER'`.
fn names(condition: &Node, parameter: &str) -> bool {
    let Ok(NodeEnum::AExpr(compared)) = inner(condition) else { return false };
    let (Some(left), Some(right)) = (compared.lexpr.as_deref(), compared.rexpr.as_deref()) else { return false };
    let Ok(NodeEnum::ColumnRef(column)) = inner(left) else { return false };
    compared.kind() == AExprKind::AexprOp
        && matches!(strings(&compared.name).as_deref(), Ok(["="]))
        && matches!(strings(&column.fields).as_deref(), Ok(["name"]))
        && value_of(right) == Some(Assigned::Text(parameter.to_owned()))
}

fn target(node: &Node) -> Option<Assignment> {
    let NodeEnum::ResTarget(target) = inner(node).ok()? else { return None };
    let NodeEnum::FuncCall(call) = inner(target.val.as_deref()?).ok()? else { return None };
    assignment(call)
}

fn assignment(call: &FuncCall) -> Option<Assignment> {
    let FuncCall {
        funcname,
        args,
        agg_order,
        agg_filter,
        over,
        agg_within_group: false,
        agg_star: false,
        agg_distinct: false,
        func_variadic: false,
        funcformat: _,
        location: _,
    } = call
    else {
        return None;
    };
    let parts = strings(funcname).ok()?;
    let (None | Some("pg_catalog"), SET_CONFIG) = qualified(&parts).ok()? else { return None };
    let ([name, value, local], true, None, None) = (args.as_slice(), agg_order.is_empty(), agg_filter, over) else {
        return None;
    };
    let Assigned::Text(name) = value_of(name)? else { return None };
    let scope = if boolean(local)? { SetScope::Local } else { SetScope::Session };
    Some(Assignment { name: name.to_ascii_lowercase(), value: value_of(value)?, scope })
}

/// `None` for anything but a text, NULL or a parameter: then the call is no assignment, and the policy refuses it.
fn value_of(node: &Node) -> Option<Assigned> {
    let node = inner(node).ok()?;
    if let NodeEnum::ParamRef(parameter) = node {
        return u16::try_from(parameter.number).ok().map(Assigned::Parameter);
    }
    if let NodeEnum::TypeCast(cast) = node {
        return value_of(cast.arg.as_deref()?).filter(|_| is_text(cast));
    }
    let NodeEnum::AConst(constant) = node else { return None };
    match &constant.val {
        _ if constant.isnull => Some(Assigned::Default),
        Some(Val::Sval(text)) => Some(Assigned::Text(text.sval.clone())),
        Some(Val::Ival(_) | Val::Fval(_) | Val::Boolval(_) | Val::Bsval(_)) | None => None,
    }
}

/// `$1::text`, `'off'::text`: a cast that changes nothing.
fn is_text(cast: &pg_query::protobuf::TypeCast) -> bool {
    let named = cast.type_name.as_ref().and_then(|named| strings(&named.names).ok());
    named.is_some_and(|parts| matches!(parts.as_slice(), ["text"] | ["pg_catalog", "text"]))
}

fn boolean(node: &Node) -> Option<bool> {
    let NodeEnum::AConst(constant) = inner(node).ok()? else { return None };
    if let Some(Val::Boolval(value)) = &constant.val { Some(value.boolval) } else { None }
}
