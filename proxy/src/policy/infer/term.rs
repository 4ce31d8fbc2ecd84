//! The types of terms, one after the other: each refers to earlier ones.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Function, Oid, Operator};
use crate::policy::case::{Call, Case};
use crate::sql::{Derived, Kind, Term, Typing};

use super::choose::{self, Choice};
use super::coerce::{self, Known};
use super::column::Columns;
use super::{of_function, of_operator};

/// What is known of every term of a statement.
#[derive(Debug)]
pub(in crate::policy) struct Terms {
    derived: Vec<Known>,
    parameters: Vec<Known>,
    own: Vec<(&'static str, Known)>,
}

/// A type that can be reasoned about, or nothing.
pub(super) fn plain(catalog: &Catalog, oid: Oid) -> Known {
    if oid == coerce::RECORD || coerce::is_plain(catalog, oid) { Known::Type(oid) } else { Known::Unclear }
}

impl Terms {
    pub(super) fn of(case: &Case<'_>) -> Self {
        let typing = &*case.statement.uses.typing;
        let mut terms = Self { derived: Vec::new(), parameters: parameters(case, typing), own: own(case.catalog) };
        let work = Work { case, columns: Columns::new(case, typing) };
        for derived in &typing.terms {
            let known = work.known(&terms, derived);
            terms.derived.push(known);
        }
        terms
    }

    /// What a term is; one that comes later, as in a recursive query, is unclear.
    pub(super) fn known(&self, term: Term) -> Known {
        match term {
            Term::Unclear => Known::Unclear,
            Term::Literal => Known::Literal,
            Term::Parameter(number) => {
                self.parameters.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or(Known::Unclear)
            }
            Term::Own(name) => {
                self.own.iter().find(|(own, _)| *own == name).map_or(Known::Unclear, |(_, known)| *known)
            }
            Term::Derived(index) => {
                let at = usize::try_from(index).ok();
                at.and_then(|at| self.derived.get(at)).copied().unwrap_or(Known::Unclear)
            }
        }
    }

    fn all(&self, terms: &[Term]) -> Vec<Known> {
        terms.iter().map(|term| self.known(*term)).collect()
    }
}

/// PostgreSQL's own types that a literal or a construct has.
fn own(catalog: &Catalog) -> Vec<(&'static str, Known)> {
    const NAMES: [&str; 14] = [
        "bit",
        "bool",
        "date",
        "int4",
        "int8",
        "name",
        "numeric",
        "record",
        "text",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "xml",
    ];
    let find = |name: &str| catalog.types(name).find(|found| &*found.schema == "pg_catalog");
    NAMES.iter().filter_map(|name| find(name).map(|found| (*name, plain(catalog, found.oid)))).collect()
}

/// Declared ones have their type. Others are like literals, but take the type of where they are used first: known only
/// of one that is used once.
fn parameters(case: &Case<'_>, typing: &Typing) -> Vec<Known> {
    // The types of PREPARE's parameters are its own.
    let prepared = matches!(case.statement.kind, Kind::Prepare { .. });
    let known = |(place, uses): (usize, &u32)| match case.scope.parameter_types.get(place) {
        _ if prepared => Known::Unclear,
        Some(&oid) if oid != 0 => plain(case.catalog, oid),
        Some(_) | None if *uses == 1 => Known::Literal,
        Some(_) | None => Known::Unclear,
    };
    typing.parameters.iter().enumerate().map(known).collect()
}

struct Work<'c, 'a> {
    case: &'c Case<'a>,
    columns: Columns<'c, 'a>,
}

impl Work<'_, '_> {
    fn known(&self, terms: &Terms, derived: &Derived) -> Known {
        let known = |term: Term| terms.known(term);
        match derived {
            Derived::Named { schema, name, array } => self.named(schema.as_deref(), name, *array),
            Derived::Column { sight, name } => self.columns.in_sight(*sight, name, &known),
            Derived::Field { shape, name } => self.columns.field(*shape, name, &known),
            Derived::Call { schema, name, arguments } => self.call(schema.as_deref(), name, &terms.all(arguments)),
            Derived::Operation { schema, name, operands } => {
                self.operation(schema.as_deref(), name, &terms.all(operands), |operator| operator.result)
            }
            Derived::NullIf { schema, name, operands } => {
                self.operation(schema.as_deref(), name, &terms.all(operands), |operator| operator.left)
            }
            Derived::Common(values) => {
                coerce::shared_type(self.case.catalog, &terms.all(values)).map_or(Known::Unclear, Known::Type)
            }
            Derived::Settled(term) => match known(*term) {
                Known::Literal => Known::Type(coerce::TEXT),
                other @ (Known::Type(_) | Known::Unclear) => other,
            },
            Derived::Base(term) => match known(*term) {
                Known::Literal => Known::Type(coerce::TEXT),
                Known::Type(oid) => Known::Type(coerce::base(self.case.catalog, oid)),
                Known::Unclear => Known::Unclear,
            },
            Derived::Shared(term) => match known(*term) {
                Known::Literal => Known::Unclear,
                other @ (Known::Type(_) | Known::Unclear) => other,
            },
            Derived::ArrayOf(term) => match known(*term) {
                Known::Type(oid) => self.array_of(oid),
                Known::Literal | Known::Unclear => Known::Unclear,
            },
            Derived::ElementOf(term) => match known(*term) {
                Known::Type(oid) => coerce::element(self.case.catalog, oid)
                    .map_or(Known::Unclear, |element| plain(self.case.catalog, element)),
                other @ (Known::Literal | Known::Unclear) => other,
            },
        }
    }

