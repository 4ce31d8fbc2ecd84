//! What runs beside the sessions: the catalog watch of each database, the sweep of its pools, the look at its roles.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::task::JoinSet;

use crate::gateway::state::{Database, Gateway};

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps catalogs fresh and pools tidy.
pub(super) struct Housekeeping {
    gateway: Arc<Gateway>,
}

impl Housekeeping {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut tasks = JoinSet::new();
        for database in self.gateway.databases.load().values() {
            let watch = Arc::clone(&database.catalog);
            tasks.spawn(async move { watch.run().await });
            tasks.spawn(sweep(Arc::clone(database)));
            for route in std::iter::once(&database.default_route).chain(database.routes.values()) {
                let route = Arc::clone(route);
                tasks.spawn(async move { route.guard.run().await });
            }
        }
        // Sessions that finish their transaction after the listeners closed still need a fresh catalog: the tasks end
        // with the process, not with the first sign of its end.
        let _changed = shutdown.wait_for(|_| false).await;
    }
}

async fn sweep(database: Arc<Database>) {
    let mut timer = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        timer.tick().await;
        for route in database.all_routes() {
            route.pool.sweep();
        }
    }
}
