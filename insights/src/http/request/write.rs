//! Requests with a body: who writes, under which idempotency key, what.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::check::Checked;
use super::idempotency::{RequestDigest, idempotency_key};
use super::{Condition, body, json};
use crate::http::problem::Problem;
use crate::http::state::Shared;
use crate::model::Identity;
use crate::service::{Idempotency, Writer};

/// Types of a JSON body. A merge patch (RFC 7396) has one of its own.
const JSON: &[&str] = &["application/json", "application/merge-patch+json"];

/// A write with a JSON body.
pub(in crate::http) struct Write<T> {
    pub(in crate::http) writer: Writer,
    pub(in crate::http) condition: Condition,
    pub(in crate::http) body: T,
}

/// A write without a body.
pub(in crate::http) struct Bare {
    pub(in crate::http) writer: Writer,
    pub(in crate::http) condition: Condition,
}

/// A question with a JSON body.
pub(in crate::http) struct Read<T> {
    pub(in crate::http) body: T,
}

impl<T: DeserializeOwned + Checked> FromRequest<Shared> for Write<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        body::media_type(request.headers(), JSON)?;
        let (writer, condition, bytes) = read(request, shared).await?;
        Ok(Self { writer, condition, body: json::parse(&bytes, shared.options.depth_max)? })
    }
}

impl FromRequest<Shared> for Bare {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let (writer, condition, bytes) = read(request, shared).await?;
        if !bytes.is_empty() {
            return Err(Problem::malformed("this request takes no body"));
        }
        Ok(Self { writer, condition })
    }
}

impl<T: DeserializeOwned + Checked> FromRequest<Shared> for Read<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        body::media_type(request.headers(), JSON)?;
        let (_, _, bytes) = read(request, shared).await?;
        Ok(Self { body: json::parse(&bytes, shared.options.depth_max)? })
    }
}

async fn read(request: Request, shared: &Shared) -> Result<(Writer, Condition, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let identity = parts.extensions.get::<Identity>().cloned();
    let identity = identity.ok_or_else(|| Problem::internal("a write without an identity"))?;
    let condition = Condition::of(&parts.headers)?;
    let key = idempotency_key(&parts.headers)?;
    let options = &shared.options;
    let bytes = body::whole(&parts.headers, body, options.body_bytes_max, options.body_pause_max).await?;
    let request = || RequestDigest::new(&parts.method, &parts.uri).body(&bytes).finish();
    let idempotency = key.map(|key| Idempotency { key, request: request() });
    Ok((Writer { identity, idempotency }, condition, bytes))
}
