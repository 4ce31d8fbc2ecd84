//! What stands behind a pool's lock. Nothing here waits, and no connection is dropped here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::lease::{Handed, Lease};
use super::{Pool, PoolError, PoolLimits, PoolStats, Queued};
use crate::upstream::{ConnectError, Connection, Health, Parameters, SessionFacts, Target};

/// Client settings applied on a connection.
pub type Settings = BTreeMap<String, String>;

/// A connection and what the pool remembers of it.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    /// Which target it was opened for.
    pub(super) generation: u64,
    pub(super) expires: Instant,
    /// When it was lent last.
    pub(super) lent: Instant,
    /// Set while it is lent: dropping it then tells the pool.
    pub(super) lender: Option<Pool>,
}

/// A connection that waits to be lent.
pub(super) struct Idle {
    pub(super) pooled: Box<Pooled>,
    since: Instant,
}

/// One who waits for a connection.
pub(super) struct Waiter {
    ticket: oneshot::Sender<Result<Handed, PoolError>>,
    since: Instant,
}

/// Attempts to connect have failed, and none has succeeded since.
pub(super) struct Outage {
    pub(super) failures: u32,
    pub(super) retry_at: Instant,
    pub(super) error: Arc<ConnectError>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) connects: u64,
    pub(super) connect_errors: u64,
    pub(super) recoveries: u64,
    pub(super) leases: u64,
    pub(super) waits: u64,
    pub(super) wait_failures: u64,
    pub(super) wait_max: Duration,
    pub(super) lost: u64,
    pub(super) destroyed: u64,
}

pub(super) struct State {
    pub(super) target: Arc<Target>,
    pub(super) limits: PoolLimits,
    pub(super) generation: u64,
    pub(super) closed: bool,
    /// Why nothing is lent for the time being.
    pub(super) held: Option<PoolError>,
    /// The one used last at the end.
    pub(super) idle: Vec<Idle>,
    pub(super) leased: usize,
    pub(super) connecting: usize,
    pub(super) waiters: VecDeque<Waiter>,
    pub(super) outage: Option<Outage>,
    pub(super) facts: Option<Arc<SessionFacts>>,
    pub(super) parameters: Option<Arc<Parameters>>,
    pub(super) counters: Counters,
}

/// Idle connections that are compared with the preferred settings, the warmest first.
const PREFERRED_AMONG: usize = 16;

impl State {
    pub(super) fn new(target: Target, limits: PoolLimits) -> Self {
        Self {
            target: Arc::new(target),
            limits,
            generation: 0,
            closed: false,
            held: None,
            idle: Vec::new(),
            leased: 0,
            connecting: 0,
            waiters: VecDeque::new(),
            outage: None,
            facts: None,
            parameters: None,
            counters: Counters::default(),
        }
    }

    /// An idle connection, and since when it is idle. Nobody is in line while one is.
    pub(super) fn take(
        &mut self,
        preferred: Option<&Arc<Settings>>,
    ) -> Result<Option<(Box<Pooled>, Instant)>, PoolError> {
        if self.closed {
            return Err(PoolError::Closed);
        }
        if let Some(held) = &self.held {
            return Err(held.clone());
        }
        let Some(Idle { pooled, since }) = self.take_idle(preferred) else { return Ok(None) };
        self.leased += 1;
        self.counters.leases += 1;
        Ok(Some((pooled, since)))
    }

    /// A place in the line; `None` where a connection is idle by now.
    pub(super) fn queue(&mut self, now: Instant) -> Result<Option<Queued>, PoolError> {
        if self.closed || self.held.is_some() || !self.idle.is_empty() {
            return Ok(None);
        }
        if self.waiters.len() >= self.limits.waiting_max {
            self.waiters.retain(|waiter| !waiter.ticket.is_closed());
            if self.waiters.len() >= self.limits.waiting_max {
                return Err(PoolError::QueueFull { waiting_max: self.limits.waiting_max });
            }
        }
        let (ticket, turn) = oneshot::channel();
        self.waiters.push_back(Waiter { ticket, since: now });
        self.counters.waits += 1;
        Ok(Some((turn, self.limits.wait_timeout, self.hire())))
    }

    fn take_idle(&mut self, preferred: Option<&Arc<Settings>>) -> Option<Idle> {
        let fits = |idle: &Idle| {
            preferred.is_none_or(|wanted| {
                let applied = &idle.pooled.connection.settings;
                Arc::ptr_eq(applied, wanted) || applied == wanted
            })
        };
        match self.idle.iter().rev().take(PREFERRED_AMONG).position(fits) {
            None | Some(0) => self.idle.pop(),
            Some(from_end) => Some(self.idle.remove(self.idle.len() - 1 - from_end)),
        }
    }

    /// Counts the connectors that should be started now as started, and says how many.
    pub(super) fn hire(&mut self) -> usize {
        if self.closed {
            return 0;
        }
        let open = self.leased + self.idle.len() + self.connecting;
        let room = self.limits.connections_max.saturating_sub(open);
        // During an outage one connector asks, after a pause, for all.
        let at_once = if self.outage.is_some() { 1 } else { self.limits.connects_max.max(1) };
        let spare = self.limits.idle_min.saturating_sub(open);
        let wanted = self.waiters.len().max(spare);
        let hired = wanted.min(at_once).saturating_sub(self.connecting).min(room);
        self.connecting += hired;
        hired
    }

