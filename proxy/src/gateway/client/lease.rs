//! Taking a connection, giving it back, and what happens when it breaks.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::kept::Recordings;
use super::pump::{Fault, Progress};
use super::result_gauge::ResultGauge;
use super::{Client, End, Tally, Upstream, shutting_down, spare};
use crate::gateway::bell::{self, Doing};
use crate::session::settings::replay;
use crate::session::{Op, ResultBound, Session, UpstreamFault, failure};
use crate::sql::Access;
use crate::upstream::{Lease, PoolError};
use crate::wire::backend::{Report, Severity, TransactionStatus};
use crate::wire::sqlstate::SqlState;

/// Steps kept for repeating a batch; a longer batch is not repeated.
const REPEATABLE_OPS_MAX: usize = 256;

/// Steps of an ordinary batch.
const STEPS: usize = 8;

/// So much made here waits for the upstream's answer, to go out with it.
const HELD_BYTES_MAX: usize = 4 * 1024;

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Sends what the session has queued, on a connection taken for it where one is needed, and gives the
    /// connection back where it is needed no longer.
    pub(super) async fn forward(&mut self) -> Result<(), End> {
        if self.upstream.is_some() {
            self.answer_in_block();
        } else if !self.answer_here().await? || !self.take_lease().await? {
            return Ok(());
        }
        self.await_cancelling().await;
        self.record();
        if let Some(upstream) = &mut self.upstream {
            upstream.send(&mut self.session);
            let is_new = self.is_held || self.output.is_empty();
            let delivered = self.session.deliver_local(&mut self.output);
            upstream.answered_here(delivered);
            self.is_held = is_new && self.output.len() < HELD_BYTES_MAX && self.session.is_answered_soon();
        }
        if self.session.can_release() {
            self.release().await;
        }
        Ok(())
    }

    /// `false`: there was none to be had, and the client has been told.
    async fn take_lease(&mut self) -> Result<bool, End> {
        // The change of what plans hang on that the connection is younger than.
        let plans = self.database.freshness.plans_moved();
        self.route.renew_after(plans);
        let taken = match self.route.pool.lease_now(Some(self.session.settings())) {
            Ok(Some(lease)) => Ok(lease),
            Ok(None) => self.wait_for_lease().await?,
            Err(error) => Err(no_connection(&error)),
        };
        match taken {
            Ok(lease) => {
                self.place.resident.does(Doing::Active);
                self.upstream = Some(Upstream::new(lease, ResultGauge::new(&self.gateway.config.limits), plans));
                if let Some(upstream) = &mut self.upstream {
                    upstream.replay_settings(&mut self.session);
                }
                Ok(true)
            }
            Err(report) => {
                self.place.resident.does(Doing::Idle);
                self.nobody_asks();
                self.session.upstream_gone(&report, &mut self.output);
                Ok(false)
            }
        }
    }

    async fn wait_for_lease(&mut self) -> Result<Result<Lease, Report>, End> {
        self.place.resident.does(Doing::Waiting);
        let pool = self.route.pool.clone();
        let settings = Arc::clone(self.session.settings());
        let lease = pool.lease(Some(&settings));
        tokio::pin!(lease);
        loop {
            tokio::select! {
                biased;
                outcome = &mut lease => return Ok(outcome.map_err(|error| no_connection(&error))),
                progress = std::future::poll_fn(|cx| self.poll_interruption(cx)) => match progress {
                    Progress::Rung(what) if what & bell::END != 0 => return Err(End::With(shutting_down())),
                    Progress::Rung(_) => {
                        self.place.bell.hush(bell::CANCEL);
                        return Ok(Err(canceled()));
                    }
                    Progress::ClientGone => return Err(End::Quiet),
                    Progress::ClientBytes | Progress::Settled | Progress::UpstreamFault(_) => {}
                },
            }
        }
    }

    async fn release(&mut self) {
        let Some(mut upstream) = self.upstream.take() else { return };
        if let Some(cancelling) = self.cancelling.take() {
            // The next user of the connection must not be hit by this client's cancel request: only when the server
            // has closed the cancel connection has its signal been delivered.
            if cancelling.finish().await.is_err() {
                return;
            }
        }
        upstream.lease.settings = Arc::clone(self.session.settings());
        let Upstream { lease, mut output, answered, .. } = upstream;
        spare::strip(&mut output);
        lease.release_at(answered);
        self.place.resident.does(Doing::Idle);
    }

    pub(super) fn upstream_failed(&mut self, fault: Fault) -> Result<(), End> {
        if let Fault::Protocol(UpstreamFault::ResultTooLong(bound)) = fault {
            return self.cut_result(bound);
        }
        let Some(upstream) = self.upstream.take() else { return Ok(()) };
        // What is to be cancelled is not run again.
        let is_cancelled = self.cancelling.take().is_some();
        if !self.repeated
            && !is_cancelled
            && may_repeat(&fault)
            && let Some(sent) = upstream.repeatable
        {
            self.repeated = true;
            tracing::debug!(?fault, "repeating a read that was not answered");
            self.session.rewind(sent);
            return Ok(());
        }
        tracing::info!(?fault, "upstream connection lost");
        let report = match lost(fault) {
            report if self.route.access() == Access::Read => report,
            report => failure::store_lost(report),
        };
        if self.session.is_quiet() && self.session.status() != TransactionStatus::Idle {
            // Nobody asked anything: the client learns that its transaction is gone as from PostgreSQL itself.
            return Err(End::With(Report { severity: Severity::Fatal, ..report }));
        }
        self.session.upstream_gone(&report, &mut self.output);
        Ok(())
    }
}

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// The result that is being answered is longer than what passes: the client sees no more of it, and the server is
    /// asked to go no further.
    fn cut_result(&mut self, bound: ResultBound) -> Result<(), End> {
        self.session.cut(failure::result_too_long(bound));
        let Some(upstream) = &mut self.upstream else { return Ok(()) };
        // All who ask the same are told the same: nobody need ask after the other.
        upstream.recordings.give_up();
        upstream.repeatable = None;
        // What has arrived already, and may be all that comes.
        let outcome = upstream.relay(&mut self.session, &mut self.output);
        if self.session.is_cut() {
            self.cancel();
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(fault) => self.upstream_failed(Fault::Protocol(fault)),
        }
    }
}

