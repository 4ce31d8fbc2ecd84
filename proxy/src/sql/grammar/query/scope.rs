//! Which names a place in a statement can see: FROM items by level, common table expressions by PostgreSQL's rules.
//!
//! <https://www.postgresql.org/docs/current/queries-with.html>, `parse_relation.c` (`refnameNamespaceItem`).

use std::rc::Rc;

use crate::sql::grammar::typist::Typist;
use crate::sql::statement::FieldSource;

/// Names of columns that a FROM item certainly has. It may have more.
pub(in crate::sql::grammar) type Columns<'t> = Rc<[&'t str]>;

/// What a FROM item is, as far as the text tells.
#[derive(Debug, Clone)]
pub(in crate::sql::grammar) enum Source<'t> {
    /// A relation under its own column names.
    Relation { index: usize, schema: Option<&'t str>, aliased: bool },
    /// Anything with columns that are certainly there.
    Columns(Columns<'t>),
}

/// A FROM item under the name that column references use.
#[derive(Debug, Clone)]
pub(in crate::sql::grammar) struct Entry<'t> {
    pub(in crate::sql::grammar) name: &'t str,
    pub(in crate::sql::grammar) source: Source<'t>,
    /// Its columns' types, an entry of `Typing::shapes`; `None` when nothing is known.
    pub(in crate::sql::grammar) shape: Option<u32>,
}

/// The FROM items of one SELECT.
#[derive(Debug, Default)]
struct Level<'t> {
    entries: Vec<Entry<'t>>,
    /// Items before this one cannot be seen from here: a join's condition sees its own two sides alone.
    visible_from: usize,
    /// A subquery in FROM without LATERAL does not see what stands beside it.
    hidden: bool,
}

#[derive(Debug)]
struct Cte<'t> {
    name: &'t str,
    columns: Columns<'t>,
    shape: Option<u32>,
}

/// The scopes around one place of the tree, innermost last.
#[derive(Debug, Default)]
pub(in crate::sql::grammar) struct Scope<'t> {
    levels: Vec<Level<'t>>,
    ctes: Vec<Cte<'t>>,
    /// What a name alone can mean here, once somebody asked: an entry of `Typing::sights`.
    sight: Option<Option<u32>>,
}

impl<'t> Scope<'t> {
    /// Opens a SELECT; returns the mark that [`Scope::leave`] takes.
    pub(in crate::sql::grammar) fn enter(&mut self) -> usize {
        self.sight = None;
        self.levels.push(Level::default());
        self.ctes.len()
    }

    /// Closes a SELECT: its FROM items and its WITH queries are gone.
    pub(in crate::sql::grammar) fn leave(&mut self, mark: usize) {
        self.sight = None;
        self.levels.pop();
        self.ctes.truncate(mark);
    }

    pub(in crate::sql::grammar) fn add_cte(&mut self, name: &'t str, columns: Columns<'t>, shape: Option<u32>) {
        self.ctes.push(Cte { name, columns, shape });
    }

    /// The columns of the common table expression of that name, if one is in sight.
    pub(in crate::sql::grammar) fn cte(&self, name: &str) -> Option<(Columns<'t>, Option<u32>)> {
        self.ctes.iter().rev().find(|cte| cte.name == name).map(|cte| (Rc::clone(&cte.columns), cte.shape))
    }

    pub(in crate::sql::grammar) fn cte_count(&self) -> usize {
        self.ctes.len()
    }

    /// How many FROM items the current SELECT has so far.
    pub(in crate::sql::grammar) fn items(&self) -> usize {
        self.levels.last().map_or(0, |level| level.entries.len())
    }

    pub(in crate::sql::grammar) fn add_item(&mut self, name: &'t str, source: Source<'t>, shape: Option<u32>) {
        self.sight = None;
        if let Some(level) = self.levels.last_mut() {
            level.entries.push(Entry { name, source, shape });
        }
    }

    /// Forgets the items from `first` on: an alias on a join hides what is inside.
    pub(in crate::sql::grammar) fn hide_items(&mut self, first: usize) {
        self.sight = None;
        if let Some(level) = self.levels.last_mut() {
            level.entries.truncate(first);
        }
    }

    /// Restricts the current SELECT to its items from `first` on; returns what was in force.
    pub(in crate::sql::grammar) fn see_from(&mut self, first: usize) -> usize {
        self.sight = None;
        self.levels.last_mut().map_or(0, |level| std::mem::replace(&mut level.visible_from, first))
    }

