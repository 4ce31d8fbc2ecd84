//! File and environment as one map from key to value, with the place each value came from.

use super::mistake::{Mistake, Origin};
use super::value::{Raw, Value};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The environment as a value, so that a test passes a map and only `main` looks at the process.
pub type Environment = HashMap<String, String>;

/// A value and its place.
#[derive(Debug, Clone)]
struct Given {
    raw: Raw,
    origin: Origin,
}

/// All that was given and not yet read. What is left at the end is unknown.
#[derive(Debug, Default)]
pub(super) struct Source {
    given: BTreeMap<String, Given>,
    origins: HashMap<String, Origin>,
    mistakes: Vec<Mistake>,
}

impl Source {
    /// Takes in the text of the file; a fault in its syntax is a mistake, and what can still be read is read.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) {
        let lines = Lines { path: path.into(), text };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = lines.of(error.span().map_or(0, |span| span.start));
            let message = error.message().lines().next().unwrap_or("syntax error").to_owned();
            self.mistakes.push(Mistake::of_file(path, line, message));
        }
        self.flatten(table.get_ref(), "", &lines);
    }

    /// Lays the environment over the file: `names` maps each variable that exists to its key.
    pub(super) fn add_environment(&mut self, environment: &Environment, key_of: impl Fn(&str) -> Option<String>) {
        // Compose files and unit files pass a variable on as empty when it is not set: empty is not given.
        let mut ours: Vec<_> = environment.iter().filter(|(name, text)| is_ours(name) && !text.is_empty()).collect();
        ours.sort();
        for (name, text) in ours {
            let origin = Origin::Environment(name.clone());
            match key_of(name) {
                Some(key) => {
                    self.given.insert(key, Given { raw: Raw::Environment(text.clone()), origin });
                }
                None => self.add_named_file(environment, name, text, &key_of),
            }
        }
    }

    /// `VITRINE_X_FILE` names a file that holds the value of `VITRINE_X`, as images of databases do it: the way of a
    /// secret that must not stand in an environment. Line ends at the end of the file do not count.
    fn add_named_file(
        &mut self,
        environment: &Environment,
        name: &str,
        path: &str,
        key_of: &impl Fn(&str) -> Option<String>,
    ) {
        let plain = name.strip_suffix("_FILE").unwrap_or_default();
        let message = match key_of(plain) {
            None => "no setting has this name, see `vitrine config reference`".to_owned(),
            Some(_) if environment.get(plain).is_some_and(|text| !text.is_empty()) => {
                format!("{plain} is set as well, one of the two must go")
            }
            Some(key) => match std::fs::read_to_string(path) {
                Ok(text) => {
                    let raw = Raw::Environment(text.trim_end_matches(['\r', '\n']).to_owned());
                    self.given.insert(key, Given { raw, origin: Origin::Environment(name.to_owned()) });
                    return;
                }
                Err(error) => format!("cannot read {path}: {error}"),
            },
        };
        self.mistakes.push(Mistake { origin: Origin::Environment(name.to_owned()), key: String::new(), message });
    }

    /// Takes one value out; a bad one becomes a mistake and counts as not given.
    pub(super) fn take<T: Value>(&mut self, prefix: &str, key: &str, range: Option<RangeInclusive<u64>>) -> Option<T> {
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        let given = self.given.remove(&path)?;
        self.origins.insert(path.clone(), given.origin.clone());
        let checked = T::read(&given.raw).and_then(|value| within(value, range));
        match checked {
            Ok(value) => Some(value),
            Err(message) => {
                self.mistakes.push(Mistake { origin: given.origin, key: path, message });
                None
            }
        }
    }

    /// How many entries the array of tables `name` has.
    pub(super) fn entries(&self, name: &str) -> usize {
        let prefix = format!("{name}[");
        self.given
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix)?.split_once(']')?.0.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// Whatever nobody took is a mistake. Returns the mistakes and where each value came from.
    pub(super) fn finish(mut self) -> (Vec<Mistake>, HashMap<String, Origin>) {
        for (key, given) in std::mem::take(&mut self.given) {
            self.mistakes.push(Mistake { origin: given.origin, key, message: "no such setting".to_owned() });
        }
        (self.mistakes, self.origins)
    }

    fn flatten(&mut self, table: &DeTable<'_>, prefix: &str, lines: &Lines<'_>) {
        for (key, value) in table {
            let path =
                if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            let line = lines.of(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => self.flatten(inner, &path, lines),
                DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = format!("{path}[{}]", index + 1);
                        match item.get_ref().as_table() {
                            Some(inner) => self.flatten(inner, &path, lines),
                            None => self.give(path, Raw::Other("a mixed list"), lines.of(item.span().start), lines),
                        }
                    }
                }
                DeValue::Array(_)
                | DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => self.give(path, raw(value.get_ref()), line, lines),
            }
        }
    }

    fn give(&mut self, key: String, raw: Raw, line: usize, lines: &Lines<'_>) {
        self.given.insert(key, Given { raw, origin: Origin::File { path: lines.path.clone(), line } });
    }
}

/// Variables of the gateway; those of the build's own tests and of `--config` are not settings.
fn is_ours(name: &str) -> bool {
    // A name that applications around the store know already.
    if name == "USE_SEED_DATA_MODE" {
        return true;
    }
    name.starts_with("VITRINE_")
        && !name.starts_with("VITRINE_TEST_")
        && !matches!(name, "VITRINE_CONFIG" | "VITRINE_CORPORA" | "VITRINE_PG_BIN")
}

fn within<T: Value>(value: T, range: Option<RangeInclusive<u64>>) -> Result<T, String> {
    match (value.measure(), range) {
        (Some(measure), Some(range)) if !range.contains(&measure) => {
            Err(format!("{measure} is not between {} and {}", range.start(), range.end()))
        }
        (_, _) => Ok(value),
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        // A number in another base would need its own reader; decimal is what settings need.
        DeValue::Integer(digits) if digits.radix() == 10 => Raw::Integer(digits.as_str().replace('_', "")),
        DeValue::Integer(_) => Raw::Other("a number that is not decimal"),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a section"),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Raw::Other("a list of something else"), Raw::List)
        }
    }
}

/// Turns byte offsets into lines.
struct Lines<'a> {
    path: PathBuf,
    text: &'a str,
}

impl Lines<'_> {
    fn of(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}