    /// Takes a lent connection back. What is returned must be closed, outside the lock, and connectors started.
    pub(super) fn give_back(&mut self, pool: &Pool, pooled: Box<Pooled>, now: Instant) -> (Option<Box<Pooled>>, usize) {
        self.leased = self.leased.saturating_sub(1);
        let open = self.leased + self.idle.len() + self.connecting;
        let keep = !self.closed
            && pooled.generation == self.generation
            && now < pooled.expires
            && open < self.limits.connections_max;
        if !keep {
            return (Some(pooled), self.hire());
        }
        self.place(pool, pooled, now);
        (None, 0)
    }

    /// Gives a connection to the first in line, or keeps it.
    pub(super) fn place(&mut self, pool: &Pool, mut pooled: Box<Pooled>, now: Instant) {
        while let Some(waiter) = self.waiters.pop_front() {
            let handed = Handed::new(Lease::new(pool, pooled, now));
            match waiter.ticket.send(Ok(handed)) {
                Ok(()) => {
                    self.leased += 1;
                    self.counters.leases += 1;
                    return;
                }
                // That one has left. The lease must not be dropped under the lock it would take.
                Err(unsent) => match unsent.ok().and_then(Handed::into_pooled) {
                    Some(back) => pooled = back,
                    None => return,
                },
            }
        }
        self.idle.push(Idle { pooled, since: now });
    }

    /// A connection is no more: `found_dead` of them were found so while idle.
    pub(super) fn lose(&mut self, found_dead: u64) {
        self.leased = self.leased.saturating_sub(1);
        self.counters.lost += found_dead;
    }

    /// Removes idle connections that are dead or astray. To be dropped outside the lock.
    pub(super) fn sift(&mut self) -> Vec<Idle> {
        let dead: Vec<Idle> = self.idle.extract_if(.., |idle| idle.pooled.connection.look() != Health::Alive).collect();
        self.counters.lost += u64::try_from(dead.len()).unwrap_or(u64::MAX);
        dead
    }

    /// Removes idle connections that are too old or not needed. To be closed outside the lock, and connectors started.
    pub(super) fn sweep(&mut self, now: Instant) -> (Vec<Idle>, usize) {
        let PoolLimits { idle_min, idle_timeout, connections_max, .. } = self.limits;
        let open = self.leased + self.idle.len() + self.connecting;
        let mut surplus = open.saturating_sub(connections_max);
        let mut spare = self.idle.len().saturating_sub(idle_min);
        // The coldest come first.
        let old = self.idle.extract_if(.., |idle| {
            let unused = now.saturating_duration_since(idle.since) >= idle_timeout && spare > 0;
            let close = unused || surplus > 0 || now >= idle.pooled.expires;
            if close {
                surplus = surplus.saturating_sub(1);
                spare = spare.saturating_sub(1);
            }
            close
        });
        let old = old.collect();
        (old, self.hire())
    }

    /// What to tell one who has waited in vain.
    pub(super) fn reason(&self, waited: Duration) -> PoolError {
        match &self.outage {
            _ if self.closed => PoolError::Closed,
            Some(outage) => PoolError::Connect(Arc::clone(&outage.error)),
            None if self.leased == 0 && self.connecting > 0 => PoolError::Unanswered { waited },
            None => PoolError::Busy { waited },
        }
    }

    pub(super) fn stats(&self, now: Instant) -> PoolStats {
        let waiting = || self.waiters.iter().filter(|waiter| !waiter.ticket.is_closed());
        PoolStats {
            active: self.leased,
            idle: self.idle.len(),
            connecting: self.connecting,
            waiting: waiting().count(),
            connections_max: self.limits.connections_max,
            oldest_wait: waiting().next().map_or(Duration::ZERO, |first| now.saturating_duration_since(first.since)),
            wait_max: self.counters.wait_max,
            connects: self.counters.connects,
            connect_errors: self.counters.connect_errors,
            recoveries: self.counters.recoveries,
            leases: self.counters.leases,
            waits: self.counters.waits,
            wait_failures: self.counters.wait_failures,
            lost: self.counters.lost,
            destroyed: self.counters.destroyed,
            outage: self.outage.as_ref().map(|outage| outage.error.to_string()),
        }
    }
}

impl Waiter {
    pub(super) fn fail(self, error: PoolError) {
        // One who has left does not care.
        drop(self.ticket.send(Err(error)));
    }
}

impl Pooled {
    /// Closes the connection, with a Terminate if the socket takes it at once: the server need not find out by itself.
    pub(super) fn part(mut self: Box<Self>) {
        self.say_goodbye();
    }

    pub(super) fn say_goodbye(&mut self) {
        const TERMINATE: &[u8] = b"X\0\0\0\x04";
        drop(self.connection.io.try_write(TERMINATE));
    }
}
