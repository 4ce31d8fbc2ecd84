//! From files to seeds, and every mistake of every file in one run.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Prompty, SeedFile};
use crate::model::{EmbeddingSpec, NewDocument, NewKind};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeedMistake {
    /// Below the folder of the seeds.
    pub file: String,
    /// From 1; none where it is the file as a whole.
    pub line: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl SeedMistake {
    pub(super) fn of(file: &str, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for SeedMistake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(to, "{}:{line}: {}", self.file, self.message),
            None => write!(to, "{}: {}", self.file, self.message),
        }
    }
}

/// What a file plants.
#[derive(Debug, Clone, PartialEq)]
pub enum SeedContent {
    /// A kind of insights.
    Kind(NewKind),
    /// A document.
    Document(NewDocument),
}

/// One record to be planted.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The file it comes from.
    pub file: String,
    /// A document's kind; `$kind` for a kind of insights.
    pub kind: String,
    /// Its name within the kind: the file's name without its end.
    pub name: String,
    /// What is planted.
    pub content: SeedContent,
}

/// In `vitrine.seeded`, what stands for the kind of a kind. No document's kind begins so.
pub(super) const KIND: &str = "$kind";

/// All seeds of a folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seeds(pub Vec<Seed>);

impl Seeds {
    /// Reads every file.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn read(files: &[SeedFile]) -> Result<Self, Vec<SeedMistake>> {
        let (mut seeds, mut mistakes): (Vec<Seed>, Vec<SeedMistake>) = (Vec::new(), Vec::new());
        for file in files {
            match read(file) {
                Ok(seed) => {
                    if let Some(other) =
                        seeds.iter().find(|other| (&other.kind, &other.name) == (&seed.kind, &seed.name))
                    {
                        let message = format!("{} \"{}\" is there already, in {}", seed.kind, seed.name, other.file);
                        mistakes.push(SeedMistake::of(&file.path, None, message));
                    }
                    seeds.push(seed);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        mistakes.sort();
        if mistakes.is_empty() { Ok(Self(seeds)) } else { Err(mistakes) }
    }
}

impl Seed {
    /// SHA-256 of what is planted, whatever order a file names its keys in.
    #[must_use]
    pub fn checksum(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        feed(&mut hash, &self.value());
        hash.finalize().into()
    }

    /// As one JSON object, as the database has it too.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.content {
            SeedContent::Kind(kind) => json!({
                "description": kind.description,
                "schema": kind.schema,
                "embedding": kind.embedding,
                "retention_days": kind.retention_days,
            }),
            SeedContent::Document(document) => json!({ "title": document.title, "content": document.content }),
        }
    }
}

/// Feeds a value so that equal values feed the same bytes and others do not.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            hash.update(b"{");
            for name in names {
                hash.update(Value::String(name.clone()).to_string());
                hash.update(b":");
                feed(hash, fields.get(name).unwrap_or(&Value::Null));
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                feed(hash, item);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => hash.update(value.to_string()),
    }
}

/// A kind's file: the kind less its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindFile {
    #[serde(default)]
    description: Option<String>,
    schema: Value,
    #[serde(default)]
    embedding: Option<EmbeddingSpec>,
    #[serde(default)]
    retention_days: Option<u32>,
}

fn read(file: &SeedFile) -> Result<Seed, SeedMistake> {
    let wrong = |line, message: String| SeedMistake::of(&file.path, line, message);
    let parts: Vec<&str> = file.path.split('/').collect();
    let (kind, name) = match parts.as_slice() {
        ["kinds", name] => (KIND, name.strip_suffix(".json")),
        ["personas", name] => ("persona", name.strip_suffix(".json")),
        ["scenarios", name] => ("scenario", name.strip_suffix(".json")),
        ["prompts", name] => ("prompt", name.strip_suffix(".prompty")),
        ["documents", kind, name] => (*kind, name.strip_suffix(".json")),
        _ => {
            let places = "kinds/*.json, personas/*.json, scenarios/*.json, prompts/*.prompty or documents/KIND/*.json";
            return Err(wrong(None, format!("is in no place for seeds: expected {places}")));
        }
    };
    let Some(name) = name else {
        let ending = if kind == "prompt" { ".prompty" } else { ".json" };
        return Err(wrong(None, format!("expected a name that ends in {ending}")));
    };
    check_names(kind, name).map_err(|message| wrong(None, message))?;
    let content = match kind {
        KIND => SeedContent::Kind(kind_of(name, &file.text).map_err(|(line, message)| wrong(line, message))?),
        "prompt" => {
            let prompty = Prompty::parse(&file.text).map_err(|(line, message)| wrong(Some(line), message))?;
            SeedContent::Document(NewDocument { title: prompty.name.clone(), content: prompty.content() })
        }
        _ => SeedContent::Document(document(&file.text).map_err(|(line, message)| wrong(line, message))?),
    };
    if let SeedContent::Document(document) = &content
        && !(1..=1000).contains(&document.title.len())
    {
        return Err(wrong(None, "the title must have 1 to 1000 bytes".to_owned()));
    }
    Ok(Seed { file: file.path.clone(), kind: kind.to_owned(), name: name.to_owned(), content })
}

