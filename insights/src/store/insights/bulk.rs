//! Many insights at once: one task reads, checks and encodes batches while the database takes the one before.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_postgres::Transaction;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::copy::Rows;
use super::fault;
use crate::model::{NewInsight, Tenant};
use crate::service::{BulkCount, Error, Result, Writer};
use crate::store::Store;
use crate::store::schema::Schema;

/// A batch ends at the first of these.
const BATCH_ROWS: usize = 5_000;
const BATCH_BYTES: usize = 8 << 20;

const COPY_INSIGHTS: &str = "COPY pg_temp.bulk_insights (place, id, kind, key, title, body, payload, confidence, \
    valid_from, valid_to, expires_at) FROM STDIN (FORMAT binary)";
const COPY_EVIDENCE: &str = "COPY pg_temp.bulk_evidence (insight_id, query_shape, relations, data_as_of, database, \
    receipt, note) FROM STDIN (FORMAT binary)";
const COPY_EMBEDDINGS: &str = "COPY pg_temp.bulk_embeddings (insight_id, kind, embedding) FROM STDIN (FORMAT binary)";

/// What goes to the database in one go.
#[derive(Default)]
struct Batch {
    insights: Rows,
    evidence: Rows,
    embeddings: Rows,
}

impl Batch {
    fn is_full(&self) -> bool {
        let bytes = self.insights.bytes_len() + self.evidence.bytes_len() + self.embeddings.bytes_len();
        self.insights.len() >= BATCH_ROWS || bytes >= BATCH_BYTES
    }
}

/// The kinds that a bulk write met, as they were when it checked against them.
type Kinds = HashMap<String, Arc<Schema>>;

impl Store {
    pub(super) async fn create_many(
        &self,
        writer: &Writer,
        insights: BoxStream<'static, Result<NewInsight>>,
    ) -> Result<BulkCount> {
        let mut lease = self.connections().lease().await?;
        lease.batch_execute("CALL vitrine.prepare_bulk()").await.map_err(fault)?;
        // Dropped without a commit, it is rolled back.
        let transaction = lease.transaction().await.map_err(fault)?;
        if let Some(count) = begin(&transaction, writer).await? {
            return Ok(count);
        }
        let (batches, mut ready) = mpsc::channel(1);
        let encoder = Encoder { store: self.clone(), tenant: writer.identity.tenant.clone(), kinds: Kinds::new() };
        let encoding = tokio::spawn(encoder.run(insights, batches));
        let mut count = BulkCount { created: 0, unchanged: 0 };
        while let Some(batch) = ready.recv().await {
            let taken = take(&transaction, batch).await?;
            count.created += taken.created;
            count.unchanged += taken.unchanged;
        }
        let kinds = encoding.await.map_err(|error| Error::Internal(error.to_string()))??;
        end(&transaction, writer, &kinds, count).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(count)
    }
}

/// Reads the stream, and ends with it, with its first mistake, or when nobody takes batches any more.
struct Encoder {
    store: Store,
    tenant: Tenant,
    kinds: Kinds,
}

impl Encoder {
    async fn run(
        mut self,
        mut insights: BoxStream<'static, Result<NewInsight>>,
        to: mpsc::Sender<Batch>,
    ) -> Result<Kinds> {
        let (mut batch, mut place) = (Batch::default(), 0_i64);
        while let Some(insight) = insights.next().await {
            place += 1;
            let insight = insight?;
            self.encode(&mut batch, place, &insight).await.map_err(|cause| at(place, cause))?;
            if batch.is_full() && to.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(self.kinds);
            }
        }
        if !batch.insights.is_empty() {
            // Nobody there: they know why.
            let _ = to.send(batch).await;
        }
        Ok(self.kinds)
    }

    async fn encode(&mut self, batch: &mut Batch, place: i64, insight: &NewInsight) -> Result<()> {
        let schema = match self.kinds.get(&insight.kind) {
            Some(schema) => schema.clone(),
            None => {
                // As it is now, whatever is remembered: it has to hold until the end.
                self.store.forget_schema(&self.tenant, &insight.kind);
                let schema = self.store.schema(&self.tenant, &insight.kind).await?;
                if insight.embedding.is_some() {
                    self.store.require_vectors().await?;
                }
                self.kinds.entry(insight.kind.clone()).or_insert(schema).clone()
            }
        };
        schema.check(&insight.payload, insight.embedding.as_deref())?;
        let id = Uuid::now_v7();
        batch.insights.insight(place, id, insight)?;
        for evidence in &insight.evidence {
            batch.evidence.evidence(id, evidence)?;
        }
        if let Some(embedding) = &insight.embedding {
            batch.embeddings.embedding(id, &insight.kind, embedding)?;
        }
        Ok(())
    }
}

