//! The SQL door of the insight store: a pool for each tenant, and which user is whose.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::offer;
use super::state::{Database, Route};
use crate::cache::freshness::Rule::Off;
use crate::cache::freshness::{self, Freshness};
use crate::config::{Config, Mode};
use crate::policy::Policy;
use crate::session::verdict::Memory;
use crate::upstream::catalog::Watch;
use crate::upstream::posture::{Guard, Rule};
use crate::upstream::{Pool, Target, sql_pool};
use crate::wire::backend::Report;
use crate::wire::sqlstate::SqlState;

/// The name clients ask for.
pub const DATABASE: &str = "insights";

/// The tenant of users without one, in development.
const DEFAULT_TENANT: &str = "default";

/// The store as SQL users see it.
#[derive(Debug)]
pub struct Store {
    /// Its catalog, verdicts and routes: those of users with a tenant by their names, the default one of [`DEFAULT_TENANT`].
    pub database: Arc<Database>,
    /// Users without a tenant are let in, as [`DEFAULT_TENANT`].
    open: bool,
}

impl Store {
    /// The store of the configuration, if there is one; nothing is opened yet. Of `old` what stays the same is taken over.
    ///
    /// # Errors
    /// What deadpool says of its numbers.
    pub fn of(config: &Config, old: Option<&Self>) -> Result<Option<Self>, String> {
        let Some(login) = &config.insights_sql.login else { return Ok(None) };
        let target = |tenant: &str| offer::bounded(config, login).into_store(tenant);
        let mut known: HashMap<String, Arc<Route>> = HashMap::new();
        let mut route = |tenant: &str| {
            let target = target(tenant);
            let known = known.entry(tenant.to_owned());
            Arc::clone(known.or_insert_with(|| kept(config, old, &target).unwrap_or_else(|| fresh(config, target))))
        };
        let default_route = route(DEFAULT_TENANT);
        let tenants = &config.insights_sql.tenants;
        let routes = tenants.iter().map(|(user, tenant)| (user.clone(), route(tenant))).collect();
        let same = old.filter(|old| old.database.default_route.pool.target() == default_route.pool.target());
        let catalog = match same {
            Some(old) => Arc::clone(&old.database.catalog),
            None => {
                let watched = sql_pool(&login.clone().into_store_watch(), offer::CATALOG_CONNECTIONS_MAX);
                Arc::new(Watch::new(watched.map_err(|error| error.to_string())?, offer::watch_limits(config)))
            }
        };
        let database = Database {
            name: DATABASE.into(),
            default_route,
            routes,
            catalog,
            // Not the customer's: what a reviewer opens there is not open here.
            policy: Arc::new(ArcSwap::from_pointee(Policy::built_in())),
            // Nothing is kept: who asks decides what is seen.
            freshness: Arc::new(Freshness::new(freshness::Limits { rule: Off, ..offer::freshness_limits(config) })),
            watch_pool: sql_pool(&login.clone().into_store_watch(), 1).map_err(|error| error.to_string())?,
            verdicts: Memory::new(offer::VERDICTS_MAX, offer::VERDICT_BYTES_MAX),
            reader_limits: offer::reader_limits(config),
        };
        Ok(Some(Self { database: Arc::new(database), open: config.mode == Mode::Development }))
    }

    /// The route of a client user: to its tenant, and to no other.
    ///
    /// # Errors
    /// The user has no tenant.
    pub fn route(&self, user: &str) -> Result<Arc<Route>, Box<Report>> {
        if let Some(route) = self.database.routes.get(user) {
            return Ok(Arc::clone(route));
        }
        if self.open {
            return Ok(Arc::clone(&self.database.default_route));
        }
        let message = format!("user \"{user}\" has no tenant in the insight store");
        Err(Box::new(
            Report::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, message).hint(
                "An administrator adds an [[insights.user]] with name and tenant to the gateway's configuration.",
            ),
        ))
    }
}

fn kept(config: &Config, old: Option<&Store>, target: &Target) -> Option<Arc<Route>> {
    let mut routes = old?.database.all_routes();
    let kept = routes.find(|route| *route.pool.target() == *target).cloned()?;
    kept.pool.resize(offer::pool_limits(config, config.insights_sql.pool_size));
    Some(kept)
}

/// A pool of one tenant. Its guard is strict whatever the mode: the role is what keeps tenants apart.
fn fresh(config: &Config, target: Target) -> Arc<Route> {
    let pool = Pool::new(target, offer::pool_limits(config, config.insights_sql.pool_size));
    let guard = Guard::new(pool.clone(), Rule::Strict, config.watch.posture_refresh_ms.duration());
    Arc::new(Route::new(guard, pool))
}
