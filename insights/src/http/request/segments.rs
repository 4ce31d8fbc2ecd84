//! The variable segments of a path.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::http::problem::Problem;
use crate::http::state::Shared;

/// Longest segment, bytes: it is a name, which stands in an index.
const SEGMENT_BYTES_MAX: usize = 255;

/// Segments by their names in the route, decoded.
#[derive(Debug)]
pub(in crate::http) struct Segments(Vec<(String, String)>);

impl FromRequestParts<Shared> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let mut segments = Vec::new();
        for (name, given) in route.split('/').zip(parts.uri.path().split('/')) {
            let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else { continue };
            let text = decoded(given)?;
            if text.is_empty() || text.len() > SEGMENT_BYTES_MAX {
                return Err(Problem::malformed(format!("the {name} in the path must have 1 to 255 bytes")));
            }
            segments.push((name.to_owned(), text));
        }
        Ok(Self(segments))
    }
}

impl Segments {
    /// A name.
    pub(in crate::http) fn text(&self, name: &str) -> Result<&str, Problem> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str()).ok_or_else(|| Problem::internal("a route asks for a segment it lacks"))
    }

    /// An id. What is none names nothing that exists.
    pub(in crate::http) fn id(&self, what: &str) -> Result<Uuid, Problem> {
        let text = self.text("id")?;
        let id = (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten();
        id.ok_or_else(|| Problem::not_found(format!("there is no {what} with this id: it is no UUID")))
    }
}

/// Percent-decoded; text without U+0000, which no PostgreSQL could look for.
pub(super) fn decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.get(..2).and_then(hex)).flatten();
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) | Err(_) => Err(Problem::malformed("path and query are UTF-8 without U+0000")),
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once_and_must_be_text() {
        assert_eq!(decoded("a%2Fb%20c%C3%A9%2525").unwrap(), "a/b cé%25");
        assert_eq!(decoded("100%").unwrap(), "100%");
        assert_eq!(decoded("%+1%zz").unwrap(), "%+1%zz");
        assert!(decoded("%00").is_err() && decoded("%ff").is_err());
    }
}
