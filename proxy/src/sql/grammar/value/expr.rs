//! Values: every node that may stand where one is expected.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{
    AArrayExpr, AConst, AExpr, AExprKind, AIndices, AIndirection, BoolExpr, BooleanTest, CaseExpr, CaseWhen,
    CoalesceExpr, CollateClause, ColumnRef, GroupingFunc, GroupingSet, GroupingSetKind, MinMaxExpr, NamedArgExpr, Node,
    NullTest, ParamRef, RowExpr, SqlValueFunction, SubLink, SubLinkType, TypeCast,
};

use crate::sql::denial::{Denial, Rule};
use crate::sql::grammar::bomb::{self, Size};
use crate::sql::grammar::columns;
use crate::sql::grammar::nodes::{
    clauses, constructs, defining_statements, from_items, json_expressions, leaves, list_entries,
    maintaining_statements, other_statements, plain_expressions, readable_statements, statement_parts,
    writing_expressions, writing_statements,
};
use crate::sql::grammar::select::select_of;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, string, strings, unexpected, unsupported};
use crate::sql::statement::{FieldRef, FieldSource, OperatorRef};
use crate::wire::sqlstate::SqlState;

impl<'t> Walk<'t> {
    /// Walks a value; returns how much of it constants make.
    pub(in crate::sql::grammar) fn expression(&mut self, node: &'t Node) -> Result<Size, Denial> {
        let size = self.deeper(|walk| walk.operation(inner(node)?))?;
        if size.bytes > self.limits.constant_bytes_max {
            return Err(Denial::new(
                Rule::ConstantBomb,
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                "statement builds too large a value out of constants",
            )
            .detail(format!("the limit is {} bytes", self.limits.constant_bytes_max)));
        }
        Ok(size)
    }

