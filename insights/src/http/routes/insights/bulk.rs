//! Many insights at once: NDJSON, streamed to the store as it comes; all or none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use parking_lot::Mutex;
use serde_json::json;

use super::super::Route;
use crate::http::document::Operation;
use crate::http::door::Pace;
use crate::http::problem::Problem;
use crate::http::request::{Bounds, Lines, RequestDigest, Source, idempotency_key, media_type, pieces};
use crate::http::state::Shared;
use crate::model::{Identity, NewInsight, Scope};
use crate::service::{BulkCount, Error, Idempotency, Result as Served, Writer};

/// Names that NDJSON goes by.
const MEDIA: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"];

pub(super) fn routes() -> Vec<Route> {
    let schema = json!({ "type": "string", "description": "One insight, as in createInsight, on each line." });
    let content = json!({ "application/x-ndjson": { "schema": schema } });
    let bulk = Operation::new(Scope::Write, "createInsights", "Make many insights: all or none.")
        .body_of(content)
        .idempotent()
        .answers::<BulkCount>(200, "How many were made, and how many were there with the same content.")
        .error(404, "There is no such kind; `errors` names the line.")
        .error(409, "A key has other content; `errors` names the line.")
        .error(501, "The server has no vectors; /v1/capabilities says why.");
    vec![Route::post("/v1/insights/bulk", bulk, make_many).pace(Pace::Bulk)]
}

async fn make_many(State(shared): State<Shared>, request: Request) -> Result<Json<BulkCount>, Problem> {
    media_type(request.headers(), MEDIA)?;
    let service = shared.service()?;
    let _place = shared.bulk_places.try_acquire().map_err(|_| {
        Problem::unavailable(Duration::from_secs(1)).detail("as many bulk writes as may run at once are running")
    })?;
    let (parts, body) = request.into_parts();
    let identity = parts.extensions.get::<Identity>().cloned();
    let identity = identity.ok_or_else(|| Problem::internal("a bulk write without an identity"))?;
    let options = &shared.options;
    let mut source = Source::Body(pieces(body, options.body_pause_max));
    let mut idempotency = None;
    if let Some(key) = idempotency_key(&parts.headers)? {
        let (kept, request) = keep(source, &parts, options.bulk_idempotent_bytes_max).await?;
        source = Source::Kept(kept);
        idempotency = Some(Idempotency { key, request });
    }
    let bounds = Bounds {
        bytes_max: options.bulk_bytes_max,
        line_bytes_max: options.line_bytes_max,
        depth_max: options.depth_max,
    };
    // What is wrong with a line is told in full by us; the store hears of it only that there is nothing to keep.
    let problem = Arc::new(Mutex::new(None));
    let insights = insights(Lines::new(source, bounds), Arc::clone(&problem));
    match service.create_insights(&Writer { identity, idempotency }, insights).await {
        Ok(count) => Ok(Json(count)),
        Err(error) => Err(problem.lock().take().unwrap_or_else(|| Problem::from(error))),
    }
}

/// Reads the body to its end: whether a request came before is known from all of it.
async fn keep(source: Source, parts: &Parts, bytes_max: usize) -> Result<(VecDeque<bytes::Bytes>, [u8; 32]), Problem> {
    let Source::Body(mut pieces) = source else { return Ok((VecDeque::new(), [0; 32])) };
    let (mut kept, mut read) = (VecDeque::new(), 0_usize);
    let mut digest = RequestDigest::new(&parts.method, &parts.uri);
    while let Some(piece) = pieces.next().await? {
        read = read.saturating_add(piece.len());
        if read > bytes_max {
            pieces.discard().await;
            return Err(Problem::too_large(format!(
                "a bulk write with an Idempotency-Key has at most {bytes_max} bytes: send it in parts, or give each \
                 insight a key of its own"
            )));
        }
        digest = digest.body(&piece);
        kept.push_back(piece);
    }
    Ok((kept, digest.finish()))
}

/// The lines as the store takes them; the problem that ended them is left in `problem`.
fn insights(lines: Lines, problem: Arc<Mutex<Option<Problem>>>) -> BoxStream<'static, Served<NewInsight>> {
    unfold(Some(lines), move |lines| {
        let problem = Arc::clone(&problem);
        async move {
            let mut lines = lines?;
            match lines.next().await {
                Ok(Some(insight)) => Some((Ok(insight), Some(lines))),
                Ok(None) => None,
                Err(found) => {
                    *problem.lock() = Some(found);
                    let cause = Box::new(Error::Invalid("is not an insight".to_owned()));
                    let line = lines.line();
                    lines.discard().await;
                    Some((Err(Error::Line { line, cause }), None))
                }
            }
        }
    })
    .boxed()
}