    /// Hides the current SELECT's items from what is inside, or shows them; returns what was in force.
    pub(in crate::sql::grammar) fn hide(&mut self, hidden: bool) -> bool {
        self.sight = None;
        self.levels.last_mut().is_some_and(|level| std::mem::replace(&mut level.hidden, hidden))
    }

    /// The shapes of the current SELECT's items from `first` on, up to `end`.
    pub(in crate::sql::grammar) fn shapes(&self, first: usize, end: usize) -> Vec<Option<u32>> {
        let entries = self.levels.last().map(|level| level.entries.iter()).into_iter().flatten();
        entries.take(end).skip(first).map(|entry| entry.shape).collect()
    }

    /// Whether a FROM item of that name is anywhere around.
    pub(in crate::sql::grammar) fn has_item(&self, name: &str) -> bool {
        self.levels.iter().any(|level| level.entries.iter().any(|entry| entry.name == name))
    }

    /// The shapes of all items of the current SELECT.
    pub(in crate::sql::grammar) fn visible(&self) -> Vec<Option<u32>> {
        self.shapes(0, usize::MAX)
    }

    /// What a name without a qualifier can mean here; `None` when that is not known.
    pub(in crate::sql::grammar) fn sight(&mut self, typist: &mut Typist) -> Option<u32> {
        if let Some(sight) = self.sight {
            return sight;
        }
        let mut outer = None;
        for level in self.levels.iter().filter(|level| !level.hidden) {
            let shapes: Vec<_> = level.entries.iter().skip(level.visible_from).map(|entry| entry.shape).collect();
            outer = typist.sight(&shapes, outer);
            if outer.is_none() {
                break;
            }
        }
        self.sight = Some(outer);
        outer
    }

    /// The shape of the one item that `qualifier` surely is.
    pub(in crate::sql::grammar) fn shape_of(&self, schema: Option<&str>, qualifier: &str) -> Option<u32> {
        for level in self.levels.iter().rev().filter(|level| !level.hidden) {
            let mut found =
                level.entries.iter().skip(level.visible_from).filter(|entry| entry.answers(schema, qualifier));
            if let Some(entry) = found.next() {
                let alone = found.next().is_none() && entry.is_certain(schema);
                return entry.shape.filter(|_| alone);
            }
        }
        None
    }

    /// What `qualifier` is in `qualifier.name` or `schema.qualifier.name`.
    pub(in crate::sql::grammar) fn resolve(&self, schema: Option<&str>, qualifier: &str, name: &str) -> FieldSource {
        for level in self.levels.iter().rev().filter(|level| !level.hidden) {
            let mut found =
                level.entries.iter().skip(level.visible_from).filter(|entry| entry.answers(schema, qualifier));
            if let Some(entry) = found.next() {
                // Two items of one name: PostgreSQL refuses, or tells them apart by rules that the text does not show.
                let alone = found.next().is_none() && entry.is_certain(schema);
                return if alone { entry.field(name) } else { FieldSource::Unknown };
            }
        }
        FieldSource::Unknown
    }
}

impl Entry<'_> {
    fn answers(&self, schema: Option<&str>, qualifier: &str) -> bool {
        if self.name != qualifier {
            return false;
        }
        match (schema, &self.source) {
            (None, _) => true,
            // Without a schema of its own the item may be the one meant: the search path decides.
            (Some(wanted), Source::Relation { schema, aliased: false, .. }) => schema.is_none_or(|own| own == wanted),
            (Some(_), Source::Relation { aliased: true, .. } | Source::Columns(_)) => false,
        }
    }

    /// Whether an item that answers is surely the one meant: of `schema.name` only an item under its own schema is.
    fn is_certain(&self, schema: Option<&str>) -> bool {
        match &self.source {
            Source::Relation { schema: own, .. } => schema.is_none() || own.is_some(),
            Source::Columns(_) => schema.is_none(),
        }
    }

    fn field(&self, name: &str) -> FieldSource {
        match &self.source {
            Source::Relation { index, .. } => FieldSource::Relation(*index),
            Source::Columns(columns) if columns.contains(&name) => FieldSource::Column,
            Source::Columns(_) => FieldSource::Unknown,
        }
    }
}
