//! The policy file. Every mistake is found in one run, with its line.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::catalog::{Catalog, Function, Operator};

use super::list;
use super::rule::ReadWrite;

/// The policy that applies when no file says otherwise: `config/policy.toml`.
pub const DEFAULT: &str = include_str!("../../../config/policy.toml");

/// A mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// The key that it is about; empty when the file is no TOML at all.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.message),
            key => write!(f, "line {}: {key}: {}", self.line, self.message),
        }
    }
}

/// How far clients may move settings that are limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SettingBounds {
    /// Milliseconds for `statement_timeout`, `transaction_timeout`; zero for no bound.
    pub statement_timeout_ms_max: u64,
    /// Milliseconds for the idle timeouts; zero for no bound.
    pub idle_timeout_ms_max: u64,
    /// Milliseconds for `lock_timeout`; zero for no bound.
    pub lock_timeout_ms_max: u64,
    /// Kilobytes for `work_mem`.
    pub work_mem_kb_max: u64,
    /// Workers for `max_parallel_workers_per_gather`.
    pub parallel_workers_max: u64,
}

impl Default for SettingBounds {
    fn default() -> Self {
        Self {
            statement_timeout_ms_max: 0,
            idle_timeout_ms_max: 0,
            lock_timeout_ms_max: 0,
            work_mem_kb_max: 262_144,
            parallel_workers_max: 8,
        }
    }
}

/// What the reviewer decided beyond the built-in rules.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    version: u64,
    functions: HashSet<String>,
    denied_functions: HashSet<String>,
    operators: HashSet<String>,
    types: HashSet<String>,
    views: HashSet<String>,
    foreign_tables: HashSet<String>,
    hidden_relations: HashSet<String>,
    shown_relations: HashSet<String>,
    settings: HashSet<String>,
    custom_settings: HashSet<String>,
    bounds: SettingBounds,
    read_write: ReadWrite,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// Every mistake: TOML's own, unknown keys, values of the wrong type, names that cannot be meant.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Mistake>> {
        let table = DeTable::parse(text).map_err(|error| vec![broken(text, &error)])?;
        let mut reading = Reading { text, mistakes: Vec::new() };
        let mut policy = Self::default();
        for (key, value) in table.get_ref() {
            reading.entry(&mut policy, key.get_ref(), key.span(), value);
        }
        if reading.mistakes.is_empty() {
            policy.version = policy.hash_of_content();
            return Ok(policy);
        }
        reading.mistakes.sort_by_key(|mistake| mistake.line);
        Err(reading.mistakes)
    }

    /// The policy of `config/policy.toml`.
    #[must_use]
    pub fn built_in() -> Self {
        // A test reads the file; an empty policy is the strictest one.
        Self::from_toml(DEFAULT).unwrap_or_default()
    }

    /// Equal for equal content.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn bounds(&self) -> SettingBounds {
        self.bounds
    }

    pub(super) fn read_write(&self) -> ReadWrite {
        self.read_write
    }

    pub(super) fn allows_function(&self, catalog: &Catalog, function: &Function) -> bool {
        names(&self.functions, catalog, function)
    }

    pub(super) fn denies_function(&self, catalog: &Catalog, function: &Function) -> bool {
        names(&self.denied_functions, catalog, function)
    }

    pub(super) fn allows_operator(&self, catalog: &Catalog, operator: &Operator) -> bool {
        let name = || format!("{}.{}", operator.schema, operator.name);
        let full = || {
            let operand = |oid| if oid == 0 { "-".to_owned() } else { catalog.type_name(oid) };
            let types = [operator.left, operator.right].map(operand);
            normal(&format!("{}({})", name(), types.join(",")))
        };
        !self.operators.is_empty() && (self.operators.contains(&name()) || self.operators.contains(&full()))
    }

    pub(super) fn allows_type(&self, qualified: &str) -> bool {
        self.types.contains(qualified)
    }

    pub(super) fn allows_view(&self, schema: &str, name: &str) -> bool {
        listed(&self.views, schema, name)
    }

    pub(super) fn allows_foreign(&self, schema: &str, name: &str) -> bool {
        listed(&self.foreign_tables, schema, name)
    }

    /// Whether `schema.name` is hidden by a line of this policy rather than by the built-in list.
    pub(super) fn hides_itself(&self, qualified: &str) -> bool {
        qualified.split_once('.').is_some_and(|(schema, name)| listed(&self.hidden_relations, schema, name))
    }

    pub(super) fn hides(&self, schema: &str, name: &str) -> bool {
        if listed(&self.hidden_relations, schema, name) {
            return true;
        }
        let matches = |entry: &&str| {
            entry
                .split_once('.')
                .is_some_and(|(in_schema, named)| in_schema == schema && (named == "*" || named == name))
        };
        (schema == "pg_catalog" || schema == "pg_toast")
            && list::HIDDEN.iter().any(matches)
            && !listed(&self.shown_relations, schema, name)
    }

    pub(super) fn allows_setting(&self, name: &str) -> bool {
        let prefix = name.split_once('.').map(|(prefix, _)| format!("{prefix}.*"));
        self.settings.contains(name)
            || self.custom_settings.contains(name)
            || prefix.is_some_and(|prefix| self.custom_settings.contains(&prefix))
    }

    fn hash_of_content(&self) -> u64 {
        let Self {
            version: _,
            functions,
            denied_functions,
            operators,
            types,
            views,
            foreign_tables,
            hidden_relations,
            shown_relations,
            settings,
            custom_settings,
            bounds,
            read_write,
        } = self;
        let mut hasher = DefaultHasher::new();
        let lists = [
            functions,
            denied_functions,
            operators,
            types,
            views,
            foreign_tables,
            hidden_relations,
            shown_relations,
            settings,
            custom_settings,
        ];
        for list in lists {
            let mut sorted: Vec<&String> = list.iter().collect();
            sorted.sort_unstable();
            sorted.hash(&mut hasher);
        }
        (bounds, read_write).hash(&mut hasher);
        hasher.finish()
    }
}

