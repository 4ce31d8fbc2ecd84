//! `/v1/keys`: the keys of the tenant whose key asks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Route;
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Bare, Checked, Faults, Segments, Write};
use crate::http::state::Shared;
use crate::model::{ApiKey, KeyId, Page, Scope};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// What a person calls it; no other living key of the tenant has it.
    label: String,
    scopes: Vec<Scope>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    key: ApiKey,
    /// The bearer token: shown this once and never again.
    secret: String,
}

impl Checked for NewKey {
    fn check(&self, faults: &mut Faults) {
        faults.name("/label", &self.label);
        if self.scopes.is_empty() {
            faults.add("/scopes", "must name at least one");
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let list = Operation::new(Scope::Admin, "listKeys", "Keys of the tenant.").answers_page::<ApiKey>();
    let make = Operation::new(Scope::Admin, "createKey", "Make a key.")
        .body::<NewKey>()
        .answers::<MadeKey>(201, "The key, with its secret.")
        .error(409, "A living key has this label: the request that came twice makes one key.");
    let revoke = Operation::new(Scope::Admin, "revokeKey", "Revoke a key.")
        .answers_empty(204, "It opens nothing any more.")
        .error(404, "There is no such key.");
    vec![
        Route::get("/v1/keys", list, keys),
        Route::post("/v1/keys", make, make_key),
        Route::delete("/v1/keys/{id}", revoke, revoke_key),
    ]
}

async fn keys(State(shared): State<Shared>, Asker(identity): Asker) -> Result<Response, Problem> {
    let items = shared.service()?.keys(&identity.tenant).await?;
    Ok(Json(Page { items, next: None }).into_response())
}

async fn make_key(State(shared): State<Shared>, write: Write<NewKey>) -> Result<Response, Problem> {
    let NewKey { label, mut scopes } = write.body;
    scopes.dedup();
    let tenant = &write.writer.identity.tenant;
    let (key, secret) = shared.service()?.create_key(tenant, &label, &scopes).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { key, secret })).into_response())
}

async fn revoke_key(State(shared): State<Shared>, path: Segments, bare: Bare) -> Result<StatusCode, Problem> {
    let id = KeyId(path.id("key")?);
    let revoked = shared.service()?.revoke_key(&bare.writer.identity.tenant, id).await;
    shared.identities.forget();
    revoked?;
    Ok(StatusCode::NO_CONTENT)
}
