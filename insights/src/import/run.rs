//! Copying, batch by batch.

use futures_util::stream;
use serde_json::{Value, json};
use tokio_postgres::{Client, IsolationLevel};

use super::source::Read;
use super::{Mapping, Sample, Table, TableError};
use crate::model::{Identity, NewInsight, NewKind, Scope, Tenant};
use crate::service::{BulkCount, Error, Insights, Kinds, Writer};

/// Rows of one batch: written in one transaction, compared, and noted.
const BATCH_ROWS: i32 = 2_000;
/// Rejected rows that are kept with their reason.
const REJECTED_MAX: usize = 20;

/// What to copy, and for whom.
#[derive(Debug, Clone)]
pub struct Import {
    /// The database it comes from, by the name clients ask for.
    pub from: String,
    pub table: Table,
    pub map: Mapping,
    pub tenant: Tenant,
    /// Begin at the first row, whatever was copied before.
    pub restart: bool,
    /// Make kinds that are not there, with a schema that takes any object.
    pub create_kinds: bool,
    /// Look at everything, write nothing.
    pub dry_run: bool,
}

/// A row that the store did not take, or that is there with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub key: String,
    pub reason: String,
}

/// How it went. `read = created + unchanged + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub sample: Sample,
    /// The key after which this run went on, where an earlier one was broken off.
    pub resumed_after: Option<String>,
    pub read: u64,
    pub created: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Rows that the tool database holds just so, compared there field by field.
    pub equal: u64,
    /// The first of those rejected.
    pub first_rejected: Vec<Rejected>,
}

/// Why an import stopped. What was copied stays, and the next run goes on after it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source.
    #[error("the customer database: {0}")]
    Source(#[from] TableError),
    /// Rows that cannot be insights.
    #[error("{0}")]
    Unfit(String),
    /// Kinds that are not there.
    #[error("tenant \"{tenant}\" has no kind {kinds}: make it first, or let --create-kinds make it")]
    NoKind { tenant: Tenant, kinds: String },
    /// The store.
    #[error("the tool database: {0}")]
    Store(String),
}

/// The two ends, and the store between.
pub struct Ends<'a, S> {
    /// The customer database: what it is asked is read-only.
    pub source: &'a mut Client,
    /// The tool database, as its owner.
    pub owner: &'a Client,
    pub store: &'a S,
}

/// Copies.
///
/// # Errors
/// The rows cannot be insights, a kind is missing, or one of the databases cannot be asked.
pub async fn import<S: Insights + Kinds>(
    ends: Ends<'_, S>,
    import: &Import,
    mut tell: impl FnMut(u64, u64),
) -> Result<Outcome, ImportError> {
    let writer = Writer {
        identity: Identity {
            tenant: import.tenant.clone(),
            scopes: vec![Scope::Read, Scope::Write, Scope::Admin],
            actor: format!("import {}", source_name(import)),
        },
        idempotency: None,
    };
    let asked = |error: tokio_postgres::Error| ImportError::Source(error.into());
    let begin = ends.source.build_transaction().read_only(true).isolation_level(IsolationLevel::RepeatableRead);
    let snapshot = begin.start().await.map_err(asked)?;
    let sample = import.table.sample(&snapshot, &import.map).await?;
    check(&sample)?;
    kinds(ends.store, &writer, import, &sample).await?;
    let resumed_after = if import.restart { None } else { resume_after(ends.owner, import).await? };
    let mut outcome = Outcome { sample, resumed_after, ..Outcome::default() };
    if import.dry_run {
        return Ok(outcome);
    }
    note(ends.owner, import, &outcome, outcome.resumed_after.as_deref(), false).await?;
    let statement = snapshot.prepare(&import.table.query(&import.map)).await.map_err(asked)?;
    let portal = snapshot.bind(&statement, &[&outcome.resumed_after]).await.map_err(asked)?;
    loop {
        let rows = snapshot.query_portal(&portal, BATCH_ROWS).await.map_err(asked)?;
        if rows.is_empty() {
            break;
        }
        let batch: Result<Vec<Read>, String> = rows.iter().map(Read::of).collect();
        let batch = batch.map_err(ImportError::Unfit)?;
        write(ends.store, &writer, &batch, &mut outcome).await?;
        outcome.read += u64::try_from(batch.len()).unwrap_or_default();
        outcome.equal += compare(ends.owner, &import.tenant, &batch).await?;
        note(ends.owner, import, &outcome, batch.last().map(|read| read.key.as_str()), false).await?;
        tell(outcome.read, outcome.sample.rows);
    }
    note(ends.owner, import, &outcome, None, true).await?;
    Ok(outcome)
}

