//! Problems (RFC 9457): the one form of every error answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::service::{Error, Unfit};

/// Media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// How a caller proves who they are (RFC 6750).
const CHALLENGE: &str = "Bearer realm=\"vitrine\"";

/// One place in a request that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Fault {
    /// JSON Pointer (RFC 6901) into the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pointer: Option<String>,
    /// The query parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<String>,
    /// The line of a bulk write, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    /// What is wrong there.
    pub(super) detail: String,
}

impl Fault {
    /// In the body.
    pub(super) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), detail: detail.into(), ..Self::default() }
    }

    /// In the query or the headers.
    pub(super) fn of_parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { parameter: Some(name.to_owned()), detail: detail.into(), ..Self::default() }
    }
}

/// A problem as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// A URN that names the kind of problem; programs look at this.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words, always the same.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// This one occurrence, as the log names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Each place that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// An error answer in the making.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: Option<String>,
    instance: Option<Uuid>,
    errors: Vec<Fault>,
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of a kind.
    pub(super) fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self { status, kind, title, detail: None, instance: None, errors: Vec::new(), retry_after_s: None }
    }

    /// With what is wrong this time.
    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// With the places that are wrong.
    pub(super) fn faults(self, errors: Vec<Fault>) -> Self {
        Self { errors, ..self }
    }

    /// With the time after which it may be tried again; at least a second is said.
    pub(super) fn retry_after(self, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after_s: Some(seconds.max(1)), ..self }
    }

    /// The status of the answer.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// 400: not what HTTP, JSON or the query's form allows.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "the request is malformed").detail(detail)
    }

    /// 401.
    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a valid key is needed").detail(detail)
    }

    /// 403.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "the key does not allow this").detail(detail)
    }

    /// 404.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing").detail(detail)
    }

    /// 409.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "the record is not in a state for this").detail(detail)
    }

    /// 412.
    pub(super) fn stale(detail: impl Into<String>) -> Self {
        let status = StatusCode::PRECONDITION_FAILED;
        Self::new(status, "stale", "the record is not at the revision that was seen").detail(detail)
    }

    /// 413.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large").detail(detail)
    }

    /// 422: read, and not fit.
    pub(super) fn invalid(errors: Vec<Fault>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the request does not fit").faults(errors)
    }

    /// 503.
    pub(super) fn unavailable(wait: std::time::Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the insight store is not available")
            .detail("nothing was written; try again")
            .retry_after(wait)
    }

    /// 500. The cause goes to the log under the problem's instance.
    pub(super) fn internal(cause: &str) -> Self {
        let instance = Uuid::now_v7();
        tracing::error!(event = "insights_internal_error", %instance, cause, "an insight request failed");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { instance: Some(instance), ..Self::new(status, "internal", "something went wrong here") }
    }

    fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:vitrine:problem:{}", self.kind),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: self.instance.map(|instance| instance.urn().to_string()),
            errors: self.errors.clone(),
        }
    }

    /// What is wrong with a line of a bulk write.
    pub(super) fn into_faults_of_line(self, line: u64) -> Vec<Fault> {
        self.in_line(line).errors
    }

    fn in_line(mut self, line: u64) -> Self {
        if self.errors.is_empty() {
            let detail = self.detail.clone().unwrap_or_else(|| self.title.to_owned());
            self.errors.push(Fault { detail, ..Fault::default() });
        }
        self.errors.iter_mut().for_each(|fault| fault.line = Some(line));
        self.detail(format!("line {line}: nothing was written"))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => Self::not_found(format!("{what} does not exist")),
            Error::Conflict(why) => Self::conflict(why),
            Error::Stale { current } => Self::stale(format!("it is at revision {current}")),
            Error::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "the idempotency key was used for another request",
            ),
            Error::Unfit(places) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit", "the payload does not fit its kind")
                    .faults(places.into_iter().map(of_payload).collect())
            }
            Error::Line { line, cause } => Self::from(*cause).in_line(line),
            Error::Invalid(why) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the request does not fit").detail(why)
            }
            Error::Forbidden(why) => Self::forbidden(why),
            Error::Unsupported(why) => {
                Self::new(StatusCode::NOT_IMPLEMENTED, "unsupported", "the store's server cannot do this").detail(why)
            }
            Error::Unavailable { retry_after, cause } => {
                tracing::warn!(event = "insights_unavailable", cause, "the insight store cannot be used now");
                Self::unavailable(retry_after)
            }
            Error::Internal(cause) => Self::internal(&cause),
        }
    }
}

/// The store's pointers are into the payload, ours into the body.
fn of_payload(place: Unfit) -> Fault {
    Fault::at(format!("/payload{}", place.pointer), place.detail)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn causes_stay_inside() {
        let secret = "password=hunter2";
        for error in [
            Error::Internal(secret.to_owned()),
            Error::Unavailable { retry_after: Duration::from_millis(1), cause: secret.to_owned() },
        ] {
            let body = serde_json::to_string(&Problem::from(error).body()).unwrap();
            assert!(!body.contains("hunter2"), "{body}");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_and_never_nothing() {
        for (wait_ms, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let response = Problem::unavailable(Duration::from_millis(wait_ms)).into_response();
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
        }
    }

    #[test]
    fn a_line_of_a_bulk_write_is_named_with_its_places() {
        let unfit = Error::Unfit(vec![Unfit { pointer: "/n".to_owned(), detail: "is not a number".to_owned() }]);
        let body = Problem::from(Error::Line { line: 7, cause: Box::new(unfit) }).body();
        assert_eq!((body.status, body.errors[0].line), (422, Some(7)));
        assert_eq!(body.errors[0].pointer.as_deref(), Some("/payload/n"));
    }
}
