//! Applying what is pending.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{MigrateError, Migration, Migrations, plan};

/// The advisory lock of whoever changes the store as a whole: migrations, backup and restore. The letters `vitrine`.
pub const LOCK: i64 = 0x0076_6974_7269_6e65;

/// The table that the runner keeps, and its schema: there before the first file.
const OWN_SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS vitrine;
CREATE TABLE IF NOT EXISTS vitrine.migrations (
    version     bigint      PRIMARY KEY CHECK (version > 0),
    name        text        NOT NULL UNIQUE,
    checksum    bytea       NOT NULL CHECK (octet_length(checksum) = 32),
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint      NOT NULL CHECK (duration_ms >= 0),
    applied_by  text        NOT NULL DEFAULT session_user
);
COMMENT ON SCHEMA vitrine IS 'What the insight store keeps for itself; the tables of records lie in public.';
COMMENT ON TABLE vitrine.migrations IS 'Which migration was applied, from which text (SHA-256), when, and by whom.';";

/// What a run tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many files are to be applied.
    Pending(usize),
    /// This one begins.
    Begins(String),
    /// This one is committed.
    Applied(String, Duration),
}

/// Applies every pending file in order, each in a transaction of its own, and answers their names. Waits up to `patience`
/// for another program that does the same.
///
/// The connection must be the owner's, direct (not through a pooler that shares sessions), and this call's alone: its time
/// limits are lifted. Each file begins with `search_path = public`.
///
/// # Errors
/// The files do not fit the history (nothing was run), a file failed (it was rolled back, those before it stay), the lock
/// was not free in time, or the database cannot be asked.
pub async fn up(
    client: &Client,
    migrations: &Migrations,
    patience: Duration,
    mut tell: impl FnMut(Progress),
) -> Result<Vec<String>, MigrateError> {
    client.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0").await?;
    lock(client, patience).await?;
    let outcome = apply_pending(client, migrations, &mut tell).await;
    // The tables are right without it; only search by vector may have to wait.
    if let (Ok(_), Err(error)) = (&outcome, crate::store::settle(client).await) {
        tracing::warn!(%error, "the era of the change feed and the embeddings could not be looked at");
    }
    // Where the connection is lost the lock is gone with it.
    let unlocked = client.execute("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK]).await;
    let applied = outcome?;
    unlocked?;
    Ok(applied)
}

/// Takes [`LOCK`] for the session.
///
/// # Errors
/// [`MigrateError::Locked`] when it is not free within `patience`.
pub(crate) async fn lock(client: &Client, patience: Duration) -> Result<(), MigrateError> {
    client.batch_execute(&format!("SET lock_timeout = {}", patience.as_millis().max(1))).await?;
    let locked = client.execute("SELECT pg_catalog.pg_advisory_lock($1)", &[&LOCK]).await;
    match locked {
        Ok(_) => Ok(client.batch_execute("SET lock_timeout = 0").await?),
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
            Err(MigrateError::Locked(patience))
        }
        Err(error) => Err(error.into()),
    }
}

async fn apply_pending(
    client: &Client,
    migrations: &Migrations,
    tell: &mut impl FnMut(Progress),
) -> Result<Vec<String>, MigrateError> {
    // Looked at before anything is made: a database that is refused stays as it is.
    let pending = plan(client, migrations).await?;
    tell(Progress::Pending(pending.len()));
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    client.batch_execute(OWN_SCHEMA).await?;
    let mut applied = Vec::new();
    for migration in pending {
        tell(Progress::Begins(migration.name.clone()));
        let took = apply(client, migration).await?;
        tell(Progress::Applied(migration.name.clone(), took));
        applied.push(migration.name.clone());
    }
    Ok(applied)
}

async fn apply(client: &Client, migration: &Migration) -> Result<Duration, MigrateError> {
    let began = Instant::now();
    let transaction = begin(client).await?;
    let failed = |source: tokio_postgres::Error| MigrateError::Failed {
        file: migration.name.clone(),
        line: line(&migration.sql, &source),
        source,
    };
    if let Err(error) = client.batch_execute(&migration.sql).await {
        // Fails only where the connection is lost, and then the transaction is undone all the same.
        let _undone = client.batch_execute("ROLLBACK").await;
        return Err(failed(error));
    }
    if current(client).await? != transaction {
        let _undone = client.batch_execute("ROLLBACK").await;
        return Err(MigrateError::Transaction { file: migration.name.clone() });
    }
    let took = began.elapsed();
    record(client, migration, took).await?;
    // Deferred constraints speak here.
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(took)
}

/// Opens a transaction and answers its id.
async fn begin(client: &Client) -> Result<Option<String>, MigrateError> {
    client.batch_execute("BEGIN; SET LOCAL search_path = public").await?;
    current(client).await
}

/// The id of the transaction, as a simple query, so that one is not opened by asking.
async fn current(client: &Client) -> Result<Option<String>, MigrateError> {
    let answer = client.simple_query("SELECT pg_catalog.txid_current()").await?;
    Ok(answer.into_iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0).map(str::to_owned)
    }))
}

async fn record(client: &Client, migration: &Migration, took: Duration) -> Result<(), MigrateError> {
    let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    client
        .execute(
            "INSERT INTO vitrine.migrations (version, name, checksum, duration_ms) VALUES ($1, $2, $3, $4)",
            &[&migration.version, &migration.name, &migration.checksum.as_slice(), &duration_ms],
        )
        .await?;
    Ok(())
}

/// The line that the server's position (in characters, from 1) lies in.
fn line(sql: &str, error: &tokio_postgres::Error) -> Option<usize> {
    let position = match error.as_db_error()?.position()? {
        tokio_postgres::error::ErrorPosition::Original(position) => usize::try_from(*position).ok()?,
        tokio_postgres::error::ErrorPosition::Internal { .. } => return None,
    };
    Some(sql.chars().take(position.saturating_sub(1)).filter(|character| *character == '\n').count() + 1)
}
