//! `/v1/memory`: what an app remembers for a tenant, a user, or one session of a user.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Route, written};
use crate::http::document::{Operation, text};
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Bare, Parameters, Segments, Write};
use crate::http::state::Shared;
use crate::model::{Memory, MemoryFilter, MemoryId, NewMemory, Scope};

pub(super) fn routes() -> Vec<Route> {
    let keep = Operation::new(Scope::Write, "remember", "Keep a memory.")
        .body::<NewMemory>()
        .idempotent()
        .answers::<Memory>(201, "It is kept.")
        .answers::<Memory>(200, "It was there already, with the same content.")
        .error(409, "The key has other content.");
    let list = Operation::new(Scope::Read, "listMemories", "Memories: best first where words are given, else latest.")
        .query("user", text(), "Of this user.")
        .query("session", text(), "Of this session.")
        .query("query", text(), "Words, as in a web search.")
        .paged()
        .answers_page::<Memory>()
        .error(422, "The cursor is none of ours.");
    let read = Operation::new(Scope::Read, "readMemory", "One memory.")
        .answers::<Memory>(200, "The memory.")
        .error(404, "There is no such memory.");
    let forget = Operation::new(Scope::Write, "forget", "Delete a memory.")
        .idempotent()
        .answers_empty(204, "It is gone.")
        .error(404, "There is no such memory.");
    vec![
        Route::post("/v1/memory", keep, remember),
        Route::get("/v1/memory", list, memories),
        Route::get("/v1/memory/{id}", read, memory),
        Route::delete("/v1/memory/{id}", forget, forget_memory),
    ]
}

async fn remember(State(shared): State<Shared>, write: Write<NewMemory>) -> Result<Response, Problem> {
    let memory = shared.service()?.remember(&write.writer, write.body).await?;
    Ok(written(&memory, &format!("/v1/memory/{}", memory.record.id.0)))
}

async fn memories(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let filter = MemoryFilter { user: query.text("user"), session: query.text("session"), query: query.text("query") };
    let page = query.page()?;
    query.finish()?;
    Ok(Json(shared.service()?.memories(&identity, &filter, &page).await?).into_response())
}

async fn memory(State(shared): State<Shared>, Asker(identity): Asker, path: Segments) -> Result<Json<Memory>, Problem> {
    Ok(Json(shared.service()?.memory(&identity, MemoryId(path.id("memory")?)).await?))
}

async fn forget_memory(State(shared): State<Shared>, path: Segments, bare: Bare) -> Result<StatusCode, Problem> {
    shared.service()?.forget(&bare.writer, MemoryId(path.id("memory")?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
