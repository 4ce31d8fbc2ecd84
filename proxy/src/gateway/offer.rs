//! The databases on offer, made from the configuration, and the watch over them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::state::{Database, Databases, Limits, Route};
use crate::cache::StoreLimits;
use crate::cache::freshness::{self, Freshness};
use crate::config::{self, Config};
use crate::policy::Policy;
use crate::session;
use crate::session::verdict::Memory;
use crate::sql;
use crate::upstream::catalog::{Watch, WatchLimits};
use crate::upstream::posture::{Guard, Rule};
use crate::upstream::{Pool, PoolLimits, Secret, Target, sql_pool};

/// Verdicts kept for one database.
pub(super) const VERDICTS_MAX: usize = 100_000;
/// Bytes that they take.
pub(super) const VERDICT_BYTES_MAX: usize = 64 << 20;
/// Connections that the catalog watch may open.
pub(super) const CATALOG_CONNECTIONS_MAX: usize = 1;

/// Every database of the configuration. Nothing is opened yet. Of `old`, if there is something, what stays the same is
/// taken over: the catalog watch, and pools whose address and role are the same, with the sessions that use them.
///
/// # Errors
/// What deadpool says of its numbers, by database.
pub fn databases(config: &Config, policy: &Arc<Policy>, old: &Databases) -> Result<Databases, String> {
    let mut databases = HashMap::new();
    for entry in &config.databases {
        let kept =
            old.get(&entry.name).filter(|kept| *kept.default_route.pool.target() == bounded(config, &entry.target));
        let database = match kept {
            Some(kept) => renewed(config, entry, kept),
            None => fresh(config, entry, policy).map_err(|error| format!("{}: {error}", entry.name))?,
        };
        databases.insert(entry.name.clone(), Arc::new(database));
    }
    Ok(databases)
}

fn fresh(config: &Config, entry: &config::Database, policy: &Arc<Policy>) -> Result<Database, String> {
    let watched = sql_pool(&entry.target, CATALOG_CONNECTIONS_MAX).map_err(|error| error.to_string())?;
    let watching = sql_pool(&watch_target(config, entry), 1).map_err(|error| error.to_string())?;
    Ok(Database {
        name: entry.name.as_str().into(),
        default_route: route(config, entry, bounded(config, &entry.target)),
        routes: routes(config, entry, None),
        catalog: Arc::new(Watch::new(watched, watch_limits(config))),
        policy: Arc::new(ArcSwap::new(Arc::clone(policy))),
        freshness: Arc::new(Freshness::new(freshness_limits(config))),
        watch_pool: watching,
        verdicts: Memory::new(VERDICTS_MAX, VERDICT_BYTES_MAX),
        reader_limits: reader_limits(config),
    })
}

/// The same database under the new configuration. The cell of the policy is shared, so that what the caller puts into
/// it holds for the sessions of the old one too.
fn renewed(config: &Config, entry: &config::Database, kept: &Arc<Database>) -> Database {
    kept.default_route.pool.resize(pool_limits(config, entry.pool_size));
    Database {
        name: Arc::clone(&kept.name),
        default_route: Arc::clone(&kept.default_route),
        routes: routes(config, entry, Some(kept)),
        catalog: Arc::clone(&kept.catalog),
        policy: Arc::clone(&kept.policy),
        freshness: Arc::clone(&kept.freshness),
        watch_pool: kept.watch_pool.clone(),
        verdicts: Memory::new(VERDICTS_MAX, VERDICT_BYTES_MAX),
        reader_limits: reader_limits(config),
    }
}

/// Where the watch for the cache connects to: with an empty search path, so that nothing of anybody's own runs.
fn watch_target(config: &Config, entry: &config::Database) -> Target {
    let mut target = bounded(config, &entry.target);
    target.settings.retain(|(name, _)| !name.eq_ignore_ascii_case("search_path"));
    target.settings.push(("search_path".to_owned(), String::new()));
    target
}

/// How fresh answers from memory must be.
#[must_use]
pub fn freshness_limits(config: &Config) -> freshness::Limits {
    freshness::Limits {
        rule: match config.cache.freshness {
            config::CacheFreshness::Off => freshness::Rule::Off,
            config::CacheFreshness::Ttl => freshness::Rule::Ttl,
            config::CacheFreshness::Watch => freshness::Rule::Watch,
        },
        ttl: config.cache.ttl_ms.duration(),
        staleness_max: config.cache.staleness_max_ms.duration(),
        tick_interval: config.cache.watch_interval_ms.duration(),
        stale_while_revalidate: config.cache.stale_while_revalidate_ms.duration(),
    }
}

