//! `/v1/users/{user}`: what is set for a user of the app, and what is known about them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::documents::conditional;
use super::{Route, encoded, tagged, unmodified, written};
use crate::http::document::Operation;
use crate::http::door::Asker;
use crate::http::problem::Problem;
use crate::http::request::{Condition, Parameters, Segments, Write, has};
use crate::http::state::Shared;
use crate::model::{Configuration, Profile, ProfileChange, Scope};
use crate::service::{Error, ProfilePatch};

/// All settings of a user: any JSON object.
#[derive(ToSchema)]
#[schema(as = Settings, value_type = Object)]
struct Settings(#[expect(dead_code, reason = "it stands for a JSON object in the document")] Value);

pub(super) fn routes() -> Vec<Route> {
    let configuration = "/v1/users/{user}/configuration";
    let profile = "/v1/users/{user}/profile";
    let read_configuration = Operation::new(Scope::Read, "readConfiguration", "The settings of a user.")
        .answers::<Configuration>(200, "The settings.")
        .tagged(200)
        .answers_empty(304, "The client has them.")
        .error(404, "There are none.");
    let write_configuration = Operation::new(Scope::Write, "putConfiguration", "Replace the settings of a user.")
        .body::<Settings>()
        .idempotent()
        .conditional()
        .answers::<Configuration>(201, "They were made.")
        .tagged(201)
        .answers::<Configuration>(200, "They were changed, or are as they were.")
        .tagged(200);
    let read_profile = Operation::new(Scope::Read, "readProfile", "What is known about a user.")
        .answers::<Profile>(200, "The profile.")
        .tagged(200)
        .answers_empty(304, "The client has it.")
        .error(404, "There is none.");
    let patch_profile = Operation::new(Scope::Write, "patchProfile", "Change fields of a profile (RFC 7396).")
        .body::<ProfilePatch>()
        .idempotent()
        .header("If-Match", "The ETag of the profile as it was seen; without one, whatever it is is changed.")
        .answers::<Profile>(201, "It was made.")
        .tagged(201)
        .answers::<Profile>(200, "It was changed, or is as it was.")
        .tagged(200)
        .error(412, "The profile is not at the revision that was seen.");
    let history = Operation::new(Scope::Read, "readProfileHistory", "Every changed field, latest first.")
        .paged()
        .answers_page::<ProfileChange>()
        .error(404, "There is no such profile.")
        .error(422, "The cursor is none of ours.");
    vec![
        Route::get(configuration, read_configuration, configuration_of),
        Route::put(configuration, write_configuration, put_configuration),
        Route::get(profile, read_profile, profile_of),
        Route::patch(profile, patch_profile, patch_profile_of),
        Route::get("/v1/users/{user}/profile/history", history, profile_history),
    ]
}

async fn configuration_of(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let configuration = shared.service()?.configuration(&identity, path.text("user")?).await?;
    let revision = configuration.revision;
    if has(&headers, revision)? {
        return Ok(unmodified(revision));
    }
    Ok(tagged(Json(configuration).into_response(), revision))
}

async fn put_configuration(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (service, user) = (shared.service()?, path.text("user")?);
    let identity = &write.writer.identity;
    let current = async || service.configuration(identity, user).await.map(|configuration| configuration.revision);
    let seen = write.condition.revision(current).await?;
    let configuration = service.put_configuration(&write.writer, user, write.body.into(), seen).await;
    let configuration = configuration.map_err(|error| conditional(error, seen))?;
    let location = format!("/v1/users/{}/configuration", encoded(user));
    Ok(tagged(written(&configuration, &location), configuration.record.revision))
}

async fn profile_of(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let profile = shared.service()?.profile(&identity, path.text("user")?).await?;
    let revision = profile.revision;
    if has(&headers, revision)? {
        return Ok(unmodified(revision));
    }
    Ok(tagged(Json(profile).into_response(), revision))
}

async fn patch_profile_of(
    State(shared): State<Shared>,
    path: Segments,
    write: Write<ProfilePatch>,
) -> Result<Response, Problem> {
    let (service, user) = (shared.service()?, path.text("user")?);
    let identity = &write.writer.identity;
    let seen = match &write.condition {
        Condition::None => None,
        Condition::Absent => {
            let detail = "a patch takes If-Match; without one it makes the profile or changes it";
            return Err(Problem::malformed(detail));
        }
        condition @ (Condition::Present | Condition::Seen(_)) => {
            let current = async || service.profile(identity, user).await.map(|profile| profile.revision);
            condition.revision(current).await?
        }
    };
    let patch = ProfilePatch { seen, ..write.body };
    let profile = service.patch_profile(&write.writer, user, patch).await;
    let profile = profile
        .map_err(|error| if matches!(error, Error::NotFound(_)) { conditional(error, seen) } else { error.into() })?;
    let location = format!("/v1/users/{}/profile", encoded(user));
    Ok(tagged(written(&profile, &location), profile.record.revision))
}

async fn profile_history(
    State(shared): State<Shared>,
    Asker(identity): Asker,
    path: Segments,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let page = query.page()?;
    query.finish()?;
    Ok(Json(shared.service()?.profile_history(&identity, path.text("user")?, &page).await?).into_response())
}
