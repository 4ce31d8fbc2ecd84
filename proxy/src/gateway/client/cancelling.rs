//! A cancel request to the upstream, until it has been heard.
//!
//! PostgreSQL forgets a cancel request that finds a session between two messages, and a statement goes upstream as
//! several of them (Parse, Bind, Execute): a request that comes while the first is analysed, or before it is read, is lost
//! without a word. The request is therefore repeated for as long as nothing has been answered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Client, Upstream};
use crate::session::Session;
use crate::upstream::{self, BackendKey, Target};

/// Between the first two requests; from then on twice as long each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Between any two.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A connection that nobody reads from any more is kept no longer for its cancel request to be heard.
const UNHEARD_TIME_MAX: Duration = Duration::from_secs(5);

/// A cancel request that is under way.
pub(super) struct Cancelling {
    task: JoinHandle<io::Result<()>>,
    /// Dropped as soon as what it was meant for is over.
    meant: Option<oneshot::Sender<()>>,
    /// The batches that were answered when it came.
    answered: u64,
}

impl Cancelling {
    /// Sends the request, once the one `before` is done.
    fn begin(before: Option<Self>, (target, key): (Arc<Target>, BackendKey), answered: u64) -> Self {
        let (meant, over) = oneshot::channel();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.finish().await?;
            }
            insist(&target, key, over).await
        });
        Self { task, meant: Some(meant), answered }
    }

    /// Something was answered: no more requests where that was what this one was meant for.
    pub(super) fn heard(&mut self, session: &Session) {
        if !session.is_waiting() || session.batches_answered() != self.answered {
            self.meant = None;
        }
    }

    /// No more requests: they could hit what is sent next.
    pub(super) fn relent(&mut self) {
        self.meant = None;
    }

    /// Ends it. Returns when the server has closed the last request's connection: only then has its signal been sent.
    ///
    /// # Errors
    /// Whether the server will act on it later is not known.
    pub(super) async fn finish(self) -> io::Result<()> {
        drop(self.meant);
        self.task.await.map_err(io::Error::other)?
    }
}

async fn insist(target: &Target, key: BackendKey, mut over: oneshot::Receiver<()>) -> io::Result<()> {
    let mut pause = PAUSE_MIN;
    loop {
        upstream::cancel(target, key).await?;
        if timeout(pause, &mut over).await.is_ok() {
            return Ok(());
        }
        pause = PAUSE_MAX.min(pause * 2);
    }
}

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Asks the upstream to cancel what it runs for this client. The connection stays with the client until the
    /// request is done, so that it can hit nothing else.
    pub(super) fn cancel(&mut self) {
        let Some(upstream) = &self.upstream else { return };
        if !self.session.is_waiting() || self.cancelling.as_ref().is_some_and(|request| request.meant.is_some()) {
            return;
        }
        let whom = (self.route.pool.target(), upstream.lease.key);
        self.cancelling = Some(Cancelling::begin(self.cancelling.take(), whom, self.session.batches_answered()));
    }

    /// A cancel request that is under way is meant for what was sent before: nothing else is sent while it could
    /// still hit that.
    pub(super) async fn await_cancelling(&mut self) {
        if self.session.has_queued()
            && let Some(cancelling) = &mut self.cancelling
        {
            cancelling.relent();
        }
        if self.session.is_waiting() || self.session.is_quiet() {
            return;
        }
        if let Some(cancelling) = self.cancelling.take() {
            let _ = cancelling.finish().await;
        }
    }

    /// The client is gone: what runs for it is cancelled, and its connection, whose state nobody can vouch for,
    /// is closed.
    pub(super) fn abandon_upstream(&mut self) {
        if self.session.is_waiting() {
            self.cancel();
        }
        let Some(mut upstream) = self.upstream.take() else { return };
        // Who waits for its answer takes over at once.
        upstream.recordings = super::Recordings::default();
        let Some(cancelling) = self.cancelling.take() else { return };
        tokio::spawn(async move {
            upstream.listen().await;
            let _ = cancelling.finish().await;
            drop(upstream);
        });
    }
}

impl Upstream {
    /// Until the server says something about what was sent.
    async fn listen(&mut self) {
        if self.output.is_empty() {
            let _ = timeout(UNHEARD_TIME_MAX, self.lease.io.read(&mut [0; 64])).await;
        }
    }
}
