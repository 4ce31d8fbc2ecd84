//! File descriptors: each client and each upstream connection is one.

use crate::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are neither a client's nor a pool's: listeners, logs, runtimes, the catalog's connections.
const OTHERS: u64 = 128;

/// Raises the soft limit to the hard one, and says so when that is still less than the configuration may need: the
/// soft limit is 1024 on most systems, for the sake of programs that use select(2), which this one does not.
pub(in crate::gateway::server) fn raise(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let available = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let needed = needed(config);
    if let Some(available) = available.filter(|available| *available < needed) {
        tracing::warn!(
            available,
            needed,
            "fewer file descriptors than limits.clients_max and the pools may need: ulimit -n"
        );
    }
}

fn needed(config: &Config) -> u64 {
    let pools: usize = config.databases.iter().map(|database| database.pool_size * (1 + config.mappings.len())).sum();
    u64::try_from(config.limits.clients_max + pools).unwrap_or(u64::MAX).saturating_add(OTHERS)
}
