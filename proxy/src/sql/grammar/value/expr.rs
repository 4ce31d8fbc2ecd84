//! Values: every node that may stand where one is expected.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AArrayExpr, AExpr, AExprKind, AIndices, AIndirection, BoolExpr, BooleanTest, CaseExpr, CaseWhen, CoalesceExpr,
    CollateClause, ColumnRef, GroupingFunc, GroupingSet, GroupingSetKind, MinMaxExpr, NamedArgExpr, Node, NullTest,
    ParamRef, RowExpr, SqlValueFunction, SubLink, SubLinkType, TypeCast,
};

use crate::sql::access::Access;
use crate::sql::denial::{Denial, Rule};
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::columns;
use crate::sql::grammar::nodes::{
    clauses, constructs, defining_statements, from_items, json_expressions, leaves, list_entries,
    maintaining_statements, other_statements, plain_expressions, readable_statements, statement_parts,
    writing_expressions, writing_statements,
};
use crate::sql::grammar::select::select_of;
use crate::sql::grammar::value::types::source_of;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, string, strings, unexpected, unsupported};
use crate::sql::statement::{ConversionSource, FieldRef, FieldSource, OperatorRef, shows_writers};
use crate::sql::typing::{Derived, Output, Term};
use crate::wire::sqlstate::SqlState;

impl<'t> Walk<'t> {
    /// Walks a value; returns how much of it constants make.
    pub(in crate::sql::grammar) fn expression(&mut self, node: &'t Node) -> Result<Size, Denial> {
        let size = self.deeper(|walk| walk.operation(inner(node)?))?;
        self.typist.close_value();
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
            NodeEnum::AConst(constant) => Ok(self.constant(constant)),
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::ParamRef(parameter) => self.parameter(parameter),
            NodeEnum::AExpr(operation) => self.operator_expression(operation),
            NodeEnum::FuncCall(call) => self.call(call),
            NodeEnum::TypeCast(cast) => self.cast(cast),
            NodeEnum::BoolExpr(operation) => {
                let BoolExpr { xpr: _, boolop: _, args, location: _ } = operation.as_ref();
                self.all(args).map(|parts| self.truth(parts))
            }
            NodeEnum::NullTest(test) => {
                let NullTest { xpr: _, arg, nulltesttype: _, argisrow: _, location: _ } = test.as_ref();
                self.maybe(arg.as_deref()).map(|parts| self.truth(parts))
            }
            NodeEnum::BooleanTest(test) => {
                let BooleanTest { xpr: _, arg, booltesttype: _, location: _ } = test.as_ref();
                self.maybe(arg.as_deref()).map(|parts| self.truth(parts))
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
            writing_expressions!() if self.access == Access::Store => self.assigned(node),
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
                self.sorts(place(*location));
                self.widest(args)
            }
            NodeEnum::AArrayExpr(AArrayExpr { elements, list_start: _, list_end: _, location: _ }) => {
                self.array(elements)
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr { xpr: _, args, row_typeid: _, row_format: _, colnames: _, location: _ } = row.as_ref();
                self.construct("row");
                self.row(args)
            }
            NodeEnum::GroupingFunc(call) => {
                let GroupingFunc { xpr: _, args, refs: _, agglevelsup: _, location: _ } = call.as_ref();
                self.construct("grouping");
                let size = self.all(args)?;
                self.typist.is(Term::Own("int4"));
                Ok(truth(size))
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
            self.stars += usize::from(!before.is_empty());
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
        self.uses.shows_writers |= shows_writers(name);
        self.column_type(&before, name);
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
        self.typist.parameter(number);
        self.typist.is(Term::Parameter(number));
        Ok(Size::NOTHING)
    }

    fn operator_expression(&mut self, operation: &'t AExpr) -> Result<Size, Denial> {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location } = operation;
        let parts = strings(name)?;
        let (schema, operator) = qualified(&parts)?;
        let position = place(*location);
        let left = lexpr.as_deref().map(|left| self.expression(left)).transpose()?;
        let first = lexpr.as_deref().map(|left| self.operand(left));
        let (right, second) = self.right_operands(rexpr.as_deref())?;
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
        let looked_up = self.look_ups(kind, first.as_ref(), &second);
        for (name, sites) in names.iter().zip(looked_up) {
            let schema = schema.map(str::to_owned);
            let name = (*name).to_owned();
            self.operator(OperatorRef { schema, name, arguments, by_class: false, position }, sites);
        }
        self.result(kind, (schema, operator), first.as_ref(), &second);
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
        let of = arg.as_deref().map_or(ConversionSource::Other, source_of);
        let length = self.type_made_of(named, of)?;
        let made = self.type_term(named);
        self.typist.is(made);
        // char(n) and bit(n) pad up to n.
        let last = named.names.last().and_then(columns::text).unwrap_or_default();
        let padded = matches!(last, "bpchar" | "bit");
        Ok(if padded { size.or(Size::bytes(length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))) } else { size })
    }

