//! What the tables of a database hold, summed up.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::{BackupError, TableSum};

/// Tables that are the store's: not the server's own, not an extension's.
const TABLES: &str = "
    SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
                      AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
    ORDER BY 1, 2";

/// How a row is written as text must not depend on who asks.
pub(super) const TEXT_SETTINGS: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; \
     SET extra_float_digits = 1; SET bytea_output = 'hex'; SET search_path = public; SET statement_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0";

/// Every table's rows and checksum. The session needs [`TEXT_SETTINGS`].
pub(super) async fn sums(client: &Client) -> Result<BTreeMap<String, TableSum>, BackupError> {
    let mut found = BTreeMap::new();
    for (schema, table) in tables(client).await? {
        let row = client.query_one(&sum_of(&schema, &table), &[]).await?;
        let sum = TableSum { rows: row.try_get(0)?, checksum: row.try_get(1)? };
        found.insert(format!("{schema}.{table}"), sum);
    }
    Ok(found)
}

/// Schema and name of each table.
pub(super) async fn tables(client: &Client) -> Result<Vec<(String, String)>, BackupError> {
    let rows = client.query(TABLES, &[]).await?;
    Ok(rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, tokio_postgres::Error>>()?)
}

/// The query that sums one table up.
pub(super) fn sum_of(schema: &str, table: &str) -> String {
    format!(
        "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text FROM ONLY {}.{} AS t",
        quoted(schema),
        quoted(table)
    )
}

/// As an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As an SQL string.
pub(super) fn literal(text: &str) -> String {
    // A backslash means itself: standard_conforming_strings is on, as pg_restore's script sets it too.
    format!("'{}'", text.replace('\'', "''"))
}
