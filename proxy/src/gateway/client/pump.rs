//! Moving bytes: one poll tries every direction that can move, so that neither side can block the other and no
//! buffer grows without bound.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Client, Tally, Upstream, spare};
use crate::gateway::bell;
use crate::observe::Metrics;
use crate::session::{Relay, Session, UpstreamFault};
use crate::wire::backend::decode_parameter_status;
use crate::wire::frame::{self, HEADER_BYTES};

/// While this much waits for the client, nothing more is read from the upstream.
pub(super) const OUTPUT_BYTES_HIGH: usize = 64 * 1024;
/// While this much waits for the upstream or for the session, nothing more is read from the client.
const INPUT_BYTES_HIGH: usize = 64 * 1024;
/// One read from the client.
const CLIENT_READ_BYTES: usize = 8 * 1024;
/// One read from the upstream.
const UPSTREAM_READ_BYTES: usize = 32 * 1024;
/// A backend message other than a row must fit here.
const CONTROL_BYTES_MAX: usize = 16 << 20;
/// Shorter runs are copied behind what waits already; longer ones change owner.
const COPY_BYTES_MAX: usize = 4 * 1024;

/// Why the pump stopped.
#[derive(Debug)]
pub(super) enum Progress {
    /// More of the client's bytes are there.
    ClientBytes,
    /// The upstream has answered something; nothing may be outstanding any more.
    Settled,
    /// The client hung up.
    ClientGone,
    /// The upstream broke.
    UpstreamFault(Fault),
    /// Somebody rang.
    Rung(u8),
}

