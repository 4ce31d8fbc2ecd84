//! What runs beside the sessions: the catalog watch of each database, the look at each role, and the upkeep of the tool
//! database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::task::JoinSet;

use crate::cache::Freshness;
use crate::gateway::state::{Gateway, Route};
use crate::gateway::tools::Upkeep;
use crate::gateway::watching;
use crate::upstream::catalog::Watch;

/// How soon a database or a role that a reload has brought is watched.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps catalogs fresh and watches over roles.
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
    /// Sessions that finish their transaction after the listeners closed still need all this: it ends with the process,
    /// not with the first sign of its end.
    async fn start(&self, _shutdown: ShutdownWatch) {
        let mut catalogs: Vec<Tended<Watch>> = Vec::new();
        let mut roles: Vec<Tended<Route>> = Vec::new();
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Upkeep::new(Arc::clone(&self.gateway)).run());
        let mut watches: Vec<Tended<Freshness>> = Vec::new();
        let mut timer = tokio::time::interval(ROUND_INTERVAL);
        loop {
            timer.tick().await;
            let databases = self.gateway.databases.load_full();
            let store = self.gateway.insights.load_full();
            for database in databases.values().chain(store.as_ref().map(|store| &store.database)) {
                if !database.freshness.is_off() {
                    let (pool, catalog) = (database.watch_pool.clone(), Arc::downgrade(&database.catalog));
                    tend(&mut watches, &database.freshness, |freshness| watching::run(freshness, pool, catalog));
                }
                tend(&mut catalogs, &database.catalog, |catalog| async move { catalog.run().await });
                for route in database.all_routes() {
                    tend(&mut roles, route, |route| async move { route.guard.run().await });
                }
            }
            drop((databases, store));
            catalogs.retain(Tended::is_used);
            roles.retain(Tended::is_used);
            watches.retain(Tended::is_used);
        }
    }
}

/// Something that is looked after by a task, which ends when this is dropped.
struct Tended<T> {
    what: Arc<T>,
    _task: JoinSet<()>,
}

impl<T> Tended<T> {
    /// Somebody else holds it: beside this, the task does.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.what) > 2
    }
}

/// Starts a task for what has none yet.
fn tend<T, F>(tended: &mut Vec<Tended<T>>, what: &Arc<T>, run: impl FnOnce(Arc<T>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if tended.iter().any(|known| Arc::ptr_eq(&known.what, what)) {
        return;
    }
    let mut task = JoinSet::new();
    task.spawn(run(Arc::clone(what)));
    tended.push(Tended { what: Arc::clone(what), _task: task });
}
