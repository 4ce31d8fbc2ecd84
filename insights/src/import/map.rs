//! `--map title=headline,key=id,kind='trend',payload=*`: which column becomes which part of an insight.

use std::collections::BTreeMap;
use std::fmt;

use super::Column;

/// A part of an insight that can be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Kind,
    Key,
    Title,
    Body,
    Payload,
    Confidence,
    ValidFrom,
    ValidTo,
    ExpiresAt,
}

impl Target {
    const ALL: &[(&str, Self)] = &[
        ("kind", Self::Kind),
        ("key", Self::Key),
        ("title", Self::Title),
        ("body", Self::Body),
        ("payload", Self::Payload),
        ("confidence", Self::Confidence),
        ("valid_from", Self::ValidFrom),
        ("valid_to", Self::ValidTo),
        ("expires_at", Self::ExpiresAt),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, target)| *target == self).map_or("", |(name, _)| name)
    }

    /// What its text is cast to.
    fn sql_type(self) -> &'static str {
        match self {
            Self::Kind | Self::Key | Self::Title | Self::Body => "text",
            Self::Payload => "jsonb",
            Self::Confidence => "float8",
            Self::ValidFrom | Self::ValidTo | Self::ExpiresAt => "timestamptz",
        }
    }
}

/// Where a part comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// `'text'`: the same for every row.
    Literal(String),
    /// A column; for the payload several, joined by `+`.
    Columns(Vec<String>),
    /// `*`: the payload is every column that nothing else takes.
    Rest,
}

/// A map that fits a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping(pub(super) BTreeMap<Target, From>);

impl Mapping {
    /// Reads a map: `part=column`, `part='text'`, `payload=column+column` or `payload=*`, separated by commas. `key` and
    /// `title` are needed, and so is `kind`; a quote within a text is doubled.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, columns: &[Column]) -> Result<Self, Vec<String>> {
        let (mut map, mut mistakes) = (BTreeMap::new(), Vec::new());
        for entry in split(text) {
            let Some((name, from)) = entry.split_once('=').map(|(name, from)| (name.trim(), from.trim())) else {
                mistakes.push(format!("\"{entry}\" is not part=column"));
                continue;
            };
            let Some(target) = Target::parse(name) else {
                let known: Vec<&str> = Target::ALL.iter().map(|(name, _)| *name).collect();
                mistakes.push(format!("\"{name}\" is no part of an insight: expected {}", known.join(", ")));
                continue;
            };
            match read(target, from, columns) {
                Ok(from) if map.contains_key(&target) => {
                    mistakes.push(format!("{name} is given twice, the second time as {from:?}"));
                }
                Ok(from) => drop(map.insert(target, from)),
                Err(found) => mistakes.extend(found),
            }
        }
        for needed in [Target::Kind, Target::Key, Target::Title] {
            if !map.contains_key(&needed) && !mistakes.iter().any(|mistake| mistake.starts_with(needed.name())) {
                mistakes.push(format!("{} is not mapped, and every insight needs one", needed.name()));
            }
        }
        if let Some(From::Literal(_)) = map.get(&Target::Key) {
            mistakes.push("key must be a column: it tells one row from another".to_owned());
        }
        if mistakes.is_empty() { Ok(Self(map)) } else { Err(mistakes) }
    }

    /// The column of the key.
    pub(super) fn key(&self) -> &str {
        match self.0.get(&Target::Key) {
            Some(From::Columns(names)) => names.first().map_or("", String::as_str),
            Some(From::Literal(_) | From::Rest) | None => "",
        }
    }

    /// The expression for a part, of a row called `t`.
    pub(super) fn sql(&self, target: Target) -> String {
        let cast = target.sql_type();
        match self.0.get(&target) {
            None if target == Target::Payload => "'{}'::jsonb".to_owned(),
            None => format!("NULL::{cast}"),
            Some(From::Literal(text)) => format!("'{}'::{cast}", text.replace('\'', "''")),
            Some(From::Rest) => {
                let taken: Vec<String> =
                    self.taken().iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
                format!("pg_catalog.to_jsonb(t) - ARRAY[{}]::text[]", taken.join(", "))
            }
            Some(From::Columns(names)) if target == Target::Payload => payload(names),
            Some(From::Columns(names)) => {
                format!("t.{}::{cast}", names.first().map(|name| quoted(name)).unwrap_or_default())
            }
        }
    }

    /// Columns that become something else than payload.
    fn taken(&self) -> Vec<&String> {
        let others = self.0.iter().filter(|(target, _)| **target != Target::Payload);
        others
            .filter_map(|(_, from)| match from {
                From::Columns(names) => Some(names),
                From::Literal(_) | From::Rest => None,
            })
            .flatten()
            .collect()
    }
}

/// As it is given.
impl fmt::Display for Mapping {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (target, from)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match from {
                From::Literal(text) => write!(to, "{comma}{}='{}'", target.name(), text.replace('\'', "''"))?,
                From::Columns(names) => write!(to, "{comma}{}={}", target.name(), names.join("+"))?,
                From::Rest => write!(to, "{comma}{}=*", target.name())?,
            }
        }
        Ok(())
    }
}

