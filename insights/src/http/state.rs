//! What all requests share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::door::{Identities, Rates};
use super::metrics::Metrics;
use super::options::Options;
use super::problem::Problem;
use crate::model::Tenant;
use crate::service::Service;

/// How soon a caller may ask again while the store is not open yet.
const OPENING_RETRY: Duration = Duration::from_secs(2);

/// A handle on everything.
pub(super) type Shared = Arc<State>;

/// Everything.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) metrics: Arc<Metrics>,
    pub(super) identities: Identities,
    pub(super) rates: Rates,
    /// Places of bulk writes.
    pub(super) bulk_places: Semaphore,
    /// Change streams open now, by tenant.
    pub(super) streams: Mutex<HashMap<Tenant, usize>>,
    /// The OpenAPI document.
    pub(super) document: Bytes,
    service: OnceLock<Arc<dyn Service>>,
    writes: watch::Sender<u64>,
    closing: watch::Sender<bool>,
}

impl State {
    pub(super) fn new(options: Options, document: Bytes) -> Self {
        Self {
            identities: Identities::new(options.key_memory),
            rates: Rates::new(&options),
            bulk_places: Semaphore::new(options.bulk_max),
            metrics: Arc::default(),
            streams: Mutex::default(),
            service: OnceLock::new(),
            writes: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            document,
            options,
        }
    }

    /// The store, once it is open.
    pub(super) fn service(&self) -> Result<Arc<dyn Service>, Problem> {
        self.service.get().cloned().ok_or_else(|| Problem::unavailable(OPENING_RETRY))
    }

    /// Opens the store; the first one stays.
    pub(super) fn open(&self, service: Arc<dyn Service>) {
        let _already_open = self.service.set(service);
    }

    /// Something was written here: change streams look at once.
    pub(super) fn wrote(&self) {
        self.writes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever something was written here.
    pub(super) fn writes(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    /// Ends every change stream.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// True once streams should end.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}
