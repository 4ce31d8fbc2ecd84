//! `/v1/search`: words, a vector, or both.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Route;
use super::insights::{filter, filtered};
use crate::http::document::{Operation, text};
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Parameters, Read};
use crate::http::state::Shared;
use crate::model::{Found, Page, Scope, SearchRequest};

pub(super) fn routes() -> Vec<Route> {
    let described = |operation: Operation| {
        operation
            .answers_page::<Found>()
            .error(404, "There is no such kind.")
            .error(422, "The search makes no sense.")
            .error(501, "The server has no vectors; /v1/capabilities says why.")
    };
    let by_body = Operation::new(Scope::Read, "search", "Insights by words, by vector or by both, best first.");
    let by_words = Operation::new(Scope::Read, "searchWords", "Insights by words, best first.");
    let by_words = filtered(by_words.query("query", text(), "Words, as in a web search.").limited());
    vec![
        Route::post("/v1/search", described(by_body.body::<SearchRequest>()), search),
        Route::get("/v1/search", described(by_words), search_words),
    ]
}

async fn search(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    read: Read<SearchRequest>,
) -> Result<Response, Problem> {
    let items = shared.service()?.search(&identity, &read.body).await?;
    Ok(Json(Page { items, next: None }).into_response())
}

async fn search_words(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let request = SearchRequest {
        query: Some(query.needed("query")?),
        limit: query.limit()?,
        filter: filter(&mut query, shared.options.depth_max)?,
        ..SearchRequest::default()
    };
    query.finish()?;
    let items = shared.service()?.search(&identity, &request).await?;
    Ok(Json(Page { items, next: None }).into_response())
}
