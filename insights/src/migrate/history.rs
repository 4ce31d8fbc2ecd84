//! What was applied, and whether the files still fit it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio_postgres::Client;

use super::{MigrateError, Migration, Migrations, Misfit};

/// One row of `vitrine.migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// The file's name when it was applied.
    pub name: String,
    /// SHA-256 of the text that was applied.
    pub checksum: Vec<u8>,
    /// When it was committed.
    pub applied_at: DateTime<Utc>,
    /// How long it ran.
    pub duration: Duration,
    /// The role that applied it.
    pub applied_by: String,
}

/// How a database stands to the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// In order.
    pub applied: Vec<Applied>,
    /// Names of what is to be applied, in order.
    pub pending: Vec<String>,
    /// What keeps them from being applied.
    pub misfits: Vec<Misfit>,
}

/// What a database has and lacks. Changes nothing, not even where no migration ever ran.
///
/// # Errors
/// The database cannot be asked.
pub async fn status(client: &Client, migrations: &Migrations) -> Result<Status, MigrateError> {
    let applied = applied(client).await?;
    let misfits = misfits(&applied, migrations);
    let pending = pending(&applied, migrations).map(|migration| migration.name.clone()).collect();
    Ok(Status { applied, pending, misfits })
}

/// What [`super::up`] would apply, in order. Changes nothing.
///
/// # Errors
/// The files do not fit the history, or the database cannot be asked.
pub async fn plan<'a>(client: &Client, migrations: &'a Migrations) -> Result<Vec<&'a Migration>, MigrateError> {
    let applied = applied(client).await?;
    let misfits = misfits(&applied, migrations);
    if !misfits.is_empty() {
        return Err(MigrateError::Misfit(misfits));
    }
    Ok(pending(&applied, migrations).collect())
}

/// Every row of the history; none where the runner never ran.
async fn applied(client: &Client) -> Result<Vec<Applied>, MigrateError> {
    let there = client.query_one("SELECT pg_catalog.to_regclass('vitrine.migrations') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(Vec::new());
    }
    let rows = client
        .query(
            "SELECT version, name, checksum, applied_at, duration_ms, applied_by FROM vitrine.migrations ORDER BY version",
            &[],
        )
        .await?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        applied.push(Applied {
            version: row.try_get(0)?,
            name: row.try_get(1)?,
            checksum: row.try_get(2)?,
            applied_at: row.try_get(3)?,
            duration: Duration::from_millis(u64::try_from(row.try_get::<_, i64>(4)?).unwrap_or_default()),
            applied_by: row.try_get(5)?,
        });
    }
    Ok(applied)
}

/// Everything in which history and files contradict each other, in order of the numbers.
fn misfits(applied: &[Applied], migrations: &Migrations) -> Vec<Misfit> {
    let mut found = BTreeMap::new();
    for row in applied {
        let applied_at = row.applied_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let misfit = match migrations.by_version(row.version) {
            None => Misfit::Missing { file: row.name.clone(), applied_at },
            Some(file) if file.checksum.as_slice() != row.checksum => Misfit::Altered {
                file: file.name.clone(),
                applied_at,
                found: hex(&file.checksum),
                recorded: hex(&row.checksum),
            },
            Some(file) if file.name != row.name => {
                Misfit::Renamed { file: file.name.clone(), applied_at, recorded: row.name.clone() }
            }
            Some(_) => continue,
        };
        found.insert(row.version, misfit);
    }
    if let Some(latest) = applied.iter().max_by_key(|row| row.version) {
        for file in pending(applied, migrations).filter(|file| file.version < latest.version) {
            found.insert(file.version, Misfit::OutOfOrder { file: file.name.clone(), latest: latest.name.clone() });
        }
    }
    found.into_values().collect()
}

fn pending<'a>(applied: &[Applied], migrations: &'a Migrations) -> impl Iterator<Item = &'a Migration> {
    let known: Vec<i64> = applied.iter().map(|row| row.version).collect();
    migrations.iter().filter(move |migration| !known.contains(&migration.version))
}

/// The first digits of a checksum: enough to tell two apart.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
