//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07).

use axum::http::{HeaderMap, Method, Uri};
use sha2::{Digest, Sha256};

use crate::http::problem::{Fault, Problem};

/// The header.
const NAME: &str = "idempotency-key";
/// Longest key, bytes.
const KEY_BYTES_MAX: usize = 255;

/// The key of a request, if it has one. The draft has it as a string of RFC 8941, in quotes; the bare form, which most
/// clients send, is the same key.
pub(in crate::http) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(NAME).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let wrong = || {
        let detail = "must be one string of 1 to 255 printable ASCII characters";
        Problem::malformed("the idempotency key is malformed")
            .faults(vec![Fault::of_parameter("Idempotency-Key", detail)])
    };
    if given.next().is_some() {
        return Err(wrong());
    }
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(wrong)?,
        None => text.to_owned(),
    };
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !printable {
        return Err(wrong());
    }
    Ok(Some(key))
}

/// RFC 8941, section 4.2.5, after the first quote.
fn unquoted(quoted: &str) -> Option<String> {
    let (mut key, mut rest) = (String::new(), quoted.chars());
    while let Some(character) = rest.next() {
        match character {
            '"' => return rest.as_str().trim().is_empty().then_some(key),
            '\\' => key.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => key.push(other),
        }
    }
    None
}

/// What makes two requests the same: method, path with its query, precondition, body.
pub(in crate::http) struct RequestDigest(Sha256);

impl RequestDigest {
    /// Of a request without its body.
    pub(in crate::http) fn new(method: &Method, uri: &Uri) -> Self {
        let mut digest = Sha256::new();
        digest.update(method.as_str());
        digest.update(b"\0");
        digest.update(uri.path_and_query().map_or("", |path| path.as_str()));
        digest.update(b"\0");
        Self(digest)
    }

    /// With a piece of the body.
    pub(in crate::http) fn body(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The digest.
    pub(in crate::http) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, value.parse().unwrap());
        }
        idempotency_key(&headers)
    }

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&["abc-1"]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&["\"abc-1\""]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&[r#""a\"b\\""#]).unwrap().as_deref(), Some("a\"b\\"));
        let long = "x".repeat(256);
        for wrong in [&["\"open"][..], &["\"a\"b"], &[r#""a\c""#], &[""], &["\"\""], &["a", "b"], &[long.as_str()]] {
            assert!(key(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn requests_differ_by_method_path_and_body() {
        let digest = |method, path: &'static str, body: &[u8]| {
            RequestDigest::new(&method, &Uri::from_static(path)).body(body).finish()
        };
        let one = digest(Method::POST, "/v1/a", b"{}");
        assert_eq!(one, RequestDigest::new(&Method::POST, &Uri::from_static("/v1/a")).body(b"{").body(b"}").finish());
        assert!(one != digest(Method::PUT, "/v1/a", b"{}"));
        assert!(one != digest(Method::POST, "/v1/b", b"{}") && one != digest(Method::POST, "/v1/a", b"[]"));
    }
}