/// One column that is an object is the payload; several become an object.
fn payload(names: &[String]) -> String {
    let pairs: Vec<String> =
        names.iter().map(|name| format!("'{}', t.{}", name.replace('\'', "''"), quoted(name))).collect();
    let built = format!("pg_catalog.jsonb_build_object({})", pairs.join(", "));
    match names {
        [one] => {
            let json = format!("pg_catalog.to_jsonb(t.{})", quoted(one));
            format!("CASE WHEN pg_catalog.jsonb_typeof({json}) = 'object' THEN {json} ELSE {built} END")
        }
        _ => built,
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn read(target: Target, from: &str, columns: &[Column]) -> Result<From, Vec<String>> {
    if let Some(rest) = from.strip_prefix('\'') {
        let Some(text) = rest.strip_suffix('\'') else {
            return Err(vec![format!("{}: the text has no end", target.name())]);
        };
        return Ok(From::Literal(text.replace("''", "'")));
    }
    if from == "*" {
        let message = || vec![format!("{} cannot be *: only the payload takes all the other columns", target.name())];
        return if target == Target::Payload { Ok(From::Rest) } else { Err(message()) };
    }
    let names: Vec<String> = if target == Target::Payload {
        from.split('+').map(|name| name.trim().to_owned()).collect()
    } else {
        vec![from.to_owned()]
    };
    let unknown = names.iter().filter(|name| !columns.iter().any(|column| column.name == **name));
    let unknown: Vec<String> =
        unknown.map(|name| format!("{}: there is no column \"{name}\"", target.name())).collect();
    if unknown.is_empty() { Ok(From::Columns(names)) } else { Err(unknown) }
}

/// At commas outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut entries, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => inside = !inside,
            ',' if !inside => {
                entries.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    entries.push(text.get(start..).unwrap_or_default());
    entries.into_iter().filter(|entry| !entry.trim().is_empty()).collect()
}

/// A map that the names of the columns suggest, to be read by a person. `table` becomes the kind where no column does.
#[must_use]
pub fn propose(table: &str, columns: &[Column]) -> String {
    const GUESSES: &[(Target, &[&str])] = &[
        (Target::Kind, &["kind", "insight_type", "type", "category"]),
        (Target::Key, &["key", "natural_key", "slug", "insight_id", "id", "uuid"]),
        (Target::Title, &["title", "headline", "name", "subject", "summary"]),
        (Target::Body, &["body", "text", "description", "content", "details", "message"]),
        (Target::Confidence, &["confidence", "score", "probability"]),
        (Target::ValidFrom, &["valid_from", "created_at", "generated_at", "observed_at"]),
        (Target::ValidTo, &["valid_to", "valid_until"]),
        (Target::ExpiresAt, &["expires_at", "expiry"]),
    ];
    let mut parts = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for (target, guesses) in GUESSES {
        let found =
            guesses.iter().find(|guess| columns.iter().any(|column| column.name == **guess) && !used.contains(guess));
        match found {
            Some(guess) => {
                used.push(guess);
                parts.push(format!("{}={guess}", target.name()));
            }
            None if *target == Target::Kind => {
                parts.push(format!("kind='{}'", table.trim_end_matches('s').replace('\'', "''")))
            }
            None => {}
        }
    }
    parts.push("payload=*".to_owned());
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column { name: (*name).to_owned(), sql_type: "text".to_owned() }).collect()
    }

    #[test]
    fn a_map_is_read_and_written_alike() {
        let columns = columns(&["id", "headline", "text", "a", "b", "at"]);
        let map = "kind='it''s, a trend',key=id,title=headline,body=text,payload=a+b,valid_from=at";
        let read = Mapping::parse(map, &columns).unwrap();
        assert_eq!(read.to_string(), map);
        assert_eq!(read.sql(Target::Kind), "'it''s, a trend'::text");
        assert_eq!(read.sql(Target::Payload), "pg_catalog.jsonb_build_object('a', t.\"a\", 'b', t.\"b\")");
        assert_eq!((read.sql(Target::ValidTo), read.key()), ("NULL::timestamptz".to_owned(), "id"));
        let rest = Mapping::parse("kind='x', key=id, title=headline, payload=*", &columns).unwrap();
        assert_eq!(rest.sql(Target::Payload), "pg_catalog.to_jsonb(t) - ARRAY['id', 'headline']::text[]");
    }

    #[test]
    fn every_mistake_is_found() {
        let mistakes =
            Mapping::parse("key=nr,title,colour=a,kind='x,payload=a+c,body=*", &columns(&["a"])).unwrap_err();
        for part in [
            "key: there is no column \"nr\"",
            "\"title\" is not part=column",
            "\"colour\" is no part",
            "kind: the text has no end",
        ] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{part}: {mistakes:?}");
        }
        let literal = Mapping::parse("key='1',title=a,kind='x'", &columns(&["a"])).unwrap_err();
        assert!(literal[0].contains("key must be a column"), "{literal:?}");
    }

    #[test]
    fn a_map_is_proposed_from_names() {
        let found = columns(&["id", "headline", "details", "score", "created_at", "region"]);
        let map = propose("trends", &found);
        assert_eq!(
            map,
            "kind='trend',key=id,title=headline,body=details,confidence=score,valid_from=created_at,payload=*"
        );
        Mapping::parse(&map, &found).unwrap();
    }
}
