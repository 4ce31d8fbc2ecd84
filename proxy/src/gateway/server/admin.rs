//! Operations over HTTP on a port of its own: `/livez`, `/readyz`, `/metrics`, `/cache`. No authentication, so loopback by default.

use super::drain::Drain;
use crate::gateway::memory::{self, NotDropped};
use crate::gateway::state::Gateway;
use crate::gateway::tools::Status;
use crate::observe::{CONTENT_TYPE, Exposition, PoolGauges};
use async_trait::async_trait;
use axum::extract::{Query, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections at once: a probe or a scraper needs one.
const CONNECTIONS_MAX: usize = 64;
/// Longest life of a connection: nothing here takes long, and nobody keeps a place by being slow.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// Serves the admin port.
pub(super) struct AdminService {
    router: Router,
    places: Semaphore,
}

#[derive(Clone)]
struct Shared {
    gateway: Arc<Gateway>,
    drain: Arc<Drain>,
    insights: Arc<vitrine_insights::http::Metrics>,
}

impl Shared {
    /// What must hold for clients to come here, each with the reason where it does not.
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        let mut checks = self.gateway.readiness();
        checks.push(("process", if self.drain.is_leaving() { Err("is leaving".to_owned()) } else { Ok(()) }));
        checks
    }
}

impl AdminService {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        drain: Arc<Drain>,
        insights: Arc<vitrine_insights::http::Metrics>,
    ) -> Self {
        let router = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/cache", get(cache))
            .route("/cache/invalidate", post(invalidate))
            .with_state(Shared { gateway, drain, insights });
        Self { router, places: Semaphore::new(CONNECTIONS_MAX) }
    }
}

#[async_trait]
impl ServerApp for AdminService {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // A connection too many is closed without a word.
        let _place = self.places.try_acquire().ok()?;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME_MAX)
            .max_headers(32)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
        tokio::pin!(connection);
        let mut shutdown = shutdown.clone();
        tokio::select! {
            _ = connection.as_mut() => return None,
            _ = shutdown.wait_for(|down| *down) => {}
            () = tokio::time::sleep(CONNECTION_TIME_MAX) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ended = tokio::time::timeout(HEADER_TIME_MAX, connection).await;
        None
    }
}

/// 200 while clients should come here; 503 when something keeps them from being served, or the process is leaving.
async fn readyz(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let checks = shared.checks();
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|name| name == "verbose" || name.starts_with("verbose=")));
    if verbose {
        return (status, Json(report(&shared, &checks, ready))).into_response();
    }
    let mut text = String::new();
    if !ready {
        for (name, check) in &checks {
            let _ = match check {
                Ok(()) => writeln!(text, "[+] {name} ok"),
                Err(reason) => writeln!(text, "[-] {name} {reason}"),
            };
        }
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    (status, text).into_response()
}

/// What is asked of this process before clients come here, and how every part is, also those that clients can do without:
/// with the tool database away the gateway is degraded, and ready.
fn report(shared: &Shared, checks: &[(&'static str, Result<(), String>)], ready: bool) -> serde_json::Value {
    let checks: Vec<_> = checks
        .iter()
        .map(|(name, check)| json!({ "name": name, "ok": check.is_ok(), "detail": check.as_ref().err() }))
        .collect();
    let parts = shared.gateway.board.parts();
    let fine = ready && parts.iter().all(|part| part.status == Status::Ok || part.name.starts_with("extension"));
    let status = if fine { Status::Ok } else { Status::Degraded };
    json!({ "ready": ready, "status": if ready { status } else { Status::Down }, "checks": checks, "parts": parts })
}

/// Counters and states of the cache, and the answers that are kept.
async fn cache(State(shared): State<Shared>) -> Response {
    let summary: serde_json::Map<String, serde_json::Value> =
        memory::summary(&shared.gateway).into_iter().map(|(name, value)| (name, value.into())).collect();
    Json(serde_json::json!({ "cache": summary, "entries": memory::entries(&shared.gateway) })).into_response()
}

/// What is to be dropped; everything where nothing is said.
#[derive(serde::Deserialize)]
struct Dropping {
    database: Option<String>,
    table: Option<String>,
}

async fn invalidate(State(shared): State<Shared>, Query(meant): Query<Dropping>) -> Response {
    match memory::invalidate(&shared.gateway, meant.database.as_deref(), meant.table.as_deref()) {
        Ok(dropped) => Json(serde_json::json!({ "dropped": dropped })).into_response(),
        Err(error) => {
            let status = match error {
                NotDropped::Name(_) => StatusCode::BAD_REQUEST,
                NotDropped::Database(_) | NotDropped::Table(_) => StatusCode::NOT_FOUND,
            };
            (status, Json(serde_json::json!({ "error": error.to_string() }))).into_response()
        }
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let mut out = Exposition::default();
    shared.gateway.metrics.expose(&mut out);
    shared.gateway.cache.counters.expose(&mut out, shared.gateway.cache.store.size());
    out.family("vitrine_ready", "gauge", "Whether a check of /readyz passes.");
    for (check, outcome) in shared.checks() {
        out.sample("vitrine_ready", &[("check", check)], u8::from(outcome.is_ok()));
    }
    out.family("vitrine_part_ok", "gauge", "Whether a part of /readyz?verbose is as it should be.");
    for part in shared.gateway.board.parts() {
        out.sample("vitrine_part_ok", &[("part", &part.name)], u8::from(part.status == Status::Ok));
    }
    PoolGauges::expose(&shared.gateway.pools(), &mut out);
    if shared.gateway.config.insights_http.owner.is_some() {
        super::insights::expose(&shared.insights, &mut out);
    }
    out.family("vitrine_catalog_age_seconds", "gauge", "Since the catalog snapshot was last known to be the server's.");
    for database in shared.gateway.databases.load().values() {
        if let Some(age) = database.catalog.age() {
            out.sample("vitrine_catalog_age_seconds", &[("database", &database.name)], age.as_secs());
        }
    }
    out.family("vitrine_build", "gauge", "The running version.");
    out.sample("vitrine_build", &[("version", env!("CARGO_PKG_VERSION")), ("commit", env!("BUILT_COMMIT"))], 1);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], out.into_text()).into_response()
}
