//! The types of operands: which values meet under which operator.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{AConst, AExprKind, Node};

use crate::sql::denial::Denial;
use crate::sql::grammar::bomb::{self, Size};
use crate::sql::grammar::columns;
use crate::sql::grammar::walk::{Walk, place};
use crate::sql::statement::says_now;
use crate::sql::typing::{Derived, Output, Site, Term};

/// One side of an operator.
#[derive(Debug, Clone)]
pub(in crate::sql::grammar) struct Operand {
    term: Term,
    /// `ROW(…)` or `(a, b)`: PostgreSQL compares field by field. `None` where the fields cannot be counted.
    row: Option<Option<Vec<Term>>>,
    subquery: bool,
}

impl<'t> Walk<'t> {
    /// The value that was walked just now, as an operand.
    pub(in crate::sql::grammar) fn operand(&mut self, node: &Node) -> Operand {
        let fields = self.typist.last_row();
        let row = matches!(node.node, Some(NodeEnum::RowExpr(_))).then_some(fields);
        let subquery = matches!(node.node, Some(NodeEnum::SubLink(_)));
        Operand { term: self.typist.last(), row, subquery }
    }

    /// The right side of an operator: one value, or the list of IN and BETWEEN.
    pub(in crate::sql::grammar) fn right_operands(
        &mut self,
        node: Option<&'t Node>,
    ) -> Result<(Size, Vec<Operand>), Denial> {
        let Some(node) = node else { return Ok((Size::NOTHING, Vec::new())) };
        let Some(NodeEnum::List(list)) = &node.node else {
            let size = self.expression(node)?;
            return Ok((size, vec![self.operand(node)]));
        };
        let (mut size, mut operands) = (Size::NOTHING, Vec::with_capacity(list.items.len()));
        for item in &list.items {
            size = size.plus(self.expression(item)?);
            operands.push(self.operand(item));
        }
        Ok((size, operands))
    }

    /// For each of the operators that an expression stands for, the operand types it is looked up with.
    pub(in crate::sql::grammar) fn look_ups(
        &mut self,
        kind: AExprKind,
        left: Option<&Operand>,
        right: &[Operand],
    ) -> Vec<Vec<Site>> {
        match (kind, left, right) {
            (
                AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym,
                Some(left),
                [low, high],
            ) => {
                let mut sites = Vec::new();
                for bound in [low, high] {
                    sites.extend(self.pair(left, bound, true));
                }
                vec![sites.clone(), sites]
            }
            (AExprKind::AexprIn, Some(left), items) => vec![self.among(left, items)],
            (AExprKind::AexprOpAny | AExprKind::AexprOpAll, Some(left), [array]) => {
                let element = match array.term {
                    Term::Literal => Term::Literal,
                    whole @ (Term::Unclear | Term::Parameter(_) | Term::Own(_) | Term::Derived(_)) => {
                        self.typist.derive(Derived::ElementOf(whole))
                    }
                };
                vec![vec![Some([left.term, element].into())]]
            }
            (_, Some(left), [right]) => vec![self.pair(left, right, false)],
            (_, None, [right]) => vec![vec![Some([right.term].into())]],
            _ => vec![vec![None], vec![None]],
        }
    }

    /// Two values under one operator; rows meet field by field.
    fn pair(&mut self, left: &Operand, right: &Operand, twice: bool) -> Vec<Site> {
        match (&left.row, &right.row) {
            (None, None) => {
                let terms = [left.term, right.term];
                let terms = if twice { terms.map(|term| self.typist.shared(term)) } else { terms };
                vec![Some(terms.into())]
            }
            (Some(Some(left_fields)), Some(Some(right_fields))) if left_fields.len() == right_fields.len() => {
                let fields = left_fields.iter().zip(right_fields);
                let mut sites = vec![Some([left.term, right.term].into())];
                for (left, right) in fields {
                    let terms = [*left, *right];
                    let terms = if twice { terms.map(|term| self.typist.shared(term)) } else { terms };
                    sites.push(Some(terms.into()));
                }
                sites
            }
            (Some(_), None) if !right.subquery => vec![Some([left.term, right.term].into())],
            (None, Some(_)) if !left.subquery => vec![Some([left.term, right.term].into())],
            (Some(_) | None, Some(_) | None) => vec![None],
        }
    }

