//! Connections to the customer's PostgreSQL: where it is, how to log in, the pool, cancel requests, and what the role could do.
//!
//! Everything that reaches the customer database goes through [`connect`]: one implementation of TLS, authentication and
//! of the settings every session is born with (wall 5).

mod cancel;
pub mod catalog;
mod connect;
mod connection;
mod pool;
pub mod posture;
mod sql_client;
mod target;

pub use cancel::cancel;
pub use connect::{ConnectError, PINNED, ServerError, connect};
pub use connection::{BackendKey, Connection, Health, Parameters, SessionFacts, UpstreamIo};
pub use pool::{Lease, Pool, PoolError, PoolLimits, PoolStats, Settings};
pub use sql_client::{SqlConnect, sql_client, sql_pool};
pub use target::{ChannelBinding, Endpoint, Identity, Roots, STORE_ROLE, Secret, SslMode, Target, TargetError, Tls};
