//! `/v1/kinds`: what payloads look like.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Route, encoded, tagged, unmodified, written};
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::{Fault, Problem};
use crate::http::request::{Bare, Checked, Faults, Segments, Write, has};
use crate::http::state::Shared;
use crate::model::{DocumentTag, EmbeddingSpec, Kind, NewKind, Page, Scope};
use crate::service::Error;

/// A kind to be made or changed; its name stands in the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KindContent {
    /// As in the path, where it is given.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// JSON Schema, draft 2020-12, that payloads must fit.
    schema: Value,
    #[serde(default)]
    embedding: Option<EmbeddingSpec>,
    /// Insights of this kind are deleted this many days after they were recorded, unless held.
    #[serde(default)]
    retention_days: Option<u32>,
}

impl Checked for KindContent {
    fn check(&self, faults: &mut Faults) {
        let named = self.name.clone().unwrap_or_else(|| "of-the-path".to_owned());
        self.named(named).check(faults);
    }
}

impl KindContent {
    fn named(&self, name: String) -> NewKind {
        NewKind {
            name,
            description: self.description.clone(),
            schema: self.schema.clone(),
            embedding: self.embedding,
            retention_days: self.retention_days,
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let list = Operation::new(Scope::Read, "listKinds", "All kinds of insights.").answers_page::<Kind>();
    let read = Operation::new(Scope::Read, "readKind", "One kind.")
        .answers::<Kind>(200, "The kind.")
        .tagged(200)
        .answers_empty(304, "The client has it.")
        .error(404, "There is no such kind.");
    let write = Operation::new(Scope::Admin, "putKind", "Make or change a kind.")
        .body::<KindContent>()
        .idempotent()
        .conditional()
        .answers::<Kind>(201, "It was made.")
        .tagged(201)
        .answers::<Kind>(200, "It was changed, or is as it was.")
        .tagged(200)
        .error(409, "Insights of the kind do not allow the change.")
        .error(501, "The server has no vectors.");
    let remove = Operation::new(Scope::Admin, "deleteKind", "Delete a kind that has no insights.")
        .idempotent()
        .conditional()
        .answers_empty(204, "It is gone.")
        .error(404, "There is no such kind.")
        .error(409, "Insights of the kind exist.");
    let one = "/v1/kinds/{name}";
    vec![
        Route::get("/v1/kinds", list, kinds),
        Route::get(one, read, kind),
        Route::put(one, write, put_kind),
        Route::delete(one, remove, delete_kind),
    ]
}

async fn kinds(State(shared): State<Shared>, Asker(identity): Asker) -> Result<Response, Problem> {
    let items = shared.service()?.kinds(&identity).await?;
    Ok(Json(Page { items, next: None }).into_response())
}

async fn kind(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = shared.service()?.kind(&identity, path.text("name")?).await?;
    let revision = DocumentTag(kind.revision);
    if has(&headers, revision)? {
        return Ok(unmodified(revision));
    }
    Ok(tagged(Json(kind).into_response(), revision))
}

async fn put_kind(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<KindContent>,
) -> Result<Response, Problem> {
    let (service, name) = (shared.service()?, path.text("name")?);
    if write.body.name.as_deref().is_some_and(|given| given != name) {
        return Err(Problem::invalid(vec![Fault::at("/name", "is not the name in the path")]));
    }
    let identity = &write.writer.identity;
    let current = async || service.kind(identity, name).await.map(|kind| DocumentTag(kind.revision));
    let seen = write.condition.revision(current).await?;
    let kind = service.put_kind(&write.writer, write.body.named(name.to_owned()), seen).await;
    let kind = kind.map_err(|error| super::documents::conditional(error, seen))?;
    let revision = DocumentTag(kind.record.revision);
    Ok(tagged(written(&kind, &format!("/v1/kinds/{}", encoded(name))), revision))
}

async fn delete_kind(State(shared): State<Shared>, path: Segments, bare: Bare) -> Result<StatusCode, Problem> {
    let (service, name) = (shared.service()?, path.text("name")?);
    let identity = &bare.writer.identity;
    let current = async || service.kind(identity, name).await.map(|kind| DocumentTag(kind.revision));
    let Some(seen) = bare.condition.revision(current).await? else {
        return Err(Error::Invalid("there is nothing to delete where there is nothing yet".to_owned()).into());
    };
    service.delete_kind(&bare.writer, name, seen).await?;
    Ok(StatusCode::NO_CONTENT)
}