impl Upstream {
    pub(super) fn new(lease: Lease, result: ResultGauge, plans: u64) -> Self {
        let mut output = BytesMut::new();
        spare::furnish(&mut output);
        Self {
            asked: Some(lease.since()),
            answered: lease.since(),
            lease,
            result,
            output,
            is_unflushed: false,
            passing: 0,
            is_dropping: false,
            repeatable: Some(Vec::with_capacity(STEPS)),
            tally: Tally::default(),
            recordings: Recordings::default(),
            plans,
        }
    }

    pub(super) fn replay_settings(&mut self, session: &mut Session) {
        if Arc::ptr_eq(&self.lease.settings, session.settings()) {
            return;
        }
        let sql = replay(&self.lease.settings, session.settings());
        if !sql.is_empty() {
            session.replay_settings(&sql, &mut self.lease.statements, &mut self.output);
        }
    }

    pub(super) fn send(&mut self, session: &mut Session) {
        while let Some(op) = session.dispatch(&mut self.lease.statements, &mut self.output) {
            self.asked.get_or_insert_with(Instant::now);
            if !op.may_be_repeated() {
                self.repeatable = None;
            }
            match &mut self.repeatable {
                Some(sent) if sent.len() < REPEATABLE_OPS_MAX => sent.push(op),
                Some(_) => self.repeatable = None,
                None => {}
            }
        }
    }

    /// The first `count` answers were made here and are with the client: a repetition must not make them again.
    fn answered_here(&mut self, count: usize) {
        let Some(sent) = &mut self.repeatable else { return };
        let mut left = count;
        sent.retain_mut(|op| {
            let made_here = matches!(op, Op::Local(_) | Op::Refuse(_) | Op::Show { .. });
            if left == 0 || !(made_here || matches!(op, Op::Parse { .. })) {
                return true;
            }
            left -= 1;
            if let Op::Parse { answer, .. } = op {
                *answer = false;
            }
            !made_here
        });
    }
}

/// Whether the server cannot have answered: a connection that broke, or a plan that no longer fits.
fn may_repeat(fault: &Fault) -> bool {
    match fault {
        Fault::Io(_) => true,
        Fault::Protocol(UpstreamFault::StalePlan) => true,
        Fault::Protocol(
            UpstreamFault::OutOfPlace(_)
            | UpstreamFault::Ended { .. }
            | UpstreamFault::SettingMoved(_)
            | UpstreamFault::ResultTooLong(_)
            | UpstreamFault::Replay { .. },
        ) => false,
    }
}

fn lost(fault: Fault) -> Report {
    match fault {
        Fault::Io(error) => failure::upstream_lost(Some(error.to_string())),
        Fault::Protocol(UpstreamFault::Ended { sqlstate, message } | UpstreamFault::Replay { sqlstate, message }) => {
            Report::error(sqlstate, message)
        }
        Fault::Protocol(UpstreamFault::SettingMoved(name)) => Report::error(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("setting \"{name}\" moved on the upstream connection, which was closed"),
        ),
        Fault::Protocol(UpstreamFault::ResultTooLong(bound)) => failure::result_too_long(bound),
        Fault::Protocol(UpstreamFault::StalePlan) => {
            Report::error(SqlState::FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
        }
        Fault::Protocol(UpstreamFault::OutOfPlace(_)) => {
            Report::error(SqlState::CONNECTION_FAILURE, "the customer database sent a message out of place")
        }
    }
}

/// Why there is no connection, as the client is told.
pub(super) fn no_connection(error: &PoolError) -> Report {
    let report = Report::error(error.sqlstate(), error.to_string());
    match error.hint() {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

pub(super) fn canceled() -> Report {
    Report::error(SqlState::QUERY_CANCELED, "canceling statement due to user request")
}