type Wrong = (Option<usize>, String);

fn kind_of(name: &str, text: &str) -> Result<NewKind, Wrong> {
    let file: KindFile = parse(text)?;
    if !(file.schema.is_object() || file.schema.is_boolean()) {
        return Err((None, "\"schema\" must be a JSON Schema: an object, or true or false".to_owned()));
    }
    if file.embedding.is_some_and(|embedding| !(1..=2000).contains(&embedding.dimension)) {
        return Err((None, "the dimension of embeddings must be 1 to 2000".to_owned()));
    }
    if file.retention_days == Some(0) {
        return Err((None, "retention_days must be at least 1".to_owned()));
    }
    Ok(NewKind {
        name: name.to_owned(),
        description: file.description,
        schema: file.schema,
        embedding: file.embedding,
        retention_days: file.retention_days,
    })
}

fn document(text: &str) -> Result<NewDocument, Wrong> {
    parse(text)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let message = error.to_string();
        // The place is said in front.
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        ((error.line() > 0).then(|| error.line()), message)
    })
}

/// Names become keys: of one form, so that they read well in a URL.
fn check_names(kind: &str, name: &str) -> Result<(), String> {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let well_formed = |name: &str| {
        (1..=63).contains(&name.len())
            && name.bytes().all(inside)
            && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    for named in [kind, name] {
        if named != KIND && !well_formed(named) {
            return Err(format!(
                "\"{named}\" is not 1 to 63 of a-z, 0-9, \"-\", \"_\", \".\", beginning with a letter or a digit"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn file(path: &str, text: &str) -> SeedFile {
        SeedFile { path: path.to_owned(), text: Cow::Owned(text.to_owned()) }
    }

    #[test]
    fn every_mistake_of_every_file_is_found_with_its_line() {
        let files = [
            file("kinds/trend.json", r#"{"schema": 1}"#),
            file("kinds/Trend.json", r#"{"schema": {}}"#),
            file("kinds/a.json", "{\"schema\": {},\n \"retention\": 3}"),
            file("personas/a.json", "{\"title\": \"A\",\n \"content\": {}\n"),
            file("personas/b.txt", "{}"),
            file("personas/d.json", r#"{"title": "", "content": {}}"#),
            file("other/c.json", "{}"),
            file("documents/persona/e.json", r#"{"title": "E", "content": 1}"#),
            file("personas/e.json", r#"{"title": "E", "content": 1}"#),
            file("prompts/p.prompty", "---\nname: [\n---\nbody"),
        ];
        let mistakes: Vec<String> = Seeds::read(&files).unwrap_err().iter().map(ToString::to_string).collect();
        for (expected, found) in [
            "kinds/Trend.json: \"Trend\" is not 1 to 63",
            "kinds/a.json:2: unknown field `retention`",
            "kinds/trend.json: \"schema\" must be a JSON Schema",
            "other/c.json: is in no place for seeds",
            "personas/a.json:3: EOF while parsing",
            "personas/b.txt: expected a name that ends in .json",
            "personas/d.json: the title must have",
            "personas/e.json: persona \"e\" is there already, in documents/persona/e.json",
            "prompts/p.prompty:",
        ]
        .iter()
        .zip(&mistakes)
        {
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
        assert_eq!(mistakes.len(), 9, "{mistakes:#?}");
    }

    #[test]
    fn what_is_shipped_is_right() {
        let seeds = Seeds::read(&super::super::embedded()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        for kind in [KIND, "persona", "scenario", "prompt"] {
            assert!(seeds.0.iter().filter(|seed| seed.kind == kind).count() >= 3, "few of {kind}");
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/seed");
        assert_eq!(super::super::of_dir(&folder).unwrap(), super::super::embedded());
    }

    #[test]
    fn the_checksum_is_of_the_values_not_of_their_spelling() {
        let seed = |text: &str| read(&file("personas/a.json", text)).unwrap().checksum();
        let first = seed(r#"{"title": "A", "content": {"a": [1, {}], "b": "x"}}"#);
        assert_eq!(first, seed("{\"content\": {\"b\": \"x\",\n\"a\": [1,{}]}, \"title\": \"A\"}"));
        for other in [
            r#"{"title": "A", "content": {"a": [1], "b": "x"}}"#,
            r#"{"title": "B", "content": {"a": [1, {}], "b": "x"}}"#,
        ] {
            assert_ne!(first, seed(other));
        }
    }
}
