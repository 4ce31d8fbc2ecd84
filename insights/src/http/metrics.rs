//! What is counted: requests by route and status, and how long they took. The gateway prints it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Upper bounds of the latency buckets, microseconds.
const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// Counters of the HTTP API.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Labels, u64>>,
    buckets: [AtomicU64; BOUNDS_US.len()],
    over: AtomicU64,
    sum_us: AtomicU64,
    pub(super) streams: AtomicU64,
}

/// Method, route as declared, status.
type Labels = (&'static str, String, u16);

/// One counter of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCount {
    /// HTTP method; `OTHER` for those that no route knows.
    pub method: &'static str,
    /// The route as declared, `/v1/insights/{id}`; `unmatched` where there is none.
    pub route: String,
    /// Status of the answer.
    pub status: u16,
    /// Requests so far.
    pub count: u64,
}

/// Everything, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Requests by method, route and status.
    pub requests: Vec<RequestCount>,
    /// Upper bound in seconds and the number of requests at or below it.
    pub cumulative: Vec<(f64, u64)>,
    /// Requests timed.
    pub count: u64,
    /// Seconds they took together.
    pub sum_seconds: f64,
    /// Change streams open now.
    pub streams: u64,
}

impl Metrics {
    /// Counts a request that was answered.
    pub(super) fn answered(&self, method: &axum::http::Method, route: &str, status: u16, took: Duration) {
        let labels = (named(method), route.to_owned(), status);
        *self.requests.lock().entry(labels).or_default() += 1;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.buckets.get(bucket).unwrap_or(&self.over).fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// The counters as they stand.
    #[must_use]
    pub fn read(&self) -> Reading {
        let counted = self.requests.lock().clone();
        let counted = counted.into_iter();
        let requests = counted.map(|((method, route, status), count)| RequestCount { method, route, status, count });
        let mut count = 0;
        let cumulative = BOUNDS_US
            .iter()
            .zip(&self.buckets)
            .map(|(bound, bucket)| {
                count += bucket.load(Ordering::Relaxed);
                (Duration::from_micros(*bound).as_secs_f64(), count)
            })
            .collect();
        Reading {
            requests: requests.collect(),
            cumulative,
            count: count + self.over.load(Ordering::Relaxed),
            sum_seconds: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64(),
            streams: self.streams.load(Ordering::Relaxed),
        }
    }
}

/// Methods are a client's to choose: only known ones become labels, or a stranger could make as many as he likes.
fn named(method: &axum::http::Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.answered(&Method::GET, "/v1/kinds", 200, Duration::from_micros(700));
        metrics.answered(&Method::GET, "/v1/kinds", 200, Duration::from_secs(100));
        metrics.answered(&Method::from_bytes(b"MAKEUP").unwrap(), "unmatched", 405, Duration::ZERO);
        let reading = metrics.read();
        assert_eq!(reading.requests.len(), 2);
        assert_eq!((reading.requests[0].count, reading.requests[1].method), (2, "OTHER"));
        assert_eq!((reading.cumulative[0], reading.cumulative[1], reading.count), ((0.0005, 1), (0.001, 2), 3));
    }
}
