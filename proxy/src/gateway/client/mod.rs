//! One client's sockets: bytes between the client, its session and the connection that serves it.

mod again;
mod cancelling;
mod kept;
mod lease;
mod login;
mod parting;
mod pump;
mod result_gauge;
mod spare;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::bell::{self, Place, SessionKey};
use super::door::{self, ClientIo, DoorError, Peer, Welcome};
use super::server::pass_cancel_on;
use super::state::{Database, Gateway, Route};
use crate::cache::Ticket;
use crate::observe::{Refused, log_refusal};
use crate::session::{Op, Session};
use crate::sql;
use crate::upstream::Lease;
use crate::wire::backend::{Report, TransactionStatus};
use crate::wire::frame::{self, Frame, HEADER_BYTES};
use crate::wire::frontend;
use crate::wire::sqlstate::SqlState;
use crate::wire::startup::CancelKey;
pub(super) use again::Again;
use cancelling::Cancelling;
use kept::Recordings;
use parting::Batch;
use pump::Progress;
use result_gauge::ResultGauge;

/// Serves one accepted connection until it ends.
pub async fn serve<S>(io: S, peer: Peer, gateway: Arc<Gateway>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // Boxed, because what logging in needs is several times what a session needs, and is over soon.
    if let Some(client) = Box::pin(let_in(io, peer, gateway)).await {
        client.run().await;
    }
}

/// Lets a client in and logs it in; `None` where it wanted something else or was refused.
async fn let_in<S>(io: S, peer: Peer, gateway: Arc<Gateway>) -> Option<Box<Client<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let greeted = match door::welcome(io, peer, &gateway.door).await {
        Ok(Welcome::Session(greeted)) => greeted,
        Ok(Welcome::Cancel(key, asking)) => {
            if let Some(key) = session_key(&key) {
                gateway.metrics.cancels.increment();
                if !gateway.sessions.cancel(key) {
                    pass_cancel_on(&gateway.config, key).await;
                }
            }
            // Only now: what its client sends from here on was not meant.
            drop(asking);
            return None;
        }
        Ok(Welcome::Closed) => return None,
        Err(DoorError::Refused(refusal)) => {
            if refusal.is_failed_login {
                gateway.metrics.logins_failed.increment();
            }
            tracing::info!(event = "refused_at_the_door", %peer, error = %refusal, "client refused at the door");
            return None;
        }
        Err(error) => {
            tracing::debug!(event = "lost_at_the_door", %peer, %error, "client lost at the door");
            return None;
        }
    };
    Box::pin(login::log_in(greeted, peer, gateway)).await
}

/// A client that is logged in.
struct Client<S> {
    io: ClientIo<S>,
    /// From the client, not yet understood.
    input: BytesMut,
    /// Bytes that `input` must hold before the next message is whole.
    wanted: usize,
    /// For the client, not yet written.
    output: BytesMut,
    /// `output` goes out together with the upstream's answer, which is sure to come: PostgreSQL too sends ParseComplete
    /// with what follows it.
    is_held: bool,
    /// Written, and not flushed yet.
    is_unflushed: bool,
    /// Bytes of a message that was too long, still to be thrown away.
    discarding: usize,
    session: Session,
    database: Arc<Database>,
    route: Arc<Route>,
    place: Place,
    gateway: Arc<Gateway>,
    who: Who,
    upstream: Option<Upstream>,
    /// A cancel request that is under way: its connection serves nobody else before it is done.
    cancelling: Option<Cancelling>,
    /// What is kept would be answered, but for what the client has not read.
    waits_for_reader: bool,
    /// Held while this client asks upstream for what others wait for.
    ticket: Option<Ticket>,
    /// The batch is being repeated on a second connection; there is no third.
    repeated: bool,
    /// The session was told to end, and its transaction is over.
    is_parting: bool,
    /// What the client sent last.
    batch: Batch,
}

/// A connection that serves this client now.
struct Upstream {
    lease: Lease,
    /// For the upstream, not yet written.
    output: BytesMut,
    /// Written, and not flushed yet.
    is_unflushed: bool,
    /// Bytes of a long row that still pass.
    passing: usize,
    /// They do not pass: they are thrown away.
    is_dropping: bool,
    /// What was sent since the lease began and nothing of which was answered; `None` once it cannot be repeated.
    repeatable: Option<Vec<Op>>,
    /// Since when an answer is outstanding.
    asked: Option<Instant>,
    /// When the last answer was whole.
    answered: Instant,
    tally: Tally,
    recordings: Recordings,
    result: ResultGauge,
    /// What the connection may have planned is no older than this change of what plans hang on.
    plans: u64,
}

/// What an upstream has answered and the metrics have not been told.
#[derive(Default)]
struct Tally {
    rows: u64,
    errors: u64,
}

/// Who the client is, for the log.
struct Who {
    user: String,
    peer: Peer,
}

