//! What a column is: the columns of tables from the catalog, those of subqueries from what they select.

use std::cell::Cell;

use crate::catalog::Oid;
use crate::policy::case::{Call, Case};
use crate::sql::{Derived, Output, Shape, Term, Typing};

use super::coerce::{self, Known};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Is(Known),
    /// There is surely no such column.
    Absent,
    Unclear,
}

/// Looks columns up, within a budget: a subquery can name the same columns over and over.
pub(super) struct Columns<'c, 'a> {
    pub(super) case: &'c Case<'a>,
    pub(super) typing: &'c Typing,
    steps: Cell<usize>,
}

const STEPS_MAX: usize = 500_000;
const DEPTH_MAX: usize = 64;
const INT8: Oid = 20;

impl<'c, 'a> Columns<'c, 'a> {
    pub(super) fn new(case: &'c Case<'a>, typing: &'c Typing) -> Self {
        Self { case, typing, steps: Cell::new(0) }
    }

    fn step(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps).saturating_add(1));
        self.steps.get() <= STEPS_MAX
    }

    /// A name alone, from the innermost query outwards.
    pub(super) fn in_sight(&self, sight: u32, name: &str, known: &dyn Fn(Term) -> Known) -> Known {
        let mut next = Some(sight);
        while let Some(at) = next {
            let Some(sight) = usize::try_from(at).ok().and_then(|at| self.typing.sights.get(at)) else { break };
            match self.among(&sight.shapes, name, known, 0) {
                Found::Is(found) => return found,
                Found::Unclear => break,
                // An inner sight is made after its outer one.
                Found::Absent => next = sight.outer.filter(|outer| *outer < at),
            }
        }
        Known::Unclear
    }

    /// A column of one FROM item.
    pub(super) fn field(&self, shape: u32, name: &str, known: &dyn Fn(Term) -> Known) -> Known {
        match self.lookup(shape, name, known, 0) {
            Found::Is(found) => found,
            Found::Absent | Found::Unclear => Known::Unclear,
        }
    }

    /// A column of several items: two of one name are an error, or the sides of a USING, which has their common type.
    fn among(&self, shapes: &[u32], name: &str, known: &dyn Fn(Term) -> Known, depth: usize) -> Found {
        // Every table has these besides its own.
        if matches!(name, "tableoid" | "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "oid") {
            return Found::Unclear;
        }
        let mut found = Found::Absent;
        for shape in shapes {
            found = match (found, self.lookup(*shape, name, known, depth)) {
                (any, Found::Absent) => any,
                (Found::Absent, one) => one,
                (one, other) if one == other => one,
                _ => Found::Unclear,
            };
            if found == Found::Unclear {
                break;
            }
        }
        found
    }

    fn lookup(&self, shape: u32, name: &str, known: &dyn Fn(Term) -> Known, depth: usize) -> Found {
        let shape = usize::try_from(shape).ok().and_then(|at| self.typing.shapes.get(at));
        let Some(shape) = shape.filter(|_| depth < DEPTH_MAX && self.step(0)) else { return Found::Unclear };
        match shape {
            Shape::Unknown => Found::Unclear,
            Shape::Relation(index) => self.of_relation(*index, name),
            Shape::Columns(outputs) => self.of_outputs(outputs, name, known, depth),
            Shape::Value { name: own, named, value, ordinality } => {
                let Known::Type(oid) = known(*value) else { return Found::Unclear };
                let row = oid == coerce::RECORD || coerce::is_composite(self.case.catalog, oid);
                if row || !(*named || self.is_nameless(*value)) {
                    Found::Unclear
                } else if own == name {
                    Found::Is(Known::Type(oid))
                } else if ordinality.as_deref() == Some(name) {
                    Found::Is(Known::Type(INT8))
                } else {
                    Found::Absent
                }
            }
        }
    }

    /// A function without an OUT parameter, whose name would be the column's.
    fn is_nameless(&self, value: Term) -> bool {
        let Term::Derived(index) = value else { return false };
        let term = usize::try_from(index).ok().and_then(|at| self.typing.terms.get(at));
        let Some(Derived::Call { schema, name, arguments }) = term else { return false };
        let call = Call { arguments: arguments.len(), variadic: false, named: false, voids: 0 };
        self.case.functions(schema.as_deref(), name, call).iter().all(|function| function.columns.is_empty())
    }

    fn of_relation(&self, index: usize, name: &str) -> Found {
        let Some(relation) = self.case.resolved.get(index).copied().flatten() else { return Found::Unclear };
        if !self.step(relation.columns.len()) {
            return Found::Unclear;
        }
        let column = relation.columns.iter().find(|column| &*column.name == name);
        column.map_or(Found::Absent, |column| Found::Is(super::term::plain(self.case.catalog, column.type_oid)))
    }

    fn of_outputs(&self, outputs: &[Output], name: &str, known: &dyn Fn(Term) -> Known, depth: usize) -> Found {
        if !self.step(outputs.len()) {
            return Found::Unclear;
        }
        let (mut found, mut nameless) = (Found::Absent, false);
        for output in outputs {
            let one = match output {
                Output::Column { name: Some(own), value } if own == name => Found::Is(known(*value)),
                Output::Column { name: Some(_), value: _ } => Found::Absent,
                Output::Column { name: None, value: _ } => {
                    nameless = true;
                    Found::Absent
                }
                Output::All(shapes) => self.among(shapes, name, known, depth.saturating_add(1)),
                Output::Unclear => Found::Unclear,
            };
            found = match (found, one) {
                (any, Found::Absent) => any,
                (Found::Absent, one) => one,
                (one, other) if one == other => one,
                _ => Found::Unclear,
            };
            if found == Found::Unclear {
                return found;
            }
        }
        if found == Found::Absent && nameless { Found::Unclear } else { found }
    }
}
