//! The HTTP API of the insight store.

use std::time::Duration;

use vitrine_insights::http::Options;

use crate::config::address::ListenAddress;
use crate::config::settings::Insights;
use crate::upstream::Target;

/// The API, as configured.
#[derive(Debug, Clone)]
pub struct InsightsHttp {
    /// The store as its owner reaches it; `None` where there is none, or its URL is wrong.
    pub owner: Option<Target>,
    /// Where HTTP clients connect; empty where there is no store.
    pub listen: Vec<ListenAddress>,
    /// How often retention runs; zero never.
    pub retention_interval: Duration,
    /// Connections to the tool database.
    pub pool_size: usize,
    /// Connections of clients.
    pub connections_max: usize,
    /// Bounds of requests.
    pub options: Options,
}

impl InsightsHttp {
    /// From its section.
    pub(in crate::config) fn of(insights: &Insights) -> Self {
        // A URL that is wrong is told of elsewhere.
        let owner = insights.url.as_ref().and_then(|url| Target::from_url(url.expose()).ok());
        Self {
            listen: if owner.is_some() { insights.listen.clone() } else { Vec::new() },
            retention_interval: insights.retention_interval_ms.duration(),
            pool_size: insights.http_pool_size,
            connections_max: insights.http_connections_max,
            options: options(insights),
            owner,
        }
    }
}

fn options(insights: &Insights) -> Options {
    Options {
        body_bytes_max: insights.body_bytes_max,
        bulk_bytes_max: insights.bulk_bytes_max,
        line_bytes_max: insights.line_bytes_max,
        bulk_idempotent_bytes_max: insights.bulk_idempotent_bytes_max,
        bulk_max: insights.bulk_max,
        depth_max: insights.depth_max,
        request_time_max: insights.request_ms.duration(),
        body_pause_max: insights.body_pause_ms.duration(),
        bulk_time_max: insights.bulk_ms.duration(),
        key_requests_per_s: insights.key_requests_per_s,
        tenant_requests_per_s: insights.tenant_requests_per_s,
        key_failures_per_min: insights.key_failures_per_min,
        key_memory: insights.key_memory_ms.duration(),
        streams_max: insights.streams_max,
        tenant_streams_max: insights.tenant_streams_max,
        stream_poll: insights.stream_poll_ms.duration(),
        stream_heartbeat: insights.stream_heartbeat_ms.duration(),
    }
}