/// The bounds of the cache.
#[must_use]
pub fn store_limits(config: &Config) -> StoreLimits {
    StoreLimits { bytes_max: config.cache.bytes_max, entry_bytes_max: config.cache.entry_bytes_max }
}

/// The pools of users with a role of their own; users of one role share one pool.
fn routes(config: &Config, entry: &config::Database, kept: Option<&Arc<Database>>) -> HashMap<String, Arc<Route>> {
    let mut routes: HashMap<String, Arc<Route>> = HashMap::new();
    for mapping in &config.mappings {
        let Some(role) = &mapping.upstream_user else { continue };
        if !mapping.databases.is_empty() && !mapping.databases.contains(&entry.name) {
            continue;
        }
        let secret = mapping.upstream_password_file.as_ref().map_or_else(Secret::none, Secret::file);
        let target = bounded(config, &entry.target.with_role(role, secret));
        let mut known = routes.values().chain(kept.iter().flat_map(|kept| kept.all_routes()));
        let kept_route = known.find(|route| *route.pool.target() == target).cloned();
        drop(known);
        let route = match kept_route {
            Some(route) => {
                route.pool.resize(pool_limits(config, entry.pool_size));
                route
            }
            None => route(config, entry, target),
        };
        routes.insert(mapping.name.clone(), route);
    }
    routes
}

fn route(config: &Config, entry: &config::Database, target: Target) -> Arc<Route> {
    let pool = Pool::new(target, pool_limits(config, entry.pool_size));
    let rule = match config.posture {
        config::Posture::Strict => Rule::Strict,
        config::Posture::Warn => Rule::Warn,
    };
    Arc::new(Route::new(Guard::new(pool.clone(), rule, config.watch.posture_refresh_ms.duration()), pool))
}

/// How often a catalog is read.
pub(super) fn watch_limits(config: &Config) -> WatchLimits {
    WatchLimits {
        interval: config.watch.catalog_refresh_ms.duration(),
        age_max: config.watch.catalog_age_max_ms.duration(),
        ..WatchLimits::default()
    }
}

/// The target with the bounds of the configuration: PostgreSQL itself watches the times of statements.
pub(super) fn bounded(config: &Config, target: &Target) -> Target {
    let mut target = target.clone();
    target.connect_timeout = target.connect_timeout.min(config.pool.connect_timeout_ms.duration());
    for (name, limit) in [
        ("statement_timeout", config.timeouts.statement_ms),
        ("idle_in_transaction_session_timeout", config.timeouts.idle_in_transaction_ms),
    ] {
        let given = target.settings.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if let Some(limit) = limit.limit().filter(|_| !given) {
            target.settings.push((name.to_owned(), limit.as_millis().to_string()));
        }
    }
    target
}

pub(super) fn pool_limits(config: &Config, connections_max: usize) -> PoolLimits {
    let or_never = |limit: Duration| if limit.is_zero() { Duration::MAX } else { limit };
    PoolLimits {
        connections_max,
        waiting_max: config.pool.waiting_max,
        wait_timeout: config.pool.wait_timeout_ms.duration(),
        idle_timeout: or_never(config.pool.idle_timeout_ms.duration()),
        lifetime_max: or_never(config.pool.lifetime_ms.duration()),
        ..PoolLimits::default()
    }
}

/// The bounds of sessions.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    Limits {
        frame_bytes_max: config.limits.frame_bytes_max,
        session: session::Limits {
            prepared_statements_max: config.limits.prepared_statements_max,
            prepared_bytes_max: config.limits.prepared_bytes_max,
        },
        readers: reader_limits(config),
    }
}

pub(super) fn reader_limits(config: &Config) -> sql::Limits {
    sql::Limits {
        statement_bytes_max: config.limits.statement_bytes_max,
        tokens_max: config.limits.statement_tokens_max,
        statements_max: config.limits.statements_max,
        comment_depth_max: config.limits.comment_depth_max,
        nesting_max: config.limits.nesting_depth_max,
        constant_bytes_max: config.limits.constant_bytes_max,
    }
}