    fn named(&self, schema: Option<&str>, name: &str, array: bool) -> Known {
        let Some(found) = self.case.named_type(schema, name).filter(|_| !self.case.uncertain(schema)) else {
            return Known::Unclear;
        };
        // Where the role may not enter a schema, a later one is meant.
        if !self.case.types_behind(schema, found).is_empty() {
            return Known::Unclear;
        }
        match (array, found.array) {
            (false, _) => plain(self.case.catalog, found.oid),
            (true, 0) => Known::Unclear,
            (true, array) => plain(self.case.catalog, array),
        }
    }

    /// An array of arrays is one array of more dimensions.
    fn array_of(&self, oid: Oid) -> Known {
        let Some(found) = self.case.catalog.type_of(oid) else { return Known::Unclear };
        match (&found.kind, found.array) {
            (crate::catalog::TypeKind::Array(_), _) => Known::Type(oid),
            (_, 0) => Known::Unclear,
            (_, array) => plain(self.case.catalog, array),
        }
    }

    fn call(&self, schema: Option<&str>, name: &str, arguments: &[Known]) -> Known {
        let call = Call { arguments: arguments.len(), variadic: false, named: false, voids: 0 };
        let candidates = self.case.functions(schema, name, call);
        if self.case.uncertain(schema) || candidates.is_empty() {
            return Known::Unclear;
        }
        let catalog = self.case.catalog;
        let choices: Vec<Choice> =
            candidates.iter().map(|function| of_function(self.case, function, arguments.len())).collect();
        let chosen = choose::functions(catalog, &choices, arguments);
        let mut returned = agreed(&chosen, &candidates, |function| returns(catalog, function, arguments));
        if let [one] = arguments {
            // `name(row)` can be a column of it, `name(value)` a cast.
            let row = |oid| oid == coerce::RECORD || coerce::is_composite(catalog, oid);
            let cast = self.case.named_type(schema, name).map(|found| found.oid);
            let other = match one {
                Known::Unclear => true,
                Known::Type(oid) => row(*oid),
                Known::Literal => false,
            };
            if other || cast.is_some_and(|cast| returned != Known::Type(cast)) {
                returned = Known::Unclear;
            }
        }
        returned
    }

    fn operation(
        &self,
        schema: Option<&str>,
        name: &str,
        operands: &[Known],
        result: impl Fn(&Operator) -> Oid,
    ) -> Known {
        let Ok(count) = u8::try_from(operands.len()) else { return Known::Unclear };
        let candidates = self.case.operators(schema, name, count);
        if self.case.uncertain(schema) {
            return Known::Unclear;
        }
        let choices: Vec<Choice> = candidates.iter().map(|operator| of_operator(self.case, operator)).collect();
        let chosen = choose::operators(self.case.catalog, &choices, operands);
        agreed(&chosen, &candidates, |operator| plain(self.case.catalog, result(operator)))
    }
}

/// What all that can be chosen have in common.
fn agreed<T>(chosen: &BTreeSet<usize>, candidates: &[&T], result: impl Fn(&T) -> Known) -> Known {
    let mut results = chosen.iter().filter_map(|place| candidates.get(*place)).map(|candidate| result(candidate));
    let Some(first) = results.next() else { return Known::Unclear };
    if results.all(|other| other == first) { first } else { Known::Unclear }
}

/// What a function returns; a polymorphic result follows from the one polymorphic argument.
fn returns(catalog: &Catalog, function: &Function, arguments: &[Known]) -> Known {
    const ANY_ARRAY: Oid = 2277;
    const ANY_ELEMENT: Oid = 2283;
    if !coerce::is_polymorphic(function.returns) {
        return plain(catalog, function.returns);
    }
    let declared = (0..arguments.len()).filter_map(|place| function.argument(place));
    let mut given = declared.zip(arguments).filter(|(declared, _)| coerce::is_polymorphic(*declared));
    let (Some((declared, Known::Type(oid))), None) = (given.next(), given.next()) else { return Known::Unclear };
    match (declared, function.returns) {
        (ANY_ELEMENT, ANY_ELEMENT) => plain(catalog, *oid),
        (ANY_ARRAY, ANY_ARRAY) => plain(catalog, coerce::base(catalog, *oid)),
        (ANY_ARRAY, ANY_ELEMENT) => {
            coerce::element(catalog, *oid).map_or(Known::Unclear, |element| plain(catalog, element))
        }
        _ => Known::Unclear,
    }
}
