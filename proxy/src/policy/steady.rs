//! Whether the same question has the same answer until data or definitions change: what a cache must know. A doubt is a
//! no; nothing here permits or refuses a statement.

use crate::catalog::{Column, Function, FunctionKind, Oid, Origin, Relation, RelationKind, Type, TypeKind, Volatility};
use crate::sql::ConversionSource;

use super::case::Case;
use super::list;

/// Why an answer may change though no data does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unsteadiness {
    /// It tells the time, or reads a text as a time.
    Time,
    /// It is another one each time.
    Volatile,
    /// It hangs on the session: who asks, from where, over which connection.
    Session,
    /// It tells of PostgreSQL itself.
    System,
    /// It comes from elsewhere: a foreign table, an extension that spreads tables over servers.
    Elsewhere,
    /// It hangs on something that cannot be watched: a sequence, a function of the user's own.
    Unknown,
}

impl Unsteadiness {
    /// All of them, for metrics.
    pub const ALL: [Self; 6] =
        [Self::Time, Self::Volatile, Self::Session, Self::System, Self::Elsewhere, Self::Unknown];

    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Volatile => "volatile",
            Self::Session => "session",
            Self::System => "system",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        }
    }
}

/// The first thing found that makes an answer unsteady.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsteady {
    pub why: Unsteadiness,
    /// What it is: a function, a relation, a word.
    pub what: String,
}

impl Case<'_> {
    /// Notes something that makes the answer unsteady; the first one stays.
    pub(super) fn unsteady(&mut self, why: Unsteadiness, what: impl Into<String>) {
        if self.findings.unsteady.is_none() {
            self.findings.unsteady = Some(Unsteady { why, what: what.into() });
        }
    }

    /// Notes a function that may run.
    pub(super) fn steady_function(&mut self, function: &Function) {
        // It hangs on today's date for a time of day with zone alone: see `steady_types`.
        if &*function.name == "timezone" && function.origin == Origin::Builtin {
            self.zones = true;
        } else if let Some(why) = unsteadiness(function, self.statement.uses.unrepeatable_sample) {
            self.unsteady(why, function.qualified());
        }
    }

    /// Notes a relation that is read.
    pub(super) fn steady_relation(&mut self, relation: &Relation) {
        let why = match relation.kind {
            _ if relation.origin == Origin::Builtin => Some(Unsteadiness::System),
            RelationKind::Table | RelationKind::Partitioned | RelationKind::View | RelationKind::MaterializedView => {
                None
            }
            RelationKind::Foreign => Some(Unsteadiness::Elsewhere),
            RelationKind::Sequence | RelationKind::Toast | RelationKind::Index | RelationKind::Composite => {
                Some(Unsteadiness::Unknown)
            }
        };
        if let Some(why) = why {
            self.unsteady(why, relation.qualified());
        }
        let unsteady = |uses: &Option<Box<crate::catalog::TreeUses>>| {
            uses.as_ref().is_some_and(|uses| uses.unsteady || uses.unreadable)
        };
        if unsteady(&relation.view) || unsteady(&relation.implied) {
            self.unsteady(Unsteadiness::Time, relation.qualified());
        }
    }

    /// What stands in the text and is no call: keywords, samples, constants, and conversions into dates.
    pub(super) fn steady_text(&mut self) {
        let uses = &self.statement.uses;
        if let Some(word) = uses.value_functions.first() {
            let time =
                word.starts_with("local") || matches!(*word, "current_date" | "current_time" | "current_timestamp");
            self.unsteady(if time { Unsteadiness::Time } else { Unsteadiness::Session }, *word);
        }
        if uses.unrepeatable_sample {
            self.unsteady(Unsteadiness::Volatile, "TABLESAMPLE without REPEATABLE");
        }
        if uses.says_now {
            self.unsteady(Unsteadiness::Time, "a constant that says now, today, tomorrow or yesterday");
        }
        if uses.shows_writers {
            self.unsteady(Unsteadiness::System, "a column that shows transactions under way: xmax, cmin, cmax");
        }
        if let Some(name) = self.catalog.objects().extensions.iter().find(|name| list::spreads_tables(name)) {
            self.unsteady(Unsteadiness::Elsewhere, format!("extension {name}"));
        }
        self.steady_types();
        self.steady_implied();
        for conversion in &uses.conversions {
            let types: Vec<&Type> = self.catalog.types(&conversion.type_name).collect();
            // A type without an entry of that name may be anything.
            let dated = types.is_empty() || types.iter().any(|found| self.holds_time(found.oid, 0));
            if dated && !self.cannot_say_now(&conversion.of) {
                self.unsteady(Unsteadiness::Time, format!("a text read as {}", conversion.type_name));
            }
        }
    }

    /// A time of day with zone means something else in summer, and a time of day becomes one without a word.
    fn steady_types(&mut self) {
        let named =
            |wanted: &[&str]| self.statement.uses.types.iter().any(|named| wanted.contains(&named.name.as_str()));
        let declared = |oids: &[Oid]| self.scope.parameter_types.iter().any(|oid| oids.contains(oid));
        let columns = || {
            let read = self.findings.relation_oids.iter().filter_map(|oid| self.catalog.relation(*oid));
            read.flat_map(|relation| relation.columns.iter())
        };
        let zoned = named(&["timetz", "_timetz"])
            || declared(ZONED)
            || columns().any(|column| ZONED.contains(&column.type_oid));
        let time_of_day = || {
            named(&["time", "_time"])
                || declared(TIME_OF_DAY)
                || columns().any(|column| TIME_OF_DAY.contains(&column.type_oid) || self.is_added(column))
        };
        if zoned || (self.zones && time_of_day()) {
            self.unsteady(Unsteadiness::Time, "a time of day with time zone");
        }
    }

    /// Functions of the user's own that run without being named: of domains, types and casts.
    fn steady_implied(&mut self) {
        let catalog = self.catalog;
        for found in self.reach.added(catalog) {
            if found.origin == Origin::User && found.kind == TypeKind::Base {
                self.unsteady(Unsteadiness::Unknown, catalog.type_name(found.oid));
            }
            if let TypeKind::Domain { checks, .. } = &found.kind
                && self.named_types.contains(&found.oid)
            {
                let operators = checks.operators.iter().filter_map(|oid| catalog.operator(*oid));
                let called = checks.functions.iter().copied().chain(operators.map(|operator| operator.function));
                called.filter_map(|oid| catalog.function(oid)).for_each(|function| self.steady_function(function));
                if checks.unsteady || checks.unreadable {
                    self.unsteady(Unsteadiness::Time, catalog.type_name(found.oid));
                }
            }
        }
        let applies = |cast: &&crate::catalog::Cast| {
            self.reach.holds(catalog, cast.source) && self.reach.holds(catalog, cast.target)
        };
        let casts: Vec<_> =
            catalog.added_casts().filter(applies).filter_map(|cast| catalog.function(cast.function)).collect();
        casts.into_iter().for_each(|function| self.steady_function(function));
    }

    fn is_added(&self, column: &Column) -> bool {
        let found = self.catalog.type_of(column.type_oid);
        found.is_none_or(|found| {
            found.origin != Origin::Builtin && found.kind != TypeKind::Enum && found.kind != TypeKind::Base
        })
    }

    /// Whether values of a type are, or hold, dates or times that are read from text.
    fn holds_time(&self, oid: Oid, depth: usize) -> bool {
        const DEPTH_MAX: usize = 16;
        let Some(found) = self.catalog.type_of(oid) else { return true };
        if depth > DEPTH_MAX {
            return true;
        }
        let inner = |oid: Oid| self.holds_time(oid, depth + 1);
        match &found.kind {
            TypeKind::Base => found.category == 'D',
            TypeKind::Enum => false,
            TypeKind::Array(of) | TypeKind::Range(of) | TypeKind::Multirange(of) => inner(*of),
            TypeKind::Domain { base, .. } => inner(*base),
            TypeKind::Composite(relation) => self
                .catalog
                .relation(*relation)
                .is_none_or(|relation| relation.columns.iter().any(|column| inner(column.type_oid))),
            TypeKind::Pseudo => true,
        }
    }

    /// Whether what is converted is surely no text that says `now`. Constants and parameters are looked at elsewhere.
    fn cannot_say_now(&self, of: &ConversionSource) -> bool {
        let uses = &self.statement.uses;
        let is_time =
            |oid: Oid| self.catalog.type_of(oid).is_some_and(|found| matches!(found.category, 'D' | 'T' | 'N'));
        match of {
            ConversionSource::Constant | ConversionSource::Parameter => true,
            ConversionSource::Column(name) => {
                let read = self.findings.relation_oids.iter().filter_map(|oid| self.catalog.relation(*oid));
                let mut named = read
                    .flat_map(|relation| relation.columns.iter())
                    .filter(|column| *column.name == **name)
                    .peekable();
                !uses.renames_columns
                    && !uses.aliases.contains(name)
                    && named.peek().is_some()
                    && named.all(|column| is_time(column.type_oid))
            }
            ConversionSource::Call(name) => {
                let mut called = self.catalog.functions(name).peekable();
                called.peek().is_some() && called.all(|function| is_time(function.returns))
            }
            ConversionSource::Type(name) => {
                let mut named = self.catalog.types(name).peekable();
                named.peek().is_some() && named.all(|found| matches!(found.category, 'D' | 'T' | 'N'))
            }
            ConversionSource::Other => false,
        }
    }
}