fn at(place: i64, cause: Error) -> Error {
    if matches!(cause, Error::Unavailable { .. } | Error::Internal(_) | Error::Unsupported(_)) {
        // Not the line's fault.
        return cause;
    }
    Error::Line { line: place.unsigned_abs(), cause: Box::new(cause) }
}

/// Sets tenant and actor; the answer to the same request where it came before.
async fn begin(transaction: &deadpool_postgres::Transaction<'_>, writer: &Writer) -> Result<Option<BulkCount>> {
    let key = writer.idempotency.as_ref().map(|idempotency| idempotency.key.as_str());
    let request = writer.idempotency.as_ref().map(|idempotency| idempotency.request.as_slice());
    let sql = "SELECT outcome, answer FROM vitrine.begin_write($1, $2, $3, $4)";
    let row = transaction
        .query_one(sql, &[&writer.identity.tenant.as_str(), &writer.identity.actor, &key, &request])
        .await
        .map_err(fault)?;
    let outcome: Option<String> = row.try_get(0).map_err(fault)?;
    if outcome.as_deref() == Some("key_reused") {
        return Err(Error::KeyReused);
    }
    let answer: Option<Value> = row.try_get(1).map_err(fault)?;
    answer.map(super::decode).transpose()
}

async fn take(transaction: &Transaction<'_>, batch: Batch) -> Result<BulkCount> {
    let (evidence, embeddings) = (!batch.evidence.is_empty(), !batch.embeddings.is_empty());
    for (sql, rows) in
        [(COPY_INSIGHTS, batch.insights), (COPY_EVIDENCE, batch.evidence), (COPY_EMBEDDINGS, batch.embeddings)]
    {
        if rows.is_empty() {
            continue;
        }
        let sink = transaction.copy_in::<_, Bytes>(sql).await.map_err(fault)?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from(rows.finish())).await.map_err(fault)?;
        sink.finish().await.map_err(fault)?;
    }
    let sql = "SELECT created, unchanged FROM vitrine.take_bulk($1, $2)";
    let row = transaction.query_one(sql, &[&evidence, &embeddings]).await.map_err(fault)?;
    let count = |at: usize| row.try_get::<_, i64>(at).map(i64::unsigned_abs).map_err(fault);
    Ok(BulkCount { created: count(0)?, unchanged: count(1)? })
}

async fn end(transaction: &Transaction<'_>, writer: &Writer, kinds: &Kinds, count: BulkCount) -> Result<()> {
    let key = writer.idempotency.as_ref().map(|idempotency| idempotency.key.as_str());
    let request = writer.idempotency.as_ref().map(|idempotency| idempotency.request.as_slice());
    let (names, revisions): (Vec<&str>, Vec<i64>) =
        kinds.values().map(|schema| (schema.name.as_str(), schema.revision)).unzip();
    let answer = Json(json!({"created": count.created, "unchanged": count.unchanged}));
    let sql = "SELECT vitrine.end_bulk($1, $2, $3, $4, $5)";
    match transaction.query_one(sql, &[&key, &request, &names, &revisions, &answer]).await {
        Ok(_) => Ok(()),
        Err(error) if error.as_db_error().is_some_and(|said| said.constraint() == Some("idempotency_keys_pkey")) => {
            Err(Error::Conflict("the same request is being answered at this moment: send it again".to_owned()))
        }
        Err(error) => Err(fault(error)),
    }
}
