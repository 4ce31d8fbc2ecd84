//! Which types can occur in a statement. A candidate that needs a value of a type that cannot occur cannot be chosen,
//! so a customer's own `=` for its own type does not close every other `=`.
//!
//! Only types that did not come with PostgreSQL are counted; those that did are always within reach.

use std::collections::HashSet;

use crate::catalog::{CastContext, Catalog, Oid, Origin, Type, TypeKind};

/// The types within reach.
#[derive(Debug, Default)]
pub(super) struct Reach {
    types: HashSet<Oid>,
    /// Those that were brought within reach themselves, PostgreSQL's own among them.
    roots: HashSet<Oid>,
}

impl Reach {
    /// Brings a type within reach, with everything that its values are made of and that is made of its values.
    pub(super) fn add(&mut self, catalog: &Catalog, oid: Oid) {
        self.roots.insert(oid);
        let mut open = vec![oid];
        while let Some(oid) = open.pop() {
            let Some(found) = catalog.type_of(oid) else { continue };
            let new = found.origin != Origin::Builtin && self.types.insert(oid);
            if new {
                open.push(found.array);
                parts(catalog, found, &mut open);
            }
        }
    }

    /// Adds what implicit casts make of values within reach. To be called when all else has been added.
    pub(super) fn close_over_casts(&mut self, catalog: &Catalog) {
        loop {
            let reached = |cast: &&crate::catalog::Cast| {
                cast.context == CastContext::Implicit
                    && self.holds(catalog, cast.source)
                    && !self.holds(catalog, cast.target)
            };
            let Some(target) = catalog.added_casts().find(reached).map(|cast| cast.target) else { return };
            self.add(catalog, target);
            if !self.holds(catalog, target) {
                return;
            }
        }
    }

    /// Whether a value of that type can occur.
    pub(super) fn holds(&self, catalog: &Catalog, oid: Oid) -> bool {
        self.types.contains(&oid) || catalog.type_of(oid).is_none_or(|found| found.origin == Origin::Builtin)
    }

    /// The types within reach that did not come with PostgreSQL.
    pub(super) fn added<'c>(&self, catalog: &'c Catalog) -> Vec<&'c Type> {
        let mut oids: Vec<Oid> = self.types.iter().copied().collect();
        oids.sort_unstable();
        oids.into_iter().filter_map(|oid| catalog.type_of(oid)).collect()
    }

    /// The types of values themselves, without what those are made of and what could be made of them.
    pub(super) fn values<'c>(&self, catalog: &'c Catalog) -> Vec<&'c Type> {
        let mut oids: Vec<Oid> = self.roots.iter().copied().collect();
        oids.sort_unstable();
        oids.into_iter().filter_map(|oid| catalog.type_of(oid)).collect()
    }

    /// Whether an argument of that type can only be filled by a value that cannot occur: then the candidate that has
    /// it is out, provided that untyped literals have a better choice (the caller sees to that).
    ///
    /// Domains count as what they are over, since their values come from there without a word. Rows count as within
    /// reach, since `ROW(…)` becomes any of them. Types in the string category or preferred in theirs attract untyped
    /// literals.
    pub(super) fn cannot_fill(&self, catalog: &Catalog, oid: Oid) -> bool {
        let Some(found) = catalog.type_of(oid) else { return false };
        if found.origin == Origin::Builtin || self.types.contains(&oid) || found.category == 'S' || found.preferred {
            return false;
        }
        match &found.kind {
            TypeKind::Base | TypeKind::Enum | TypeKind::Range(_) => true,
            TypeKind::Array(of) | TypeKind::Multirange(of) => self.cannot_fill(catalog, *of),
            TypeKind::Domain { base, .. } => self.cannot_fill(catalog, *base),
            TypeKind::Composite(_) | TypeKind::Pseudo => false,
        }
    }
}

/// Words beside which PostgreSQL makes what stands there into a truth, a text or a number, by an implicit cast.
const COERCING: &[&str] = &[
    "and",
    "any",
    "at",
    "between",
    "case",
    "collate",
    "else",
    "except",
    "fetch",
    "filter",
    "having",
    "ilike",
    "in",
    "intersect",
    "is",
    "isnull",
    "join",
    "like",
    "limit",
    "not",
    "notnull",
    "offset",
    "on",
    "or",
    "overlaps",
    "rows",
    "similar",
    "some",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "window",
];

/// Which columns a statement can name, as far as its text tells: too many rather than too few.
#[derive(Debug)]
pub(super) struct Mentions {
    /// Columns can stand for themselves without their names.
    all: bool,
    /// Names that are compared need not stand in the text as they are.
    hidden: bool,
    text: String,
}

impl Mentions {
    /// `renamed`: columns go by names that stand in the text alone.
    pub(super) fn new(text: &str, renamed: bool) -> Self {
        let text = text.to_ascii_lowercase();
        // A star names every column, and in a subquery, a set operation or under column aliases its columns go on under
        // other names; in count(*) it names none. NATURAL compares without names, U&"…" hides them.
        let star = has_star(&text.replace("(*)", "()"));
        let goes_on = ["(", "union", "intersect", "except"].iter().any(|word| text.contains(word));
        let table = text.contains("table") && goes_on;
        let hidden = text.contains("natural") || text.contains("u&");
        let all = renamed || (star && goes_on) || table || hidden;
        Self { all, hidden, text }
    }

