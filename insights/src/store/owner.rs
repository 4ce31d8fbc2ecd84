//! What the owner does for the store at each start, after migrations and after a restore.

use tokio_postgres::{Client, Error};

/// Lets the feed go on where the store has come to another server, and takes up pgvector where it has become possible.
/// Changes nothing where nothing changed, and does nothing before the migrations that it needs.
///
/// # Errors
/// The database cannot be asked, or the connection is not the owner's.
pub async fn settle(owner: &Client) -> Result<(), Error> {
    let sql = "SELECT pg_catalog.to_regprocedure('vitrine.index_embeddings()') IS NOT NULL";
    if !owner.query_one(sql, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(());
    }
    owner
        .batch_execute("SELECT vitrine.begin_era(); SELECT vitrine.enable_vectors(); SELECT vitrine.index_embeddings()")
        .await
}
