//! Memory.

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::settled;
use crate::model::{Identity, Memory, MemoryFilter, MemoryId, NewMemory, Page, PageRequest};
use crate::service::{Error, Memories, Result, Writer, Written};
use crate::store::Store;
use crate::store::connection::{decode, fault};
use crate::store::cursor;

const LIVING: &str = "(m.expires_at IS NULL OR m.expires_at > now())";

#[async_trait]
impl Memories for Store {
    async fn remember(&self, writer: &Writer, memory: NewMemory) -> Result<Written<Memory>> {
        let attributes = if memory.attributes.is_null() { json!({}) } else { memory.attributes };
        let content = json!({
            "user_name": memory.user, "session": memory.session, "key": memory.key, "text": memory.text,
            "attributes": attributes, "expires_at": memory.expires_at,
        });
        let sql = "SELECT outcome, answer FROM vitrine.remember($1, $2, $3, $4, $5, $6)";
        let written = self.connections().write(writer, sql, &[&Uuid::now_v7(), &Json(&content)]).await?;
        let (outcome, answer) = settled(written)?;
        Ok(Written { record: decode(answer)?, outcome })
    }

    async fn memory(&self, identity: &Identity, id: MemoryId) -> Result<Memory> {
        let sql = format!("SELECT {} FROM memory m WHERE m.id = $1 AND {LIVING}", shown("'{}'"));
        let rows = self.connections().read(&identity.tenant, &sql, &[&id.0]).await?;
        let row = rows.first().ok_or_else(|| Error::NotFound(format!("memory {}", id.0)))?;
        decode(row.try_get(0).map_err(fault)?)
    }

    async fn memories(&self, identity: &Identity, filter: &MemoryFilter, page: &PageRequest) -> Result<Page<Memory>> {
        let limit = cursor::limit(page)?;
        if let Some(words) = &filter.query {
            let sql = format!(
                "SELECT {} FROM vitrine.search_memory($1, $2, $3, $4) f JOIN memory m ON m.id = f.id
                 ORDER BY f.score DESC, m.id DESC",
                shown("jsonb_build_object('score', f.score)")
            );
            let most = limit - 1;
            let parameters: [crate::store::connection::Parameter<'_>; 4] =
                [&filter.user, &filter.session, words, &most];
            let rows = self.connections().read(&identity.tenant, &sql, &parameters).await?;
            let items =
                rows.iter().map(|row| decode(row.try_get(0).map_err(fault)?)).collect::<Result<Vec<Memory>>>()?;
            return Ok(Page { items, next: None });
        }
        let before = match cursor::after(page, "memory", 1)?.and_then(|key| key.into_iter().next()) {
            Some(text) => Some(Uuid::try_parse(&text).map_err(|_| cursor::bad())?),
            None => None,
        };
        let sql = format!(
            "SELECT {} FROM memory m WHERE {LIVING} AND ($1::text IS NULL OR m.user_name = $1)
               AND ($2::text IS NULL OR m.session = $2) AND ($3::uuid IS NULL OR m.id < $3)
             ORDER BY m.id DESC LIMIT $4::int4",
            shown("'{}'")
        );
        let parameters: [crate::store::connection::Parameter<'_>; 4] = [&filter.user, &filter.session, &before, &limit];
        let rows = self.connections().read(&identity.tenant, &sql, &parameters).await?;
        let items = rows.iter().map(|row| decode(row.try_get(0).map_err(fault)?)).collect::<Result<Vec<Memory>>>()?;
        Ok(cursor::page(items, limit, "memory", |memory| vec![memory.id.0.to_string()]))
    }

    async fn forget(&self, writer: &Writer, id: MemoryId) -> Result<()> {
        let sql = "SELECT outcome, answer FROM vitrine.forget($1, $2, $3, $4, $5)";
        self.connections().write(writer, sql, &[&id.0]).await.map(drop)
    }
}

/// A memory as JSON, with what else is said about it.
fn shown(more: &str) -> String {
    format!("to_jsonb(m) - 'search' || jsonb_build_object('user', m.user_name) || {more}")
}
