//! What the walk writes down of types.
//!
//! The protocol is made so that a forgotten step means "unclear": an arm of the walk says what its own value is as the
//! last thing it does, and whoever asked for the value reads it at once.

use std::collections::HashSet;

use crate::sql::typing::{Derived, Output, Shape, Sight, Site, Term, Typing};

/// Beyond so many entries of any kind nothing more is written down.
const ENTRIES_MAX: usize = 50_000;

/// A query's columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Outputs {
    pub(super) columns: Vec<Output>,
    /// Those of its left side alone, for a set operation.
    pub(super) left: Option<Vec<Output>>,
}

#[derive(Debug, Default)]
pub(super) struct Typist {
    typing: Typing,
    /// What the arm at work says of its own value.
    own: Option<Term>,
    /// The value that was walked last.
    last: Term,
    own_row: Option<Vec<Term>>,
    last_row: Option<Vec<Term>>,
    own_outputs: Option<Outputs>,
    last_outputs: Outputs,
    calls: HashSet<(usize, Site)>,
    operations: HashSet<(usize, Site)>,
    entries: usize,
    /// Shapes of WITH queries that a FROM item was made of.
    touched: HashSet<u32>,
}

impl Typist {
    /// What was written down.
    pub(super) fn finish(self) -> Typing {
        self.typing
    }

    fn room(&mut self, wanted: usize) -> bool {
        self.entries = self.entries.saturating_add(wanted).saturating_add(1);
        self.entries <= ENTRIES_MAX
    }

    /// Says what the value at work is: the last thing that an arm does.
    pub(super) fn is(&mut self, term: Term) {
        self.own = Some(term);
    }

    /// The same with something derived.
    pub(super) fn is_derived(&mut self, derived: Derived) {
        self.own = Some(self.derive(derived));
    }

    /// Ends a value.
    pub(super) fn close_value(&mut self) {
        self.last = self.own.take().unwrap_or_default();
        self.last_row = self.own_row.take();
    }

    /// The value that was walked just now.
    pub(super) fn last(&self) -> Term {
        self.last
    }

    /// Says what the fields of the row at work are.
    pub(super) fn is_row(&mut self, fields: Vec<Term>) {
        self.own_row = Some(fields);
    }

    /// The fields of the row that was walked just now.
    pub(super) fn last_row(&mut self) -> Option<Vec<Term>> {
        self.last_row.take()
    }

    pub(super) fn are_outputs(&mut self, outputs: Outputs) {
        self.own_outputs = Some(outputs);
    }

    /// Ends a query.
    pub(super) fn close_query(&mut self) {
        let unclear = || Outputs { columns: vec![Output::Unclear], left: None };
        self.last_outputs = self.own_outputs.take().unwrap_or_else(unclear);
    }

    /// The columns of the query that was walked just now.
    pub(super) fn last_outputs(&mut self) -> Outputs {
        std::mem::take(&mut self.last_outputs)
    }

    pub(super) fn derive(&mut self, derived: Derived) -> Term {
        let weight = match &derived {
            Derived::Call { arguments, .. } => arguments.len(),
            Derived::Common(terms) => terms.len(),
            Derived::Operation { .. }
            | Derived::NullIf { .. }
            | Derived::Named { .. }
            | Derived::Column { .. }
            | Derived::Field { .. }
            | Derived::Settled(_)
            | Derived::Base(_)
            | Derived::Shared(_)
            | Derived::ArrayOf(_)
            | Derived::ElementOf(_) => 0,
        };
        let Ok(index) = u32::try_from(self.typing.terms.len()) else { return Term::Unclear };
        if !self.room(weight) {
            return Term::Unclear;
        }
        self.typing.terms.push(derived);
        Term::Derived(index)
    }

    /// What several values become together.
    pub(super) fn together(&mut self, terms: &[Term]) -> Term {
        match terms {
            [] => Term::Unclear,
            _ if terms.contains(&Term::Unclear) => Term::Unclear,
            _ => self.derive(Derived::Common(terms.into())),
        }
    }

    /// The value as a column of a subquery.
    pub(super) fn settled(&mut self, term: Term) -> Term {
        match term {
            Term::Literal => Term::Own("text"),
            Term::Unclear | Term::Own(_) => term,
            Term::Parameter(_) | Term::Derived(_) => self.derive(Derived::Settled(term)),
        }
    }

    /// The value where PostgreSQL looks at it more than once.
    pub(super) fn shared(&mut self, term: Term) -> Term {
        match term {
            Term::Parameter(_) => self.derive(Derived::Shared(term)),
            Term::Unclear | Term::Own(_) | Term::Literal | Term::Derived(_) => term,
        }
    }

    /// Writes down the columns of a FROM item; `None` when there is no more room.
    pub(super) fn shape(&mut self, shape: Shape) -> Option<u32> {
        let weight = if let Shape::Columns(columns) = &shape { columns.len() } else { 0 };
        let index = u32::try_from(self.typing.shapes.len()).ok()?;
        if !self.room(weight) {
            return None;
        }
        self.typing.shapes.push(shape);
        Some(index)
    }

    /// Says later what an item is.
    pub(super) fn reshape(&mut self, at: Option<u32>, shape: Shape) {
        let place = at.and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = place.and_then(|place| self.typing.shapes.get_mut(place)) {
            *entry = shape;
        }
    }

    pub(super) fn touch(&mut self, shape: Option<u32>) {
        self.touched.extend(shape);
    }

    pub(super) fn untouch(&mut self, shape: Option<u32>) -> bool {
        shape.is_some_and(|shape| self.touched.remove(&shape))
    }

    /// Writes down what a name alone can mean; items without a shape make it unknown.
    pub(super) fn sight(&mut self, shapes: &[Option<u32>], outer: Option<u32>) -> Option<u32> {
        let shapes: Option<Box<[u32]>> = shapes.iter().copied().collect();
        let shapes = shapes?;
        let index = u32::try_from(self.typing.sights.len()).ok()?;
        if !self.room(shapes.len()) {
            return None;
        }
        self.typing.sights.push(Sight { shapes, outer });
        Some(index)
    }

    /// One way in which the function at `index` of `Uses::functions` is called.
    pub(super) fn call(&mut self, index: usize, site: Site) {
        if !self.room(site.as_ref().map_or(0, |site| site.len())) {
            self.typing.incomplete = true;
        } else if self.calls.insert((index, site.clone())) {
            let calls = &mut self.typing.calls;
            calls.resize(calls.len().max(index.saturating_add(1)), Vec::new());
            calls.get_mut(index).into_iter().for_each(|sites| sites.push(site.clone()));
        }
    }

    /// One way in which the operator at `index` of `Uses::operators` is used.
    pub(super) fn operation(&mut self, index: usize, site: Site) {
        if !self.room(site.as_ref().map_or(0, |site| site.len())) {
            self.typing.incomplete = true;
        } else if self.operations.insert((index, site.clone())) {
            let operations = &mut self.typing.operations;
            operations.resize(operations.len().max(index.saturating_add(1)), Vec::new());
            operations.get_mut(index).into_iter().for_each(|sites| sites.push(site.clone()));
        }
    }

    pub(super) fn parameter(&mut self, number: u16) {
        let at = usize::from(number).saturating_sub(1);
        let uses = &mut self.typing.parameters;
        uses.resize(uses.len().max(usize::from(number)), 0);
        uses.get_mut(at).into_iter().for_each(|count| *count = count.saturating_add(1));
    }

    /// Something in the text may be another thing to another version.
    pub(super) fn doubt(&mut self) {
        self.typing.incomplete = true;
    }
}
