//! What a database holds, summed up so that any change shows: taken before and after, compared.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::DemoError;

/// Facts about a database, by name: rows and checksum of each table, positions of sequences, definitions, roles,
/// settings, large objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence(BTreeMap<String, String>);

/// One row for each fact that is kept outside tables. Columns that move by reading alone (statistics) are left out.
const FACTS: &str = "
    SELECT 'sequence ' || schemaname || '.' || sequencename, coalesce(last_value::text, 'unused') FROM pg_sequences
    UNION ALL SELECT 'relations', count(*) || ' ' || sum(hashtextextended(concat(relname, relkind, relacl, relowner), 0)) FROM pg_class
    UNION ALL SELECT 'columns', count(*) || ' ' || sum(hashtextextended(concat(attrelid, attname, atttypid, attnotnull), 0)) FROM pg_attribute
    UNION ALL SELECT 'functions', count(*) || ' ' || sum(hashtextextended(concat(proname, prosrc, proacl), 0)) FROM pg_proc
    UNION ALL SELECT 'types', count(*)::text FROM pg_type
    UNION ALL SELECT 'triggers and rules', (SELECT count(*) FROM pg_trigger) || ' ' || (SELECT count(*) FROM pg_rewrite)
    UNION ALL SELECT 'roles', count(*) || ' ' || sum(hashtextextended(r::text, 0)) FROM pg_authid AS r
    UNION ALL SELECT 'memberships', count(*)::text FROM pg_auth_members
    UNION ALL SELECT 'settings', count(*) || ' ' || coalesce(sum(hashtextextended(setconfig::text, 0)), 0) FROM pg_db_role_setting
    UNION ALL SELECT 'extensions', count(*)::text FROM pg_extension
    UNION ALL SELECT 'large objects', count(*)::text FROM pg_largeobject_metadata
    UNION ALL SELECT 'replication slots', count(*)::text FROM pg_replication_slots
    UNION ALL SELECT 'prepared transactions', count(*)::text FROM pg_prepared_xacts";

const TABLES: &str = "
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    ORDER BY 1";

impl Evidence {
    /// Reads everything, through a superuser's own connection to the database (never through the gateway).
    ///
    /// # Errors
    /// What the server says.
    pub async fn of(superuser: &Client) -> Result<Self, DemoError> {
        let failed = || DemoError::sql("cannot take evidence");
        let mut facts = BTreeMap::new();
        for row in superuser.query(FACTS, &[]).await.map_err(failed())? {
            facts.insert(row.get(0), row.get(1));
        }
        for row in superuser.query(TABLES, &[]).await.map_err(failed())? {
            let table: String = row.get(0);
            let sum = format!(
                "SELECT count(*) || ' rows, checksum ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY {table} AS t"
            );
            let row = superuser.query_one(&sum, &[]).await.map_err(failed())?;
            facts.insert(format!("table {table}"), row.get(0));
        }
        Ok(Self(facts))
    }

    /// Number of tables.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.0.keys().filter(|name| name.starts_with("table ")).count()
    }

    /// Number of facts in all.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.0.len()
    }

    /// What is not the same in `later`, as sentences; nothing if nothing changed.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        let mut found = Vec::new();
        for name in names {
            let (before, after) = (self.0.get(name), later.0.get(name));
            if before != after {
                let show = |fact: Option<&String>| fact.map_or_else(|| "not there".to_owned(), Clone::clone);
                found.push(format!("{name}: was {}, is {}", show(before), show(after)));
            }
        }
        found
    }
}
