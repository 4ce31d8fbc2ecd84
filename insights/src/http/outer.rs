//! Around every route: time and count, panics become problems, and headers that every answer has.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;

use super::problem::Problem;
use super::state::Shared;

/// The route of requests that have none, in the metrics.
const UNMATCHED: &str = "unmatched";

/// Passes a request on and counts it.
pub(super) async fn outer(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => Problem::internal("a panic; its message stands before this line").into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let route = route.as_deref().unwrap_or(UNMATCHED);
    shared.metrics.answered(&method, route, response.status().as_u16(), since.elapsed());
    response
}
