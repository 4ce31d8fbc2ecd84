//! What the gateway tells about itself: counters for machines, log lines for people. Never a literal of a statement.

mod counter;
mod log;
mod metrics;
mod prometheus;

pub use counter::{Counter, Gauge, Histogram};
pub use log::{LogForm, Refused, log_refusal, start_logs};
pub use metrics::{Metrics, PoolGauges};
pub use prometheus::{CONTENT_TYPE, Exposition};
