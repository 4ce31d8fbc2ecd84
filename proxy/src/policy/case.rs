//! One review: the question, how names resolve in it, and what has been found out so far.

use std::collections::HashSet;

use crate::catalog::{Catalog, Function, Knowledge, Oid, Operator, Origin, Relation, Type, Volatility};
use crate::sql::Statement;

use super::infer::{self, Types};
use super::list;
use super::reach::{Mentions, Reach};
use super::steady::Unsteady;
use super::{Policy, Scope};

/// What a review finds out.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    pub(super) relations: Vec<String>,
    pub(super) relation_oids: Vec<Oid>,
    pub(super) functions: Vec<String>,
    pub(super) volatility: Volatility,
    pub(super) row_security: bool,
    pub(super) foreign: bool,
    pub(super) system: bool,
    pub(super) hangs_on_types: bool,
    /// A setting is assigned a bound value that has to be reviewed.
    pub(super) by_value: bool,
    /// It seeds the random numbers of the session.
    pub(super) seeds: bool,
    /// It tells which statements are prepared on the connection.
    pub(super) sees_statements: bool,
    pub(super) unsteady: Option<Unsteady>,
}

/// The question and the state of its answer.
pub(super) struct Case<'a> {
    pub(super) statement: &'a Statement,
    pub(super) text: &'a str,
    pub(super) catalog: &'a Catalog,
    pub(super) policy: &'a Policy,
    pub(super) scope: &'a Scope<'a>,
    /// Schemas that unqualified names are looked up in, in order.
    pub(super) path: Vec<&'a str>,
    /// What each entry of `uses.relations` is, where the catalog knows it.
    pub(super) resolved: Vec<Option<&'a Relation>>,
    /// Types whose values are read or made, if only inside of rows.
    pub(super) reach: Reach,
    /// Types whose values can stand as an operand or an argument.
    pub(super) occurs: Reach,
    /// The same, as far as a star does not bring them: those that can be compared where columns go by their names.
    pub(super) compared: Reach,
    pub(super) mentions: Mentions,
    /// The types of values, once somebody asked.
    types: Option<Types>,
    /// Types that values are made of: by name, as a parameter, or by a stored expression.
    pub(super) named_types: HashSet<Oid>,
    /// A function is called that makes JSON.
    pub(super) makes_json: bool,
    /// A function is called that makes an array or a range of whatever it is given.
    pub(super) makes_containers: bool,
    /// A function is called that builds rows out of text.
    pub(super) fills_rows: bool,
    /// A function is called whose arguments take their types from one another.
    pub(super) shares_types: bool,
    /// The same for operators.
    pub(super) shares_types_in_operators: bool,
    /// AT TIME ZONE is said, or its function called.
    pub(super) zones: bool,
    /// Functions that run whose bodies look names up.
    pub(super) bodies: Vec<Oid>,
    /// With whether children were left out.
    pub(super) seen_relations: HashSet<(Oid, bool)>,
    pub(super) findings: Findings,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        statement: &'a Statement,
        text: &'a str,
        catalog: &'a Catalog,
        policy: &'a Policy,
        scope: &'a Scope<'a>,
    ) -> Self {
        let volatility =
            if statement.uses.value_functions.is_empty() { Volatility::Immutable } else { Volatility::Stable };
        Self {
            statement,
            text,
            catalog,
            policy,
            scope,
            path: path(scope),
            resolved: Vec::with_capacity(statement.uses.relations.len()),
            reach: Reach::default(),
            occurs: Reach::default(),
            compared: Reach::default(),
            mentions: Mentions::new(text.get(statement.span.clone()).unwrap_or(text), statement.uses.renames_columns),
            types: None,
            named_types: HashSet::new(),
            // JSON_ARRAY and its like are no functions.
            makes_json: text.to_ascii_lowercase().contains("json"),
            makes_containers: false,
            fills_rows: false,
            shares_types: false,
            shares_types_in_operators: false,
            zones: false,
            bodies: Vec::new(),
            seen_relations: HashSet::new(),
            findings: Findings {
                relations: Vec::new(),
                relation_oids: Vec::new(),
                functions: Vec::new(),
                volatility,
                row_security: false,
                foreign: false,
                system: false,
                hangs_on_types: false,
                by_value: false,
                seeds: false,
                sees_statements: false,
                unsteady: None,
            },
        }
    }

    /// Whether an object of `found` can be meant by a name with that schema before it, or without one.
    pub(super) fn reaches(&self, schema: Option<&str>, found: &str) -> bool {
        match schema {
            Some(schema) => schema == found,
            None => self.path.contains(&found),
        }
    }

    /// Every function that a call with so many arguments could mean.
    pub(super) fn functions(&self, schema: Option<&str>, name: &str, call: Call) -> Vec<&'a Function> {
        let catalog: &'a Catalog = self.catalog;
        let fits = |function: &&Function| self.reaches(schema, &function.schema) && call.fits(function);
        let found: Vec<_> = catalog.functions(name).filter(fits).collect();
        // Before PostgreSQL 14 there is no function extract: EXTRACT (a FROM b) calls this one.
        if found.is_empty() && schema == Some("pg_catalog") && name == "extract" {
            return catalog.functions("date_part").filter(fits).collect();
        }
        found
    }

    /// Every operator that the name could mean.
    pub(super) fn operators(&self, schema: Option<&str>, name: &str, arguments: u8) -> Vec<&'a Operator> {
        let catalog: &'a Catalog = self.catalog;
        let prefix = arguments == 1;
        let found = catalog.operators(name);
        // PostgreSQL 13 has postfix operators too: `right` is zero for them.
        let fits = |operator: &&Operator| (operator.left == 0 || operator.right == 0) == prefix;
        found.filter(|operator| self.reaches(schema, &operator.schema)).filter(fits).collect()
    }

    /// The type that a name means: the first in path order.
    pub(super) fn named_type(&self, schema: Option<&str>, name: &str) -> Option<&'a Type> {
        let catalog: &'a Catalog = self.catalog;
        match schema {
            Some(schema) => catalog.types(name).find(|found| &*found.schema == schema),
            None => self.path.iter().find_map(|schema| catalog.types(name).find(|found| *found.schema == **schema)),
        }
    }

    /// The relation that a name means: the first in path order.
    pub(super) fn named_relation(&self, schema: Option<&str>, name: &str) -> Option<&'a Relation> {
        let catalog: &'a Catalog = self.catalog;
        match schema {
            Some(schema) => catalog.relations(name).find(|found| &*found.schema == schema),
            None => self.path.iter().find_map(|schema| catalog.relations(name).find(|found| *found.schema == **schema)),
        }
    }

    /// What else the name means where the role may not enter the schemas before: PostgreSQL passes those over.
    pub(super) fn relations_behind(&self, schema: Option<&str>, first: &Relation) -> Vec<&'a Relation> {
        let catalog: &'a Catalog = self.catalog;
        if schema.is_some() || first.origin == Origin::Builtin {
            return Vec::new();
        }
        let reached = |found: &&Relation| found.oid != first.oid && self.reaches(None, &found.schema);
        catalog.relations(&first.name).filter(reached).collect()
    }

    /// The same for types.
    pub(super) fn types_behind(&self, schema: Option<&str>, first: &Type) -> Vec<&'a Type> {
        let catalog: &'a Catalog = self.catalog;
        if schema.is_some() || first.origin == Origin::Builtin {
            return Vec::new();
        }
        let reached = |found: &&Type| found.oid != first.oid && self.reaches(None, &found.schema);
        catalog.types(&first.name).filter(reached).collect()
    }

    /// Whether a name without a meaning in the catalog may have one in the database.
    pub(super) fn uncertain(&self, schema: Option<&str>) -> bool {
        self.catalog.knowledge() == Knowledge::Unavailable && schema != Some("pg_catalog")
    }

    /// Parameters that Parse declared void. PostgreSQL leaves them out of account as arguments: JDBC's `{? = call f(?)}` is
    /// `f($1, $2)` with the first of them, and calls the `f` of one argument.
    pub(super) fn voids(&self) -> usize {
        const VOID: Oid = 2278;
        self.scope.parameter_types.iter().filter(|oid| **oid == VOID).count()
    }

    /// Brings a type within reach whose values stand in the statement itself.
    pub(super) fn speaks_of(&mut self, oid: Oid) {
        self.reach.add(self.catalog, oid);
        self.occurs.add(self.catalog, oid);
        self.compared.add(self.catalog, oid);
    }

    /// The types of values, worked out at the first question. Relations must be resolved.
    pub(super) fn types(&mut self) -> Types {
        if let Some(types) = &self.types {
            return types.clone();
        }
        let types = infer::types(self);
        self.types = Some(types.clone());
        types
    }

    /// Notes a call: `anyarray` and its kin, as a result, hold whatever the arguments are.
    pub(super) fn calls(&mut self, function: &Function) {
        let holds = |oid: &Oid| matches!(oid, 2277 | 3831 | 4537 | 4538 | 5078 | 5080);
        // What takes one makes none of values that are none.
        self.makes_containers |= holds(&function.returns) && !function.arguments.iter().any(holds);
        self.runs(function);
    }

    /// Notes a function that runs.
    pub(super) fn runs(&mut self, function: &Function) {
        self.makes_json |= function.name.contains("json");
        self.fills_rows |= list::fills_rows(&function.name);
        if function.origin == Origin::Builtin {
            self.findings.seeds |= &*function.name == "setseed";
            self.findings.sees_statements |= list::sees_statements(&function.name);
        }
        if !function.words.is_empty() && !self.bodies.contains(&function.oid) {
            self.bodies.push(function.oid);
        }
        // AT TIME ZONE on a time of day is volatile by declaration alone: it depends on today's date.
        let declared = if &*function.name == "timezone" { Volatility::Stable } else { function.volatility };
        self.findings.volatility = self.findings.volatility.max(declared);
        self.steady_function(function);
    }
}

