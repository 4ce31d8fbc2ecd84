//! The pool: bounded, and patient only for so long.

use std::time::{Duration, Instant};

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use parking_lot::Mutex;

use super::backoff::Backoff;
use super::fault::{RETRY_AFTER, cause, unavailable};
use crate::service::{Error, Result};

/// A connection for a while; it returns to the pool when dropped.
pub(crate) type Lease = Object;

/// How the store uses its database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most connections at a time.
    pub connections_max: usize,
    /// How long a call waits for a connection, attempts to open one included, before it is unavailable.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections_max: 16, patience: Duration::from_secs(3) }
    }
}

/// Connections as `vitrine_app`.
pub(crate) struct Connections {
    pool: Pool,
    backoff: Mutex<Backoff>,
    patience: Duration,
}

/// Run once on each new connection. A gateway's connections are born read-only; nothing that was acknowledged may be lost
/// because a server is set to forget; and one that is not what it must be is not used.
const FIRST_WORDS: &str = "SET default_transaction_read_only = off;
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
        WHERE pg_catalog.current_setting('synchronous_commit') = 'off';
    DO $$ BEGIN
        IF current_user <> 'vitrine_app' OR pg_catalog.current_setting('search_path') NOT IN ('public', 'public, pg_temp') THEN
            RAISE EXCEPTION 'the store is to run as vitrine_app with search path public, not as % with %',
                current_user, pg_catalog.current_setting('search_path');
        END IF;
    END $$";

impl Connections {
    pub(in crate::store) fn new(
        config: tokio_postgres::Config,
        connect: impl Connect + 'static,
        settings: &Settings,
    ) -> Result<Self> {
        let source = Manager::from_connect(config, connect, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let first_words = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(FIRST_WORDS).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(source)
            .max_size(settings.connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.patience))
            .create_timeout(Some(settings.patience))
            .post_create(first_words)
            .build()
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self { pool, backoff: Mutex::default(), patience: settings.patience })
    }

    /// A connection, within the patience. While the server is away, attempts are spaced out for all callers together.
    pub(crate) async fn lease(&self) -> Result<Lease> {
        let deadline = Instant::now() + self.patience;
        loop {
            let now = Instant::now();
            let pause = self.backoff.lock().wait(now);
            if now + pause > deadline {
                return Err(Error::Unavailable {
                    retry_after: pause.max(RETRY_AFTER),
                    cause: "the server is away".to_owned(),
                });
            }
            tokio::time::sleep(pause).await;
            let failed = match self.pool.get().await {
                Ok(lease) => {
                    self.backoff.lock().succeeded();
                    return Ok(lease);
                }
                Err(PoolError::Timeout(deadpool_postgres::TimeoutType::Wait)) => {
                    return Err(unavailable(format!("all {} connections are busy", self.pool.status().max_size)));
                }
                Err(error) => error,
            };
            let now = Instant::now();
            self.backoff.lock().failed(now);
            tracing::debug!(error = %cause(&failed), "no connection to the tool database");
            if now >= deadline {
                return Err(unavailable(cause(&failed)));
            }
        }
    }
}