    /// Nothing but columns of tables: no word or sign in it could make a value of one type into another.
    pub(super) fn is_bare(&self) -> bool {
        let signs =
            |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '"' | '.' | ',' | ' ' | '\n' | '*');
        let mut words = self.text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        self.text.chars().all(signs) && !words.any(|word| COERCING.contains(&word))
    }

    /// A literal or a parameter stands in it, which becomes a value of whatever type it meets.
    pub(super) fn literals(&self) -> bool {
        self.text.contains(['\'', '$'])
    }

    /// NATURAL compares without names, U&"…" writes them in another way.
    pub(super) fn hides_names(&self) -> bool {
        self.hidden
    }

    /// Whether the name stands in the text, as a word of its own. A quote in a name is written as two.
    pub(super) fn says(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let goes_on = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$') || !letter.is_ascii();
        // Before version 15 a name may begin behind a number without a blank between.
        let begun = |letter: char| goes_on(letter) && !letter.is_ascii_digit();
        let before = |at: usize| self.text.get(..at).and_then(|text| text.chars().next_back());
        let after = |at: usize| self.text.get(at.saturating_add(name.len())..).and_then(|text| text.chars().next());
        let mut places = self.text.match_indices(&name).map(|(at, _)| at);
        name.contains('"') || places.any(|at| !before(at).is_some_and(begun) && !after(at).is_some_and(goes_on))
    }

    /// A window frame can stand in it, whose bounds are computed.
    pub(super) fn frames(&self) -> bool {
        self.text.contains("preceding") || self.text.contains("following")
    }

    /// Whether a column of that name can be an operand.
    pub(super) fn name(&self, column: &str) -> bool {
        self.all || column.contains('"') || self.text.contains(&column.to_ascii_lowercase())
    }
}

/// Whether a `*` stands where it is no multiplication sign. With comments in the way, any is taken for a star.
fn has_star(text: &str) -> bool {
    let comments = text.contains("--") || text.contains("/*");
    text.match_indices('*').any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().trim_end();
        let word = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
        let operand =
            before.ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '"' | '\'' | ')' | ']'));
        let keyword =
            matches!(word, "select" | "distinct" | "all") || (before.ends_with(')') && text.contains("distinct"));
        comments || keyword || !operand
    })
}

/// What values of a type are made of, pushed onto `open`.
pub(super) fn parts(catalog: &Catalog, found: &Type, open: &mut Vec<Oid>) {
    match &found.kind {
        TypeKind::Base | TypeKind::Enum | TypeKind::Pseudo => {}
        TypeKind::Array(of) | TypeKind::Range(of) | TypeKind::Multirange(of) | TypeKind::Domain { base: of, .. } => {
            open.push(*of);
        }
        TypeKind::Composite(relation) => {
            let columns = catalog.relation(*relation).map(|relation| relation.columns.iter());
            open.extend(columns.into_iter().flatten().map(|column| column.type_oid));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_no_product() {
        let stars = [
            "select *",
            "select distinct *",
            "select a, t.*",
            "select distinct on (a) *",
            "select/**/*",
            "select--x\n*",
        ];
        assert!(stars.iter().all(|text| has_star(text)));
        let products = ["select a * 2", "select (a) * b", "select 'x'*1", "select \"a\"*$1"];
        assert!(!products.iter().any(|text| has_star(text)));
    }

    #[test]
    fn words_that_make_values_into_others_are_no_bare_columns() {
        for text in [
            "SELECT NOT v FROM t",
            "SELECT v AND true FROM t",
            "SELECT v IS TRUE FROM t",
            "SELECT a BETWEEN 1 AND 2",
            "SELECT w IS NORMALIZED FROM t",
            "SELECT a AT TIME ZONE w FROM t",
            "SELECT 1 FROM t\nWHERE v",
        ] {
            assert!(!Mentions::new(text, false).is_bare(), "{text}");
        }
        assert!(Mentions::new("SELECT island, notes FROM t ORDER BY island", false).is_bare());
    }

    #[test]
    fn a_name_is_said_as_a_word_of_its_own() {
        let says = |text, name| Mentions::new(text, false).says(name);
        for text in ["SELECT b FROM t", "select(t.B)", "SELECT \"b\"", "SELECT 1b", "SELECT a+b", "SELECT/**/b--x"] {
            assert!(says(text, "b"), "{text}");
        }
        for text in ["SELECT ab FROM t", "SELECT b1", "SELECT _b, b$, \u{e4}b, b\u{e4}", "SELECT a"] {
            assert!(!says(text, "b"), "{text}");
        }
        assert!(says("SELECT \"my col\" FROM t", "my col") && says("SELECT \"a\"\"b\" FROM t", "a\"b"));
    }

    #[test]
    fn columns_are_mentioned_by_name_or_all_at_once() {
        let by_name = Mentions::new("SELECT Mood FROM diary WHERE id = (SELECT 1)", false);
        assert!(by_name.name("mood") && !by_name.name("weather"));
        let all = [
            "SELECT x FROM (SELECT * FROM d) s(x)",
            "SELECT 1 FROM a NATURAL JOIN b",
            "SELECT U&\"x\" FROM d",
            "TABLE d UNION TABLE e",
        ];
        assert!(all.iter().all(|text| Mentions::new(text, false).name("anything")));
        assert!(!Mentions::new("SELECT count(*) FROM d", false).name("mood"));
    }
}
