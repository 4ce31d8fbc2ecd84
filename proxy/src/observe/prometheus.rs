//! Prometheus' text format, version 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Written here rather than by a crate: the crates for it keep labelled counters behind a lock or a global recorder,
//! which the hot path must not touch, and what is left is to print lines.

use super::counter::{Counter, Histogram};
use std::fmt::{Display, Write};

/// Content-Type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Begins a metric: its samples must follow.
    pub fn family(&mut self, name: &str, kind: &str, meaning: &str) {
        let _ = writeln!(self.text, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, meaning: &str, counter: &Counter) {
        self.family(name, "counter", meaning);
        self.sample(name, &[], counter.total());
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, meaning: &str, value: impl Display) {
        self.family(name, "gauge", meaning);
        self.sample(name, &[], value);
    }

    /// A histogram without labels.
    pub fn histogram(&mut self, name: &str, meaning: &str, histogram: &Histogram) {
        self.family(name, "histogram", meaning);
        let read = histogram.read();
        let bucket = format!("{name}_bucket");
        for (bound, count) in &read.cumulative {
            self.sample(&bucket, &[("le", &bound.to_string())], count);
        }
        self.sample(&bucket, &[("le", "+Inf")], read.count);
        self.sample(&format!("{name}_sum"), &[], read.sum_seconds);
        self.sample(&format!("{name}_count"), &[], read.count);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut out = Exposition::default();
        let counter = Counter::default();
        counter.add(3);
        out.counter("a_total", "A.", &counter);
        out.family("b", "gauge", "B.");
        out.sample("b", &[("x", "q\"\\\n"), ("y", "z")], 1);
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        out.histogram("c_seconds", "C.", &histogram);
        let text = out.into_text();
        assert!(
            text.starts_with("# HELP a_total A.\n# TYPE a_total counter\na_total 3\n# HELP b B.\n# TYPE b gauge\n")
        );
        assert!(text.contains("b{x=\"q\\\"\\\\\\n\",y=\"z\"} 1\n"));
        assert!(text.contains("c_seconds_bucket{le=\"0.001\"} 0\nc_seconds_bucket{le=\"0.0025\"} 1\n"));
        assert!(text.ends_with("c_seconds_bucket{le=\"+Inf\"} 1\nc_seconds_sum 0.002\nc_seconds_count 1\n"));
    }
}
