//! Opens the insight store behind the API, as soon as its database is there; until then the API answers 503, and
//! customers are served all the same.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use vitrine_insights::http::Api;
use vitrine_insights::retention;
use vitrine_insights::service::Error;
use vitrine_insights::store::{Settings, Store};

use crate::gateway::state::Gateway;
use crate::gateway::tools::{NotPrepared, owner};
use crate::upstream::{ConnectError, SqlConnect, Target};

/// The role that serving connections have; the first migration makes it.
const ROLE: &str = "vitrine_app";
/// First and longest pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Longest wait for the store before the sockets are taken over.
const TAKEOVER_TIME_MAX: Duration = Duration::from_secs(10);

/// Opens the store, trying until it succeeds. A clone opens the same one.
#[derive(Clone)]
pub(in crate::gateway::server) struct Opening {
    gateway: Arc<Gateway>,
    api: Api,
    opened: Arc<OnceLock<Store>>,
}

/// Why the store is not open yet.
#[derive(Debug, thiserror::Error)]
enum NotOpen {
    #[error("it cannot be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Prepare(#[from] NotPrepared),
    #[error("{0}")]
    Store(#[from] Error),
}

impl Opening {
    pub(in crate::gateway::server) fn new(gateway: Arc<Gateway>, api: Api) -> Self {
        Self { gateway, api, opened: Arc::default() }
    }

    /// One attempt before the sockets are taken over: no request that the old process would have answered shall be told to
    /// wait. Where the database is away, the old process could not answer either.
    pub(in crate::gateway::server) async fn before_takeover(&self) {
        let Some(target) = self.gateway.config.insights_http.owner.clone() else { return };
        match tokio::time::timeout(TAKEOVER_TIME_MAX, self.open(&target)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(event = "insights_not_open", why = %error, "taking over without the insight store")
            }
            Err(_) => tracing::warn!(event = "insights_not_open", "taking over without the insight store: no answer"),
        }
    }

    /// Tries until it succeeds; false when the process is to leave before.
    async fn open_at_last(&self, target: &Target, shutdown: &mut ShutdownWatch) -> bool {
        let (mut pause, mut told) = (PAUSE_MIN, String::new());
        while self.opened.get().is_none() {
            let Err(error) = self.open(target).await else { break };
            // Once for each reason: an outage must not fill the log.
            let why = error.to_string();
            if why != told {
                tracing::error!(
                    event = "insights_not_open",
                    why,
                    "the insight store is not open yet: its API answers 503"
                );
                told = why;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = shutdown.wait_for(|down| *down) => return false,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        true
    }

    async fn open(&self, target: &Target) -> Result<(), NotOpen> {
        let settings = &self.gateway.config.insights_http;
        let owner = owner::connect(target).await?;
        self.gateway.preparation.with(&owner.client, self.gateway.config.insights.migrate_at_start).await?;
        drop(owner);
        let connections = Settings { connections_max: settings.pool_size, ..Settings::default() };
        let store = Store::open(tokio_postgres::Config::new(), SqlConnect(serving(target)), &connections)?;
        self.api.open(Arc::new(store.clone()));
        let _first = self.opened.set(store);
        tracing::info!(event = "insights_open", %target, "the insight store is open");
        Ok(())
    }
}

/// The same place as the store serves it: never as the owner, by start-up options, which nothing in a session can reset.
fn serving(target: &Target) -> Target {
    let mut target = target.clone();
    for (name, value) in [("role", ROLE), ("search_path", "public")] {
        target.settings.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        target.settings.push((name.to_owned(), value.to_owned()));
    }
    target
}

#[async_trait]
impl BackgroundService for Opening {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let settings = &self.gateway.config.insights_http;
        let Some(target) = &settings.owner else { return };
        if !self.open_at_last(target, &mut shutdown).await || settings.retention_interval.is_zero() {
            return;
        }
        let Some(store) = self.opened.get().cloned() else { return };
        tokio::select! {
            () = retention::run_forever(store, settings.retention_interval) => {}
            _ = shutdown.wait_for(|down| *down) => {}
        }
    }
}
