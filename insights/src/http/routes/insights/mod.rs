//! `/v1/insights`: make, read, list; what becomes of one is in `versions`, many at once in `bulk`.

mod bulk;
mod versions;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Route, written};
use crate::http::document::{Operation, text};
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Parameters, Segments, Write};
use crate::http::state::Shared;
use crate::model::{Insight, InsightFilter, InsightId, NewInsight, Scope};

pub(super) fn routes() -> Vec<Route> {
    let one = "/v1/insights/{id}";
    let create = Operation::new(Scope::Write, "createInsight", "Make an insight.")
        .body::<NewInsight>()
        .idempotent()
        .answers::<Insight>(201, "It was made.")
        .answers::<Insight>(200, "It was there already, with the same content.")
        .error(404, "There is no such kind.")
        .error(409, "The key has other content: supersede it instead.")
        .error(501, "The server has no vectors; /v1/capabilities says why.");
    let read = Operation::new(Scope::Read, "readInsight", "One version of an insight.")
        .query("as_of", moment(), "The version of its key that the store held at this moment.")
        .answers::<Insight>(200, "The version.")
        .error(404, "There is none.");
    let list = filtered(Operation::new(Scope::Read, "listInsights", "Insights, latest first."))
        .paged()
        .answers_page::<Insight>()
        .error(422, "The cursor is none of ours.");
    let mut routes = vec![
        Route::post("/v1/insights", create, make),
        Route::get("/v1/insights", list, insights),
        Route::get(one, read, insight),
    ];
    routes.extend(bulk::routes());
    routes.extend(versions::routes());
    routes
}

/// The parameters of [`filter`].
pub(super) fn filtered(operation: Operation) -> Operation {
    operation
        .query("kind", text(), "Of this kind.")
        .query("key", text(), "With this key.")
        .query("state", json!({ "enum": ["current", "superseded", "retracted"] }), "In this state; default: current.")
        .query("confidence_min", json!({ "type": "number" }), "At least this sure.")
        .query("valid_at", moment(), "True in the world at this moment.")
        .query("as_of", moment(), "As the store said it at this moment.")
        .query("recorded_from", moment(), "Recorded at this moment or later.")
        .query("recorded_to", moment(), "Recorded before this moment.")
        .query("relation", text(), "Rests on this relation, `schema.relation`.")
        .query("payload", text(), "The payload contains this JSON object.")
}

fn moment() -> serde_json::Value {
    json!({ "type": "string", "format": "date-time" })
}

/// Reads a filter out of the query.
pub(super) fn filter(query: &mut Parameters, depth_max: usize) -> Result<InsightFilter, Problem> {
    Ok(InsightFilter {
        kind: query.text("kind"),
        key: query.text("key"),
        state: query.word("state")?,
        confidence_min: query.number("confidence_min")?,
        valid_at: query.time("valid_at")?,
        as_of: query.time("as_of")?,
        recorded_from: query.time("recorded_from")?,
        recorded_to: query.time("recorded_to")?,
        relation: query.text("relation"),
        payload: query.json("payload", depth_max)?,
    })
}

async fn make(State(shared): State<Shared>, write: Write<NewInsight>) -> Result<Response, Problem> {
    let insight = shared.service()?.create_insight(&write.writer, write.body).await?;
    let location = format!("/v1/insights/{}", insight.record.id.0);
    Ok(written(&insight, &location))
}

async fn insights(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let filter = filter(&mut query, shared.options.depth_max)?;
    let page = query.page()?;
    query.finish()?;
    Ok(Json(shared.service()?.insights(&identity, &filter, &page).await?).into_response())
}

async fn insight(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    mut query: Parameters,
) -> Result<Json<Insight>, Problem> {
    let id = InsightId(path.id("insight")?);
    let as_of = query.time("as_of")?;
    query.finish()?;
    let service = shared.service()?;
    let Some(as_of) = as_of else { return Ok(Json(service.insight(&identity, id).await?)) };
    let versions = service.history(&identity, id).await?;
    let then = versions.into_iter().find(|version| held(version, as_of));
    then.map(Json).ok_or_else(|| Problem::not_found("the store held no version of this insight at that moment"))
}

/// Whether the store said this at a moment: from when it was recorded until it was superseded or taken back.
fn held(version: &Insight, at: DateTime<Utc>) -> bool {
    let until = [version.superseded_at, version.retracted_at].into_iter().flatten().min();
    version.recorded_at <= at && until.is_none_or(|until| at < until)
}
