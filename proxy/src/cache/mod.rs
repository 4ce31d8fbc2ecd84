//! Answers kept in memory: which may be kept, under what key, how long they count as fresh.
//!
//! A kept answer holds for exactly the statement, values, formats, settings, database, role, policy and catalog it was
//! made under; all of it is compared. It is served only where a stated bound on its age holds, whatever else is known.
//!
//! **Architecture Invariant:** nothing is served that was not reviewed for the client that asks, and a doubt, about a
//! statement, a table or an age, sends the question upstream.

mod admission;
mod answer;
mod counters;
mod flight;
pub mod freshness;
mod key;
mod outcome;
mod recording;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use admission::{Cacheable, admit, refusal};
pub use answer::Answer;
pub use counters::Counters;
pub use flight::{Boarding, Flight, Landing, Ticket};
pub use freshness::{Freshness, Stamp, Standing};
pub use key::Key;
pub use outcome::Bypass;
pub use recording::Recording;
pub use store::{Entry, Store, StoreLimits};

use flight::Flights;

/// The answers of all databases of a gateway.
#[derive(Debug)]
pub struct Cache {
    /// What is kept.
    pub store: Store,
    /// What happened.
    pub counters: Arc<Counters>,
    flights: Flights,
}

/// What a look into the cache found.
#[derive(Debug)]
pub enum Found {
    /// An answer, and as of when it is what PostgreSQL would have said.
    Hit(Arc<Entry>, Instant),
    /// One whose time is over, which may be served while it is asked for again.
    Stale(Arc<Entry>, Instant),
    /// Nothing that may be served.
    Nothing,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: StoreLimits) -> Self {
        let counters = Arc::new(Counters::default());
        Self { store: Store::new(limits, &counters), counters, flights: Flights::default() }
    }

    /// An answer that has what `read` wants and is no older than `staleness_max`, counted from when it was `asked`.
    #[must_use]
    pub fn find(&self, key: &Key, wants: crate::session::Wants, limits: &Asking<'_>) -> Found {
        let Some(entry) = self.store.find(key) else { return Found::Nothing };
        if !entry.answer.has(wants) {
            return Found::Nothing;
        }
        let longer = limits.freshness.limits().stale_while_revalidate;
        let standing = limits.freshness.judge(&entry.stamp, &entry.tables);
        let Some(standing) = standing.filter(|standing| !standing.changed || !longer.is_zero()) else {
            self.store.drop_changed(key);
            return Found::Nothing;
        };
        let fresh = if standing.changed { Duration::ZERO } else { standing.bound };
        let age = limits.asked.saturating_duration_since(standing.as_of);
        let age_max = limits.staleness_max.map_or(fresh + longer, |asked| asked.min(fresh + longer));
        if age > age_max {
            return Found::Nothing;
        }
        entry.served();
        let is_fresh = !standing.changed && age <= fresh;
        if is_fresh { Found::Hit(entry, standing.as_of) } else { Found::Stale(entry, standing.as_of) }
    }

    /// A place in the flight for an answer: as the one who asks upstream, or as one who waits for that.
    #[must_use]
    pub fn board(&self, key: &Key) -> Boarding {
        self.flights.board(key)
    }

    /// A flight takes too long for no reason of the database's: of those who wait for it one asks upstream in its place,
    /// and the others wait for that one.
    pub fn overtake(&self, key: &Key, flight: &Arc<Flight>) {
        self.flights.overtake(key, flight);
    }

    /// Keeps what a recording holds, if it is an answer that can be kept, and tells those who wait for it.
    pub fn land(&self, recording: Recording) {
        let (key, ticket, kept) = recording.into_entry(&self.store);
        let landing = match kept {
            Ok(entry) => {
                self.store.keep(key, entry);
                Landing::Kept
            }
            Err(why) => {
                self.counters.bypassed(why);
                Landing::NotKept
            }
        };
        if let Some(ticket) = ticket {
            ticket.land(landing);
        }
    }
}

/// How fresh an answer must be.
#[derive(Debug)]
pub struct Asking<'a> {
    /// What is known of the database.
    pub freshness: &'a Freshness,
    /// When the question came.
    pub asked: Instant,
    /// What the client asks for, if it asks for more than the configuration does.
    pub staleness_max: Option<Duration>,
}
