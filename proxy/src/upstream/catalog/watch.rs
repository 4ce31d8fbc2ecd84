//! Keeps a catalog fresh: on a timer, and when a name is unknown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use deadpool_postgres::{Pool, PoolError};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{LoadError, fingerprint, load};
use crate::catalog::Catalog;

/// How often the catalog is looked at.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// Between two looks of the timer.
    pub interval: Duration,
    /// Least time between two looks that unknown names ask for.
    pub asked_interval: Duration,
    /// A snapshot that could not be confirmed for this long is no longer trusted.
    pub age_max: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            asked_interval: Duration::from_secs(1),
            age_max: Duration::from_secs(120),
        }
    }
}

/// Why the catalog could not be confirmed.
#[derive(Debug, Error)]
pub enum WatchError {
    #[error("no connection for the catalog: {}", innermost(.0))]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("no answer while the catalog was read")]
    Slow,
}

/// The cause itself: what wraps it only says that a connection could not be made.
fn innermost(error: &PoolError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// One database's catalog, kept fresh over its own small pool.
#[derive(Debug)]
pub struct Watch {
    pool: Pool,
    limits: WatchLimits,
    current: Arc<ArcSwap<Catalog>>,
    look: Mutex<Look>,
    /// When the snapshot was last known to be the server's.
    confirmed: ArcSwapOption<Instant>,
}

/// What the last look found.
#[derive(Debug, Default)]
struct Look {
    fingerprint: Option<i64>,
    confirmed: Option<Instant>,
    tried: Option<Instant>,
}

impl Watch {
    /// A watch that knows nothing yet: until the first [`Watch::refresh`] its catalog is [`Catalog::unavailable`].
    #[must_use]
    pub fn new(pool: Pool, limits: WatchLimits) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(Catalog::unavailable()));
        Self { pool, limits, current, look: Mutex::default(), confirmed: ArcSwapOption::empty() }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// The version of the snapshot in force.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.current.load().version()
    }

    /// How long ago the snapshot was last known to be the server's; `None` before the first look.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.confirmed.load().as_ref().map(|confirmed| confirmed.elapsed())
    }

    /// When the server was asked what the snapshot was last confirmed by; `None` before the first look.
    #[must_use]
    pub fn asked(&self) -> Option<Instant> {
        self.confirmed.load().as_deref().copied()
    }

    /// The cell itself, for whoever reads it with every statement.
    #[must_use]
    pub fn cell(&self) -> Arc<ArcSwap<Catalog>> {
        Arc::clone(&self.current)
    }

    /// Looks at the server; loads the catalog when its fingerprint changed. Returns whether the snapshot is another one.
    ///
    /// # Errors
    /// When the server cannot be asked. The snapshot stays, until it is too old to be trusted.
    pub async fn refresh(&self) -> Result<bool, WatchError> {
        let mut look = self.look.lock().await;
        self.look(&mut look).await
    }

    /// For a name that the snapshot does not hold: looks at the server unless somebody just did. Callers that wait
    /// for the same look share it. Returns whether the snapshot is another one than the caller's.
    pub async fn refresh_if_unknown(&self, seen_version: u64) -> bool {
        let mut look = self.look.lock().await;
        let recent = look.tried.is_some_and(|tried| tried.elapsed() < self.limits.asked_interval);
        if !recent && let Err(error) = self.look(&mut look).await {
            tracing::warn!(%error, "the catalog could not be refreshed");
        }
        self.current.load().version() != seen_version
    }

    /// Refreshes on the timer, until dropped.
    pub async fn run(&self) {
        let mut timer = tokio::time::interval(self.limits.interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the catalog could not be refreshed");
            }
        }
    }

    async fn look(&self, look: &mut Look) -> Result<bool, WatchError> {
        look.tried = Some(Instant::now());
        // A server that says nothing must not keep an old snapshot trusted.
        let outcome = timeout(self.limits.age_max, self.ask(look)).await.unwrap_or(Err(WatchError::Slow));
        self.confirmed.store(look.confirmed.map(Arc::new));
        if outcome.is_err() {
            let trusted = look.confirmed.is_some_and(|confirmed| confirmed.elapsed() < self.limits.age_max);
            if !trusted && look.fingerprint.take().is_some() {
                self.current.store(Arc::new(Catalog::unavailable()));
            }
        }
        outcome
    }

    async fn ask(&self, look: &mut Look) -> Result<bool, WatchError> {
        let client = self.pool.get().await?;
        let asked = Instant::now();
        // First the fingerprint, then the catalog: a change in between is found by the next look.
        let found = fingerprint(&client).await?;
        if look.fingerprint == Some(found) {
            look.confirmed = Some(asked);
            return Ok(false);
        }
        let catalog = load(&client).await?;
        look.fingerprint = Some(found);
        look.confirmed = Some(asked);
        if catalog.version() == self.current.load().version() {
            return Ok(false);
        }
        self.current.store(Arc::new(catalog));
        Ok(true)
    }
}