/// `schema.name` or `schema.*`.
fn listed(list: &HashSet<String>, schema: &str, name: &str) -> bool {
    !list.is_empty() && (list.contains(&format!("{schema}.{name}")) || list.contains(&format!("{schema}.*")))
}

/// `schema.name`, or with argument types.
fn names(list: &HashSet<String>, catalog: &Catalog, function: &Function) -> bool {
    !list.is_empty() && (list.contains(&function.qualified()) || list.contains(&normal(&catalog.signature(function))))
}

/// Types in their catalog spelling, without spaces: `app.f(integer, character varying)` is `app.f(int4,varchar)`.
fn normal(signature: &str) -> String {
    let Some((name, arguments)) = signature.trim().strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return signature.trim().to_owned();
    };
    let arguments: Vec<String> =
        arguments.split(',').map(str::trim).filter(|text| !text.is_empty()).map(normal_type).collect();
    format!("{}({})", name.trim(), arguments.join(","))
}

fn normal_type(name: &str) -> String {
    let (name, brackets) = match name.strip_suffix("[]") {
        Some(element) => (element, "[]"),
        None => (name, ""),
    };
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let name = match name {
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "real" => "float4",
        "double precision" => "float8",
        "decimal" => "numeric",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "\"char\"" => "char",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "bit varying" => "varbit",
        other => other,
    };
    format!("{name}{brackets}")
}

struct Reading<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn entry(&mut self, policy: &mut Policy, key: &str, span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let list = match key {
            "functions" => &mut policy.functions,
            "denied_functions" => &mut policy.denied_functions,
            "operators" => &mut policy.operators,
            "types" => &mut policy.types,
            "views" => &mut policy.views,
            "foreign_tables" => &mut policy.foreign_tables,
            "hidden_relations" => &mut policy.hidden_relations,
            "shown_relations" => &mut policy.shown_relations,
            "settings" => &mut policy.settings,
            "custom_settings" => &mut policy.custom_settings,
            "setting_bounds" => return self.bounds(&mut policy.bounds, value),
            "read_write_transactions" => return self.read_write(&mut policy.read_write, value),
            _ => return self.mistake(span, key, "there is no such key"),
        };
        self.list(list, key, value);
    }

    fn list(&mut self, list: &mut HashSet<String>, key: &str, value: &Spanned<DeValue<'_>>) {
        let Some(entries) = value.get_ref().as_array() else {
            return self.mistake(value.span(), key, "a list of names is wanted: [\"schema.name\"]");
        };
        for entry in entries.iter() {
            let Some(name) = entry.get_ref().as_str() else {
                self.mistake(entry.span(), key, "a name in quotes is wanted");
                continue;
            };
            match fault(key, name) {
                Some(fault) => self.mistake(entry.span(), key, &format!("{name:?}: {fault}")),
                None => drop(list.insert(normal(name))),
            }
        }
    }

    fn read_write(&mut self, read_write: &mut ReadWrite, value: &Spanned<DeValue<'_>>) {
        match value.get_ref().as_str() {
            Some("refuse") => *read_write = ReadWrite::Refuse,
            Some("read_only") => *read_write = ReadWrite::ReadOnly,
            _ => self.mistake(value.span(), "read_write_transactions", "\"refuse\" or \"read_only\" is wanted"),
        }
    }

    fn bounds(&mut self, bounds: &mut SettingBounds, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.mistake(value.span(), "setting_bounds", "a table is wanted: [setting_bounds]");
        };
        for (key, value) in table {
            let name = format!("setting_bounds.{}", key.get_ref());
            let bound = match key.get_ref().as_ref() {
                "statement_timeout_ms_max" => &mut bounds.statement_timeout_ms_max,
                "idle_timeout_ms_max" => &mut bounds.idle_timeout_ms_max,
                "lock_timeout_ms_max" => &mut bounds.lock_timeout_ms_max,
                "work_mem_kb_max" => &mut bounds.work_mem_kb_max,
                "parallel_workers_max" => &mut bounds.parallel_workers_max,
                _ => {
                    self.mistake(key.span(), &name, "there is no such key");
                    continue;
                }
            };
            let number = value.get_ref().as_integer().and_then(|number| number.as_str().replace('_', "").parse().ok());
            match number {
                Some(number) => *bound = number,
                None => self.mistake(value.span(), &name, "a whole number, zero or more, is wanted"),
            }
        }
    }

    fn mistake(&mut self, span: Range<usize>, key: &str, message: &str) {
        let line = line_of(self.text, span.start);
        self.mistakes.push(Mistake { line, key: key.to_owned(), message: message.to_owned() });
    }
}

