//! What a database holds of ours, and removing it.

use tokio_postgres::Client;

use super::contents::{quoted, tables};
use super::{BackupError, Libpq};
use crate::migrate::{LOCK, lock};

/// Tables that are filled without anybody having stored anything.
const ALWAYS_FILLED: &[&str] = &["vitrine.migrations", "vitrine.feed", "public.service_health"];

/// Most tables that are named in a message.
const NAMED_MAX: usize = 5;

/// What is in a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// `vitrine.migrations` is there: it is, or was, an insight store.
    pub is_store: bool,
    /// Every table.
    pub tables: Vec<String>,
    /// Tables with rows that somebody stored, and how many.
    pub filled: Vec<(String, i64)>,
}

impl Holdings {
    /// Nobody would miss anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty() && (self.is_store || self.tables.is_empty())
    }

    /// The first of them, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let filled = self.filled.iter().map(|(table, rows)| format!("{table} has {rows} rows"));
        let mut named: Vec<String> = if self.filled.is_empty() { self.tables.clone() } else { filled.collect() };
        let more = named.len().saturating_sub(NAMED_MAX);
        named.truncate(NAMED_MAX);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        named.join(", ")
    }
}

/// Looks.
///
/// # Errors
/// The database cannot be asked.
pub async fn holdings(client: &Client) -> Result<Holdings, BackupError> {
    let mut found = Holdings::default();
    for (schema, table) in tables(client).await? {
        let name = format!("{schema}.{table}");
        found.is_store |= name == "vitrine.migrations";
        if !ALWAYS_FILLED.contains(&name.as_str()) {
            let sql = format!("SELECT count(*) FROM ONLY {}.{}", quoted(&schema), quoted(&table));
            let rows: i64 = client.query_one(&sql, &[]).await?.try_get(0)?;
            if rows > 0 {
                found.filled.push((name.clone(), rows));
            }
        }
        found.tables.push(name);
    }
    Ok(found)
}

/// Removes everything from an insight store, in one transaction: afterwards the database is as before the first
/// migration, but for extensions and roles.
///
/// # Errors
/// It is no insight store, it is in use for too long, or the database cannot be asked.
pub async fn wipe(client: &Client, database: &Libpq) -> Result<Holdings, BackupError> {
    lock(client, std::time::Duration::from_secs(60)).await?;
    let outcome = wipe_locked(client, database).await;
    let _ended = client.batch_execute("ROLLBACK").await;
    let _unlocked = client.execute("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK]).await;
    outcome
}

async fn wipe_locked(client: &Client, database: &Libpq) -> Result<Holdings, BackupError> {
    let holdings = holdings(client).await?;
    if !holdings.is_store && !holdings.tables.is_empty() {
        return Err(BackupError::NotOurs { database: database.database().to_owned(), holds: holdings.words() });
    }
    client.batch_execute(&format!("BEGIN; {WIPE} COMMIT")).await?;
    Ok(holdings)
}

/// Drops what is in the schemas of the store and belongs to no extension. Who uses a table is waited for, not for ever.
pub(super) const WIPE: &str = "
SET LOCAL lock_timeout = '60s';
DO $wipe$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT nspname AS name FROM pg_catalog.pg_namespace WHERE nspname ~ '^vitrine(_|$)' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', found.name);
    END LOOP;
    FOR found IN
        SELECT c.oid::regclass::text AS name, c.relkind AS kind FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a')
                          AND d.classid = 'pg_class'::regclass)
    LOOP
        EXECUTE format('DROP %s IF EXISTS %s CASCADE', CASE found.kind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
            WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, found.name);
    END LOOP;
    FOR found IN
        SELECT p.oid::regprocedure::text AS name FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'
                          AND d.classid = 'pg_proc'::regclass)
    LOOP
        EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', found.name);
    END LOOP;
END
$wipe$;
";