    /// IN: with each item by itself, or with what all of them have in common as an array.
    fn among(&mut self, left: &Operand, items: &[Operand]) -> Vec<Site> {
        let mut sites = Vec::new();
        let tested = self.typist.shared(left.term);
        if left.row.is_none() && items.iter().all(|item| item.row.is_none()) {
            let mut terms: Vec<Term> = Vec::new();
            for term in items.iter().map(|item| item.term).chain([left.term]) {
                if !terms.contains(&term) {
                    terms.push(term);
                }
            }
            for term in terms {
                let base = self.typist.derive(Derived::Base(term));
                sites.push(Some([tested, term].into()));
                sites.push(Some([tested, base].into()));
            }
            return sites;
        }
        items.iter().flat_map(|item| self.pair(left, item, true)).collect()
    }

    /// `x IN (SELECT …)`, `x = ANY (SELECT …)`, also with rows.
    pub(in crate::sql::grammar) fn compared(&mut self, tested: Option<&Operand>, columns: &[Output]) -> Vec<Site> {
        let Some(tested) = tested else { return vec![None] };
        let fields = match &tested.row {
            None => vec![tested.term],
            Some(Some(fields)) => fields.clone(),
            Some(None) => return vec![None],
        };
        if fields.len() != columns.len() {
            return vec![None];
        }
        let mut sites = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(columns) {
            let Output::Column { name: _, value } = column else { return vec![None] };
            let value = self.typist.settled(*value);
            sites.push(Some([*field, value].into()));
        }
        sites
    }

    /// What an operator expression gives.
    pub(in crate::sql::grammar) fn result(
        &mut self,
        kind: AExprKind,
        (schema, name): (Option<&str>, &str),
        left: Option<&Operand>,
        right: &[Operand],
    ) {
        let (schema, name) = (schema.map(str::to_owned), name.to_owned());
        match (kind, left, right) {
            (AExprKind::AexprOp, _, [right]) => {
                let whole = left.is_none_or(|left| left.row.is_none()) && right.row.is_none();
                if whole {
                    let operands = left.map(|left| left.term).into_iter().chain([right.term]).collect();
                    self.typist.is_derived(Derived::Operation { schema, name, operands });
                }
            }
            (AExprKind::AexprNullif, Some(left), [right]) => {
                self.typist.is_derived(Derived::NullIf { schema, name, operands: [left.term, right.term] });
            }
            (AExprKind::Undefined | AExprKind::AexprNullif | AExprKind::AexprOp, _, _) => {}
            // Whatever else does not return a truth value is an error to PostgreSQL, or under an operator of the user's.
            (
                AExprKind::AexprDistinct
                | AExprKind::AexprNotDistinct
                | AExprKind::AexprIn
                | AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym
                | AExprKind::AexprOpAny
                | AExprKind::AexprOpAll,
                _,
                _,
            ) => self.typist.is(Term::Own("bool")),
            (AExprKind::AexprLike | AExprKind::AexprIlike | AExprKind::AexprSimilar, Some(left), [right]) => {
                let operands = [left.term, right.term].into();
                self.typist.is_derived(Derived::Operation { schema, name, operands });
            }
            (AExprKind::AexprLike | AExprKind::AexprIlike | AExprKind::AexprSimilar, _, _) => {}
        }
    }

    /// A condition: its parts are walked, itself it is one byte and true or false.
    pub(in crate::sql::grammar) fn truth(&mut self, _parts: Size) -> Size {
        self.typist.is(Term::Own("bool"));
        Size::bytes(1)
    }

