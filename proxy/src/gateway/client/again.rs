//! Asking upstream once more for what is kept, for nobody in particular: nobody reads the answer as it comes, and nobody
//! cancels it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::pump::Fault;
use super::result_gauge::ResultGauge;
use super::{Upstream, spare};
use crate::cache::{Boarding, Entry, Key, Landing, Recording, Ticket, admit};
use crate::gateway::state::{Database, Gateway, Route};
use crate::session::verdict::Verdicts;
use crate::session::{Origin, Read, Session};

/// A read that may be asked again, and under what.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct Again {
    read: Read,
    origin: Arc<Origin>,
    database: Arc<Database>,
    route: Arc<Route>,
}

impl Again {
    /// What `session` has read, with all parts that `entry` has.
    pub(super) fn new(session: &Session, read: &Read, entry: &Entry, at: (&Arc<Database>, &Arc<Route>)) -> Self {
        let read = Read {
            statement: Arc::clone(&read.statement),
            // What was read from the client must not be held for it.
            values: Bytes::copy_from_slice(&read.values),
            wants: entry.answer.parts(),
        };
        Self { read, origin: session.origin_as_it_stands(), database: Arc::clone(at.0), route: Arc::clone(at.1) }
    }

    /// What the answer is kept under.
    pub(in crate::gateway) fn key(&self) -> Key {
        Key::new(&self.read.statement.key, self.read.policy_version(), &self.read.values)
    }

    /// The database that is asked.
    pub(in crate::gateway) fn database(&self) -> &Database {
        &self.database
    }

    /// The verdict is one of the policy and the catalog in force.
    pub(in crate::gateway) fn is_permitted(&self) -> bool {
        self.read.statement.reviewed.as_ref().is_some_and(|reviewed| self.database.current(reviewed))
    }

    /// The place of the one who asks, unless somebody does already.
    pub(in crate::gateway) fn board(&self, gateway: &Gateway) -> Option<Ticket> {
        match gateway.cache.board(&self.key()) {
            Boarding::Leads(ticket) => Some(ticket),
            Boarding::Waits(_) => None,
        }
    }

    /// Asks, and keeps what comes.
    pub(in crate::gateway) async fn ask(&self, gateway: &Gateway, ticket: Ticket) {
        if !self.is_permitted() {
            return;
        }
        gateway.cache.counters.refreshes.increment();
        if let Err(fault) = self.ask_upstream(gateway, ticket).await {
            gateway.cache.counters.refreshes_failed.increment();
            tracing::debug!(?fault, "what is kept could not be asked again");
        }
    }

    async fn ask_upstream(&self, gateway: &Gateway, ticket: Ticket) -> Result<(), Fault> {
        let mut session = Session::repeating(Arc::clone(&self.origin), &self.read);
        let plans = self.database.freshness.plans_moved();
        self.route.renew_after(plans);
        let lease = match self.route.pool.lease(Some(session.settings())).await {
            Ok(lease) => lease,
            Err(error) => {
                // Those who wait try for themselves.
                ticket.land(Landing::NotKept);
                return Err(Fault::Io(io::Error::other(error)));
            }
        };
        let mut upstream = Upstream::new(lease, ResultGauge::new(&gateway.config.limits), plans);
        upstream.replay_settings(&mut session);
        if let Some(recording) = self.recording(gateway, &session, plans, ticket) {
            upstream.recordings.add(recording, &session);
        }
        upstream.send(&mut session);
        let mut output = BytesMut::new();
        session.deliver_local(&mut output);
        output.clear();
        std::future::poll_fn(|cx| upstream.poll_to_the_end(&mut session, &mut output, cx)).await?;
        upstream.tell(&gateway.metrics, true);
        upstream.recordings.land(&gateway.cache);
        // What is not vouched for is destroyed.
        if session.can_release() {
            upstream.lease.settings = Arc::clone(session.settings());
            let Upstream { lease, mut output, answered, .. } = upstream;
            spare::strip(&mut output);
            lease.release_at(answered);
        }
        Ok(())
    }

    fn recording(&self, gateway: &Gateway, session: &Session, plans: u64, ticket: Ticket) -> Option<Recording> {
        let stamp = self.database.freshness.stamp(Instant::now())?;
        if !self.is_permitted() || !self.database.keeps(plans) {
            return None;
        }
        let oids = admit(self.read.permitted()?).ok()?.tables;
        let tables = self.database.freshness.watched(oids)?;
        let batch = session.batches_answered() + 1;
        Some(Recording::new(&self.key(), batch, (stamp, tables), &gateway.cache.store, Some(ticket)))
    }
}

impl Upstream {
    /// Moves bytes until everything is answered; `output` is let go of as it comes.
    fn poll_to_the_end(
        &mut self,
        session: &mut Session,
        output: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        while !session.is_quiet() {
            self.poll_write(cx).map_err(Fault::Io)?;
            ready!(self.poll_read(cx)).map_err(Fault::Io)?;
            self.relay(session, output).map_err(Fault::Protocol)?;
            output.clear();
        }
        Poll::Ready(Ok(()))
    }
}
