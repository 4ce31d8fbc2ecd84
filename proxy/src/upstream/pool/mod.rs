//! Connections to one database as one role, lent for a transaction at a time.
//!
//! The connection used last is lent first: its server process is warm. Those who find none wait in line, in order,
//! bounded in time and number. What comes back without being vouched for is destroyed.

mod connector;
mod lease;
mod limits;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{Health, Parameters, SessionFacts, Target};
use lease::Handed;
use state::{Pooled, State};

pub use lease::Lease;
pub use limits::{PoolError, PoolLimits, PoolStats};
pub use state::Settings;

/// A pool of upstream connections. Clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes those who wait for the last connection to come back.
    returned: Notify,
}

/// A connection that answered this short a time ago needs no look: the kernel is asked for the others.
const FRESH: Duration = Duration::from_millis(5);

impl Pool {
    /// A pool without connections: the first lease opens one.
    #[must_use]
    pub fn new(target: Target, limits: PoolLimits) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(State::new(target, limits)), returned: Notify::new() }))
    }

    /// Lends a connection, if possible one whose applied settings equal `preferred`.
    ///
    /// Cheap when one is idle: see [`Self::lease_now`]. Otherwise waits in line, while connections are opened as far as the
    /// bounds allow.
    ///
    /// # Errors
    /// Nobody could lend one: see [`PoolError`].
    pub async fn lease(&self, preferred: Option<&Arc<Settings>>) -> Result<Lease, PoolError> {
        loop {
            if let Some(lease) = self.lease_now(preferred)? {
                return Ok(lease);
            }
            let now = Instant::now();
            // Its own statement: in the `if` the lock would be held through the block.
            let queued = self.0.state.lock().queue(now)?;
            if let Some((ticket, wait_timeout, connectors)) = queued {
                self.start_connectors(connectors);
                return self.wait(ticket, wait_timeout, now).await;
            }
        }
    }

    /// Lends an idle connection, if possible one whose applied settings equal `preferred`; `None` when none is idle. One
    /// short lock, no allocation, no timer.
    ///
    /// # Errors
    /// Nothing is lent at all: see [`PoolError`].
    pub fn lease_now(&self, preferred: Option<&Arc<Settings>>) -> Result<Option<Lease>, PoolError> {
        loop {
            let now = Instant::now();
            let taken = self.0.state.lock().take(preferred)?;
            let Some((mut pooled, since)) = taken else { return Ok(None) };
            if now.saturating_duration_since(since) < FRESH || pooled.connection.look() == Health::Alive {
                return Ok(Some(Lease::new(self, pooled, now)));
            }
            self.0.state.lock().lose(1);
            drop(pooled);
            self.sift();
        }
    }

    /// The numbers of this moment.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.state.lock().stats(Instant::now())
    }

    /// What the sessions of this pool are at birth, as learnt from the last one opened.
    #[must_use]
    pub fn facts(&self) -> Option<Arc<SessionFacts>> {
        self.0.state.lock().facts.clone()
    }

    /// What the server reported when the last connection was opened.
    #[must_use]
    pub fn parameters(&self) -> Option<Arc<Parameters>> {
        self.0.state.lock().parameters.clone()
    }

    /// Where connections go now.
    #[must_use]
    pub fn target(&self) -> Arc<Target> {
        Arc::clone(&self.0.state.lock().target)
    }

    /// New bounds. Connections above them are closed as they come back.
    pub fn resize(&self, limits: PoolLimits) {
        let mut state = self.0.state.lock();
        state.limits = limits;
        let connectors = state.hire();
        drop(state);
        self.start_connectors(connectors);
    }

    /// A new address or secret: idle connections are closed now, the others when they come back.
    pub fn replace(&self, target: Target, limits: PoolLimits) {
        let mut state = self.0.state.lock();
        if target.access() != state.target.access() {
            tracing::error!(%target, "a pool does not change what it is for: the new address is not taken");
            return;
        }
        state.target = Arc::new(target);
        state.generation += 1;
        state.outage = None;
        state.limits = limits;
        let old = std::mem::take(&mut state.idle);
        let connectors = state.hire();
        drop(state);
        old.into_iter().for_each(|idle| idle.pooled.part());
        self.start_connectors(connectors);
    }

    /// What is open now is not lent again: idle connections are closed now, the others when they come back.
    pub fn renew(&self) {
        let mut state = self.0.state.lock();
        state.generation += 1;
        let old = std::mem::take(&mut state.idle);
        let connectors = state.hire();
        drop(state);
        old.into_iter().for_each(|idle| idle.pooled.part());
        self.start_connectors(connectors);
    }

    /// Why nothing is lent, where [`Self::hold`] said so.
    #[must_use]
    pub fn held(&self) -> Option<PoolError> {
        self.0.state.lock().held.clone()
    }

    /// Lends nothing until told otherwise (`None`), and fails those who wait. What is lent already is not touched.
    pub fn hold(&self, why: Option<PoolError>) {
        let mut state = self.0.state.lock();
        let waiters = if why.is_some() { std::mem::take(&mut state.waiters) } else { Default::default() };
        state.held.clone_from(&why);
        drop(state);
        if let Some(why) = why {
            waiters.into_iter().for_each(|waiter| waiter.fail(why.clone()));
        }
    }

    /// Lends nothing more, fails those who wait, closes what is idle, and waits for what is lent: `true` when all of it
    /// came back within the bound.
    pub async fn drain(&self, within: Duration) -> bool {
        self.close();
        let empty = async {
            loop {
                let returned = self.0.returned.notified();
                if self.0.state.lock().leased == 0 {
                    return;
                }
                returned.await;
            }
        };
        tokio::time::timeout(within, empty).await.is_ok()
    }

    /// As [`Self::drain`], without waiting.
    pub fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        let waiters = std::mem::take(&mut state.waiters);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        waiters.into_iter().for_each(|waiter| waiter.fail(PoolError::Closed));
        idle.into_iter().for_each(|idle| idle.pooled.part());
    }

    /// Closes idle connections that are old, unused or dead, and opens what `idle_min` asks for. Call it every few seconds.
    pub fn sweep(&self) {
        let (old, connectors) = self.0.state.lock().sweep(Instant::now());
        old.into_iter().for_each(|idle| idle.pooled.part());
        self.sift();
        self.start_connectors(connectors);
    }

    /// Looks at every idle connection and drops the dead: where one is dead, its companions may be.
    fn sift(&self) {
        let dead = self.0.state.lock().sift();
        drop(dead);
    }

    async fn wait(
        &self,
        ticket: oneshot::Receiver<Result<Handed, PoolError>>,
        wait_timeout: Duration,
        began: Instant,
    ) -> Result<Lease, PoolError> {
        let outcome = match tokio::time::timeout(wait_timeout, ticket).await {
            Ok(Ok(Ok(handed))) => Ok(handed),
            Ok(Ok(Err(error))) => Err(Some(error)),
            Ok(Err(_)) | Err(_) => Err(None),
        };
        let mut state = self.0.state.lock();
        match outcome {
            Ok(handed) => {
                state.counters.wait_max = state.counters.wait_max.max(began.elapsed());
                drop(state);
                handed.into_lease().ok_or(PoolError::Closed)
            }
            Err(error) => {
                state.counters.wait_failures += 1;
                Err(error.unwrap_or_else(|| state.reason(wait_timeout)))
            }
        }
    }

    /// Takes a connection back that its holder vouches for.
    fn give_back(&self, pooled: Box<Pooled>, now: Instant) {
        let (parted, connectors) = self.0.state.lock().give_back(self, pooled, now);
        if let Some(pooled) = parted {
            self.came_back(connectors);
            pooled.part();
        }
    }

    /// A lent connection was destroyed.
    fn forget(&self) {
        let connectors = {
            let mut state = self.0.state.lock();
            state.counters.destroyed += 1;
            state.lose(0);
            state.hire()
        };
        self.came_back(connectors);
    }

    fn came_back(&self, connectors: usize) {
        self.start_connectors(connectors);
        self.0.returned.notify_waiters();
    }
}

/// A place in the line, how long to stand there, and how many connectors to start.
type Queued = (oneshot::Receiver<Result<Handed, PoolError>>, Duration, usize);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Pool")
            .field("target", &format_args!("{}", state.target))
            .field("leased", &state.leased)
            .finish()
    }
}
