//! `/v1/changes`: every committed change, as pages and as a stream.

mod stream;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Route;
use crate::http::document::{Operation, text};
use crate::http::door::{Asker, Pace, PresentedKey};
use crate::http::problem::Problem;
use crate::http::request::Parameters;
use crate::http::state::Shared;
use crate::model::{ChangePage, Scope};
use stream::{Feed, Place};

/// Changes of a page where the client does not say.
const LIMIT_DEFAULT: u32 = 100;
/// As a cursor: this moment.
const LATEST: &str = "latest";

pub(super) fn routes() -> Vec<Route> {
    let page = Operation::new(Scope::Read, "listChanges", "Changes after a cursor, in the order they became visible.")
        .limited()
        .query(
            "after",
            text(),
            "`cursor` of the page before; `latest` for this moment; without it, from the beginning.",
        )
        .answers::<ChangePage>(200, "The changes, and where to go on.")
        .error(422, "The cursor is none of ours.");
    let events = json!({ "text/event-stream": { "schema": { "type": "string", "description":
        "Server-sent events: `change` with a Change as its data and the cursor as its id; first `ready` with the cursor \
         where the stream begins. Comments are heartbeats." } } });
    let stream = Operation::new(Scope::Read, "streamChanges", "Changes as they become visible, as server-sent events.")
        .query("after", text(), "Where to begin, a cursor; without it and without Last-Event-ID: now.")
        .header("Last-Event-ID", "The id of the last event that was seen; it beats `after`.")
        .answers_with(200, "The stream.", &events)
        .error(422, "The cursor is none of ours.");
    vec![
        Route::get("/v1/changes", page, changes),
        Route::get("/v1/changes/stream", stream, stream_changes).pace(Pace::Stream),
    ]
}

async fn changes(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    mut query: Parameters,
) -> Result<Json<ChangePage>, Problem> {
    let limit = query.limit()?.unwrap_or(LIMIT_DEFAULT);
    let after = query.text("after");
    query.finish()?;
    let service = shared.service()?;
    if after.as_deref() == Some(LATEST) {
        let cursor = service.latest(&identity).await?;
        return Ok(Json(ChangePage { changes: Vec::new(), cursor }));
    }
    Ok(Json(service.changes(&identity, after.as_deref(), limit).await?))
}

async fn stream_changes(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    axum::Extension(key): axum::Extension<PresentedKey>,
    headers: HeaderMap,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let after = query.text("after").filter(|after| after != LATEST);
    query.finish()?;
    let last = match headers.get("last-event-id").map(HeaderValue::to_str) {
        None => None,
        Some(Ok(last)) => Some(last.to_owned()).filter(|last| !last.is_empty()),
        Some(Err(_)) => return Err(Problem::malformed("Last-Event-ID is not ASCII")),
    };
    let place = Place::take(&shared, &identity.tenant)?;
    let service = shared.service()?;
    // A cursor that is none is said now, while there is still a status to say it with.
    let cursor = match last.or(after) {
        Some(cursor) => {
            service.changes(&identity, Some(&cursor), 1).await?;
            cursor
        }
        None => service.latest(&identity).await?,
    };
    let body = Feed::new(shared, service, identity, key.0, cursor, place).into_body();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // What stands between must not collect events before it passes them on.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
