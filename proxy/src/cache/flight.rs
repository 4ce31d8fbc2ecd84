//! One flight: of all who ask the same at once, one asks upstream and the others wait for its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::key::Key;

/// The flights under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: Arc<Mutex<HashMap<Key, Arc<Flight>, ahash::RandomState>>>,
}

/// One of them.
#[derive(Debug, Default)]
pub struct Flight {
    /// Zero while it is under way.
    landing: AtomicU8,
    /// The client of the one who asks does not read.
    held_up: AtomicBool,
    landed: Notify,
}

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// The answer is kept: look again.
    Kept,
    /// There is an answer that cannot be kept: everybody asks for himself.
    NotKept,
    /// Who asked upstream is gone, or was cancelled: one of those who waited takes over.
    Abandoned,
}

/// Somebody's place in a flight.
#[derive(Debug)]
pub enum Boarding {
    /// This one asks upstream.
    Leads(Ticket),
    /// Another one does.
    Waits(Arc<Flight>),
}

/// Held by the one who asks upstream; dropped without a landing, the flight is abandoned.
#[derive(Debug)]
pub struct Ticket {
    open: Arc<Mutex<HashMap<Key, Arc<Flight>, ahash::RandomState>>>,
    key: Key,
    flight: Arc<Flight>,
}

impl Flights {
    pub(super) fn board(&self, key: &Key) -> Boarding {
        let mut open = self.open.lock();
        if let Some(flight) = open.get(key) {
            return Boarding::Waits(Arc::clone(flight));
        }
        let (key, flight) = (key.owned(), Arc::new(Flight::default()));
        open.insert(key.clone(), Arc::clone(&flight));
        drop(open);
        Boarding::Leads(Ticket { open: Arc::clone(&self.open), key, flight })
    }
}

impl Flight {
    /// Returns when it has landed.
    pub async fn landing(&self) -> Landing {
        let landed = self.landed.notified();
        tokio::pin!(landed);
        // Registered before the state is looked at, so that no landing is missed.
        landed.as_mut().enable();
        if self.landing.load(Ordering::Acquire) == 0 {
            landed.await;
        }
        match self.landing.load(Ordering::Acquire) {
            KEPT => Landing::Kept,
            NOT_KEPT => Landing::NotKept,
            _ => Landing::Abandoned,
        }
    }

    /// Whether it waits for a client that does not read.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::Relaxed)
    }

    fn land(&self, landing: u8) {
        let first = self.landing.compare_exchange(0, landing, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.landed.notify_waiters();
        }
    }
}

const KEPT: u8 = 1;
const NOT_KEPT: u8 = 2;
const ABANDONED: u8 = 3;

impl Ticket {
    /// Ends the flight.
    pub fn land(self, landing: Landing) {
        self.leave();
        self.flight.land(match landing {
            Landing::Kept => KEPT,
            Landing::NotKept => NOT_KEPT,
            Landing::Abandoned => ABANDONED,
        });
    }

    /// The question, in memory of its own.
    pub(super) fn key(&self) -> Key {
        self.key.clone()
    }

    /// Whether it is the ticket of that question.
    #[must_use]
    pub fn is_for(&self, key: &Key) -> bool {
        self.key == *key
    }

    pub(super) fn hold_up(&self, is_held_up: bool) {
        self.flight.held_up.store(is_held_up, Ordering::Relaxed);
    }

    /// Who comes from now on begins another flight.
    fn leave(&self) {
        let mut open = self.open.lock();
        if open.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            open.remove(&self.key);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
        // Nothing where it has landed.
        self.flight.land(ABANDONED);
    }
}