    fn operation(&mut self, node: &'t NodeEnum) -> Result<Size, Denial> {
        match node {
            NodeEnum::AConst(constant) => Ok(constant_size(constant)),
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::ParamRef(parameter) => self.parameter(parameter),
            NodeEnum::AExpr(operation) => self.operator_expression(operation),
            NodeEnum::FuncCall(call) => self.call(call),
            NodeEnum::TypeCast(cast) => self.cast(cast),
            NodeEnum::BoolExpr(operation) => {
                let BoolExpr { xpr: _, boolop: _, args, location: _ } = operation.as_ref();
                self.all(args).map(truth)
            }
            NodeEnum::NullTest(test) => {
                let NullTest { xpr: _, arg, nulltesttype: _, argisrow: _, location: _ } = test.as_ref();
                self.maybe(arg.as_deref()).map(truth)
            }
            NodeEnum::BooleanTest(test) => {
                let BooleanTest { xpr: _, arg, booltesttype: _, location: _ } = test.as_ref();
                self.maybe(arg.as_deref()).map(truth)
            }
            NodeEnum::List(list) => self.all(&list.items),
            NodeEnum::SubLink(link) => self.sublink(link),
            NodeEnum::AIndirection(field) => self.selection(field),
            NodeEnum::CollateClause(clause) => self.collate(clause),
            NodeEnum::NamedArgExpr(argument) => {
                let NamedArgExpr { xpr: _, arg, name: _, argnumber: _, location: _ } = argument.as_ref();
                self.maybe(arg.as_deref())
            }
            constructs!() => self.construct_value(node),
            json_expressions!() => self.json(node),
            list_entries!()
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

    fn construct_value(&mut self, node: &'t NodeEnum) -> Result<Size, Denial> {
        match node {
            NodeEnum::CaseExpr(case) => self.case(case),
            NodeEnum::CoalesceExpr(call) => {
                let CoalesceExpr { xpr: _, coalescetype: _, coalescecollid: _, args, location: _ } = call.as_ref();
                self.construct("coalesce");
                self.widest(args)
            }
            NodeEnum::MinMaxExpr(call) => {
                let MinMaxExpr { xpr: _, minmaxtype: _, minmaxcollid: _, inputcollid: _, op, args, location } =
                    call.as_ref();
                self.construct(columns::min_max_name(*op));
                self.implied_operator("<", place(*location));
                self.widest(args)
            }
            NodeEnum::AArrayExpr(AArrayExpr { elements, list_start: _, list_end: _, location: _ }) => {
                self.array(elements)
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr { xpr: _, args, row_typeid: _, row_format: _, colnames: _, location: _ } = row.as_ref();
                self.construct("row");
                self.all(args)
            }
            NodeEnum::GroupingFunc(call) => {
                let GroupingFunc { xpr: _, args, refs: _, agglevelsup: _, location: _ } = call.as_ref();
                self.construct("grouping");
                self.all(args).map(truth)
            }
            NodeEnum::SqlvalueFunction(call) => self.value_function(call),
            NodeEnum::XmlExpr(call) => self.xml(call),
            NodeEnum::XmlSerialize(call) => self.xml_serialize(call),
            NodeEnum::GroupingSet(GroupingSet { kind, content, location: _ }) => {
                self.grouping_set(*kind)?;
                self.all(content)
            }
            plain_expressions!()
            | json_expressions!()
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

    /// ROLLUP and CUBE look like calls to the second reader.
    fn grouping_set(&mut self, kind: i32) -> Result<(), Denial> {
        match GroupingSetKind::try_from(kind) {
            Ok(GroupingSetKind::GroupingSetRollup) => self.construct("rollup"),
            Ok(GroupingSetKind::GroupingSetCube) => self.construct("cube"),
            Ok(
                GroupingSetKind::GroupingSetEmpty
                | GroupingSetKind::GroupingSetSimple
                | GroupingSetKind::GroupingSetSets,
            ) => {}
            Ok(GroupingSetKind::Undefined) | Err(_) => return Err(unsupported("a grouping set")),
        }
        Ok(())
    }

    fn column(&mut self, column: &'t ColumnRef) -> Result<Size, Denial> {
        let ColumnRef { fields, location } = column;
        let Some((last, before)) = fields.split_last() else { return Err(unsupported("a column without a name")) };
        if matches!(inner(last)?, NodeEnum::AStar(_)) {
            before.iter().try_for_each(|field| string(field).map(drop))?;
            return Ok(Size::NOTHING);
        }
        let name = string(last)?;
        let before = strings(before)?;
        let source = match before.as_slice() {
            [] => None,
            [qualifier] => Some(self.scope.resolve(None, qualifier, name)),
            [.., schema, qualifier] => Some(self.scope.resolve(Some(schema), qualifier, name)),
        };
        if let Some(source) = source {
            self.field(FieldRef { name: name.to_owned(), source, position: place(*location) });
        }
        Ok(self.widths.get(name).map_or(Size::NOTHING, |&bytes| Size::bytes(bytes)))
    }

    fn parameter(&mut self, parameter: &ParamRef) -> Result<Size, Denial> {
        let ParamRef { number, location } = parameter;
        // `?` is number zero to libpg_query's scanner; PostgreSQL has no such parameter.
        let number = u16::try_from(*number).ok().filter(|&number| number > 0).ok_or_else(|| {
            Denial::new(Rule::Limit, SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${number}"))
                .at(place(*location))
        })?;
        if self.uses.parameter_position.is_none() {
            self.uses.parameter_position = place(*location);
        }
        self.uses.parameter_max = self.uses.parameter_max.max(number);
        Ok(Size::NOTHING)
    }

    fn operator_expression(&mut self, operation: &'t AExpr) -> Result<Size, Denial> {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location } = operation;
        let parts = strings(name)?;
        let (schema, operator) = qualified(&parts)?;
        let position = place(*location);
        let left = lexpr.as_deref().map(|left| self.expression(left)).transpose()?;
        let right = self.maybe(rexpr.as_deref())?;
        let kind = AExprKind::try_from(*kind).unwrap_or(AExprKind::Undefined);
        let names: &[&str] = match kind {
            AExprKind::Undefined => return Err(unsupported("an operator of this kind")),
            AExprKind::AexprBetween | AExprKind::AexprBetweenSym => &[">=", "<="],
            AExprKind::AexprNotBetween | AExprKind::AexprNotBetweenSym => &["<", ">"],
            AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprNullif
            | AExprKind::AexprIn
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar => &[operator],
        };
        let arguments = if left.is_some() { 2 } else { 1 };
        for name in names {
            let schema = schema.map(str::to_owned);
            self.operator(OperatorRef { schema, name: (*name).to_owned(), arguments, position });
        }
        if kind == AExprKind::AexprNullif {
            self.construct("nullif");
            return Ok(left.unwrap_or(Size::NOTHING));
        }
        Ok(match operator {
            "=" | "<>" | "<" | ">" | "<=" | ">=" | "~" | "~~" | "~~*" | "!~~" => Size::bytes(1),
            _ => Size::operate(operator, left, right),
        })
    }

    fn cast(&mut self, cast: &'t TypeCast) -> Result<Size, Denial> {
        let TypeCast { arg, type_name, location: _ } = cast;
        let size = self.maybe(arg.as_deref())?;
        let Some(named) = type_name else { return Err(unsupported("a cast without a type")) };
        let length = self.type_name(named)?;
        // char(n) and bit(n) pad up to n.
        let last = named.names.last().and_then(columns::text).unwrap_or_default();
        let padded = matches!(last, "bpchar" | "bit");
        Ok(if padded { size.or(Size::bytes(length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))) } else { size })
    }

    fn sublink(&mut self, link: &'t SubLink) -> Result<Size, Denial> {
        let SubLink { xpr: _, sub_link_type, sub_link_id: _, testexpr, oper_name, subselect, location } = link;
        self.maybe(testexpr.as_deref())?;
        let kind = SubLinkType::try_from(*sub_link_type).unwrap_or(SubLinkType::Undefined);
        let parts = strings(oper_name)?;
        if !parts.is_empty() {
            let (schema, name) = qualified(&parts)?;
            self.operator(OperatorRef {
                schema: schema.map(str::to_owned),
                name: name.to_owned(),
                arguments: 2,
                position: place(*location),
            });
        }
        let size = self.select(select_of(subselect.as_deref(), place(*location))?)?;
        match kind {
            SubLinkType::ExistsSublink => Ok(truth(size)),
            SubLinkType::AnySublink | SubLinkType::AllSublink => {
                if parts.is_empty() {
                    self.implied_operator("=", place(*location));
                }
                Ok(truth(size))
            }
            SubLinkType::ExprSublink | SubLinkType::ArraySublink => Ok(size),
            SubLinkType::Undefined
            | SubLinkType::RowcompareSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::CteSublink => Err(unsupported("a subquery of this kind")),
        }
    }

    fn case(&mut self, case: &'t CaseExpr) -> Result<Size, Denial> {
        let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location } = case;
        if arg.is_some() {
            self.implied_operator("=", place(*location));
        }
        self.maybe(arg.as_deref())?;
        let mut widest = self.maybe(defresult.as_deref())?;
        for when in args {
            let NodeEnum::CaseWhen(when) = inner(when)? else { return Err(unexpected(inner(when)?)) };
            let CaseWhen { xpr: _, expr, result, location: _ } = when.as_ref();
            self.maybe(expr.as_deref())?;
            widest = widest.or(self.maybe(result.as_deref())?);
        }
        Ok(widest)
    }

    fn widest(&mut self, nodes: &'t [Node]) -> Result<Size, Denial> {
        let mut widest = Size::NOTHING;
        for node in nodes {
            widest = widest.or(self.expression(node)?);
        }
        Ok(widest)
    }

    /// An array; its number is the product of its elements, as `array_fill`'s dimensions multiply.
    fn array(&mut self, elements: &'t [Node]) -> Result<Size, Denial> {
        let mut sum = Size::NOTHING;
        let mut product = Some(1_i128);
        for element in elements {
            let size = self.expression(element)?;
            sum = sum.plus(size);
            product = product.zip(size.number).map(|(product, number)| product.saturating_mul(number));
        }
        Ok(Size { number: product, ..sum })
    }

    fn selection(&mut self, field: &'t AIndirection) -> Result<Size, Denial> {
        let AIndirection { arg, indirection } = field;
        let size = self.maybe(arg.as_deref())?;
        self.indirection(indirection)?;
        Ok(size)
    }

    /// `.name`, `.*`, `[subscript]` behind a value.
    pub(in crate::sql::grammar) fn indirection(&mut self, indirection: &'t [Node]) -> Result<(), Denial> {
        for part in indirection {
            let part = inner(part)?;
            if let NodeEnum::String(name) = part {
                self.field(FieldRef { name: name.sval.clone(), source: FieldSource::Unknown, position: None });
            } else if let NodeEnum::AIndices(indices) = part {
                let AIndices { is_slice: _, lidx, uidx } = indices.as_ref();
                self.maybe(lidx.as_deref())?;
                self.maybe(uidx.as_deref())?;
            } else if !matches!(part, NodeEnum::AStar(_)) {
                return Err(unexpected(part));
            }
        }
        Ok(())
    }

    pub(in crate::sql::grammar) fn collate(&mut self, clause: &'t CollateClause) -> Result<Size, Denial> {
        let CollateClause { arg, collname, location: _ } = clause;
        let parts = strings(collname)?;
        let (schema, name) = qualified(&parts)?;
        let collation = (schema.map(str::to_owned), name.to_owned());
        if !self.uses.collations.contains(&collation) {
            self.uses.collations.push(collation);
        }
        self.maybe(arg.as_deref())
    }

    fn value_function(&mut self, call: &SqlValueFunction) -> Result<Size, Denial> {
        let SqlValueFunction { xpr: _, op, r#type: _, typmod: _, location: _ } = call;
        let name = columns::value_function_name(*op).ok_or_else(|| unsupported("a value function"))?;
        if !self.uses.value_functions.contains(&name) {
            self.uses.value_functions.push(name);
        }
        Ok(Size::NOTHING)
    }
}

/// A condition: its parts are walked, itself it is one byte.
fn truth(_parts: Size) -> Size {
    Size::bytes(1)
}

fn constant_size(constant: &AConst) -> Size {
    let AConst { isnull: _, location: _, val } = constant;
    match val {
        None => Size::NOTHING,
        Some(Val::Ival(number)) => Size::number(i128::from(number.ival)),
        Some(Val::Fval(number)) => Size { bytes: 16, number: bomb::number(&number.fval) },
        Some(Val::Boolval(_)) => Size::bytes(1),
        Some(Val::Sval(text)) => Size::text(&text.sval),
        Some(Val::Bsval(bits)) => Size { bytes: bomb::length(&bits.bsval), number: bomb::bits(&bits.bsval) },
    }
}
