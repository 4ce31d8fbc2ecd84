//! Opens connections for those who wait, apart from them: one who leaves takes no attempt along.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::state::{Outage, Pooled, State};
use super::{Pool, PoolError};
use crate::upstream::{ConnectError, Connection, Target, connect};

/// Pauses between attempts during an outage, doubled from the first to the last: a dead server is asked once a second,
/// and the first checkout after its return waits no longer than that.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// A lifetime without a bound is this long: an instant cannot be as late as `Duration::MAX` from now.
const LIFETIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// One place among the connecting. Given back when the attempt ends, however it ends.
struct Attempt<'a> {
    pool: &'a Pool,
    ended: bool,
}

impl Pool {
    /// Starts connectors that [`State::hire`] has counted.
    pub(super) fn start_connectors(&self, count: usize) {
        if count == 0 {
            return;
        }
        // Without a runtime (the last sessions go as it ends) nobody can open anything.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.0.state.lock().connecting -= count;
            return;
        };
        for _ in 0..count {
            let pool = self.clone();
            runtime.spawn(async move { pool.open().await });
        }
    }

    async fn open(&self) {
        let mut attempt = Attempt { pool: self, ended: false };
        loop {
            let next = self.0.state.lock().next_attempt();
            let Some((target, generation, retry_at)) = next else { return };
            if let Some(retry_at) = retry_at {
                tokio::time::sleep_until(retry_at.into()).await;
            }
            match connect(&target, &[]).await {
                Ok(connection) => {
                    attempt.ended = true;
                    return self.opened(connection, generation);
                }
                Err(error) => {
                    tracing::warn!(target = %target, %error, "could not connect to the upstream server");
                    if !self.failed(error, generation) {
                        attempt.ended = true;
                        return;
                    }
                }
            }
        }
    }

    fn opened(&self, connection: Connection, generation: u64) {
        let now = Instant::now();
        let mut state = self.0.state.lock();
        state.connecting = state.connecting.saturating_sub(1);
        state.counters.connects += 1;
        if state.outage.take().is_some() {
            state.counters.recoveries += 1;
        }
        let lifetime = state.limits.lifetime_max.min(LIFETIME_MAX);
        let expires = now + lifetime.mul_f64(1.0 - rand::rng().random_range(0.0..0.1));
        let pooled = Box::new(Pooled { connection, generation, expires, lent: now, lender: None });
        let unwanted = if state.closed || generation != state.generation {
            Some(pooled)
        } else {
            state.facts = Some(Arc::clone(&pooled.connection.facts));
            state.parameters = Some(Arc::new(pooled.connection.parameters.clone()));
            state.place(self, pooled, now);
            None
        };
        let connectors = state.hire();
        drop(state);
        self.start_connectors(connectors);
        if let Some(pooled) = unwanted {
            pooled.part();
        }
    }

    /// Notes a failed attempt; `true` when the connector should go on trying.
    fn failed(&self, error: ConnectError, generation: u64) -> bool {
        let mut state = self.0.state.lock();
        state.counters.connect_errors += 1;
        if generation != state.generation {
            // The address was replaced meanwhile: its failure says nothing of the new one.
            return true;
        }
        let failures = state.outage.as_ref().map_or(0, |outage| outage.failures).saturating_add(1);
        let pause = PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX);
        let error = Arc::new(error);
        state.outage = Some(Outage { failures, retry_at: Instant::now() + pause, error: Arc::clone(&error) });
        // Where connections are busy, one may come back to those who wait; where none is left, waiting is in vain.
        let hope = state.leased + state.idle.len() > 0 || state.connecting > 1;
        if hope && !state.waiters.is_empty() && state.connecting == 1 {
            return true;
        }
        state.connecting = state.connecting.saturating_sub(1);
        let waiters = if hope { Default::default() } else { std::mem::take(&mut state.waiters) };
        drop(state);
        waiters.into_iter().for_each(|waiter| waiter.fail(PoolError::Connect(Arc::clone(&error))));
        false
    }
}

impl State {
    /// Where to connect, for which generation, and not before when; `None` when the pool is closed.
    fn next_attempt(&self) -> Option<(Arc<Target>, u64, Option<Instant>)> {
        let retry_at = self.outage.as_ref().map(|outage| outage.retry_at);
        (!self.closed).then(|| (Arc::clone(&self.target), self.generation, retry_at))
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.pool.0.state.lock();
            state.connecting = state.connecting.saturating_sub(1);
        }
    }
}
