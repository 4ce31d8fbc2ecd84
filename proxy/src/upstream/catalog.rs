//! Loads a [`Catalog`] from a server, and keeps one fresh.
//!
//! Works for a role without any privilege: the system catalogs are readable by everyone.

mod body;
mod implied;
mod operators;
mod rows;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;
use tokio_postgres::{Client, Row};

use crate::catalog::{Catalog, FIRST_USER_OID, Knowledge, Objects, Oid, Origin};

pub use watch::{Watch, WatchError, WatchLimits};

/// Why a catalog could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("reading the catalog: {0}")]
    Query(#[from] tokio_postgres::Error),
    #[error("the catalog holds {0}")]
    Strange(String),
}

/// Reads the whole catalog in one snapshot of the database.
///
/// # Errors
/// When a query fails, or when the server answers with a value that no supported version knows.
pub async fn load(client: &Client) -> Result<Catalog, LoadError> {
    let objects = in_snapshot(client, objects(client)).await?;
    Ok(Catalog::new(objects, Knowledge::Live))
}

/// A hash over everything that a catalog is made from, far cheaper than [`load`]: it changes with every change of a
/// definition, and sometimes without one.
///
/// # Errors
/// When the query fails.
pub async fn fingerprint(client: &Client) -> Result<i64, LoadError> {
    // With an empty path too: a better match than `||` in somebody's schema would run as the gateway.
    in_snapshot(client, async { Ok(client.query_one(rows::FINGERPRINT, &[]).await?.try_get(0)?) }).await
}

/// Runs `work` in a REPEATABLE READ READ ONLY transaction with an empty search path.
async fn in_snapshot<T>(client: &Client, work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
    client
        .batch_execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL statement_timeout = '60s'",
        )
        .await?;
    let outcome = work.await;
    client.batch_execute("ROLLBACK").await?;
    outcome
}

async fn objects(client: &Client) -> Result<Objects, LoadError> {
    let server = client.query_one(rows::SERVER, &[]).await?;
    let version = server.try_get::<_, i32>(1)?.unsigned_abs();
    let mut owners = Owners::load(client).await?;
    let domains = rows::domain_checks(client).await?;
    Ok(Objects {
        database: server.try_get(0)?,
        server_version: version,
        encoding: server.try_get(2)?,
        extensions: owners.extensions(),
        types: rows::types(client, &mut owners, version, domains).await?,
        functions: rows::functions(client, &mut owners, version).await?,
        operators: operators::operators(client, &mut owners).await?,
        casts: rows::casts(client, &owners).await?,
        relations: rows::relations(client, &mut owners, version).await?,
        operator_classes: operators::operator_classes(client).await?,
        schemas: owners.schemas(),
    })
}

/// Schema names, and which object belongs to which extension.
struct Owners {
    schemas: HashMap<Oid, Arc<str>>,
    members: HashMap<(Oid, Oid), Arc<str>>,
    extensions: Vec<Arc<str>>,
    words: HashMap<String, Arc<str>>,
}

impl Owners {
    async fn load(client: &Client) -> Result<Self, LoadError> {
        let mut owners =
            Self { schemas: HashMap::new(), members: HashMap::new(), extensions: Vec::new(), words: HashMap::new() };
        for row in client.query(rows::SCHEMAS, &[]).await? {
            let name = owners.word(row.try_get(1)?);
            owners.schemas.insert(row.try_get(0)?, name);
        }
        for row in client.query(rows::MEMBERS, &[]).await? {
            let extension = owners.word(row.try_get(2)?);
            owners.members.insert((row.try_get(0)?, row.try_get(1)?), extension);
        }
        for row in client.query("SELECT extname::text FROM pg_catalog.pg_extension ORDER BY 1", &[]).await? {
            let extension = owners.word(row.try_get(0)?);
            owners.extensions.push(extension);
        }
        Ok(owners)
    }

    fn schemas(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.schemas.values().cloned().collect();
        names.sort_unstable();
        names
    }

    fn extensions(&self) -> Vec<Arc<str>> {
        self.extensions.clone()
    }

    /// Names repeat a lot: each is kept once.
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = Arc::from(text);
        self.words.insert(text.to_owned(), Arc::clone(&word));
        word
    }

    fn schema(&self, row: &Row, column: usize) -> Result<Arc<str>, LoadError> {
        let oid: Oid = row.try_get(column)?;
        self.schemas.get(&oid).cloned().ok_or_else(|| LoadError::Strange(format!("an object of unknown schema {oid}")))
    }

    fn origin(&self, class: Oid, oid: Oid) -> Origin {
        match self.members.get(&(class, oid)) {
            Some(extension) => Origin::Extension(Arc::clone(extension)),
            None if oid < FIRST_USER_OID => Origin::Builtin,
            None => Origin::User,
        }
    }
}

/// The entries of a `search_path` as the server shows it: commas between, double quotes where needed.
#[must_use]
pub fn path_entries(shown: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let mut entry = String::new();
    let mut quoted = false;
    let mut letters = shown.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => entry.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => entries.push(std::mem::take(&mut entry)),
            ' ' if !quoted => {}
            letter => entry.push(letter),
        }
    }
    entries.push(entry);
    entries.retain(|entry| !entry.is_empty());
    entries
}

#[cfg(test)]
mod tests {
    use super::path_entries;

    #[test]
    fn a_shown_path_comes_apart() {
        assert_eq!(path_entries(r#""$user", public, "a ""b,c""#), ["$user", "public", "a \"b,c"]);
        assert!(path_entries("").is_empty());
    }
}
