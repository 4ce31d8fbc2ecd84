//! `/v1/keys`: the keys of the tenant whose key asks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;

use super::{Route, status};
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Bare, Checked, Faults, Segments, Write};
use crate::http::state::Shared;
use crate::model::{ApiKey, KeyId, MadeKey, NewApiKey, Page, Scope};

impl Checked for NewApiKey {
    fn check(&self, faults: &mut Faults) {
        faults.name("/label", &self.label);
        if self.scopes.is_empty() {
            faults.add("/scopes", "must name at least one");
        }
        if self.expires_at.is_some_and(|end| end <= Utc::now()) {
            faults.add("/expires_at", "must be in the future");
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let list = Operation::new(Scope::Admin, "listKeys", "Keys of the tenant.").answers_page::<ApiKey>();
    let make = Operation::new(Scope::Admin, "createKey", "Make a key.")
        .body::<NewApiKey>()
        .idempotent()
        .answers::<MadeKey>(201, "The key, with its secret; without it where the same request had made the key before.")
        .error(409, "A living key has this label.");
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

async fn make_key(State(shared): State<Shared>, mut write: Write<NewApiKey>) -> Result<Response, Problem> {
    write.body.scopes.dedup();
    let made = shared.service()?.make_key(&write.writer, write.body).await?;
    Ok((status(made.outcome), Json(made.record)).into_response())
}

async fn revoke_key(State(shared): State<Shared>, path: Segments, bare: Bare) -> Result<StatusCode, Problem> {
    let id = KeyId(path.id("key")?);
    let revoked = shared.service()?.revoke_key(&bare.writer.identity.tenant, id).await;
    shared.identities.forget();
    revoked?;
    Ok(StatusCode::NO_CONTENT)
}
