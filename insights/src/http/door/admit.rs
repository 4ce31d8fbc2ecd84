//! The way in: key, rate, scope, time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::problem::Problem;
use crate::http::state::Shared;
use crate::model::{Identity, Scope};

/// A key is shorter than this: `vtr_`, a UUID, `_`, a secret.
const KEY_BYTES_MAX: usize = 256;

/// What a route asks of whoever comes.
#[derive(Clone)]
pub(in crate::http) struct Admission {
    pub(in crate::http) shared: Shared,
    /// None: anybody may come.
    pub(in crate::http) scope: Option<Scope>,
    pub(in crate::http) pace: Pace,
}

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Pace {
    /// `request_time_max`.
    Single,
    /// `bulk_time_max`.
    Bulk,
    /// As long as the client stays.
    Stream,
}

/// The key as it was presented, for streams, which look at it again from time to time.
#[derive(Clone)]
pub(in crate::http) struct PresentedKey(pub(in crate::http) String);

/// Who asks.
pub(in crate::http) struct Asker(pub(in crate::http) Identity);

impl FromRequestParts<Shared> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let identity = parts.extensions.get::<Identity>().cloned();
        identity.map(Self).ok_or_else(|| Problem::internal("a route without a scope asks who asks"))
    }
}

/// Lets a request in, or says why not.
pub(in crate::http) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    if let Some(scope) = admission.scope {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let key = presented(request.headers());
        match enter(&admission.shared, scope, key, peer).await {
            Ok((identity, key)) => {
                request.extensions_mut().insert(identity);
                request.extensions_mut().insert(key);
            }
            Err(problem) => return problem.into_response(),
        }
    }
    let writes = !request.method().is_safe();
    let options = &admission.shared.options;
    let response = match admission.pace {
        Pace::Single => within(options.request_time_max, next.run(request)).await,
        Pace::Bulk => within(options.bulk_time_max, next.run(request)).await,
        Pace::Stream => next.run(request).await,
    };
    if writes && response.status().is_success() {
        admission.shared.wrote();
    }
    response
}

async fn within(time_max: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(time_max, answer).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took too long")
            .detail("a write may have happened: repeat it with the same Idempotency-Key")
            .retry_after(Duration::from_secs(1))
            .into_response(),
    }
}

async fn enter(
    shared: &Shared,
    scope: Scope,
    key: Result<String, Problem>,
    peer: IpAddr,
) -> Result<(Identity, PresentedKey), Problem> {
    let key = key?;
    let service = shared.service()?;
    // A guess costs a look-up: whoever guessed too often waits, before the next one is looked up.
    let known = shared.identities.recall(&key);
    if known.is_none() {
        shared.rates.may_guess(peer)?;
    }
    let identity = match known {
        Some(identity) => Some(identity),
        None => shared.identities.look_up(service.as_ref(), &key).await?,
    };
    let Some(identity) = identity else {
        shared.rates.guessed(peer);
        return Err(Problem::unauthenticated("the key is unknown, expired or revoked"));
    };
    shared.rates.take(&identity)?;
    if !allows(&identity.scopes, scope) {
        return Err(Problem::forbidden(format!("this needs a key with the scope {}", word(scope))));
    }
    Ok((identity, PresentedKey(key)))
}

/// Exactly one bearer key. Headers that name a tenant or a user are not looked at, here or anywhere.
fn presented(headers: &HeaderMap) -> Result<String, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthenticated("send one header: Authorization: Bearer vtr_…"));
    };
    let key = value.to_str().ok().and_then(|text| text.split_once(' '));
    let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    match key {
        Some(key) if key.starts_with("vtr_") && key.len() <= KEY_BYTES_MAX => Ok(key.to_owned()),
        Some(_) | None => Err(Problem::unauthenticated("send one header: Authorization: Bearer vtr_…")),
    }
}

/// Who may write may read, and who administers may look at what they administer.
fn allows(scopes: &[Scope], needed: Scope) -> bool {
    match needed {
        Scope::Read => !scopes.is_empty(),
        Scope::Write | Scope::Admin => scopes.contains(&needed),
    }
}

/// A scope as callers name it.
pub(in crate::http) fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_well_formed_key_counts() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            presented(&headers)
        };
        assert_eq!(headers(&["bearer  vtr_a_b"]).unwrap(), "vtr_a_b");
        for wrong in
            [&[][..], &["Basic dnRyX2E6Yg=="], &["Bearer other"], &["vtr_a_b"], &["Bearer vtr_a", "Bearer vtr_b"]]
        {
            assert_eq!(headers(wrong).unwrap_err().status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
        }
    }

    #[test]
    fn scopes_do_not_grow() {
        assert!(allows(&[Scope::Write], Scope::Read) && allows(&[Scope::Admin], Scope::Read));
        assert!(!allows(&[Scope::Read], Scope::Write) && !allows(&[Scope::Admin], Scope::Write));
        assert!(!allows(&[Scope::Read, Scope::Write], Scope::Admin) && !allows(&[], Scope::Read));
    }
}
