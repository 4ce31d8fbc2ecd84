//! Answers from memory, and keeping what passes from upstream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::lease::canceled;
use super::pump::{OUTPUT_BYTES_HIGH, Progress};
use super::{Again, Client, End, shutting_down, spare};
use crate::cache::{Asking, Boarding, Bypass, Cache, Flight, Found, Key, Landing, Recording, Stamp, admit};
use crate::gateway::bell::{self, Doing};
use crate::session::verdict::Verdicts;
use crate::session::{Moment, Parts, Read, Session, Told};
use crate::sql::Access;
use crate::wire::backend::{Fields, Report, TransactionStatus};
use crate::wire::sqlstate::SqlState;

/// How often one who waits looks whether the one who asks upstream is held up by its own client.
const HELD_UP_INTERVAL: Duration = Duration::from_millis(250);

/// A server that has heard nothing of a block for so long is asked itself.
const UNHEARD_MAX: Duration = Duration::from_secs(5);

/// What is recorded of the answers that pass.
#[derive(Default)]
pub(super) struct Recordings {
    open: VecDeque<Recording>,
    landed: Vec<Recording>,
    /// Where in the output the part begins that no recording has taken.
    mark: usize,
    /// What the batch before ended with; unknown while that is outstanding.
    before: Option<TransactionStatus>,
}

