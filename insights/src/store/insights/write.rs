//! One insight at a time: create, supersede, evidence.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{decode, fault, missing};
use crate::model::{Evidence, Insight, InsightId, NewEvidence, NewInsight, NewVersion, Tenant};
use crate::service::{Error, Outcome, Result, Writer, Written};
use crate::store::Store;
use crate::store::connection::Parameter;
use crate::store::records::settled;

const CREATE: &str = "SELECT outcome, answer FROM vitrine.create_insight($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SUPERSEDE: &str =
    "SELECT outcome, answer FROM vitrine.supersede_insight($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Times a payload is checked again because its kind changed between check and write.
const CHECKS_MAX: usize = 5;

impl Store {
    pub(super) async fn create(&self, writer: &Writer, insight: NewInsight) -> Result<Written<Insight>> {
        let tenant = &writer.identity.tenant;
        let id = Uuid::now_v7();
        let content = Json(json!({
            "kind": insight.kind, "key": insight.key, "title": insight.title, "body": insight.body,
            "payload": insight.payload, "confidence": insight.confidence, "valid_from": insight.valid_from,
            "valid_to": insight.valid_to, "expires_at": insight.expires_at,
        }));
        let evidence = evidence_rows(&insight.evidence)?;
        for _ in 0..CHECKS_MAX {
            let schema = self.schema(tenant, &insight.kind).await?;
            self.check(tenant, &schema, &content.0, insight.embedding.as_deref()).await?;
            let parameters: [Parameter<'_>; 5] = [&schema.revision, &id, &content, &evidence, &insight.embedding];
            if let Some(done) = self.connections().write(writer, CREATE, &parameters).await? {
                return written(Some(done));
            }
            self.forget_schema(tenant, &insight.kind);
        }
        Err(changes_all_the_time(&insight.kind))
    }

    pub(super) async fn replace(&self, writer: &Writer, id: InsightId, with: NewVersion) -> Result<Written<Insight>> {
        let tenant = &writer.identity.tenant;
        let new_id = Uuid::now_v7();
        let rows = self.connections().read(tenant, "SELECT i.kind FROM insights i WHERE i.id = $1", &[&id.0]).await?;
        let kind: String = rows.first().ok_or_else(|| missing(id))?.try_get(0).map_err(fault)?;
        let content = Json(json!({
            "title": with.title, "body": with.body, "payload": with.payload, "confidence": with.confidence,
            "valid_from": with.valid_from, "valid_to": with.valid_to, "expires_at": with.expires_at,
        }));
        let evidence = evidence_rows(&with.evidence)?;
        for _ in 0..CHECKS_MAX {
            let schema = self.schema(tenant, &kind).await?;
            self.check(tenant, &schema, &content.0, with.embedding.as_deref()).await?;
            let parameters: [Parameter<'_>; 6] =
                [&schema.revision, &id.0, &new_id, &content, &evidence, &with.embedding];
            if let Some(done) = self.connections().write(writer, SUPERSEDE, &parameters).await? {
                return written(Some(done));
            }
            self.forget_schema(tenant, &kind);
        }
        Err(changes_all_the_time(&kind))
    }

    pub(super) async fn add(&self, writer: &Writer, id: InsightId, evidence: NewEvidence) -> Result<Written<Evidence>> {
        let sql = "SELECT outcome, answer FROM vitrine.add_evidence($1, $2, $3, $4, $5, $6)";
        let given = serde_json::to_value(&evidence).map_err(|error| Error::Internal(error.to_string()))?;
        let (outcome, answer) = settled(self.connections().write(writer, sql, &[&id.0, &Json(given)]).await?)?;
        let kept: EvidenceRow = decode(answer)?;
        let record = Evidence { id: kept.id, insight_id: kept.insight_id, evidence, recorded_at: kept.recorded_at };
        Ok(Written { record, outcome })
    }

    /// Whether content fits. A payload that does not fit what is remembered of its kind may fit what the kind is now.
    async fn check(
        &self,
        tenant: &Tenant,
        schema: &crate::store::schema::Schema,
        content: &Value,
        embedding: Option<&[f32]>,
    ) -> Result<()> {
        let payload = content.get("payload").unwrap_or(&Value::Null);
        if embedding.is_some() {
            self.require_vectors().await?;
        }
        let Err(unfit) = schema.check(payload, embedding) else { return Ok(()) };
        self.forget_schema(tenant, &schema.name);
        let now = self.schema(tenant, &schema.name).await?;
        if now.revision == schema.revision { Err(unfit) } else { now.check(payload, embedding) }
    }
}

/// What is answered of evidence beyond what was given.
#[derive(Deserialize)]
struct EvidenceRow {
    id: Uuid,
    insight_id: InsightId,
    recorded_at: chrono::DateTime<chrono::Utc>,
}

/// The insight that a write answered.
pub(super) fn written(done: Option<(Outcome, Value)>) -> Result<Written<Insight>> {
    let (outcome, answer) = settled(done)?;
    Ok(Written { record: decode(answer)?, outcome })
}

fn evidence_rows(evidence: &[NewEvidence]) -> Result<Option<Json<Value>>> {
    if evidence.is_empty() {
        return Ok(None);
    }
    let rows = serde_json::to_value(evidence).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Some(Json(rows)))
}

fn changes_all_the_time(kind: &str) -> Error {
    Error::Conflict(format!("kind \"{kind}\" keeps changing: send it again"))
}
