//! The change stream: server-sent events (WHATWG HTML, section 9.2). Its state is a cursor, so it goes on where it was
//! after any break, of the client or of this process.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::problem::Problem;
use crate::http::state::Shared;
use crate::model::{Change, Identity, Tenant};
use crate::service::{Error, Service};

/// Changes fetched at once.
const CHANGES_MAX: u32 = 500;
/// How soon a client should come back after a break.
const RETRY_MS: u32 = 1_000;

/// One of the places for streams; dropping it gives it back.
pub(super) struct Place {
    shared: Shared,
    tenant: Tenant,
}

impl Place {
    /// A place for a stream of this tenant.
    pub(super) fn take(shared: &Shared, tenant: &Tenant) -> Result<Self, Problem> {
        let options = &shared.options;
        let mut streams = shared.streams.lock();
        let all: usize = streams.values().sum();
        if all >= options.streams_max {
            let problem = Problem::unavailable(Duration::from_secs(5));
            return Err(problem.detail("as many change streams as may be open are open"));
        }
        let own = streams.entry(tenant.clone()).or_default();
        if *own >= options.tenant_streams_max {
            let status = axum::http::StatusCode::TOO_MANY_REQUESTS;
            let problem = Problem::new(status, "rate", "too many requests").retry_after(Duration::from_secs(5));
            return Err(problem.detail("as many change streams of this tenant as may be open are open"));
        }
        *own += 1;
        drop(streams);
        shared.metrics.streams.fetch_add(1, Ordering::Relaxed);
        Ok(Self { shared: Arc::clone(shared), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.shared.streams.lock();
        if let Some(own) = streams.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                streams.remove(&self.tenant);
            }
        }
        self.shared.metrics.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client's stream.
pub(super) struct Feed {
    service: Arc<dyn Service>,
    identity: Identity,
    key: String,
    cursor: String,
    begun: bool,
    heartbeat: Instant,
    /// Something was fetched that came short of all there is.
    more: bool,
    writes: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    place: Place,
}

impl Feed {
    /// A stream of what comes after `cursor`.
    #[expect(clippy::too_many_arguments, reason = "each is another thing that the stream owns")]
    pub(super) fn new(
        shared: Shared,
        service: Arc<dyn Service>,
        identity: Identity,
        key: String,
        cursor: String,
        place: Place,
    ) -> Self {
        Self {
            writes: shared.writes(),
            closing: shared.closing(),
            heartbeat: Instant::now() + shared.options.stream_heartbeat,
            service,
            identity,
            key,
            cursor,
            begun: false,
            more: true,
            place,
        }
    }

    /// The body of the answer.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(unfold(self, |mut feed| async move {
            let piece = feed.next().await?;
            Some((Ok::<_, Infallible>(piece), feed))
        }))
    }

    /// The next piece; None when the stream should end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            return Some(self.beginning());
        }
        loop {
            if *self.closing.borrow() {
                return None;
            }
            let mut pause = self.place.shared.options.stream_poll;
            if self.more {
                self.writes.mark_unchanged();
                match self.service.changes(&self.identity, Some(&self.cursor), CHANGES_MAX).await {
                    Ok(page) if page.changes.is_empty() => {
                        self.cursor = page.cursor;
                        self.more = false;
                    }
                    Ok(page) => {
                        let piece = events(&page.changes);
                        self.cursor = page.cursor;
                        return Some(piece);
                    }
                    Err(Error::Unavailable { retry_after, .. }) => pause = pause.max(retry_after),
                    Err(error) => {
                        tracing::warn!(event = "insights_stream_ended", %error, "a change stream ends");
                        return None;
                    }
                }
            }
            if let Some(piece) = self.wait(pause).await? {
                return Some(piece);
            }
        }
    }

    /// Until there may be something: a write here, the time to look for writes elsewhere, or a heartbeat, at which the
    /// key is looked at again. None: the stream should end.
    async fn wait(&mut self, pause: Duration) -> Option<Option<Bytes>> {
        tokio::select! {
            _ = self.writes.changed() => {}
            () = tokio::time::sleep(pause) => {}
            () = closed(&mut self.closing) => return None,
            () = tokio::time::sleep_until(self.heartbeat) => {
                self.heartbeat = Instant::now() + self.place.shared.options.stream_heartbeat;
                // Asked of the store, not of the memory. A store that is away has revoked nothing.
                let revoked = matches!(self.service.identify(&self.key).await, Ok(None));
                return if revoked { None } else { Some(Some(Bytes::from_static(b":\n\n"))) };
            }
        }
        self.more = true;
        Some(None)
    }

    /// Says where the stream begins: a client that breaks off before the first event comes back to here.
    fn beginning(&self) -> Bytes {
        let cursor = serde_json::Value::String(self.cursor.clone());
        let id = &self.cursor;
        Bytes::from(format!("retry: {RETRY_MS}\nid: {id}\nevent: ready\ndata: {{\"cursor\":{cursor}}}\n\n"))
    }
}

/// Returns when streams should end.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _gone = closing.wait_for(|closing| *closing).await.is_err();
}

/// Changes as events. JSON has no line ends of its own, and a cursor has none either.
fn events(changes: &[Change]) -> Bytes {
    let mut text = String::new();
    for change in changes {
        let told = serde_json::to_string(change).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: change\ndata: {told}\n\n", change.cursor));
    }
    Bytes::from(text)
}