/// How the upstream broke.
#[derive(Debug)]
pub(super) enum Fault {
    /// The socket did; told in the log.
    Io(io::Error),
    /// The conversation did.
    Protocol(UpstreamFault),
}

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Moves what can be moved. Ready when the outer loop has something to decide.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        if let Some(progress) = self.poll_bell(cx) {
            return Poll::Ready(progress);
        }
        loop {
            if self.poll_write_client(cx).is_err() {
                return Poll::Ready(Progress::ClientGone);
            }
            match self.poll_upstream(cx) {
                Poll::Ready(Ok(true)) => return Poll::Ready(Progress::Settled),
                Poll::Ready(Ok(false)) => continue,
                Poll::Ready(Err(fault)) => return Poll::Ready(Progress::UpstreamFault(fault)),
                Poll::Pending => {}
            }
            if self.can_understand_more() {
                return Poll::Ready(Progress::ClientBytes);
            }
            if self.waits_for_reader && self.output.len() < OUTPUT_BYTES_HIGH {
                self.waits_for_reader = false;
                return Poll::Ready(Progress::Settled);
            }
            return match ready!(self.poll_read_client(cx)) {
                Ok(true) => Poll::Ready(Progress::ClientBytes),
                Ok(false) | Err(_) => Poll::Ready(Progress::ClientGone),
            };
        }
    }

    /// Frames that have arrived and waited, for an answer that was made here or for the client to read.
    fn can_understand_more(&self) -> bool {
        let waits = self.session.must_wait() || self.session.has_ended() || self.output.len() >= OUTPUT_BYTES_HIGH;
        !waits && (self.session.holds_frame() || self.input.len() >= self.wanted.max(HEADER_BYTES))
    }

    fn poll_bell(&mut self, cx: &mut Context<'_>) -> Option<Progress> {
        let rung = self.place.bell.listen(cx.waker());
        // A drain waits for the end of the transaction; seen again at every boundary.
        let drains = || rung & (bell::LEAVE | bell::DRAIN) != 0 && !self.is_parting && self.is_at_boundary();
        let urgent = rung & (bell::CANCEL | bell::END) != 0 || drains();
        urgent.then_some(Progress::Rung(rung))
    }

    fn poll_write_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.is_held && self.upstream.is_some() {
            return Ok(());
        }
        while !self.output.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.gateway.metrics.client_bytes_out.add(written.try_into().unwrap_or(0));
                    self.output.advance(written);
                    self.is_unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        if self.output.capacity() > 0 {
            spare::strip(&mut self.output);
        }
        flush(&mut self.io, &mut self.is_unflushed, cx)
    }

    /// `Ok(true)`: nothing is outstanding any more. `Ok(false)`: something moved.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        let Some(upstream) = &mut self.upstream else { return Poll::Pending };
        upstream.poll_write(cx).map_err(Fault::Io)?;
        let is_full = self.output.len() >= OUTPUT_BYTES_HIGH;
        upstream.recordings.hold_up(is_full);
        if is_full {
            return Poll::Pending;
        }
        ready!(upstream.poll_read(cx)).map_err(Fault::Io)?;
        self.is_held = false;
        spare::furnish(&mut self.output);
        let outcome = upstream.relay(&mut self.session, &mut self.output);
        upstream.tell(&self.gateway.metrics, self.session.is_quiet());
        upstream.recordings.land(&self.gateway.cache);
        if let Some(cancelling) = &mut self.cancelling {
            cancelling.heard(&self.session);
        }
        outcome.map_err(Fault::Protocol)?;
        Poll::Ready(Ok(self.session.is_quiet() || (self.session.must_wait() && !self.session.is_waiting())))
    }

    /// `Ok(false)`: the client hung up.
    pub(super) fn poll_read_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let waiting = self.upstream.as_ref().map_or(0, |upstream| upstream.output.len());
        let full = self.input.len() >= INPUT_BYTES_HIGH.max(self.wanted);
        // Who does not read what is made here is not listened to either.
        if full || waiting >= INPUT_BYTES_HIGH || self.output.len() >= OUTPUT_BYTES_HIGH {
            return Poll::Pending;
        }
        let mut space = [MaybeUninit::uninit(); CLIENT_READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        self.gateway.metrics.client_bytes_in.add(read.filled().len().try_into().unwrap_or(0));
        spare::furnish(&mut self.input);
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }

    /// Waits for the client to hang up or somebody to ring, while something else is waited for.
    pub(super) fn poll_interruption(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        if let Some(progress) = self.poll_bell(cx) {
            return Poll::Ready(progress);
        }
        if self.poll_write_client(cx).is_err() {
            return Poll::Ready(Progress::ClientGone);
        }
        loop {
            match ready!(self.poll_read_client(cx)) {
                Ok(true) => {}
                Ok(false) | Err(_) => return Poll::Ready(Progress::ClientGone),
            }
        }
    }
}

