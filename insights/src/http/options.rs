//! Bounds of the HTTP API.

use std::time::Duration;

/// Every bound has a name here, and in the gateway's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the body of one request (413).
    pub body_bytes_max: usize,
    /// Bytes of a bulk write (413).
    pub bulk_bytes_max: u64,
    /// Bytes of one line of a bulk write (413).
    pub line_bytes_max: usize,
    /// Bytes of a bulk write with an `Idempotency-Key`: it is read to its end before it is written, to know whether it is
    /// the same request (413).
    pub bulk_idempotent_bytes_max: usize,
    /// Bulk writes at once (503).
    pub bulk_max: usize,
    /// Deepest nesting of JSON, at most 127 (400).
    pub depth_max: usize,
    /// Longest time for one request that is no bulk write and no stream (503).
    pub request_time_max: Duration,
    /// Longest pause of a client within a body (408).
    pub body_pause_max: Duration,
    /// Longest time of a bulk write (503).
    pub bulk_time_max: Duration,
    /// Requests a second of one key, with as many at once after a pause (429); 0 means no limit.
    pub key_requests_per_s: u32,
    /// The same for all keys of a tenant together.
    pub tenant_requests_per_s: u32,
    /// Keys that are none, a minute, from one address (429); 0 means no limit.
    pub key_failures_per_min: u32,
    /// How long a key that was looked up is believed: a key revoked elsewhere works at most this much longer.
    pub key_memory: Duration,
    /// Change streams at once, in all and of one tenant (503, 429).
    pub streams_max: usize,
    /// Change streams of one tenant at once (429).
    pub tenant_streams_max: usize,
    /// How often a change stream looks for changes that other processes made.
    pub stream_poll: Duration,
    /// How often a change stream says that it lives.
    pub stream_heartbeat: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            bulk_bytes_max: 1 << 30,
            line_bytes_max: 1 << 20,
            bulk_idempotent_bytes_max: 64 << 20,
            bulk_max: 4,
            depth_max: 64,
            request_time_max: Duration::from_secs(30),
            body_pause_max: Duration::from_secs(10),
            bulk_time_max: Duration::from_secs(600),
            key_requests_per_s: 1_000,
            tenant_requests_per_s: 4_000,
            key_failures_per_min: 60,
            key_memory: Duration::from_secs(5),
            streams_max: 1_000,
            tenant_streams_max: 100,
            stream_poll: Duration::from_millis(500),
            stream_heartbeat: Duration::from_secs(15),
        }
    }
}
