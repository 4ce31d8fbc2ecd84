//! Before the sockets: the catalog of each database and the standing of each role, so that the first client finds
//! everything there, and so that a new process takes over only what it can serve.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ServeError;
use crate::config::Posture;
use crate::gateway::state::{Database, Gateway, Route};

/// A database that has not answered by now is looked at again later, by the housekeeping.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(30);

/// The same for the insight store, which keeps nobody from the customer's databases.
const STORE_TIME_MAX: Duration = Duration::from_secs(5);

/// What came of one look.
enum Found {
    Nothing,
    /// The database cannot be asked.
    Silent(String),
    /// The role could write: the report.
    Writer(String),
}

/// Looks at everything once. A database that cannot be reached is no reason not to start, but one not to take over.
pub(super) async fn prepare(gateway: &Arc<Gateway>, taking_over: bool) -> Result<(), ServeError> {
    let mut looks = JoinSet::new();
    looks.spawn(store(Arc::clone(gateway)));
    for database in gateway.databases.load_full().values() {
        looks.spawn(catalog(Arc::clone(database), PREPARE_TIME_MAX));
        for route in database.all_routes() {
            looks.spawn(role(Arc::clone(route)));
        }
    }
    let (mut silent, mut writers) = (Vec::new(), Vec::new());
    while let Some(found) = looks.join_next().await {
        match found {
            Ok(Found::Nothing) => {}
            Ok(Found::Silent(why)) => silent.push(why),
            Ok(Found::Writer(report)) => writers.push(report),
            Err(error) => silent.push(error.to_string()),
        }
    }
    writers.sort();
    writers.dedup();
    if gateway.config.posture == Posture::Strict && !writers.is_empty() {
        return Err(ServeError::Posture(writers.join("\n")));
    }
    for report in writers {
        tracing::warn!(event = "posture", "the customer role could write\n{report}");
    }
    silent.sort();
    silent.dedup();
    if taking_over && !silent.is_empty() {
        return Err(ServeError::NotReady(silent.join("; ")));
    }
    for why in silent {
        tracing::error!(event = "not_ready", why, "starting all the same: clients are served when this is over");
    }
    Ok(())
}

/// The insight store's catalog, so that its SQL clients are not refused while a new process takes over. It may be away, or
/// have no tables yet: then the housekeeping finds it.
async fn store(gateway: Arc<Gateway>) -> Found {
    let Some(store) = gateway.insights.load_full() else { return Found::Nothing };
    if let Found::Silent(why) = catalog(Arc::clone(&store.database), STORE_TIME_MAX).await {
        tracing::debug!(event = "store_not_ready", why, "the catalog of the insight store is not there yet");
    }
    Found::Nothing
}

async fn catalog(database: Arc<Database>, time_max: Duration) -> Found {
    match timeout(time_max, database.catalog.refresh()).await {
        Ok(Ok(_)) => Found::Nothing,
        Ok(Err(error)) => Found::Silent(format!("database {}: {error}", database.name)),
        Err(_) => Found::Silent(format!("database {}: no answer", database.name)),
    }
}

async fn role(route: Arc<Route>) -> Found {
    let looked = timeout(PREPARE_TIME_MAX, route.guard.refresh()).await.is_ok();
    match route.guard.latest() {
        Some(posture) if posture.can_write() => Found::Writer(posture.to_string()),
        Some(_) => Found::Nothing,
        None if looked => Found::Silent(format!("role {}: it could not be looked at", route.pool.target().user)),
        None => Found::Silent(format!("role {}: no answer", route.pool.target().user)),
    }
}