impl Upstream {
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.lease.io).poll_write(cx, &self.output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.output.advance(written);
                    self.is_unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        flush(&mut self.lease.io, &mut self.is_unflushed, cx)
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = &mut *self.lease;
        if connection.rx.capacity() - connection.rx.len() < UPSTREAM_READ_BYTES / 4 {
            connection.rx.reserve(UPSTREAM_READ_BYTES);
        }
        match ready!(tokio_util::io::poll_read_buf(Pin::new(&mut connection.io), cx, &mut connection.rx))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Hands every message that has arrived to the session, and what passes to the client.
    pub(super) fn relay(&mut self, session: &mut Session, output: &mut BytesMut) -> Result<(), UpstreamFault> {
        let before = output.len();
        self.recordings.begin(before);
        let outcome = self.relay_messages(session, output);
        self.recordings.pass(session, output);
        if output.len() != before {
            self.repeatable = None;
        }
        outcome
    }

    /// Tells the metrics what was answered; `done` when nothing is outstanding any more.
    pub(super) fn tell(&mut self, metrics: &Metrics, done: bool) {
        let Tally { rows, errors } = std::mem::take(&mut self.tally);
        if rows > 0 {
            metrics.rows.add(rows);
        }
        if errors > 0 {
            metrics.upstream_errors.add(errors);
        }
        if done && let Some(asked) = self.asked.take() {
            self.answered = Instant::now();
            metrics.statement_time.observe(self.answered.saturating_duration_since(asked));
        }
    }

    fn relay_messages(&mut self, session: &mut Session, output: &mut BytesMut) -> Result<(), UpstreamFault> {
        let connection = &mut *self.lease;
        let rx = &mut connection.rx;
        let carried = self.passing.min(rx.len());
        self.passing -= carried;
        let mut run = Run { start: if self.is_dropping { carried } else { 0 }, end: carried };
        let mut made_here = BytesMut::new();
        while let Some(rest) = rx.get(run.end..).filter(|_| self.passing == 0) {
            let header = frame::header(rest).map_err(|_| UpstreamFault::OutOfPlace(0))?;
            let Some(header) = header else { break };
            let total = HEADER_BYTES + header.body_bytes;
            if matches!(header.tag, b'D' | b'd') && session.passes_rows() {
                let here = total.min(rest.len());
                self.is_dropping = session.is_cut();
                if self.is_dropping {
                    run.pass(rx, output);
                    run.skip(here);
                } else if let Err(bound) = self.result.row(total) {
                    run.pass(rx, output);
                    rx.advance(run.end);
                    return Err(UpstreamFault::ResultTooLong(bound));
                } else {
                    self.tally.rows += u64::from(header.tag == b'D');
                    run.end += here;
                }
                self.passing = total - here;
                continue;
            }
            if total > CONTROL_BYTES_MAX {
                return Err(UpstreamFault::OutOfPlace(header.tag));
            }
            let Some(body) = rest.get(HEADER_BYTES..total) else { break };
            self.result.message(header.tag);
            self.tally.errors += u64::from(header.tag == b'E');
            if header.tag == b'S' {
                note_parameter(&mut connection.parameters, body);
            }
            let relay = session.relay(header.tag, body, &mut connection.statements, &mut made_here);
            self.recordings.watch(header.tag, body, relay == Relay::Forward);
            match relay {
                Relay::Forward => run.end += total,
                Relay::Swallow => {
                    run.pass(rx, output);
                    run.skip(total);
                }
                Relay::Fault(fault) => {
                    run.pass(rx, output);
                    return Err(fault);
                }
            }
            if !made_here.is_empty() {
                run.pass(rx, output);
                output.extend_from_slice(&made_here);
                made_here.clear();
            }
            if header.tag == b'Z' && self.recordings.is_waited_for() {
                run.pass(rx, output);
                self.recordings.end(session, output);
            }
        }
        run.pass(rx, output);
        rx.advance(run.end);
        Ok(())
    }
}

/// Bytes of what was read that go to the client unchanged; what stands before them is done with.
struct Run {
    start: usize,
    end: usize,
}

impl Run {
    /// Moves them behind what waits for the client.
    fn pass(&mut self, rx: &mut BytesMut, output: &mut BytesMut) {
        if output.is_empty() && self.end - self.start > COPY_BYTES_MAX {
            rx.advance(self.start);
            *output = rx.split_to(self.end - self.start);
            *self = Self { start: 0, end: 0 };
        } else {
            output.extend_from_slice(rx.get(self.start..self.end).unwrap_or_default());
            self.start = self.end;
        }
    }

    /// Leaves out what comes next. Everything before it has been passed.
    fn skip(&mut self, bytes: usize) {
        self.end += bytes;
        self.start = self.end;
    }
}

fn flush<T: AsyncWrite + Unpin>(io: &mut T, is_unflushed: &mut bool, cx: &mut Context<'_>) -> io::Result<()> {
    if *is_unflushed && let Poll::Ready(outcome) = Pin::new(io).poll_flush(cx) {
        *is_unflushed = false;
        return outcome;
    }
    Ok(())
}

fn note_parameter(parameters: &mut crate::upstream::Parameters, body: &[u8]) {
    if let Ok((name, value)) = decode_parameter_status(body) {
        parameters.set(name.to_owned(), value.to_owned());
    }
}
