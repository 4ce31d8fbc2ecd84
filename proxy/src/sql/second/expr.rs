//! Values. Constructs that are functions to PostgreSQL are named as its grammar names them.

use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Interval, JsonPath, JsonPathElem, Subscript, TypedString, WindowType,
};

use super::names;
use super::query::Survey;

/// Names, constants, and what wraps one value or joins two.
macro_rules! simple {
    () => {
        Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(_, _)
            | Expr::TypedString(_)
            | Expr::Nested(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::UnaryOp { .. }
            | Expr::IsJson { .. }
            | Expr::Cast { .. }
            | Expr::Collate { .. }
            | Expr::Interval(_)
            | Expr::Named { .. }
            | Expr::Prefixed { .. }
            | Expr::IsNormalized { .. }
            | Expr::IsDistinctFrom(_, _)
            | Expr::IsNotDistinctFrom(_, _)
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::InUnnest { .. }
            | Expr::AtTimeZone { .. }
    };
}

/// What holds several values, queries, or calls.
macro_rules! compounds {
    () => {
        Expr::BinaryOp { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::Case { .. }
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::CompoundFieldAccess { .. }
            | Expr::JsonAccess { .. }
            | Expr::Function(_)
    };
}

/// Syntax that PostgreSQL's grammar turns into calls.
macro_rules! syntax_calls {
    () => {
        Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Convert { .. }
    };
}

/// What other databases have.
macro_rules! foreign {
    () => {
        Expr::RLike { .. }
            | Expr::Struct { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::MatchAgainst { .. }
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_)
            | Expr::MemberOf(_)
    };
}

impl Survey {
    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        stacker::maybe_grow(128 << 10, 8 << 20, || self.expr_on_stack(expr));
    }

    fn expr_on_stack(&mut self, expr: &Expr) {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => {}
            Expr::Wildcard(_) | Expr::QualifiedWildcard(_, _) => {}
            Expr::TypedString(TypedString { data_type: _, value: _, uses_odbc_syntax }) => {
                if *uses_odbc_syntax {
                    self.foreign("{…}");
                }
            }
            Expr::Nested(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::UnaryOp { op: _, expr: inner }
            | Expr::IsJson { expr: inner, kind: _, unique_keys: _, negated: _ }
            | Expr::Cast { kind: _, expr: inner, data_type: _, format: _ }
            | Expr::Collate { expr: inner, collation: _ }
            | Expr::Interval(Interval {
                value: inner,
                leading_field: _,
                leading_precision: _,
                last_field: _,
                fractional_seconds_precision: _,
            })
            | Expr::Named { expr: inner, name: _ }
            | Expr::Prefixed { prefix: _, value: inner } => self.expr(inner),
            Expr::IsNormalized { expr: inner, form: _, negated: _ } => {
                self.syntax("is_normalized");
                self.expr(inner);
            }
            Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::AnyOp { left, compare_op: _, right, is_some: _ }
            | Expr::AllOp { left, compare_op: _, right }
            | Expr::InUnnest { expr: left, array_expr: right, negated: _ }
            | Expr::AtTimeZone { timestamp: left, time_zone: right } => {
                self.expr(left);
                self.expr(right);
            }
            compounds!() => self.compound(expr),
            syntax_calls!() => self.syntax_call(expr),
            foreign!() => self.foreign("an expression of another database"),
        }
    }

    fn compound(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr);
                self.exprs(list);
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr);
                self.query(subquery);
            }
            Expr::Between { expr, negated: _, low, high } => {
                self.expr(expr);
                self.expr(low);
                self.expr(high);
            }
            Expr::Like { negated: _, any: _, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any: _, expr, pattern, escape_char } => {
                self.pattern(expr, pattern, escape_char.as_deref());
            }
            Expr::SimilarTo { negated: _, expr, pattern, escape_char } => {
                self.pattern(expr, pattern, escape_char.as_deref());
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                operand.iter().for_each(|operand| self.expr(operand));
                for CaseWhen { condition, result } in conditions {
                    self.expr(condition);
                    self.expr(result);
                }
                else_result.iter().for_each(|result| self.expr(result));
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter().for_each(|set| self.exprs(set));
            }
            Expr::Tuple(elements) | Expr::Array(Array { elem: elements, named: _ }) => self.exprs(elements),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root);
                access_chain.iter().for_each(|access| self.access(access));
            }
            Expr::JsonAccess { value, path } => {
                self.expr(value);
                self.json_path(path);
            }
            Expr::Function(function) => self.call(function),
            simple!() | syntax_calls!() | foreign!() => self.foreign("an expression in the wrong place"),
        }
    }

    fn pattern(&mut self, expr: &Expr, pattern: &Expr, escape: Option<&Expr>) {
        self.expr(expr);
        self.expr(pattern);
        escape.into_iter().for_each(|escape| self.expr(escape));
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) {
        if matches!(op, BinaryOperator::Overlaps) {
            self.syntax("overlaps");
        }
        self.expr(left);
        self.expr(right);
    }

    /// Syntax that PostgreSQL's grammar turns into calls.
    fn syntax_call(&mut self, expr: &Expr) {
        match expr {
            Expr::Extract { field: _, syntax: _, expr } => {
                self.syntax("extract");
                self.expr(expr);
            }
            Expr::Ceil { expr, field: _ } => {
                self.syntax("ceil");
                self.expr(expr);
            }
            Expr::Floor { expr, field: _ } => {
                self.syntax("floor");
                self.expr(expr);
            }
            Expr::Position { expr, r#in } => {
                self.syntax("position");
                self.expr(expr);
                self.expr(r#in);
            }
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand } => {
                self.syntax(if *shorthand { "substr" } else { "substring" });
                self.expr(expr);
                substring_from.iter().chain(substring_for).for_each(|part| self.expr(part));
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                self.syntax("trim");
                self.expr(expr);
                trim_what.iter().for_each(|what| self.expr(what));
                trim_characters.iter().for_each(|characters| self.exprs(characters));
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.syntax("overlay");
                self.expr(expr);
                self.expr(overlay_what);
                self.expr(overlay_from);
                overlay_for.iter().for_each(|length| self.expr(length));
            }
            Expr::Convert { is_try: _, expr, data_type: _, charset: _, target_before_value: _, styles } => {
                self.syntax("convert");
                self.expr(expr);
                self.exprs(styles);
            }
            simple!() | compounds!() | foreign!() => self.foreign("an expression in the wrong place"),
        }
    }

    fn access(&mut self, access: &AccessExpr) {
        match access {
            AccessExpr::Dot(expr) => self.expr(expr),
            AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                if stride.is_some() {
                    self.foreign("a slice with a stride");
                }
                lower_bound.iter().chain(upper_bound).for_each(|bound| self.expr(bound));
            }
        }
    }

    fn json_path(&mut self, path: &JsonPath) {
        let JsonPath { path } = path;
        for element in path {
            match element {
                JsonPathElem::Dot { key: _, quoted: _ } => {}
                JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => self.expr(key),
            }
        }
    }

    fn call(&mut self, call: &Function) {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment: _, over } = call;
        if *uses_odbc_syntax {
            self.foreign("{fn …}");
        }
        // ARRAY(SELECT …) and (VALUES (…)) are constructs of their own, and `LIKE ALL (…)` looks like a call. All five are
        // keywords that without quotes are no function's name.
        let reserved = ["array", "all", "any", "some", "values"].iter().any(|keyword| names::is_keyword(name, keyword));
        if !reserved {
            self.function(names::qualified(name));
        }
        self.call_arguments(parameters);
        self.call_arguments(args);
        self.order_exprs(within_group);
        filter.iter().for_each(|filter| self.expr(filter));
        match over {
            Some(WindowType::WindowSpec(window)) => self.window(window),
            Some(WindowType::NamedWindow(_)) | None => {}
        }
    }

    fn call_arguments(&mut self, arguments: &FunctionArguments) {
        match arguments {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.query(query),
            FunctionArguments::List(FunctionArgumentList { duplicate_treatment: _, args, clauses }) => {
                self.arguments(args);
                clauses.iter().for_each(|clause| self.clause(clause));
            }
        }
    }

    pub(super) fn arguments(&mut self, args: &[FunctionArg]) {
        for arg in args {
            match arg {
                FunctionArg::Named { name: _, arg, operator: _ } | FunctionArg::Unnamed(arg) => self.argument(arg),
                FunctionArg::ExprNamed { name, arg, operator: _ } => {
                    self.expr(name);
                    self.argument(arg);
                }
            }
        }
    }

    fn argument(&mut self, arg: &FunctionArgExpr) {
        match arg {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::Wildcard => {}
            FunctionArgExpr::WildcardWithOptions(options) => self.wildcard(options),
        }
    }

    fn clause(&mut self, clause: &FunctionArgumentClause) {
        match clause {
            FunctionArgumentClause::OrderBy(exprs) => self.order_exprs(exprs),
            FunctionArgumentClause::IgnoreOrRespectNulls(_)
            | FunctionArgumentClause::JsonNullClause(_)
            | FunctionArgumentClause::JsonReturningClause(_) => {}
            FunctionArgumentClause::Where(_)
            | FunctionArgumentClause::Limit(_)
            | FunctionArgumentClause::OnOverflow(_)
            | FunctionArgumentClause::Having(_)
            | FunctionArgumentClause::Separator(_) => self.foreign("an argument clause of another database"),
        }
    }
}