/// What became of waiting for somebody else's answer.
enum Waited {
    Landed(Landing),
    /// The one who asks has a client that does not read.
    HeldUp,
    /// The client is told this instead.
    Over(Report),
}

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Answers what needs no connection: what the session answers itself, and what is kept. Returns whether the rest, if
    /// any, needs one.
    pub(super) async fn answer_here(&mut self) -> Result<bool, End> {
        loop {
            if !self.session.answer_locally(&mut self.output) {
                return Ok(false);
            }
            // Nothing of the insight store is kept: who asks decides what is seen there.
            if self.database.freshness.is_off() || self.route.access() == Access::Store {
                return Ok(true);
            }
            if self.output.len() >= OUTPUT_BYTES_HIGH {
                // What was answered is read first: the pump comes back.
                self.waits_for_reader = true;
                return Ok(false);
            }
            spare::furnish(&mut self.output);
            let Some(read) = self.session.next_read() else {
                // Half a batch may become one that needs no connection.
                return Ok(!self.session.is_half_batch());
            };
            if !self.answer_from_memory(&read).await? {
                return Ok(true);
            }
        }
    }

    /// `false`: it must be asked upstream.
    async fn answer_from_memory(&mut self, read: &Read) -> Result<bool, End> {
        let asked = Instant::now();
        let Ok(key) = self.question(read) else { return Ok(false) };
        self.database.freshness.used(asked);
        let staleness_max = self.session.staleness_max();
        loop {
            let asking = Asking { freshness: &self.database.freshness, asked, staleness_max };
            let found = self.gateway.cache.find(&key, read.wants, &asking);
            if !matches!(found, Found::Nothing) {
                return Ok(self.deliver(read, found, asked));
            }
            match self.gateway.cache.board(&key) {
                Boarding::Leads(ticket) => {
                    self.ticket = Some(ticket);
                    return Ok(false);
                }
                Boarding::Waits(flight) => match self.wait_for_landing(&flight, asked).await? {
                    Waited::Landed(Landing::Kept | Landing::Abandoned) => {}
                    Waited::Landed(Landing::NotKept) => return Ok(false),
                    Waited::HeldUp => self.gateway.cache.overtake(&key, &flight),
                    Waited::Over(report) => {
                        self.session.upstream_gone(&report, &mut self.output);
                        return Ok(true);
                    }
                },
            }
        }
    }

    /// Answers reads of a block that is under way, as far as they are kept; the connection hears nothing of them. Nobody
    /// is waited for: who does could wait for the very connection that is held here.
    pub(super) fn answer_in_block(&mut self) {
        while self.output.len() < OUTPUT_BYTES_HIGH
            && let Some(read) = self.session.next_read()
        {
            let asked = Instant::now();
            // What a block is allowed to be idle for is the server's to say: it must hear of it now and then.
            let heard = self.upstream.as_ref().map(|upstream| upstream.answered);
            if heard.is_none_or(|heard| asked.into_std().saturating_duration_since(heard) > UNHEARD_MAX) {
                return;
            }
            let Ok(key) = self.question(&read) else { return };
            self.database.freshness.used(asked);
            let staleness_max = self.session.staleness_max();
            let asking = Asking { freshness: &self.database.freshness, asked, staleness_max };
            let found = self.gateway.cache.find(&key, read.wants, &asking);
            spare::furnish(&mut self.output);
            if !self.deliver(&read, found, asked) {
                return;
            }
        }
    }

    /// `false`: there is nothing that may be served.
    fn deliver(&mut self, read: &Read, found: Found, asked: Instant) -> bool {
        let (entry, as_of, stale) = match found {
            // Wall 6 holds for answers from memory too: a role that can write by now serves nobody.
            _ if self.route.pool.held().is_some() => return false,
            Found::Hit(entry, as_of) => (entry, as_of, false),
            Found::Stale(entry, as_of) => (entry, as_of, true),
            Found::Nothing => return false,
        };
        self.gateway.cache.counters.hit(entry.took);
        let again = || Again::new(&self.session, read, &entry, (&self.database, &self.route));
        if stale {
            self.gateway.cache.counters.stale.increment();
            let again = again();
            if let Some(ticket) = again.board(&self.gateway) {
                let gateway = Arc::clone(&self.gateway);
                tokio::spawn(async move { again.ask(&gateway, ticket).await });
            }
        }
        self.gateway.hottest.served(&self.gateway, &entry, again);
        let answer = &entry.answer;
        let description = answer.description.as_deref().unwrap_or_default();
        let parts = Parts { description, columns: answer.columns(), rows: answer.rows() };
        let age = asked.saturating_duration_since(as_of);
        let told = Told::Hit { age, as_of: moment(age), stale };
        self.session.answer_read(parts, told, &mut self.output);
        true
    }

    /// The key of a read, where it may be answered from memory.
    fn question(&self, read: &Read) -> Result<Key, Bypass> {
        let permitted = read.permitted().ok_or(Bypass::Kind)?;
        admit(permitted)?;
        if self.session.staleness_max().is_some_and(|asked| asked.is_zero()) {
            return Err(Bypass::Asked);
        }
        if read.says_now() {
            return Err(Bypass::Value);
        }
        Ok(Key::new(&read.statement.key, read.policy_version(), &read.values))
    }

    /// Waits for the answer that another one asks upstream for. Cancel and `statement_timeout` hold as if this one ran.
    async fn wait_for_landing(&mut self, flight: &Flight, asked: Instant) -> Result<Waited, End> {
        let deadline = self.waiting_time_max().map(|limit| asked + limit);
        self.gateway.cache.counters.waits.increment();
        self.place.resident.does(Doing::Waiting);
        let landing = flight.landing();
        tokio::pin!(landing);
        let mut held_up = tokio::time::interval(HELD_UP_INTERVAL);
        let mut since_held_up = 0;
        let waited = loop {
            tokio::select! {
                biased;
                landing = &mut landing => break Waited::Landed(landing),
                progress = std::future::poll_fn(|cx| self.poll_interruption(cx)) => match progress {
                    Progress::Rung(what) if what & bell::END != 0 => return Err(End::With(shutting_down())),
                    Progress::Rung(_) => {
                        self.place.bell.hush(bell::CANCEL);
                        break Waited::Over(canceled());
                    }
                    Progress::ClientGone => return Err(End::Quiet),
                    Progress::ClientBytes | Progress::Settled | Progress::UpstreamFault(_) => {}
                },
                () = until(deadline) => break Waited::Over(timed_out()),
                _ = held_up.tick() => {
                    since_held_up = if flight.is_held_up() { since_held_up + 1 } else { 0 };
                    if since_held_up > 2 {
                        break Waited::HeldUp;
                    }
                }
            }
        };
        self.place.resident.does(Doing::Idle);
        Ok(waited)
    }

    /// How long somebody else's answer is waited for.
    fn waiting_time_max(&self) -> Option<Duration> {
        self.session.statement_timeout().or_else(|| self.route_timeout()).filter(|limit| !limit.is_zero())
    }

    /// The `statement_timeout` that connections are opened with.
    fn route_timeout(&self) -> Option<Duration> {
        let target = self.route.pool.target();
        let (_, value) = target.settings.iter().find(|(name, _)| name.eq_ignore_ascii_case("statement_timeout"))?;
        value.parse().ok().map(Duration::from_millis)
    }

    /// There is no connection to be had: those who wait try for themselves.
    pub(super) fn nobody_asks(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.land(Landing::NotKept);
        }
    }

    /// Notes for what is about to be sent whether its answer is to be kept, and tells the client.
    pub(super) fn record(&mut self) {
        if self.database.freshness.is_off() || !self.session.has_queued() {
            return;
        }
        let now = Instant::now();
        let as_of = moment(Duration::ZERO);
        let mut queued = self.session.queued_reads();
        let first = queued.next();
        // Nothing is allocated where there is but one, as there mostly is.
        let others: Vec<(u64, Option<Read>)> = queued.collect();
        for (batch, read) in first.into_iter().chain(others) {
            let told = match self.recording(batch, read.as_ref(), now) {
                Ok(recording) => {
                    self.gateway.cache.counters.misses.increment();
                    let recordings = self.upstream.as_mut().map(|upstream| &mut upstream.recordings);
                    if let Some(recordings) = recordings {
                        recordings.add(recording, &self.session);
                    }
                    Told::Miss { as_of }
                }
                Err(why) => {
                    self.gateway.cache.counters.bypassed(why);
                    Told::Bypass(why.word())
                }
            };
            self.session.tell(batch, told);
        }
        // Of what is not sent nothing comes back.
        self.ticket = None;
    }

    fn recording(&mut self, batch: u64, read: Option<&Read>, now: Instant) -> Result<Recording, Bypass> {
        // Whether the block is still the same when later batches run is not known.
        let first = !self.session.is_waiting() && batch == self.session.batches_answered() + 1;
        let in_block = first && self.session.reads_as_outside();
        if self.session.status() != TransactionStatus::Idle && !in_block {
            return Err(Bypass::Transaction);
        }
        let read = read.ok_or(Bypass::Kind)?;
        let key = self.question(read)?;
        let freshness = &self.database.freshness;
        freshness.used(now);
        let stamp: Stamp = freshness.stamp(now).ok_or(Bypass::Unwatched)?;
        // What was not known when the stamp was taken counts as known before: after it, so.
        let is_current = read.statement.reviewed.as_ref().is_some_and(|reviewed| self.database.current(reviewed));
        let plans = self.upstream.as_ref().map_or(0, |upstream| upstream.plans);
        if !is_current || !self.database.keeps(plans) {
            return Err(Bypass::Unwatched);
        }
        let oids = read.permitted().map(admit).ok_or(Bypass::Kind)??.tables;
        let tables = freshness.watched(oids).ok_or(Bypass::Tables)?;
        let ticket = self.ticket.take_if(|ticket| ticket.is_for(&key));
        Ok(Recording::new(&key, batch, (stamp, tables), &self.gateway.cache.store, ticket))
    }
}

