//! The answers.

use std::sync::Arc;

use super::Table;
use super::command::{Command, TOPICS, Topic};
use crate::catalog::Knowledge;
use crate::gateway::memory;
use crate::gateway::state::{Database, Gateway, Route};
use crate::observe::Exposition;

/// The table that answers a question; `None` for what has no rows.
pub(super) fn table(command: &Command, gateway: &Gateway) -> Option<Table> {
    match command {
        Command::Show(topic) => Some(match topic {
            Topic::Help => help(),
            Topic::Pools => pools(gateway),
            Topic::Clients => clients(gateway),
            Topic::Stats => stats(gateway),
            Topic::Catalog => catalogs(gateway),
            Topic::Config => config(gateway),
            Topic::Databases => databases(gateway),
            Topic::Version => version(),
            Topic::Cache => cache(gateway),
            Topic::CacheEntries => cache_entries(gateway),
        }),
        Command::Set | Command::Empty | Command::Invalidate(_) => None,
    }
}

fn help() -> Table {
    let rows = TOPICS.iter().map(|(name, _, meaning)| vec![text(format!("SHOW {name}")), text(meaning)]).collect();
    Table { columns: vec!["command", "shows"], rows }
}

fn version() -> Table {
    Table { columns: vec!["version"], rows: vec![vec![text(concat!("Vitrine ", env!("BUILT_VERSION")))]] }
}

/// Columns named as pgbouncer names them, where they mean the same.
fn pools(gateway: &Gateway) -> Table {
    let columns = vec![
        "database",
        "user",
        "cl_waiting",
        "sv_active",
        "sv_idle",
        "sv_connecting",
        "pool_size",
        "maxwait_ms",
        "leases",
        "connects",
        "connect_errors",
        "destroyed",
        "outage",
    ];
    let mut rows = Vec::new();
    for database in sorted(gateway) {
        for route in database.all_routes() {
            rows.push(pool(&database, route));
        }
    }
    Table { columns, rows }
}

fn pool(database: &Database, route: &Route) -> Vec<Option<String>> {
    let stats = route.pool.stats();
    vec![
        text(&database.name),
        text(role(route)),
        text(stats.waiting),
        text(stats.active),
        text(stats.idle),
        text(stats.connecting),
        text(stats.connections_max),
        text(stats.wait_max.as_millis()),
        text(stats.leases),
        text(stats.connects),
        text(stats.connect_errors),
        text(stats.destroyed),
        stats.outage,
    ]
}

fn role(route: &Route) -> String {
    match route.greeting.load().as_ref() {
        Some(greeting) => greeting.facts.role.clone(),
        None => route.pool.target().user.clone(),
    }
}

fn clients(gateway: &Gateway) -> Table {
    let columns = vec!["user", "database", "state", "addr", "connected_seconds", "process_id"];
    let mut residents = gateway.sessions.residents();
    residents.sort_by_key(|(key, _)| key.process_id);
    let rows = residents
        .iter()
        .map(|(key, resident)| {
            vec![
                text(&resident.user),
                text(&resident.database),
                text(resident.state().word()),
                text(&resident.peer),
                text(resident.since.elapsed().as_secs()),
                text(key.process_id),
            ]
        })
        .collect();
    Table { columns, rows }
}

/// The counters of `/metrics`, one a row.
fn stats(gateway: &Gateway) -> Table {
    let mut exposition = Exposition::default();
    gateway.metrics.expose(&mut exposition);
    let rows = exposition
        .into_text()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| vec![text(name), text(value)])
        .collect();
    Table { columns: vec!["name", "value"], rows }
}

fn cache(gateway: &Gateway) -> Table {
    let rows = memory::summary(gateway).into_iter().map(|(name, value)| vec![text(name), text(value)]).collect();
    Table { columns: vec!["name", "value"], rows }
}

fn cache_entries(gateway: &Gateway) -> Table {
    let columns = vec!["database", "role", "shape", "bytes", "hits", "age_ms", "took_ms", "tables", "fresh"];
    let row = |kept: memory::Kept| {
        vec![
            text(kept.database),
            text(kept.role),
            text(kept.shape),
            text(kept.bytes),
            text(kept.hits),
            text(kept.age_ms),
            text(kept.took_ms),
            text(kept.tables.join(", ")),
            text(kept.fresh),
        ]
    };
    Table { columns, rows: memory::entries(gateway).into_iter().map(row).collect() }
}

fn catalogs(gateway: &Gateway) -> Table {
    let columns = vec!["database", "knowledge", "version", "server_version", "policy_version"];
    let rows = sorted(gateway)
        .iter()
        .map(|database| {
            let catalog = database.catalog.current();
            let knowledge = match catalog.knowledge() {
                Knowledge::Live => "live",
                Knowledge::Offline => "offline",
                Knowledge::Unavailable => "unavailable",
            };
            vec![
                text(&database.name),
                text(knowledge),
                text(format!("{:016x}", catalog.version())),
                text(catalog.objects().server_version),
                text(format!("{:016x}", database.policy.load().version())),
            ]
        })
        .collect();
    Table { columns, rows }
}

fn config(gateway: &Gateway) -> Table {
    let rows = gateway.config.shown().into_iter().map(|(key, value)| vec![text(key), text(value)]).collect();
    Table { columns: vec!["key", "value"], rows }
}

fn databases(gateway: &Gateway) -> Table {
    let rows = sorted(gateway)
        .iter()
        .map(|database| {
            let target = database.default_route.pool.target();
            vec![text(&database.name), text(&target.endpoint), text(&target.database), text(&target.user)]
        })
        .collect();
    Table { columns: vec!["name", "endpoint", "database", "user"], rows }
}

fn sorted(gateway: &Gateway) -> Vec<Arc<Database>> {
    let mut all: Vec<_> = gateway.databases.load().values().cloned().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

#[expect(clippy::needless_pass_by_value, reason = "one word at each of its many places")]
fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}
