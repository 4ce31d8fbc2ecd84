//! The databases on offer, made from the configuration, and the watch over them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use super::state::{Database, Limits, Route};
use crate::config::{self, Config};
use crate::policy::Policy;
use crate::session;
use crate::session::verdict::Memory;
use crate::sql;
use crate::upstream::catalog::{Watch, WatchLimits};
use crate::upstream::posture::{Guard, Rule};
use crate::upstream::{Pool, PoolLimits, Target, sql_pool};

/// Verdicts kept for one database.
const VERDICTS_MAX: usize = 100_000;
/// Bytes of their texts.
const VERDICT_BYTES_MAX: usize = 64 << 20;
/// Connections that the catalog watch may open.
const CATALOG_CONNECTIONS_MAX: usize = 1;

/// Every database of the configuration. Nothing is opened yet.
///
/// # Errors
/// What deadpool says of its numbers, by database.
pub fn databases(config: &Config, policy: &Arc<Policy>) -> Result<HashMap<String, Arc<Database>>, String> {
    let mut databases = HashMap::new();
    for entry in &config.databases {
        let database = database(config, entry, policy).map_err(|error| format!("{}: {error}", entry.name))?;
        databases.insert(entry.name.clone(), Arc::new(database));
    }
    Ok(databases)
}

fn database(config: &Config, entry: &config::Database, policy: &Arc<Policy>) -> Result<Database, String> {
    let watched = sql_pool(&entry.target, CATALOG_CONNECTIONS_MAX).map_err(|error| error.to_string())?;
    let limits = WatchLimits {
        interval: config.watch.catalog_refresh_ms.duration(),
        age_max: config.watch.catalog_age_max_ms.duration(),
        ..WatchLimits::default()
    };
    Ok(Database {
        name: entry.name.as_str().into(),
        default_route: Arc::new(route(config, entry, entry.target.clone())),
        routes: HashMap::new(),
        catalog: Arc::new(Watch::new(watched, limits)),
        policy: ArcSwap::new(Arc::clone(policy)),
        verdicts: Memory::new(VERDICTS_MAX, VERDICT_BYTES_MAX),
        reader_limits: reader_limits(config),
    })
}

fn route(config: &Config, entry: &config::Database, target: Target) -> Route {
    let pool = Pool::new(target, pool_limits(config, entry.pool_size));
    let rule = match config.posture {
        config::Posture::Strict => Rule::Strict,
        config::Posture::Warn => Rule::Warn,
    };
    Route {
        guard: Guard::new(pool.clone(), rule, config.watch.posture_refresh_ms.duration()),
        pool,
        greeting: ArcSwapOption::empty(),
        greetings: Mutex::default(),
    }
}

fn pool_limits(config: &Config, connections_max: usize) -> PoolLimits {
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
            prepared_bytes_max: config.limits.session_bytes_max,
        },
        readers: reader_limits(config),
    }
}

fn reader_limits(config: &Config) -> sql::Limits {
    sql::Limits { statement_bytes_max: config.limits.statement_bytes_max, ..sql::Limits::default() }
}
