//! What the store is: its document and what it can do.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Route;
use crate::http::document::Operation;
use crate::http::problem::Problem;
use crate::http::state::Shared;
use crate::model::Scope;
use crate::service::Capabilities;

pub(super) fn routes() -> Vec<Route> {
    let document = Operation::open("readDocumentation", "This document.").answers_with(
        200,
        "The OpenAPI document.",
        &json!({ "application/json": { "schema": { "type": "object" } } }),
    );
    let capabilities = Operation::new(Scope::Read, "readCapabilities", "What the server behind the store can do.")
        .answers::<Capabilities>(200, "What it can do.");
    vec![
        Route::get("/openapi.json", document, openapi),
        Route::get("/v1/capabilities", capabilities, read_capabilities),
    ]
}

async fn openapi(State(shared): State<Shared>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, shared.document.clone()).into_response()
}

async fn read_capabilities(State(shared): State<Shared>) -> Result<Json<Capabilities>, Problem> {
    Ok(Json(shared.service()?.capabilities().await?))
}
