//! Bodies as they come in: how much, how fast, of which type.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::http::problem::Problem;

/// A body that is too large is read on this long, so that a client that only writes gets to the answer.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `bytes_max`.
pub(super) async fn whole(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    pause_max: Duration,
) -> Result<Bytes, Problem> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    loop {
        if declared.is_some_and(|length| length > bytes_max) || read.len() > bytes_max {
            discard(stream).await;
            return Err(Problem::too_large(format!("at most {bytes_max} bytes")));
        }
        match next_piece(&mut stream, pause_max).await? {
            Some(piece) => read.extend_from_slice(&piece),
            None => return Ok(read.freeze()),
        }
    }
}

/// The pieces of a body as they come, each in time.
pub(in crate::http) fn pieces(body: Body, pause_max: Duration) -> Pieces {
    Pieces { stream: body.into_data_stream(), pause_max }
}

/// Pieces of a body.
pub(in crate::http) struct Pieces {
    stream: BodyDataStream,
    pause_max: Duration,
}

impl Pieces {
    /// The next piece; None at the end.
    pub(in crate::http) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        next_piece(&mut self.stream, self.pause_max).await
    }

    /// Reads on for a moment without keeping anything.
    pub(in crate::http) async fn discard(self) {
        discard(self.stream).await;
    }
}

async fn next_piece(stream: &mut BodyDataStream, pause_max: Duration) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(pause_max, stream.next()).await {
        Err(_) => Err(too_slow()),
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(_))) => Err(Problem::malformed("the body ended before its time")),
    }
}

/// 408.
fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body came too slowly")
}

async fn discard(mut stream: BodyDataStream) {
    let all = async { while matches!(stream.next().await, Some(Ok(_))) {} };
    let _cut = tokio::time::timeout(DISCARD_TIME_MAX, all).await;
}

/// Refuses a body that is not of one of these types, or is encoded.
pub(in crate::http) fn media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    let refused = |detail: String| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "the body has the wrong type").detail(detail)
    };
    let encoding = headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
    if encoding.is_some_and(|encoding| encoding != b"identity") {
        return Err(refused("send it without a content encoding".to_owned()));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let foreign = parts.any(|part| part.strip_prefix("charset=").is_some_and(|set| set.trim_matches('"') != "utf-8"));
    if foreign || !accepted.contains(&essence.as_str()) {
        return Err(refused(format!("expected {} in UTF-8", accepted.join(" or "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_types_pass() {
        let given = |name: header::HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            headers.insert(name, value.parse().unwrap());
            media_type(&headers, &["application/json"])
        };
        given(header::CONTENT_TYPE, "Application/JSON; charset=\"UTF-8\"").unwrap();
        given(header::CONTENT_ENCODING, "identity").unwrap();
        for wrong in ["text/plain", "application/json; charset=latin1", "application/jsonx", ""] {
            assert!(given(header::CONTENT_TYPE, wrong).is_err(), "{wrong}");
        }
        assert!(given(header::CONTENT_ENCODING, "gzip").is_err());
        assert!(media_type(&HeaderMap::new(), &["application/json"]).is_err());
    }
}
