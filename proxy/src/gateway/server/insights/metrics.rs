//! The API's counters as Prometheus reads them.

use vitrine_insights::http::Metrics;

use crate::observe::Exposition;

/// Writes every counter.
pub(in crate::gateway::server) fn expose(metrics: &Metrics, out: &mut Exposition) {
    let reading = metrics.read();
    let name = "vitrine_insights_http_requests_total";
    out.family(name, "counter", "Requests to the insight API.");
    for request in &reading.requests {
        let status = request.status.to_string();
        let labels = [("method", request.method), ("route", request.route.as_str()), ("status", status.as_str())];
        out.sample(name, &labels, request.count);
    }
    out.family("vitrine_insights_http_seconds", "histogram", "Time of a request to the insight API, to its head.");
    for (bound, count) in &reading.cumulative {
        out.sample("vitrine_insights_http_seconds_bucket", &[("le", &bound.to_string())], count);
    }
    out.sample("vitrine_insights_http_seconds_bucket", &[("le", "+Inf")], reading.count);
    out.sample("vitrine_insights_http_seconds_sum", &[], reading.sum_seconds);
    out.sample("vitrine_insights_http_seconds_count", &[], reading.count);
    out.gauge("vitrine_insights_streams", "Change streams open now.", reading.streams);
}
