//! Kinds.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

use super::settled;
use crate::model::{Distance, DocumentTag, EmbeddingSpec, Identity, Kind, NewKind, Tenant};
use crate::service::{Error, Kinds, Outcome, Result, Writer, Written};
use crate::store::Store;
use crate::store::connection::{decode, fault};
use crate::store::schema::{Schema, compile};

const DIMENSION_MAX: u16 = 2_000;

/// A kind's row, as the database turns it to JSON.
#[derive(Deserialize)]
struct KindRow {
    name: String,
    description: Option<String>,
    schema: Value,
    embedding_dimension: Option<u16>,
    embedding_distance: Option<Distance>,
    retention_days: Option<u32>,
    revision: i64,
    updated_at: chrono::DateTime<chrono::Utc>,
    seeded: bool,
}

impl From<KindRow> for Kind {
    fn from(row: KindRow) -> Self {
        let embedding = row.embedding_dimension.zip(row.embedding_distance);
        Self {
            kind: NewKind {
                name: row.name,
                description: row.description,
                schema: row.schema,
                embedding: embedding.map(|(dimension, distance)| EmbeddingSpec { dimension, distance }),
                retention_days: row.retention_days,
            },
            revision: row.revision,
            updated_at: row.updated_at,
            seeded: row.seeded,
        }
    }
}

#[async_trait]
impl Kinds for Store {
    async fn kinds(&self, identity: &Identity) -> Result<Vec<Kind>> {
        let rows =
            self.connections().read(&identity.tenant, "SELECT to_jsonb(k) FROM kinds k ORDER BY k.name", &[]).await?;
        rows.iter().map(|row| kind(row.try_get(0).map_err(fault)?)).collect()
    }

    async fn kind(&self, identity: &Identity, name: &str) -> Result<Kind> {
        self.kind_of(&identity.tenant, name).await
    }

    async fn put_kind(&self, writer: &Writer, kind: NewKind, seen: Option<DocumentTag>) -> Result<Written<Kind>> {
        compile(&kind.schema)?;
        if kind.embedding.is_some_and(|spec| !(1..=DIMENSION_MAX).contains(&spec.dimension)) {
            return Err(Error::Invalid(format!("an embedding's dimension is 1 to {DIMENSION_MAX}")));
        }
        let content = json!({
            "name": kind.name, "description": kind.description, "schema": kind.schema,
            "embedding_dimension": kind.embedding.map(|spec| spec.dimension),
            "embedding_distance": kind.embedding.map(|spec| spec.distance),
            "retention_days": kind.retention_days,
        });
        let sql = "SELECT outcome, answer FROM vitrine.put_kind($1, $2, $3, $4, $5, $6)";
        let seen = seen.map(|tag| tag.0);
        let (outcome, answer) = settled(self.connections().write(writer, sql, &[&Json(&content), &seen]).await?)?;
        self.forget_schema(&writer.identity.tenant, &kind.name);
        if kind.embedding.is_some() && outcome != Outcome::Unchanged {
            self.index_embeddings().await;
        }
        Ok(Written { record: self::kind(answer)?, outcome })
    }

    async fn delete_kind(&self, writer: &Writer, name: &str, seen: DocumentTag) -> Result<()> {
        let sql = "SELECT outcome, answer FROM vitrine.delete_kind($1, $2, $3, $4, $5, $6)";
        self.connections().write(writer, sql, &[&name, &seen.0]).await?;
        self.forget_schema(&writer.identity.tenant, name);
        Ok(())
    }
}

impl Store {
    /// The compiled schema of a kind, from the last time or from the database.
    pub(in crate::store) async fn schema(&self, tenant: &Tenant, kind: &str) -> Result<Arc<Schema>> {
        if let Some(schema) = self.schemas.known(tenant, kind) {
            return Ok(schema);
        }
        let kind = self.kind_of(tenant, kind).await?;
        self.schemas.learn(tenant, &kind)
    }

    pub(in crate::store) fn forget_schema(&self, tenant: &Tenant, kind: &str) {
        self.schemas.forget(tenant, kind);
    }

    async fn kind_of(&self, tenant: &Tenant, name: &str) -> Result<Kind> {
        let rows =
            self.connections().read(tenant, "SELECT to_jsonb(k) FROM kinds k WHERE k.name = $1", &[&name]).await?;
        let row = rows.first().ok_or_else(|| Error::NotFound(format!("kind \"{name}\"")))?;
        kind(row.try_get(0).map_err(fault)?)
    }

    /// Search is exact without an index: a failure here costs time, not answers.
    async fn index_embeddings(&self) {
        let made = async {
            let lease = self.connections().lease().await?;
            lease.query_one("SELECT vitrine.index_embeddings()", &[]).await.map_err(fault)
        };
        if let Err(error) = made.await {
            tracing::warn!(%error, "the index of a kind's embeddings was not made; searches compare all of them");
        }
    }
}

fn kind(row: Value) -> Result<Kind> {
    decode::<KindRow>(row).map(Kind::from)
}
