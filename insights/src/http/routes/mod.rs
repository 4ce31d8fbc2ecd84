//! Every route, one file for each kind of record. A route knows the traits of the service and nothing below them.

mod changes;
mod documents;
mod insights;
mod keys;
mod kinds;
mod memory;
mod profiles;
mod search;
mod store;

use axum::Json;
use axum::handler::Handler;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use serde::Serialize;

use super::document::Operation;
use super::door::Pace;
use super::request::etag;
use super::state::Shared;
use crate::model::DocumentTag;
use crate::service::{Outcome, Written};

/// One route: what the router serves and what the document says of it.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
    pub(super) pace: Pace,
    pub(super) serve: MethodRouter<Shared>,
}

/// All of them.
pub(super) fn all() -> Vec<Route> {
    let mut routes = insights::routes();
    routes.extend(search::routes());
    routes.extend(kinds::routes());
    routes.extend(documents::routes());
    routes.extend(profiles::routes());
    routes.extend(memory::routes());
    routes.extend(changes::routes());
    routes.extend(keys::routes());
    routes.extend(store::routes());
    routes
}

impl Route {
    fn get<H: Handler<T, Shared>, T: 'static>(path: &'static str, operation: Operation, serve: H) -> Self {
        Self { method: "get", path, operation, pace: Pace::Single, serve: get(serve) }
    }

    fn post<H: Handler<T, Shared>, T: 'static>(path: &'static str, operation: Operation, serve: H) -> Self {
        Self { method: "post", path, operation, pace: Pace::Single, serve: post(serve) }
    }

    fn put<H: Handler<T, Shared>, T: 'static>(path: &'static str, operation: Operation, serve: H) -> Self {
        Self { method: "put", path, operation, pace: Pace::Single, serve: put(serve) }
    }

    fn patch<H: Handler<T, Shared>, T: 'static>(path: &'static str, operation: Operation, serve: H) -> Self {
        Self { method: "patch", path, operation, pace: Pace::Single, serve: patch(serve) }
    }

    fn delete<H: Handler<T, Shared>, T: 'static>(path: &'static str, operation: Operation, serve: H) -> Self {
        Self { method: "delete", path, operation, pace: Pace::Single, serve: delete(serve) }
    }

    fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }
}

/// 201 for what was made, 200 for what was there or was changed.
fn status(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Unchanged | Outcome::Updated => StatusCode::OK,
    }
}

/// The answer to a write; `location` is where a record that was made can be read.
fn written<T: Serialize>(written: &Written<T>, location: &str) -> Response {
    let mut response = (status(written.outcome), Json(&written.record)).into_response();
    if written.outcome == Outcome::Created
        && let Ok(location) = HeaderValue::from_str(location)
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An answer with the revision of its record.
fn tagged(mut response: Response, revision: DocumentTag) -> Response {
    response.headers_mut().insert(header::ETAG, etag(revision));
    response
}

/// 304 with the revision that the client has.
fn unmodified(revision: DocumentTag) -> Response {
    tagged(StatusCode::NOT_MODIFIED.into_response(), revision)
}

/// A name as a segment of a path.
fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
