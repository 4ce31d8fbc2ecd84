//! The table in the customer database.

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::{Client, Row, Transaction};

use super::map::quoted;
use super::{Mapping, Target};
use crate::migrate::told;
use crate::model::NewInsight;

/// A column and its type, as `format_type` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub sql_type: String,
}

/// A table with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub columns: Vec<Column>,
}

/// What the rows look like before anything is copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Rows in all.
    pub rows: u64,
    /// Rows that cannot become insights: no key, a key that another row has too, or no title.
    pub without_key: u64,
    pub same_key: u64,
    pub without_title: u64,
    /// The kinds that they are of.
    pub kinds: Vec<String>,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not `schema.table`.
    #[error("\"{0}\" is not schema.table")]
    Form(String),
    /// It is not there, or not for this role.
    #[error("there is no table \"{0}\" that this role may read")]
    Missing(String),
    /// The database cannot be asked.
    #[error("{}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

/// One row, as an insight and as the database wrote its payload: numbers are compared there, not here.
pub(super) struct Read {
    pub(super) insight: NewInsight,
    pub(super) key: String,
    pub(super) payload: String,
}

impl Table {
    /// Looks at `schema.table`.
    ///
    /// # Errors
    /// It is not there or may not be read.
    pub async fn of(client: &Client, name: &str) -> Result<Self, TableError> {
        let Some((schema, table)) =
            name.split_once('.').filter(|(schema, table)| !schema.is_empty() && !table.is_empty())
        else {
            return Err(TableError::Form(name.to_owned()));
        };
        let rows = client
            .query(
                "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a \
                 JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 \
                 AND NOT a.attisdropped AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY a.attnum",
                &[&schema, &table],
            )
            .await?;
        let columns: Result<Vec<Column>, tokio_postgres::Error> =
            rows.iter().map(|row| Ok(Column { name: row.try_get(0)?, sql_type: row.try_get(1)? })).collect();
        let columns = columns?;
        if columns.is_empty() {
            return Err(TableError::Missing(name.to_owned()));
        }
        Ok(Self { schema: schema.to_owned(), name: table.to_owned(), columns })
    }

    /// Counts.
    ///
    /// # Errors
    /// The database cannot be asked, or a column cannot be cast.
    pub(super) async fn sample(&self, inside: &Transaction<'_>, map: &Mapping) -> Result<Sample, TableError> {
        let (key, title, kind) = (map.sql(Target::Key), map.sql(Target::Title), map.sql(Target::Kind));
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE {key} IS NULL OR {key} = ''), \
             count({key}) - count(DISTINCT ({kind}, {key})) FILTER (WHERE {key} IS NOT NULL), \
             count(*) FILTER (WHERE {title} IS NULL OR {title} = ''), \
             pg_catalog.array_agg(DISTINCT {kind}) FILTER (WHERE {kind} IS NOT NULL) FROM {} AS t",
            self.quoted()
        );
        let row = inside.query_one(&sql, &[]).await?;
        let number = |at: usize| row.try_get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(Sample {
            rows: number(0)?,
            without_key: number(1)?,
            same_key: number(2)?,
            without_title: number(3)?,
            kinds: row.try_get::<_, Option<Vec<String>>>(4)?.unwrap_or_default(),
        })
    }

    /// The query of the rows after a key (`$1`, text, or NULL for all), in the order of the keys.
    pub(super) fn query(&self, map: &Mapping) -> String {
        let key = quoted(map.key());
        let sql_type =
            self.columns.iter().find(|column| column.name == map.key()).map_or("text", |column| &column.sql_type);
        let parts = [
            Target::Kind,
            Target::Key,
            Target::Title,
            Target::Body,
            Target::Confidence,
            Target::ValidFrom,
            Target::ValidTo,
            Target::ExpiresAt,
        ];
        let parts: Vec<String> = parts.iter().map(|part| map.sql(*part)).collect();
        format!(
            "SELECT {}, ({})::text FROM {} AS t WHERE $1::text IS NULL OR t.{key} > $1::text::{sql_type} ORDER BY t.{key}",
            parts.join(", "),
            map.sql(Target::Payload),
            self.quoted()
        )
    }

    fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl Read {
    pub(super) fn of(row: &Row) -> Result<Self, String> {
        let told = |error: tokio_postgres::Error| error.to_string();
        let key: String = row.try_get(1).map_err(told)?;
        let payload: String = row.try_get(8).map_err(told)?;
        let parsed: Value = serde_json::from_str(&payload).map_err(|error| error.to_string())?;
        let insight = NewInsight {
            kind: row.try_get(0).map_err(told)?,
            key: Some(key.clone()),
            title: row.try_get(2).map_err(told)?,
            body: row.try_get(3).map_err(told)?,
            payload: parsed,
            confidence: row.try_get(4).map_err(told)?,
            valid_from: row.try_get::<_, Option<DateTime<Utc>>>(5).map_err(told)?,
            valid_to: row.try_get(6).map_err(told)?,
            expires_at: row.try_get(7).map_err(told)?,
            embedding: None,
            evidence: Vec::new(),
        };
        Ok(Self { insight, key, payload })
    }
}
