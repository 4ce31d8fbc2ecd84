//! Insights: the trait, over the database's functions.

mod bulk;
mod copy;
mod find;
mod row;
mod write;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::model::{
    Evidence, Found, Identity, Insight, InsightFilter, InsightId, NewEvidence, NewInsight, NewVersion, Page,
    PageRequest, SearchRequest,
};
use crate::service::{BulkCount, Error, Insights, Result, Writer, Written};

use super::Store;
use super::connection::{decode, fault};

#[async_trait]
impl Insights for Store {
    async fn create_insight(&self, writer: &Writer, insight: NewInsight) -> Result<Written<Insight>> {
        self.create(writer, insight).await
    }

    async fn create_insights(
        &self,
        writer: &Writer,
        insights: BoxStream<'static, Result<NewInsight>>,
    ) -> Result<BulkCount> {
        self.create_many(writer, insights).await
    }

    async fn insight(&self, identity: &Identity, id: InsightId) -> Result<Insight> {
        let sql = format!("SELECT {} FROM insights i WHERE i.id = $1 AND {}", row::COLUMNS, row::lives("i"));
        let rows = self.connections().read(&identity.tenant, &sql, &[&id.0]).await?;
        row::insight(rows.first().ok_or_else(|| missing(id))?)
    }

    async fn insights(&self, identity: &Identity, filter: &InsightFilter, page: &PageRequest) -> Result<Page<Insight>> {
        self.list(identity, filter, page).await
    }

    async fn supersede(&self, writer: &Writer, id: InsightId, with: NewVersion) -> Result<Written<Insight>> {
        self.replace(writer, id, with).await
    }

    async fn retract(&self, writer: &Writer, id: InsightId, reason: &str) -> Result<Written<Insight>> {
        let sql = "SELECT outcome, answer FROM vitrine.retract_insight($1, $2, $3, $4, $5, $6)";
        write::written(self.connections().write(writer, sql, &[&id.0, &reason]).await?)
    }

    async fn history(&self, identity: &Identity, id: InsightId) -> Result<Vec<Insight>> {
        let sql = format!(
            "SELECT {} FROM insights o JOIN insights i ON i.kind = o.kind AND i.key = o.key WHERE o.id = $1 AND {} ORDER BY i.version",
            row::COLUMNS,
            row::lives("o")
        );
        let rows = self.connections().read(&identity.tenant, &sql, &[&id.0]).await?;
        if rows.is_empty() {
            return Err(missing(id));
        }
        rows.iter().map(row::insight).collect()
    }

    async fn evidence(&self, identity: &Identity, id: InsightId) -> Result<Vec<Evidence>> {
        let sql = format!(
            "SELECT e.id, e.insight_id, e.query_shape, e.relations, e.data_as_of, e.database, e.receipt, e.note, e.recorded_at
            FROM insights i LEFT JOIN evidence e ON e.insight_id = i.id WHERE i.id = $1 AND {} ORDER BY e.id",
            row::lives("i")
        );
        let rows = self.connections().read(&identity.tenant, &sql, &[&id.0]).await?;
        if rows.is_empty() {
            return Err(missing(id));
        }
        rows.iter().filter_map(|row| row::evidence(row).transpose()).collect()
    }

    async fn add_evidence(&self, writer: &Writer, id: InsightId, evidence: NewEvidence) -> Result<Written<Evidence>> {
        self.add(writer, id, evidence).await
    }

    async fn hold(&self, writer: &Writer, id: InsightId, held: bool) -> Result<Insight> {
        let sql = "SELECT outcome, answer FROM vitrine.hold_insight($1, $2, $3, $4, $5, $6)";
        write::written(self.connections().write(writer, sql, &[&id.0, &held]).await?).map(|written| written.record)
    }

    async fn search(&self, identity: &Identity, request: &SearchRequest) -> Result<Vec<Found>> {
        self.find(identity, request).await
    }
}

fn missing(id: InsightId) -> Error {
    Error::NotFound(format!("insight {}", id.0))
}