    /// `ROW(…)`.
    pub(in crate::sql::grammar) fn row(&mut self, fields: &'t [Node]) -> Result<Size, Denial> {
        let (mut size, mut terms) = (Size::NOTHING, Vec::with_capacity(fields.len()));
        for field in fields {
            size = size.plus(self.expression(field)?);
            terms.push(self.typist.last());
        }
        if !fields.iter().any(columns::ends_in_star) {
            self.typist.is_row(terms);
        }
        self.typist.is(Term::Own("record"));
        Ok(size)
    }

    /// A subquery as a value.
    pub(in crate::sql::grammar) fn is_subquery(&mut self, columns: &[Output], array: bool) {
        let [Output::Column { name: _, value }] = columns else { return };
        let value = self.typist.settled(*value);
        if array {
            self.typist.is_derived(Derived::ArrayOf(value));
        } else {
            self.typist.is(value);
        }
    }

    /// A column by its name, with what stands before it.
    pub(in crate::sql::grammar) fn column_type(&mut self, before: &[&str], name: &str) {
        self.uses.whole_rows |= before.is_empty() && self.scope.has_item(name);
        let name = name.to_owned();
        let derived = match before {
            [] => self.scope.sight(&mut self.typist).map(|sight| Derived::Column { sight, name }),
            [qualifier] => self.scope.shape_of(None, qualifier).map(|shape| Derived::Field { shape, name }),
            [.., schema, qualifier] => {
                self.scope.shape_of(Some(schema), qualifier).map(|shape| Derived::Field { shape, name })
            }
        };
        if let Some(derived) = derived {
            self.typist.is_derived(derived);
        }
    }

    /// A literal: its size and its type.
    pub(in crate::sql::grammar) fn constant(&mut self, constant: &AConst) -> Size {
        let AConst { isnull: _, location, val } = constant;
        let (size, term) = match val {
            None => (Size::NOTHING, Term::Literal),
            Some(Val::Ival(number)) => (Size::number(i128::from(number.ival)), Term::Own("int4")),
            Some(Val::Fval(number)) => {
                (Size { bytes: 16, number: bomb::number(&number.fval) }, number_type(&number.fval))
            }
            Some(Val::Boolval(_)) => (Size::bytes(1), Term::Own("bool")),
            Some(Val::Sval(text)) => {
                self.uses.says_now |= says_now(text.sval.as_bytes());
                (Size::text(&text.sval), Term::Literal)
            }
            Some(Val::Bsval(bits)) => {
                (Size { bytes: bomb::length(&bits.bsval), number: bomb::bits(&bits.bsval) }, Term::Own("bit"))
            }
        };
        if matches!(val, Some(Val::Ival(_) | Val::Fval(_))) && self.is_modern(place(*location)) {
            self.typist.doubt();
        }
        self.typist.is(term);
        size
    }

    /// `0x1F` and `1_000` are numbers since PostgreSQL 16; before, they are a number and a name.
    fn is_modern(&self, location: Option<usize>) -> bool {
        let token = location.and_then(|at| self.text.get(at..)).unwrap_or_default();
        let token = token.trim_start_matches(['-', '+']).trim_start();
        let digits = |text: &'t str| text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let mut rest = digits(token);
        let number = rest.len() < token.len();
        if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
            rest = digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
        }
        !number || rest.starts_with(|letter: char| letter == '_' || letter.is_alphanumeric())
    }
}

/// A number beyond int4, as `make_const` types it.
fn number_type(text: &str) -> Term {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return Term::Unclear;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Term::Own("numeric");
    }
    match text.parse::<i64>() {
        Ok(number) if i32::try_from(number).is_ok() => Term::Own("int4"),
        Ok(_) => Term::Own("int8"),
        Err(_) => Term::Own("numeric"),
    }
}
