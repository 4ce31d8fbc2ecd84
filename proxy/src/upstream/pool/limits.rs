//! The bounds of a pool, what it counts, and why it gives no connection.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::upstream::ConnectError;
use crate::wire::sqlstate::SqlState;

/// The bounds of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections to the server, busy and idle together.
    pub connections_max: usize,
    /// Connections being opened at the same time.
    pub connects_max: usize,
    /// Idle connections the sweep keeps, and opens ahead of need.
    pub idle_min: usize,
    /// Those who may wait for a connection.
    pub waiting_max: usize,
    /// How long one of them waits.
    pub wait_timeout: Duration,
    /// An idle connection not used for so long is closed.
    pub idle_timeout: Duration,
    /// A connection older than this is closed when it comes back (less up to a tenth, so that not all go at once).
    pub lifetime_max: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections_max: 20,
            connects_max: 4,
            idle_min: 0,
            waiting_max: 10_000,
            wait_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            lifetime_max: Duration::from_secs(3_600),
        }
    }
}

/// A pool at one moment, and its counters since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Connections lent out.
    pub active: usize,
    /// Connections waiting to be lent.
    pub idle: usize,
    /// Connections being opened.
    pub connecting: usize,
    /// Those who wait for a connection.
    pub waiting: usize,
    /// The bound on connections.
    pub connections_max: usize,
    /// How long the first in the queue has waited.
    pub oldest_wait: Duration,
    /// The longest wait so far that ended with a connection.
    pub wait_max: Duration,
    /// Connections opened.
    pub connects: u64,
    /// Attempts to open a connection that failed.
    pub connect_errors: u64,
    /// Times the server came back after failed attempts.
    pub recoveries: u64,
    /// Connections lent.
    pub leases: u64,
    /// Times somebody had to wait.
    pub waits: u64,
    /// Waits that ended without a connection.
    pub wait_failures: u64,
    /// Connections that were found dead or astray while idle.
    pub lost: u64,
    /// Connections that came back in a state nobody vouched for, and were destroyed.
    pub destroyed: u64,
    /// What the last failed attempt said, until one succeeds.
    pub outage: Option<String>,
}

/// Why there is no connection to lend.
#[derive(Clone, Debug, Error)]
pub enum PoolError {
    /// The pool has been drained.
    #[error("the gateway is shutting down")]
    Closed,
    /// The queue is full.
    #[error("too many sessions are waiting for an upstream connection ({waiting_max})")]
    QueueFull {
        /// The bound.
        waiting_max: usize,
    },
    /// All connections stayed busy.
    #[error("no upstream connection became free within {} ms", waited.as_millis())]
    Busy {
        /// The bound.
        waited: Duration,
    },
    /// The server does not answer and there was no time to learn why.
    #[error("no upstream connection could be opened within {} ms", waited.as_millis())]
    Unanswered {
        /// The bound.
        waited: Duration,
    },
    /// Nothing is lent because of what the role could do, or because that is not known: wall 6.
    #[error("{reason}")]
    Held {
        /// What the client sees as the class of the error.
        sqlstate: SqlState,
        /// Why.
        reason: Arc<str>,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// The server cannot be reached, or refuses.
    #[error("could not connect to the upstream server: {0}")]
    Connect(Arc<ConnectError>),
}

impl PoolError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        if let Self::Held { hint, .. } = self { *hint } else { None }
    }

    /// The code a client should see; the server's own where it gave one.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Closed => SqlState::ADMIN_SHUTDOWN,
            Self::QueueFull { .. } | Self::Busy { .. } => SqlState::TOO_MANY_CONNECTIONS,
            Self::Unanswered { .. } => SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
            Self::Held { sqlstate, .. } => *sqlstate,
            Self::Connect(error) => error.sqlstate(),
        }
    }
}
