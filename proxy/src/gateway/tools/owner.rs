//! The owner's connection to the tool database: the role of `insights.url`, which migrates, seeds and backs up, and never
//! serves.

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::upstream::{ConnectError, Target, sql_client};

/// A connection that may write, closed when this is dropped.
pub struct Owner {
    /// The client.
    pub client: Client,
    task: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects.
///
/// # Errors
/// As [`crate::upstream::connect`].
pub async fn connect(target: &Target) -> Result<Owner, ConnectError> {
    let (client, task) = client(target).await?;
    Ok(Owner { client, task })
}

/// A client that may write, and the task that drives it. The connections to customers cannot; this one starts as they
/// do and is then let go.
///
/// # Errors
/// As [`crate::upstream::connect`].
pub async fn client(target: &Target) -> Result<(Client, JoinHandle<()>), ConnectError> {
    let (client, task) = sql_client(target).await?;
    let opened = client.batch_execute("SET default_transaction_read_only = off").await;
    opened.map_err(|error| ConnectError::Protocol(error.to_string()))?;
    Ok((client, task))
}
