//! `/v1/documents/{kind}/{name}`: personas, prompts, scenarios and whatever else an app keeps.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Route, encoded, tagged, unmodified, written};
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Bare, Parameters, Segments, Write, has};
use crate::http::state::Shared;
use crate::model::{Document, DocumentRevision, DocumentTag, NewDocument, Page, Scope};
use crate::service::Error;

pub(super) fn routes() -> Vec<Route> {
    let list = Operation::new(Scope::Read, "listDocuments", "Documents of a kind, by name.")
        .paged()
        .answers_page::<Document>()
        .error(422, "The cursor is none of ours.");
    let read = Operation::new(Scope::Read, "readDocument", "One document.")
        .answers::<Document>(200, "The document.")
        .tagged(200)
        .answers_empty(304, "The client has it.")
        .error(404, "There is no such document.");
    let write = Operation::new(Scope::Write, "putDocument", "Make or change a document.")
        .body::<NewDocument>()
        .idempotent()
        .conditional()
        .answers::<Document>(201, "It was made.")
        .tagged(201)
        .answers::<Document>(200, "It was changed, or is as it was.")
        .tagged(200);
    let remove = Operation::new(Scope::Write, "deleteDocument", "Delete a document; its history stays.")
        .idempotent()
        .conditional()
        .answers_empty(204, "It is gone.")
        .error(404, "There is no such document.");
    let history = Operation::new(Scope::Read, "readDocumentHistory", "What became of a document, deletions included.")
        .answers_page::<DocumentRevision>()
        .error(404, "There never was such a document.");
    let one = "/v1/documents/{kind}/{name}";
    vec![
        Route::get("/v1/documents/{kind}", list, documents),
        Route::get(one, read, document),
        Route::put(one, write, put_document),
        Route::delete(one, remove, delete_document),
        Route::get("/v1/documents/{kind}/{name}/history", history, document_history),
    ]
}

/// What a store says of a write whose revision does not hold, as HTTP says it: a precondition that failed.
pub(super) fn conditional(error: Error, seen: Option<DocumentTag>) -> Problem {
    match (error, seen) {
        (Error::NotFound(what), Some(_)) => Problem::stale(format!("{what} does not exist")),
        (Error::Conflict(why), None) => Problem::stale(why),
        (error, Some(_) | None) => error.into(),
    }
}

async fn documents(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let page = query.page()?;
    query.finish()?;
    Ok(Json(shared.service()?.documents(&identity, path.text("kind")?, &page).await?).into_response())
}

async fn document(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let document = shared.service()?.document(&identity, path.text("kind")?, path.text("name")?).await?;
    let revision = document.revision;
    if has(&headers, revision)? {
        return Ok(unmodified(revision));
    }
    Ok(tagged(Json(document).into_response(), revision))
}

async fn put_document(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<NewDocument>,
) -> Result<Response, Problem> {
    let (service, kind, name) = (shared.service()?, path.text("kind")?, path.text("name")?);
    let identity = &write.writer.identity;
    let current = async || service.document(identity, kind, name).await.map(|document| document.revision);
    let seen = write.condition.revision(current).await?;
    let document = service.put_document(&write.writer, kind, name, write.body, seen).await;
    let document = document.map_err(|error| conditional(error, seen))?;
    let location = format!("/v1/documents/{}/{}", encoded(kind), encoded(name));
    Ok(tagged(written(&document, &location), document.record.revision))
}

async fn delete_document(State(shared): State<Shared>, path: Segments, bare: Bare) -> Result<StatusCode, Problem> {
    let (service, kind, name) = (shared.service()?, path.text("kind")?, path.text("name")?);
    let identity = &bare.writer.identity;
    let current = async || service.document(identity, kind, name).await.map(|document| document.revision);
    let Some(seen) = bare.condition.revision(current).await? else {
        return Err(Error::Invalid("there is nothing to delete where there is nothing yet".to_owned()).into());
    };
    service.delete_document(&bare.writer, kind, name, seen).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn document_history(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
) -> Result<Response, Problem> {
    let items = shared.service()?.document_history(&identity, path.text("kind")?, path.text("name")?).await?;
    Ok(Json(Page { items, next: None }).into_response())
}