/// Rows that could not be told apart, or have nothing to say, are found before anything is written.
fn check(sample: &Sample) -> Result<(), ImportError> {
    let mut found = Vec::new();
    for (count, what) in [
        (sample.without_key, "have no key"),
        (sample.same_key, "have a kind and key that another row has too"),
        (sample.without_title, "have no title"),
    ] {
        if count > 0 {
            found.push(format!("{count} of {} rows {what}", sample.rows));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(ImportError::Unfit(found.join("; "))) }
}

async fn kinds<S: Kinds>(store: &S, writer: &Writer, import: &Import, sample: &Sample) -> Result<(), ImportError> {
    let there = store.kinds(&writer.identity).await.map_err(stored)?;
    let missing: Vec<&String> =
        sample.kinds.iter().filter(|kind| !there.iter().any(|known| known.kind.name == **kind)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !import.create_kinds {
        let kinds = missing.iter().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(", ");
        return Err(ImportError::NoKind { tenant: import.tenant.clone(), kinds });
    }
    for name in missing.into_iter().filter(|_| !import.dry_run) {
        let kind = NewKind {
            name: name.clone(),
            description: Some(format!("Imported from {}", source_name(import))),
            schema: json!({ "type": "object" }),
            embedding: None,
            retention_days: None,
        };
        store.put_kind(writer, kind, None).await.map_err(stored)?;
    }
    Ok(())
}

/// Writes a batch at once, or, where a row of it is not taken, each row for itself.
async fn write<S: Insights>(
    store: &S,
    writer: &Writer,
    batch: &[Read],
    outcome: &mut Outcome,
) -> Result<(), ImportError> {
    let insights: Vec<Result<NewInsight, Error>> = batch.iter().map(|read| Ok(read.insight.clone())).collect();
    match store.create_insights(writer, Box::pin(stream::iter(insights))).await {
        Ok(BulkCount { created, unchanged }) => {
            outcome.created += created;
            outcome.unchanged += unchanged;
            return Ok(());
        }
        Err(error @ (Error::Unavailable { .. } | Error::Internal(_))) => return Err(stored(error)),
        Err(_) => {}
    }
    for read in batch {
        match store.create_insight(writer, read.insight.clone()).await {
            Ok(written) if written.outcome == crate::service::Outcome::Created => outcome.created += 1,
            Ok(_) => outcome.unchanged += 1,
            Err(error @ (Error::Unavailable { .. } | Error::Internal(_))) => return Err(stored(error)),
            Err(error) => {
                outcome.rejected += 1;
                if outcome.first_rejected.len() < REJECTED_MAX {
                    outcome.first_rejected.push(Rejected { key: read.key.clone(), reason: told(&error) });
                }
            }
        }
    }
    Ok(())
}

/// How many rows of a batch the tool database holds just so. It compares: numbers in a payload are its own.
async fn compare(owner: &Client, tenant: &Tenant, batch: &[Read]) -> Result<u64, ImportError> {
    let kinds: Vec<&str> = batch.iter().map(|read| read.insight.kind.as_str()).collect();
    let keys: Vec<&str> = batch.iter().map(|read| read.key.as_str()).collect();
    let titles: Vec<&str> = batch.iter().map(|read| read.insight.title.as_str()).collect();
    let bodies: Vec<Option<&str>> = batch.iter().map(|read| read.insight.body.as_deref()).collect();
    let payloads: Vec<&str> = batch.iter().map(|read| read.payload.as_str()).collect();
    let sql = "SELECT count(*) FROM (SELECT pg_catalog.set_config('vitrine.tenant', $1, false)) AS set, \
         unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS w (kind, key, title, body, payload) \
         WHERE EXISTS (SELECT FROM public.insights AS i WHERE i.tenant = $1 AND i.kind = w.kind AND i.key = w.key \
         AND i.title = w.title AND i.body IS NOT DISTINCT FROM w.body AND i.payload = w.payload::jsonb)";
    let row = owner.query_one(sql, &[&tenant.as_str(), &kinds, &keys, &titles, &bodies, &payloads]).await;
    let count: i64 = row.and_then(|row| row.try_get(0)).map_err(owned)?;
    Ok(count.unsigned_abs())
}

fn source_name(import: &Import) -> String {
    format!("{}/{}.{}", import.from, import.table.schema, import.table.name)
}

/// Where an earlier run of the same map was broken off.
async fn resume_after(owner: &Client, import: &Import) -> Result<Option<String>, ImportError> {
    let sql =
        "SELECT resume_after FROM vitrine.import_progress WHERE source = $1 AND tenant = $2 AND finished_at IS NULL";
    let row = owner.query_opt(sql, &[&source_name(import), &import.tenant.as_str()]).await.map_err(owned)?;
    let Some(row) = row else { return Ok(None) };
    let kept: Option<Value> = row.try_get(0).map_err(owned)?;
    let same = kept.filter(|kept| kept.get("map").and_then(Value::as_str) == Some(import.map.to_string().as_str()));
    Ok(same.and_then(|kept| kept.get("after").and_then(Value::as_str).map(str::to_owned)))
}

async fn note(
    owner: &Client,
    import: &Import,
    outcome: &Outcome,
    after: Option<&str>,
    finished: bool,
) -> Result<(), ImportError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let place = json!({ "after": after, "map": import.map.to_string() });
    owner
        .execute(
            "INSERT INTO vitrine.import_progress (source, tenant, rows_read, rows_written, resume_after, finished_at) \
             VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN now() END) ON CONFLICT (source, tenant) DO UPDATE SET \
             rows_read = excluded.rows_read, rows_written = excluded.rows_written, resume_after = excluded.resume_after, \
             updated_at = now(), finished_at = excluded.finished_at",
            &[&source_name(import), &import.tenant.as_str(), &number(outcome.read), &number(outcome.created), &place, &finished],
        )
        .await
        .map(drop)
        .map_err(owned)
}

fn owned(error: tokio_postgres::Error) -> ImportError {
    ImportError::Store(crate::migrate::told(&error))
}

fn stored(error: Error) -> ImportError {
    ImportError::Store(told(&error))
}

/// An operator is told more than a client.
fn told(error: &Error) -> String {
    if let Error::Unavailable { cause, .. } | Error::Internal(cause) = error {
        return format!("{error}: {cause}");
    }
    let Error::Unfit(places) = error else { return error.to_string() };
    let places: Vec<String> =
        places.iter().take(3).map(|unfit| format!("{}: {}", unfit.pointer, unfit.detail)).collect();
    format!("{error}: {}", places.join("; "))
}