/// timetz and its array.
const ZONED: &[Oid] = &[1266, 1270];
/// time and its array.
const TIME_OF_DAY: &[Oid] = &[1083, 1183];

/// Why a function's answer may change though no data does; `None` where it does not.
fn unsteadiness(function: &Function, unrepeatable_sample: bool) -> Option<Unsteadiness> {
    let name = &*function.name;
    match (&function.origin, function.volatility) {
        (Origin::User, _) => Some(Unsteadiness::Unknown),
        (Origin::Extension(_), Volatility::Immutable) => None,
        (Origin::Extension(_), Volatility::Stable) => Some(Unsteadiness::Unknown),
        // Sampling, where REPEATABLE makes it the same.
        (Origin::Builtin, Volatility::Volatile) if matches!(name, "bernoulli" | "system") && !unrepeatable_sample => {
            None
        }
        (Origin::Builtin, Volatility::Immutable) => None,
        (Origin::Builtin | Origin::Extension(_), _) if list::tells_the_time(name) => Some(Unsteadiness::Time),
        (Origin::Builtin, _) if list::asks_the_system(name) => Some(Unsteadiness::System),
        (Origin::Builtin | Origin::Extension(_), Volatility::Volatile) if function.kind == FunctionKind::Aggregate => {
            Some(Unsteadiness::Unknown)
        }
        (Origin::Builtin | Origin::Extension(_), Volatility::Volatile) => Some(Unsteadiness::Volatile),
        (Origin::Builtin, Volatility::Stable) if list::is_steady(name) => None,
        (Origin::Builtin, Volatility::Stable) => Some(Unsteadiness::Session),
    }
}
