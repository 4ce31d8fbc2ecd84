//! What the server behind the store can do.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::Store;
use super::connection::fault;
use crate::service::{Capabilities, Error, Health, Result};

const QUESTION: &str = "SELECT vitrine.vector_version() > 0,
    coalesce(
        (SELECT 'pgvector ' || extversion FROM pg_catalog.pg_extension WHERE extname = 'vector' AND vitrine.vector_version() > 0),
        (SELECT 'the server has pgvector ' || default_version || ', but this database does not: let an administrator run CREATE EXTENSION vector, then the owner SELECT vitrine.enable_vectors()'
         FROM pg_catalog.pg_available_extensions WHERE name = 'vector'),
        'the server does not have the extension \"vector\"')";

#[async_trait]
impl Health for Store {
    async fn capabilities(&self) -> Result<Capabilities> {
        let lease = self.connections().lease().await?;
        let row = lease.query_one(QUESTION, &[]).await.map_err(fault)?;
        let version = "SELECT coalesce(max(version), 0) FROM vitrine.migrations";
        Ok(Capabilities {
            vector_search: row.try_get(0).map_err(fault)?,
            vector_detail: row.try_get(1).map_err(fault)?,
            schema_version: lease.query_one(version, &[]).await.map_err(fault)?.try_get(0).map_err(fault)?,
        })
    }
}

impl Store {
    /// That the server can keep and compare embeddings.
    pub(super) async fn require_vectors(&self) -> Result<()> {
        if self.has_vectors.load(Ordering::Relaxed) {
            return Ok(());
        }
        let capabilities = self.capabilities().await?;
        if !capabilities.vector_search {
            return Err(Error::Unsupported(capabilities.vector_detail));
        }
        self.has_vectors.store(true, Ordering::Relaxed);
        Ok(())
    }
}
