//! Documents and configurations of users.

use async_trait::async_trait;
use serde_json::Value;
use tokio_postgres::types::Json;

use super::settled;
use crate::model::{Configuration, Document, DocumentRevision, DocumentTag, Identity, NewDocument, Page, PageRequest};
use crate::service::{Documents, Error, Result, Writer, Written};
use crate::store::Store;
use crate::store::connection::{decode, fault};
use crate::store::cursor;

const LIST: &str = "SELECT to_jsonb(d) FROM documents d
    WHERE d.kind = $1 AND ($2::text IS NULL OR d.name > $2) ORDER BY d.name LIMIT $3::int4";

const HISTORY: &str =
    "SELECT to_jsonb(h) FROM document_history h WHERE h.kind = $1 AND h.name = $2 ORDER BY h.revision";

const CONFIGURATION: &str =
    "SELECT to_jsonb(c) || jsonb_build_object('user', c.user_name) FROM user_configuration c WHERE c.user_name = $1";

#[async_trait]
impl Documents for Store {
    async fn documents(&self, identity: &Identity, kind: &str, page: &PageRequest) -> Result<Page<Document>> {
        let limit = cursor::limit(page)?;
        let after = cursor::after(page, "documents", 1)?.and_then(|key| key.into_iter().next());
        let rows = self.connections().read(&identity.tenant, LIST, &[&kind, &after, &limit]).await?;
        let documents =
            rows.iter().map(|row| decode(row.try_get(0).map_err(fault)?)).collect::<Result<Vec<Document>>>()?;
        Ok(cursor::page(documents, limit, "documents", |document| vec![document.name.clone()]))
    }

    async fn document(&self, identity: &Identity, kind: &str, name: &str) -> Result<Document> {
        let sql = "SELECT to_jsonb(d) FROM documents d WHERE d.kind = $1 AND d.name = $2";
        let rows = self.connections().read(&identity.tenant, sql, &[&kind, &name]).await?;
        let row = rows.first().ok_or_else(|| missing(kind, name))?;
        decode(row.try_get(0).map_err(fault)?)
    }

    async fn put_document(
        &self,
        writer: &Writer,
        kind: &str,
        name: &str,
        document: NewDocument,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Document>> {
        let sql = "SELECT outcome, answer FROM vitrine.put_document($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let (content, seen) = (Json(&document.content), seen.map(|tag| tag.0));
        let written = self.connections().write(writer, sql, &[&kind, &name, &document.title, &content, &seen]).await?;
        let (outcome, answer) = settled(written)?;
        Ok(Written { record: decode(answer)?, outcome })
    }

    async fn delete_document(&self, writer: &Writer, kind: &str, name: &str, seen: DocumentTag) -> Result<()> {
        let sql = "SELECT outcome, answer FROM vitrine.delete_document($1, $2, $3, $4, $5, $6, $7)";
        self.connections().write(writer, sql, &[&kind, &name, &seen.0]).await.map(drop)
    }

    async fn document_history(&self, identity: &Identity, kind: &str, name: &str) -> Result<Vec<DocumentRevision>> {
        let rows = self.connections().read(&identity.tenant, HISTORY, &[&kind, &name]).await?;
        if rows.is_empty() {
            return Err(missing(kind, name));
        }
        rows.iter().map(|row| decode(row.try_get(0).map_err(fault)?)).collect()
    }

    async fn configuration(&self, identity: &Identity, user: &str) -> Result<Configuration> {
        let rows = self.connections().read(&identity.tenant, CONFIGURATION, &[&user]).await?;
        let row = rows.first().ok_or_else(|| Error::NotFound(format!("configuration of \"{user}\"")))?;
        decode(row.try_get(0).map_err(fault)?)
    }

    async fn put_configuration(
        &self,
        writer: &Writer,
        user: &str,
        settings: Value,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Configuration>> {
        let sql = "SELECT outcome, answer FROM vitrine.put_configuration($1, $2, $3, $4, $5, $6, $7)";
        let seen = seen.map(|tag| tag.0);
        let (outcome, answer) =
            settled(self.connections().write(writer, sql, &[&user, &Json(&settings), &seen]).await?)?;
        Ok(Written { record: decode(answer)?, outcome })
    }
}

fn missing(kind: &str, name: &str) -> Error {
    Error::NotFound(format!("document \"{kind}/{name}\""))
}
