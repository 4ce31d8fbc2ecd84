//! Deletes what is past its time: insights past `expires_at` or older than the retention of their kind or tenant, and
//! memories likewise. What is under legal hold stays. One instance at a time.

use std::time::Duration;

use crate::service::{Error, Result};
use crate::store::{Store, fault};

/// The advisory lock of the instance that runs: "vitrine" and "ret".
pub const LOCK: i64 = 0x0072_6574_7669_7472;

/// Rows of one transaction, so that nobody waits long for a lock.
const BATCH: i32 = 1_000;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Run {
    /// Insights deleted.
    pub insights: u64,
    /// Memories deleted.
    pub memories: u64,
    /// Another instance was running, and this one did nothing.
    pub elsewhere: bool,
}

/// Deletes all that is past its time now.
///
/// # Errors
/// The database cannot be reached; what was deleted before stays deleted.
pub async fn run_once(store: &Store) -> Result<Run> {
    let lease = store.connections().lease().await?;
    let locked: bool = lease
        .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(fault)?;
    if !locked {
        return Ok(Run { elsewhere: true, ..Run::default() });
    }
    // Should this be dropped in between, the lock goes with the connection.
    let connection = deadpool_postgres::Object::take(lease);
    let run = batches(&connection).await;
    connection.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.map_err(fault)?;
    run
}

/// Runs now and then, until it is dropped. Failures are logged and tried again next time.
pub async fn run_forever(store: Store, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match run_once(&store).await {
            Ok(run) if run.insights + run.memories > 0 => {
                tracing::info!(insights = run.insights, memories = run.memories, "deleted what was past its time");
            }
            Ok(_) => {}
            Err(Error::Unavailable { cause, .. }) => tracing::warn!(%cause, "retention waits for the tool database"),
            Err(error) => tracing::error!(%error, ?error, "retention failed"),
        }
    }
}

async fn batches(connection: &tokio_postgres::Client) -> Result<Run> {
    let mut all = Run::default();
    loop {
        let row = connection
            .query_one("SELECT insights, memories FROM vitrine.expire($1)", &[&BATCH])
            .await
            .map_err(fault)?;
        let count = |at: usize| row.try_get::<_, i64>(at).map(i64::unsigned_abs).map_err(fault);
        let (insights, memories) = (count(0)?, count(1)?);
        if insights + memories == 0 {
            return Ok(all);
        }
        all.insights += insights;
        all.memories += memories;
    }
}