/// Names without a schema are refused: which one they mean would depend on each client's search_path.
fn fault(key: &str, name: &str) -> Option<&'static str> {
    let qualified = name.split('(').next().is_some_and(|name| {
        name.split_once('.').is_some_and(|(schema, name)| !schema.trim().is_empty() && !name.trim().is_empty())
    });
    match key {
        "settings" if name.contains(['*', ' ']) => Some("the name of one setting is wanted"),
        "settings" if is_refused_setting(name) => Some("this setting would open a wall and cannot be allowed"),
        "settings" => None,
        "custom_settings" if !qualified => Some("a name with a prefix is wanted: \"app.tenant_id\" or \"app.*\""),
        "functions" if name.contains('*') => Some("functions are named one by one"),
        "functions" if list::never(&normal(name)).is_some() => {
            Some("this function would open a wall and cannot be allowed")
        }
        _ if !qualified => Some("the name needs its schema: \"schema.name\""),
        _ => None,
    }
}

/// Whether no policy can hand that setting to a client.
pub(super) fn is_refused_setting(name: &str) -> bool {
    REFUSED_SETTINGS.contains(&name)
}

const REFUSED_SETTINGS: &[&str] = &[
    "role",
    "session_authorization",
    "session_replication_role",
    "default_transaction_read_only",
    "transaction_read_only",
    "standard_conforming_strings",
    "client_encoding",
    "local_preload_libraries",
    "session_preload_libraries",
    "dynamic_library_path",
    "allow_system_table_mods",
    "event_triggers",
    "jit_debugging_support",
    "jit_dump_bitcode",
    "jit_profiling_support",
    "jit_provider",
];

fn broken(text: &str, error: &toml::de::Error) -> Mistake {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Mistake { line, key: String::new(), message: error.message().to_owned() }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_the_file() {
        assert!(Policy::from_toml(DEFAULT).is_ok());
        assert_eq!(Policy::built_in().version(), Policy::from_toml("").unwrap().version());
    }

    #[test]
    fn every_mistake_is_found_with_its_line() {
        let text = "function = []\n\nfunctions = [\"f\", 3,\n  \"app.*\"]\nread_write_transactions = \"on\"\n[setting_bounds]\nwork_mem = 3\nwork_mem_kb_max = -1\n";
        let mistakes = Policy::from_toml(text).unwrap_err();
        let found: Vec<(usize, &str)> = mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        let expected = [
            (1, "function"),
            (3, "functions"),
            (3, "functions"),
            (4, "functions"),
            (5, "read_write_transactions"),
            (7, "setting_bounds.work_mem"),
            (8, "setting_bounds.work_mem_kb_max"),
        ];
        assert_eq!(found, expected);
        assert_eq!(Policy::from_toml("a = [").unwrap_err().first().unwrap().line, 1);
    }

    #[test]
    fn read_write_has_two_words_and_is_part_of_the_version() {
        let policy = Policy::from_toml("read_write_transactions = \"read_only\"").unwrap();
        assert_eq!(policy.read_write(), ReadWrite::ReadOnly);
        assert_ne!(policy.version(), Policy::built_in().version());
        let refuse = Policy::from_toml("read_write_transactions = \"refuse\"").unwrap();
        assert_eq!(refuse.version(), Policy::built_in().version());
    }

    #[test]
    fn spellings_of_types_are_one() {
        assert_eq!(normal("app.f( integer ,character varying[])"), "app.f(int4,varchar[])");
    }
}
