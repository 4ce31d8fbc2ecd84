//! What operators see of the cache, and how they empty it: the same for the console and for HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::state::{Database, Gateway};
use crate::cache::{Entry, Key, freshness};
use crate::catalog::Oid;
use crate::sql;
use crate::wire::backend::Report;
use crate::wire::sqlstate::SqlState;

/// Entries listed at once: those asked for most.
const ENTRIES_SHOWN: usize = 1_000;

/// One kept answer, without anything of what it says or was asked with.
#[derive(Debug, Serialize)]
pub struct Kept {
    pub database: String,
    pub role: String,
    /// The statement without its literals.
    pub shape: String,
    pub bytes: usize,
    pub hits: u64,
    /// Since it was asked for upstream.
    pub age_ms: u128,
    /// How long that took.
    pub took_ms: u128,
    pub tables: Vec<String>,
    /// It would be served now.
    pub fresh: bool,
}

/// Counters and states, by name.
#[must_use]
pub fn summary(gateway: &Gateway) -> Vec<(String, String)> {
    let (cache, counters) = (&gateway.cache, &gateway.cache.counters);
    let (entries, bytes) = cache.store.size();
    let (hits, misses) = (counters.hits.total(), counters.misses.total());
    let mut rows: Vec<(String, String)> = [
        ("entries", entries.to_string()),
        ("bytes", bytes.to_string()),
        ("bytes_max", cache.store.limits().bytes_max.to_string()),
        ("entry_bytes_max", cache.store.limits().entry_bytes_max.to_string()),
        ("hits", hits.to_string()),
        ("stale", counters.stale.total().to_string()),
        ("refreshes", counters.refreshes.total().to_string()),
        ("misses", misses.to_string()),
        ("hit_percent", percent(hits, hits + misses)),
        ("waits", counters.waits.total().to_string()),
        ("kept", counters.kept.total().to_string()),
        ("saved_ms", Duration::from_micros(counters.saved_us.total()).as_millis().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    rows.extend(counters.bypasses().map(|(why, total)| (format!("bypass.{why}"), total.to_string())));
    rows.extend(counters.evictions().map(|(cause, total)| (format!("evicted.{cause}"), total.to_string())));
    for database in databases(gateway, None) {
        rows.extend(state(&database));
    }
    rows
}

fn state(database: &Database) -> Vec<(String, String)> {
    let freshness = &database.freshness;
    let (checked, moves, tells) = freshness.watch_state();
    let rule = match freshness.limits().rule {
        freshness::Rule::Off => "off",
        freshness::Rule::Ttl => "ttl",
        freshness::Rule::Watch if tells => "watch",
        freshness::Rule::Watch => "ttl, because the server is a standby",
    };
    [
        ("freshness", rule.to_owned()),
        ("bound_ms", freshness.bound().as_millis().to_string()),
        ("checked_ms_ago", checked.elapsed().as_millis().to_string()),
        ("snapshot_moves", moves.to_string()),
        ("tables_watched", freshness.watched_count().to_string()),
    ]
    .map(|(name, value)| (format!("{}.{name}", database.name), value))
    .into()
}

fn percent(part: u64, whole: u64) -> String {
    part.saturating_mul(100).checked_div(whole).map_or_else(|| "0".to_owned(), |percent| percent.to_string())
}

/// The kept answers, those asked for most first.
#[must_use]
pub fn entries(gateway: &Gateway) -> Vec<Kept> {
    let databases = gateway.databases.load();
    let mut all = Vec::new();
    gateway.cache.store.each(|key, entry| {
        let scope = &key.statement().scope;
        all.push(kept(key, entry, databases.get(scope.database())));
    });
    all.sort_by(|one, other| other.hits.cmp(&one.hits).then_with(|| one.shape.cmp(&other.shape)));
    all.truncate(ENTRIES_SHOWN);
    all
}

fn kept(key: &Key, entry: &Entry, database: Option<&Arc<Database>>) -> Kept {
    let scope = &key.statement().scope;
    let catalog = database.map(|database| database.catalog.current());
    let name = |oid: Oid| catalog.as_ref()?.relation(oid).map(|relation| relation.qualified());
    let fresh = database.is_some_and(|database| {
        let standing = database.freshness.judge(&entry.stamp, &entry.tables);
        standing.is_some_and(|standing| !standing.changed && standing.as_of.elapsed() <= standing.bound)
    });
    Kept {
        database: scope.database().to_owned(),
        role: scope.role().to_owned(),
        shape: sql::shape(&key.statement().text),
        bytes: entry.bytes(),
        hits: entry.hits(),
        age_ms: entry.stamp.executed.elapsed().as_millis(),
        took_ms: entry.took.as_millis(),
        tables: entry.tables.iter().map(|table| name(table.oid).unwrap_or_else(|| table.oid.to_string())).collect(),
        fresh,
    }
}

/// Why nothing was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotDropped {
    /// There is no such database.
    #[error("database \"{0}\" does not exist")]
    Database(String),
    /// There is no such table.
    #[error("relation \"{0}\" does not exist")]
    Table(String),
    /// It is no name of a table.
    #[error("invalid name syntax: {0}")]
    Name(String),
}

impl NotDropped {
    /// As a client of the console is told.
    #[must_use]
    pub fn report(&self) -> Report {
        let sqlstate = match self {
            Self::Database(_) => SqlState::INVALID_CATALOG_NAME,
            Self::Table(_) => SqlState::UNDEFINED_TABLE,
            Self::Name(_) => SqlState::SYNTAX_ERROR,
        };
        Report::error(sqlstate, self.to_string())
    }
}

/// Drops kept answers: all, those of one database, or those over one table, named as SQL names it, alone, with its schema or
/// with its database too. What is being asked upstream meanwhile is not kept. Returns how many were dropped.
///
/// # Errors
/// There is no such database or table, or the name is none.
pub fn invalidate(gateway: &Gateway, database: Option<&str>, table: Option<&str>) -> Result<u64, NotDropped> {
    let mut names = match table {
        Some(table) => names(table).ok_or_else(|| NotDropped::Name(table.to_owned()))?,
        None => Vec::new(),
    };
    let named = if names.len() > 2 { Some(names.remove(0)) } else { None };
    let meant = databases(gateway, named.as_deref().or(database));
    if meant.is_empty() || named.as_deref().zip(database).is_some_and(|(named, database)| named != database) {
        let wanted = named.as_deref().or(database).unwrap_or_default();
        return Err(NotDropped::Database(wanted.to_owned()));
    }
    let found: Vec<(Arc<str>, Vec<Oid>)> =
        meant.iter().map(|database| (Arc::clone(&database.name), relations(database, &names))).collect();
    if let Some(table) = table.filter(|_| found.iter().all(|(_, oids)| oids.is_empty())) {
        return Err(NotDropped::Table(table.to_owned()));
    }
    let is_meant = |key: &Key, entry: &Entry| {
        let name = key.statement().scope.database();
        let over = |oids: &[Oid]| table.is_none() || entry.tables.iter().any(|table| oids.contains(&table.oid));
        found.iter().any(|(database, oids)| **database == *name && over(oids))
    };
    Ok(gateway.cache.store.drop_asked(is_meant))
}

/// The relations of that name, in the schema that stands before it if one does.
fn relations(database: &Database, names: &[String]) -> Vec<Oid> {
    let catalog = database.catalog.current();
    let (schema, name) = match names {
        [name] => (None, name),
        [schema, name] => (Some(schema), name),
        _ => return Vec::new(),
    };
    let named = catalog.relations(name).filter(|relation| schema.is_none_or(|schema| *relation.schema == **schema));
    named.map(|relation| relation.oid).collect()
}

/// The parts of a name as SQL writes it, behind the word TABLE if that is there: folded to lower case unless quoted.
fn names(text: &str) -> Option<Vec<String>> {
    const PARTS_MAX: usize = 3;
    let text = text.trim();
    let bare = match text.split_once(char::is_whitespace) {
        Some((word, rest)) if word.eq_ignore_ascii_case("TABLE") => rest.trim_start(),
        Some(_) | None => text,
    };
    let mut parts = Vec::new();
    let mut rest = bare;
    loop {
        let (part, behind) = if let Some(inside) = rest.strip_prefix('"') { quoted(inside)? } else { plain(rest)? };
        parts.push(part);
        match behind.trim_start().strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None => return (behind.trim().is_empty() && parts.len() <= PARTS_MAX).then_some(parts),
        }
    }
}

fn plain(text: &str) -> Option<(String, &str)> {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$') || !letter.is_ascii();
    let end = text.find(|letter: char| !is_inside(letter)).unwrap_or(text.len());
    let (name, behind) = text.split_at_checked(end)?;
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii());
    begins.then(|| (name.to_ascii_lowercase(), behind))
}

/// What stands behind the opening quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (inside, behind) = rest.split_once('"')?;
        name.push_str(inside);
        match behind.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, behind)),
        }
    }
}

fn databases(gateway: &Gateway, name: Option<&str>) -> Vec<Arc<Database>> {
    let all = gateway.databases.load();
    let mut meant: Vec<Arc<Database>> =
        all.values().filter(|database| name.is_none_or(|name| *database.name == *name)).cloned().collect();
    meant.sort_by(|one, other| one.name.cmp(&other.name));
    meant
}