/// How a client's run ends.
enum End {
    /// Nothing more to say.
    Quiet,
    /// With last words.
    With(Report),
}

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn run(mut self: Box<Self>) {
        let end = self.converse().await;
        self.abandon_upstream();
        self.leave(end).await;
    }

    async fn converse(&mut self) -> End {
        loop {
            if self.session.is_quiet() {
                // It came for something that has been answered by now: what the client sends next was not meant.
                self.place.bell.hush(bell::CANCEL);
            }
            if let Err(end) = self.take_frames().await {
                return end;
            }
            if let Err(end) = self.forward().await {
                return end;
            }
            if self.session.has_ended() && !self.session.owes_ready() {
                return End::Quiet;
            }
            if let Err(end) = self.attend().await {
                return end;
            }
        }
    }

    /// Lets the session understand every whole frame that has arrived.
    async fn take_frames(&mut self) -> Result<(), End> {
        while !self.session.must_wait() && !self.session.has_ended() {
            if self.session.is_quiet() {
                // What was to be cancelled before this arrived is over.
                self.place.bell.hush(bell::CANCEL);
            }
            let held = self.session.take_held();
            let Some(frame) = (if held.is_some() { held } else { self.next_frame()? }) else { break };
            self.batch.note(frame.tag, frame.body.len());
            while let Err(stall) = self.session.receive(&frame, &*self.database) {
                let reviewed = self.database.review(&stall).await;
                self.session.offer(reviewed);
            }
        }
        self.account();
        if self.input.is_empty() {
            spare::strip(&mut self.input);
            self.session.rest();
        }
        Ok(())
    }

    /// The next whole frame. One that is too long is not kept: it is thrown away as it arrives.
    fn next_frame(&mut self) -> Result<Option<Frame>, End> {
        loop {
            let skipped = self.discarding.min(self.input.len());
            self.input.advance(skipped);
            self.discarding -= skipped;
            self.wanted = HEADER_BYTES;
            let invalid = |_| End::With(invalid_length());
            let Some(header) = frame::header(&self.input).map_err(invalid)? else { return Ok(None) };
            if header.body_bytes <= self.gateway.limits.frame_bytes_max {
                let frame = frame::take(&mut self.input, header);
                self.wanted = if frame.is_some() { HEADER_BYTES } else { HEADER_BYTES + header.body_bytes };
                return Ok(frame);
            }
            if !frontend::may_be_long(header.tag) {
                return Err(End::With(invalid_length()));
            }
            self.discarding = HEADER_BYTES + header.body_bytes;
            self.session.oversized(header.tag, self.gateway.limits.frame_bytes_max);
        }
    }

    /// Counts what the session decided, and logs what it refused.
    fn account(&mut self) {
        let metrics = &self.gateway.metrics;
        let (permitted, remembered) = self.session.take_counts();
        if permitted > 0 {
            metrics.statements_permitted.add(permitted);
            metrics.verdicts_remembered.add(remembered);
        }
        for (text, denial) in self.session.take_denials() {
            metrics.denied(denial.rule);
            log_refusal(&Refused {
                user: &self.who.user,
                database: &self.database.name,
                peer: &self.who.peer.to_string(),
                rule: denial.rule,
                sqlstate: denial.sqlstate,
                shape: &sql::shape(&text),
            });
        }
    }

    /// Waits until something happened that the outer loop must see.
    async fn attend(&mut self) -> Result<(), End> {
        if self.is_parting && self.is_at_boundary() {
            return self.part().await;
        }
        // Half a message, and nothing that would keep the client from sending the rest.
        let is_half = (self.discarding > 0 || !self.input.is_empty()) && self.upstream.is_none();
        let pause = self.gateway.config.timeouts.frame_ms.duration();
        let idle_max = self.idle_time_max();
        let pumped = std::future::poll_fn(|cx| self.pump(cx));
        let progress = if let Some(idle_max) = idle_max {
            tokio::time::timeout(idle_max, pumped).await.map_err(|_| End::With(idle_too_long()))?
        } else if is_half {
            tokio::time::timeout(pause, pumped).await.map_err(|_| End::With(half_message()))?
        } else {
            pumped.await
        };
        self.see(progress)
    }

    fn see(&mut self, progress: Progress) -> Result<(), End> {
        match progress {
            Progress::ClientBytes => Ok(()),
            Progress::Settled => {
                self.repeated = false;
                Ok(())
            }
            Progress::ClientGone => Err(End::Quiet),
            Progress::UpstreamFault(fault) => self.upstream_failed(fault),
            Progress::Rung(what) => self.answer_bell(what),
        }
    }

    /// How long the client may say nothing, where it owes nothing and is owed nothing.
    fn idle_time_max(&self) -> Option<Duration> {
        let bound = self.gateway.config.timeouts.idle_session_ms.duration();
        let idle = self.upstream.is_none() && self.input.is_empty() && self.discarding == 0 && self.session.is_quiet();
        (!bound.is_zero() && idle).then_some(bound)
    }

    fn answer_bell(&mut self, what: u8) -> Result<(), End> {
        if what & bell::END != 0 {
            return Err(End::With(shutting_down()));
        }
        if what & bell::CANCEL != 0 {
            self.place.bell.hush(bell::CANCEL);
            self.cancel();
        }
        self.is_parting |= what & (bell::LEAVE | bell::DRAIN) != 0 && self.is_at_boundary();
        Ok(())
    }

    /// Nothing is asked, and no transaction is open.
    fn is_at_boundary(&self) -> bool {
        self.session.is_quiet() && self.session.status() == TransactionStatus::Idle
    }
}

fn session_key(key: &CancelKey) -> Option<SessionKey> {
    Some(SessionKey { process_id: key.process_id, secret: u32::from_be_bytes(key.secret.as_slice().try_into().ok()?) })
}

fn shutting_down() -> Report {
    Report::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

fn idle_too_long() -> Report {
    Report::fatal(SqlState::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout")
}

fn half_message() -> Report {
    Report::fatal(SqlState::PROTOCOL_VIOLATION, "terminating connection because a message was not completed in time")
}

fn invalid_length() -> Report {
    Report::fatal(SqlState::PROTOCOL_VIOLATION, "invalid message length")
}
