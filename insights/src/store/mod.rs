//! The store that PostgreSQL keeps: every trait of [`crate::service`] over one pool of connections.
//!
//! Connections run as `vitrine_app`, never as the owner, and each statement runs under one tenant: writes through a
//! function that sets it for its transaction, reads in a transaction that begins with it; both cost one round trip.

mod capabilities;
mod connection;
mod cursor;
mod feed;
mod insights;
mod keys;
mod owner;
mod records;
mod schema;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use connection::Settings;
pub(crate) use connection::fault;
pub use owner::settle;

use crate::service::Result;
use connection::Connections;
use schema::Schemas;

/// The store. A clone is the same store.
#[derive(Clone)]
pub struct Store {
    connections: Arc<Connections>,
    schemas: Arc<Schemas>,
    /// pgvector was there once: it does not go away under a store that uses it.
    has_vectors: Arc<AtomicBool>,
}

impl Store {
    /// A store whose connections come from `connect`. They must arrive as role `vitrine_app` with search path `public`,
    /// both by start-up options, so that nothing can reset them; others are refused. Opens nothing yet.
    ///
    /// # Errors
    /// The settings make no pool.
    pub fn open(
        config: tokio_postgres::Config,
        connect: impl deadpool_postgres::Connect + 'static,
        settings: &Settings,
    ) -> Result<Self> {
        let connections = Connections::new(config, connect, settings)?;
        Ok(Self { connections: Arc::new(connections), schemas: Arc::default(), has_vectors: Arc::default() })
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }
}
