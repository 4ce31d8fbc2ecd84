//! The HTTP API: JSON over axum. Routes know the traits of [`crate::service`] and nothing below them.
//!
//! A request meets, in this order: its route, its key, the rate, the scope, the bounds of its body, the parser, the
//! service. Whatever refuses it answers a problem (RFC 9457); causes go to the log and never to a caller.
//!
//! - `door`: keys, rates, scopes, time. `request`: what a request carries, bounded before it is parsed.
//! - `routes`: one file for each kind of record. `document`: OpenAPI 3.1, written from the same table as the routes.

mod api;
mod document;
mod door;
mod metrics;
mod options;
mod outer;
mod problem;
mod request;
mod routes;
mod state;

pub use api::Api;
pub use metrics::{Metrics, Reading, RequestCount};
pub use options::Options;