/// A call, as far as it narrows the candidates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) arguments: usize,
    pub(super) variadic: bool,
    pub(super) named: bool,
    /// So many of the arguments may be parameters of type void, which PostgreSQL leaves out of account.
    pub(super) voids: usize,
}

impl Call {
    pub(super) fn one() -> Self {
        Self { arguments: 1, variadic: false, named: false, voids: 0 }
    }

    fn fits(self, function: &Function) -> bool {
        let mut counts = self.arguments.saturating_sub(self.voids)..=self.arguments;
        counts.any(|count| function.takes(count, self.variadic))
            || (self.named && function.arguments.len() >= self.arguments)
    }
}

/// PostgreSQL cuts a longer name of the path, at the end of a character.
fn cut(name: &str) -> &str {
    const NAME_BYTES_MAX: usize = 63;
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// `pg_catalog` comes first unless the path names it. `pg_temp` is never looked at: nothing can be made there.
fn path<'a>(scope: &Scope<'a>) -> Vec<&'a str> {
    let listed = scope.search_path.iter().map(|entry| if entry == "$user" { scope.role } else { cut(entry) });
    let mut path: Vec<&str> = listed.filter(|entry| *entry != "pg_temp").collect();
    if !path.contains(&"pg_catalog") {
        path.insert(0, "pg_catalog");
    }
    path
}
