//! Preconditions (RFC 9110, section 13) and entity tags.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::http::problem::Problem;
use crate::model::DocumentTag;
use crate::service::Error;

/// What a writer says it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Condition {
    /// Nothing.
    None,
    /// `If-None-Match: *`: there is nothing yet.
    Absent,
    /// `If-Match: *`: there is something.
    Present,
    /// `If-Match` with one of these revisions; empty when none of the tags can be ours.
    Seen(Vec<DocumentTag>),
}

impl Condition {
    /// Reads the headers of a write.
    pub(in crate::http) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let (matches, none) = (joined(headers, header::IF_MATCH)?, joined(headers, header::IF_NONE_MATCH)?);
        match (matches.as_deref(), none.as_deref()) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Present),
            (Some(tags), None) => Ok(Self::Seen(strong_tags(tags)?)),
            (None, Some("*")) => Ok(Self::Absent),
            (None, Some(_)) => Err(Problem::malformed("a write takes If-None-Match with * alone")),
            (Some(_), Some(_)) => Err(Problem::malformed("If-Match and If-None-Match exclude each other")),
        }
    }

    /// The one revision that the writer saw, or None where there must be nothing yet. `current` is asked where the writer
    /// left it open which one. Only the store says that a revision does not hold: where the same request came before, it
    /// answers what it answered then.
    ///
    /// # Errors
    /// 428 without a condition; what `current` says, but that there is nothing.
    pub(in crate::http) async fn revision<F>(&self, current: impl FnOnce() -> F) -> Result<Option<DocumentTag>, Problem>
    where
        F: Future<Output = crate::service::Result<DocumentTag>>,
    {
        let tags = match self {
            Self::None => {
                let status = StatusCode::PRECONDITION_REQUIRED;
                let problem = Problem::new(status, "precondition-required", "say what you saw");
                let detail = "send If-Match with the record's ETag, or If-None-Match: * to make a new one";
                return Err(problem.detail(detail));
            }
            Self::Absent => return Ok(None),
            Self::Seen(tags) => tags.as_slice(),
            Self::Present => &[],
        };
        if let [one] = tags {
            return Ok(Some(*one));
        }
        let current = match current().await {
            Ok(current) => current,
            Err(Error::NotFound(_)) => NEVER,
            Err(error) => return Err(error.into()),
        };
        let holds = *self == Self::Present || tags.contains(&current);
        Ok(Some(if holds { current } else { NEVER }))
    }
}

/// A revision that no record has.
const NEVER: DocumentTag = DocumentTag(-1);

/// The entity tag of a revision.
pub(in crate::http) fn etag(revision: DocumentTag) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", revision.0)).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether a reader has this revision already (`If-None-Match` of a GET; weak comparison).
pub(in crate::http) fn has(headers: &HeaderMap, revision: DocumentTag) -> Result<bool, Problem> {
    let Some(given) = joined(headers, header::IF_NONE_MATCH)? else { return Ok(false) };
    let own = format!("\"{}\"", revision.0);
    Ok(given == "*" || given.split(',').any(|tag| tag.trim().trim_start_matches("W/") == own))
}

fn joined(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<String>, Problem> {
    let mut texts = Vec::new();
    for value in headers.get_all(&name) {
        texts.push(value.to_str().map_err(|_| Problem::malformed(format!("the header {name} is not ASCII")))?.trim());
    }
    Ok((!texts.is_empty()).then(|| texts.join(",")))
}

/// Tags that compare equal strongly; a weak one never does, and what we never gave out neither.
fn strong_tags(tags: &str) -> Result<Vec<DocumentTag>, Problem> {
    let mut strong = Vec::new();
    for tag in tags.split(',').map(str::trim) {
        if tag.starts_with("W/\"") {
            continue;
        }
        let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let Some(inner) = inner else {
            return Err(Problem::malformed("If-Match takes entity tags in quotes, or *"));
        };
        strong.extend(inner.parse::<i64>().ok().map(DocumentTag));
    }
    Ok(strong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn conditions_are_read_as_the_rfc_says() {
        let read = |name, value| Condition::of(&given(&[(name, value)]));
        assert_eq!(Condition::of(&HeaderMap::new()).unwrap(), Condition::None);
        assert_eq!(read(header::IF_NONE_MATCH, "*").unwrap(), Condition::Absent);
        assert_eq!(read(header::IF_MATCH, "*").unwrap(), Condition::Present);
        let tags = |tags: &[i64]| Condition::Seen(tags.iter().copied().map(DocumentTag).collect());
        assert_eq!(read(header::IF_MATCH, "\"3\", W/\"4\", \"x\",\"5\"").unwrap(), tags(&[3, 5]));
        assert_eq!(read(header::IF_MATCH, "W/\"4\"").unwrap(), tags(&[]));
        assert!(read(header::IF_MATCH, "3").is_err() && read(header::IF_NONE_MATCH, "\"3\"").is_err());
        assert!(Condition::of(&given(&[(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")])).is_err());
    }

    #[test]
    fn a_reader_that_has_it_is_known() {
        assert!(has(&given(&[(header::IF_NONE_MATCH, "\"1\", W/\"2\"")]), DocumentTag(2)).unwrap());
        assert!(!has(&given(&[(header::IF_NONE_MATCH, "\"1\"")]), DocumentTag(2)).unwrap());
        assert!(!has(&HeaderMap::new(), DocumentTag(2)).unwrap());
    }
}
