//! What operators see of the cache, and how they empty it: the same for the console and for HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::state::{Database, Gateway};
use crate::cache::{Entry, Key, freshness};
use crate::catalog::Oid;
use crate::sql;

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

/// Drops kept answers: all, those of one database, or those over one table, by its name or `schema.name`. What is
/// being asked upstream meanwhile is not kept. Returns how many were dropped.
///
/// # Errors
/// There is no such database or table.
pub fn invalidate(gateway: &Gateway, database: Option<&str>, table: Option<&str>) -> Result<u64, String> {
    let meant = databases(gateway, database);
    if meant.is_empty() {
        return Err(format!("database \"{}\" does not exist", database.unwrap_or_default()));
    }
    let mut oids: Vec<(Arc<str>, Vec<Oid>)> = Vec::new();
    for database in &meant {
        let found = table.map_or_else(Vec::new, |table| relations(database, table));
        oids.push((Arc::clone(&database.name), found));
    }
    if let Some(table) = table.filter(|_| oids.iter().all(|(_, found)| found.is_empty())) {
        return Err(format!("relation \"{table}\" does not exist"));
    }
    let is_meant = |key: &Key, entry: &Entry| {
        let name = key.statement().scope.database();
        let over = |found: &[Oid]| table.is_none() || entry.tables.iter().any(|table| found.contains(&table.oid));
        oids.iter().any(|(database, found)| **database == *name && over(found))
    };
    Ok(gateway.cache.store.drop_asked(is_meant))
}

fn relations(database: &Database, table: &str) -> Vec<Oid> {
    let catalog = database.catalog.current();
    let (schema, name) = match table.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, table),
    };
    let named = catalog.relations(name).filter(|relation| schema.is_none_or(|schema| *relation.schema == *schema));
    named.map(|relation| relation.oid).collect()
}

fn databases(gateway: &Gateway, name: Option<&str>) -> Vec<Arc<Database>> {
    let all = gateway.databases.load();
    let mut meant: Vec<Arc<Database>> =
        all.values().filter(|database| name.is_none_or(|name| *database.name == *name)).cloned().collect();
    meant.sort_by(|one, other| one.name.cmp(&other.name));
    meant
}