impl Recordings {
    pub(super) fn add(&mut self, recording: Recording, session: &Session) {
        if self.open.is_empty() {
            self.before = (!session.is_waiting()).then(|| session.status());
        }
        self.open.push_back(recording);
    }

    /// Nothing that is recorded will be kept.
    pub(super) fn give_up(&mut self) {
        std::mem::take(self).open.into_iter().for_each(Recording::give_up);
    }

    /// Something is recorded.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.open.is_empty()
    }

    /// The client does not read what is there for it.
    pub(super) fn hold_up(&mut self, is_held_up: bool) {
        if let Some(recording) = self.open.front() {
            recording.hold_up(is_held_up);
        }
    }

    /// From here on the output is what passes now.
    pub(super) fn begin(&mut self, mark: usize) {
        self.mark = mark;
    }

    /// Looks at a message that is no row.
    pub(super) fn watch(&mut self, tag: u8, body: &[u8], forwarded: bool) {
        let Some(recording) = self.open.front_mut() else { return };
        match tag {
            b'E' => {
                let ended = Fields::decode(body).ok().and_then(|fields| fields.sqlstate());
                // Cancelled or shut down: the next one may have better luck.
                if ended.is_some_and(|sqlstate| sqlstate.code().starts_with("57")) {
                    recording.abandon();
                }
                recording.spoil(Bypass::Answer);
            }
            b'N' | b'S' if forwarded => recording.spoil(Bypass::Answer),
            _ => {}
        }
    }

    /// A ReadyForQuery has passed.
    pub(super) fn end(&mut self, session: &Session, output: &BytesMut) {
        if self.open.is_empty() {
            return;
        }
        let answered = session.batches_answered();
        let status = session.status();
        let as_outside = status == TransactionStatus::Idle || session.reads_as_outside();
        if self.open.front().is_some_and(|recording| recording.batch() <= answered)
            && let Some(mut recording) = self.open.pop_front()
        {
            if self.before == Some(status) && as_outside && recording.batch() == answered {
                recording.pass(output.get(self.mark..).unwrap_or_default());
                recording.complete();
            } else {
                recording.spoil(Bypass::Transaction);
            }
            self.landed.push(recording);
        }
        self.before = Some(status);
        self.mark = output.len();
    }

    /// What is left has no end yet.
    pub(super) fn pass(&mut self, session: &Session, output: &BytesMut) {
        let next = session.batches_answered() + 1;
        if let Some(recording) = self.open.front_mut().filter(|recording| recording.batch() == next) {
            recording.pass(output.get(self.mark..).unwrap_or_default());
        }
    }

    /// Keeps what is complete.
    pub(super) fn land(&mut self, cache: &Cache) {
        self.landed.drain(..).for_each(|recording| cache.land(recording));
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn timed_out() -> Report {
    Report::error(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
}

/// The time of day, so long ago.
fn moment(age: Duration) -> Moment {
    Moment(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age))
}
