//! What becomes of an insight: later versions, taking back, history, evidence, hold.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{Route, written};
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Checked, Faults, Segments, Write};
use crate::http::state::Shared;
use crate::model::{Evidence, Insight, InsightId, NewEvidence, NewVersion, Page, Scope};

/// Why an insight is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retraction {
    /// 1 to 4,096 bytes.
    reason: String,
}

impl Checked for Retraction {
    fn check(&self, faults: &mut Faults) {
        if self.reason.trim().is_empty() || self.reason.len() > 4_096 {
            faults.add("/reason", "must have 1 to 4096 bytes that are not all white space");
        }
    }
}

/// Whether an insight is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Hold {
    /// Held insights outlive expiry and retention.
    held: bool,
}

impl Checked for Hold {
    fn check(&self, _: &mut Faults) {}
}

pub(super) fn routes() -> Vec<Route> {
    let supersede =
        Operation::new(Scope::Write, "supersedeInsight", "Put a new version in the place of a current one.")
            .body::<NewVersion>()
            .idempotent()
            .answers::<Insight>(201, "The new version.")
            .answers::<Insight>(200, "It was there already: the same request came before.")
            .error(404, "There is no such insight.")
            .error(409, "It is not current: another version stands in its place, or it was taken back.")
            .error(501, "The server has no vectors; /v1/capabilities says why.");
    let retract = Operation::new(Scope::Write, "retractInsight", "Take back a current insight.")
        .body::<Retraction>()
        .idempotent()
        .answers::<Insight>(200, "The version that was taken back.")
        .error(404, "There is no such insight.")
        .error(409, "It is not current.");
    let history = Operation::new(Scope::Read, "readInsightHistory", "All versions of an insight's key, oldest first.")
        .answers_page::<Insight>()
        .error(404, "There is no such insight.");
    let evidence = Operation::new(Scope::Read, "listEvidence", "What an insight rests on.")
        .answers_page::<Evidence>()
        .error(404, "There is no such insight.");
    let add = Operation::new(Scope::Write, "addEvidence", "Add evidence to an insight.")
        .body::<NewEvidence>()
        .idempotent()
        .answers::<Evidence>(201, "It was added.")
        .answers::<Evidence>(200, "It was there already.")
        .error(404, "There is no such insight.")
        .error(409, "The insight is not in a state for it.");
    let hold =
        Operation::new(Scope::Admin, "holdInsight", "Keep an insight beyond expiry and retention, or no longer.")
            .body::<Hold>()
            .idempotent()
            .answers::<Insight>(200, "The insight.")
            .error(404, "There is no such insight.");
    vec![
        Route::post("/v1/insights/{id}/supersede", supersede, supersede_insight),
        Route::post("/v1/insights/{id}/retract", retract, retract_insight),
        Route::get("/v1/insights/{id}/history", history, insight_history),
        Route::get("/v1/insights/{id}/evidence", evidence, list_evidence),
        Route::post("/v1/insights/{id}/evidence", add, add_evidence),
        Route::put("/v1/insights/{id}/hold", hold, hold_insight),
    ]
}

async fn supersede_insight(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<NewVersion>,
) -> Result<Response, Problem> {
    let id = InsightId(path.id("insight")?);
    let insight = shared.service()?.supersede(&write.writer, id, write.body).await?;
    let location = format!("/v1/insights/{}", insight.record.id.0);
    Ok(written(&insight, &location))
}

async fn retract_insight(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<Retraction>,
) -> Result<Json<Insight>, Problem> {
    let id = InsightId(path.id("insight")?);
    Ok(Json(shared.service()?.retract(&write.writer, id, &write.body.reason).await?.record))
}

async fn insight_history(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
) -> Result<Response, Problem> {
    let items = shared.service()?.history(&identity, InsightId(path.id("insight")?)).await?;
    Ok(Json(Page { items, next: None }).into_response())
}

async fn list_evidence(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
) -> Result<Response, Problem> {
    let items = shared.service()?.evidence(&identity, InsightId(path.id("insight")?)).await?;
    Ok(Json(Page { items, next: None }).into_response())
}

async fn add_evidence(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<NewEvidence>,
) -> Result<Response, Problem> {
    let id = InsightId(path.id("insight")?);
    let evidence = shared.service()?.add_evidence(&write.writer, id, write.body).await?;
    Ok(written(&evidence, &format!("/v1/insights/{}/evidence", id.0)))
}

async fn hold_insight(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<Hold>,
) -> Result<Json<Insight>, Problem> {
    let id = InsightId(path.id("insight")?);
    Ok(Json(shared.service()?.hold(&write.writer, id, write.body.held).await?))
}
