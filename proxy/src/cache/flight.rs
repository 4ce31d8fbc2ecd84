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
    /// How it ends.
    landing: u8,
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
        Boarding::Leads(Ticket { open: Arc::clone(&self.open), key, flight, landing: ABANDONED })
    }
}

impl Flights {
    /// Who comes from now on begins another flight, unless one has begun already.
    pub(super) fn overtake(&self, key: &Key, flight: &Arc<Flight>) {
        let mut open = self.open.lock();
        if open.get(key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            open.remove(key);
        }
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
        self.landing.store(landing, Ordering::Release);
        self.landed.notify_waiters();
    }
}

const KEPT: u8 = 1;
const NOT_KEPT: u8 = 2;
const ABANDONED: u8 = 3;

impl Ticket {
    /// Ends the flight.
    pub fn land(mut self, landing: Landing) {
        self.landing = match landing {
            Landing::Kept => KEPT,
            Landing::NotKept => NOT_KEPT,
            Landing::Abandoned => ABANDONED,
        };
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
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Who comes from now on begins another flight. Nobody could while this one stood there: it is the one removed.
        self.open.lock().remove(&self.key);
        self.flight.land(self.landing);
    }
}