    fn sublink(&mut self, link: &'t SubLink) -> Result<Size, Denial> {
        let SubLink { xpr: _, sub_link_type, sub_link_id: _, testexpr, oper_name, subselect, location } = link;
        self.maybe(testexpr.as_deref())?;
        let tested = testexpr.as_deref().map(|tested| self.operand(tested));
        let kind = SubLinkType::try_from(*sub_link_type).unwrap_or(SubLinkType::Undefined);
        let parts = strings(oper_name)?;
        let size = self.select(select_of(subselect.as_deref(), place(*location))?)?;
        let columns = self.typist.last_outputs().columns;
        let named = columns.iter().all(|column| matches!(column, Output::Column { .. }));
        self.by_place |= !named && kind != SubLinkType::ExistsSublink;
        let sites = self.compared(tested.as_ref(), &columns);
        if !parts.is_empty() {
            let (schema, name) = qualified(&parts)?;
            let (schema, name, position) = (schema.map(str::to_owned), name.to_owned(), place(*location));
            self.operator(OperatorRef { schema, name, arguments: 2, by_class: false, position }, sites);
        } else if matches!(kind, SubLinkType::AnySublink | SubLinkType::AllSublink) {
            self.implied_operator("=", sites, place(*location));
        }
        match kind {
            SubLinkType::ExistsSublink | SubLinkType::AnySublink | SubLinkType::AllSublink => Ok(self.truth(size)),
            SubLinkType::ExprSublink | SubLinkType::ArraySublink => {
                self.is_subquery(&columns, kind == SubLinkType::ArraySublink);
                Ok(size)
            }
            SubLinkType::Undefined
            | SubLinkType::RowcompareSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::CteSublink => Err(unsupported("a subquery of this kind")),
        }
    }

    fn case(&mut self, case: &'t CaseExpr) -> Result<Size, Denial> {
        let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location } = case;
        let subject = arg.as_deref().map(|arg| self.expression(arg).map(|_| self.typist.last())).transpose()?;
        let subject = subject.map(|subject| self.typist.settled(subject));
        let mut widest = self.maybe(defresult.as_deref())?;
        // The default counts first; without one it is NULL.
        let mut results = vec![if defresult.is_some() { self.typist.last() } else { Term::Literal }];
        for when in args {
            let NodeEnum::CaseWhen(when) = inner(when)? else { return Err(unexpected(inner(when)?)) };
            let CaseWhen { xpr: _, expr, result, location: _ } = when.as_ref();
            self.maybe(expr.as_deref())?;
            if let Some(subject) = subject {
                let site = Some([subject, self.typist.last()].into());
                self.implied_operator("=", vec![site], place(*location));
            }
            widest = widest.or(self.maybe(result.as_deref())?);
            results.push(self.typist.last());
        }
        let together = self.typist.together(&results);
        self.typist.is(together);
        Ok(widest)
    }

    fn widest(&mut self, nodes: &'t [Node]) -> Result<Size, Denial> {
        let (mut widest, mut terms) = (Size::NOTHING, Vec::with_capacity(nodes.len()));
        for node in nodes {
            widest = widest.or(self.expression(node)?);
            terms.push(self.typist.last());
        }
        let together = self.typist.together(&terms);
        self.typist.is(together);
        Ok(widest)
    }

    /// An array; its number is the product of its elements, as `array_fill`'s dimensions multiply.
    fn array(&mut self, elements: &'t [Node]) -> Result<Size, Denial> {
        let mut sum = Size::NOTHING;
        let mut product = Some(1_i128);
        let mut terms = Vec::with_capacity(elements.len());
        for element in elements {
            let size = self.expression(element)?;
            terms.push(self.typist.last());
            sum = sum.plus(size);
            product = product.zip(size.number).map(|(product, number)| product.saturating_mul(number));
        }
        let together = self.typist.together(&terms);
        self.typist.is_derived(Derived::ArrayOf(together));
        Ok(Size { number: product, ..sum })
    }

    fn selection(&mut self, field: &'t AIndirection) -> Result<Size, Denial> {
        let AIndirection { arg, indirection } = field;
        let size = self.maybe(arg.as_deref())?;
        let whole = self.typist.last();
        self.indirection(indirection)?;
        if indirection.iter().all(is_subscript) {
            self.typist.is_derived(Derived::ElementOf(whole));
        }
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
        let size = self.maybe(arg.as_deref())?;
        let collated = self.typist.last();
        self.typist.is(collated);
        Ok(size)
    }

    fn value_function(&mut self, call: &SqlValueFunction) -> Result<Size, Denial> {
        let SqlValueFunction { xpr: _, op, r#type: _, typmod: _, location: _ } = call;
        let name = columns::value_function_name(*op).ok_or_else(|| unsupported("a value function"))?;
        if !self.uses.value_functions.contains(&name) {
            self.uses.value_functions.push(name);
        }
        self.typist.is(Term::Own(columns::value_function_type(name)));
        Ok(Size::NOTHING)
    }
}

/// `[n]`, and nothing that takes a slice or a field.
fn is_subscript(part: &Node) -> bool {
    matches!(&part.node, Some(NodeEnum::AIndices(indices)) if !indices.is_slice)
}

/// A condition: its parts are walked, itself it is one byte.
fn truth(_parts: Size) -> Size {
    Size::bytes(1)
}
