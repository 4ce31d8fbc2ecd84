//! How one session is told something from outside: a cancel request, a drain, an end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::Waker;
use std::time::Instant;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// The client's query is to be cancelled.
pub const CANCEL: u8 = 1;
/// The session is to end at its next transaction boundary: with an answer, or in a silence.
pub const DRAIN: u8 = 2;
/// The session is to end now.
pub const END: u8 = 4;
/// The session is to end outside of a transaction, in a silence.
pub const LEAVE: u8 = 8;

/// One session's bell.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicU8,
    waker: AtomicWaker,
}

impl Bell {
    /// Rings, and wakes the session.
    pub fn ring(&self, what: u8) {
        self.rung.fetch_or(what, Ordering::AcqRel);
        self.waker.wake();
    }

    /// What was rung and not answered yet; the task of `waker` is woken at the next ring.
    pub fn listen(&self, waker: &Waker) -> u8 {
        self.waker.register(waker);
        self.rung.load(Ordering::Acquire)
    }

    /// What was rung and not answered yet.
    #[must_use]
    pub fn rung(&self) -> u8 {
        self.rung.load(Ordering::Acquire)
    }

    /// Answers a ring.
    pub fn hush(&self, what: u8) {
        // Asked with every query, and hardly ever rung.
        if self.rung.load(Ordering::Acquire) & what != 0 {
            self.rung.fetch_and(!what, Ordering::AcqRel);
        }
    }
}

/// What a cancel request must name: both numbers were told to one client alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Stands for the session in BackendKeyData; unique among the living.
    pub process_id: u32,
    /// Random.
    pub secret: u32,
}

/// A session as others see it.
#[derive(Debug)]
pub struct Resident {
    /// Its bell.
    pub bell: Arc<Bell>,
    /// The client's user.
    pub user: String,
    /// The database it asked for.
    pub database: String,
    /// Where it comes from.
    pub peer: String,
    /// Since when.
    pub since: Instant,
    state: AtomicU8,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it holds no connection.
    Idle,
    /// It waits for a connection of the pool.
    Waiting,
    /// It holds a connection.
    Active,
}

impl Doing {
    /// As `SHOW CLIENTS` prints it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Active => "active",
        }
    }
}

impl Resident {
    /// Notes what the session does now.
    pub fn does(&self, doing: Doing) {
        let state = match doing {
            Doing::Idle => 0,
            Doing::Waiting => 1,
            Doing::Active => 2,
        };
        self.state.store(state, Ordering::Relaxed);
    }

    /// What the session does now.
    #[must_use]
    pub fn state(&self) -> Doing {
        match self.state.load(Ordering::Relaxed) {
            0 => Doing::Idle,
            1 => Doing::Waiting,
            _ => Doing::Active,
        }
    }
}

/// All living sessions, by the key a cancel request names.
#[derive(Debug, Default)]
pub struct Sessions {
    living: Mutex<HashMap<SessionKey, Arc<Resident>>>,
    next: AtomicU32,
    draining: AtomicBool,
}

/// A session's place among the living; leaving it drops the place.
#[derive(Debug)]
pub struct Place {
    sessions: Arc<Sessions>,
    /// The key the client is told.
    pub key: SessionKey,
    /// The session's bell.
    pub bell: Arc<Bell>,
    /// The session as others see it.
    pub resident: Arc<Resident>,
}

impl Sessions {
    /// A place for a new session of `user` from `peer` on `database`.
    pub fn enter(self: &Arc<Self>, user: &str, database: &str, peer: &str) -> Place {
        let bell = Arc::new(Bell::default());
        let resident = Arc::new(Resident {
            bell: Arc::clone(&bell),
            user: user.to_owned(),
            database: database.to_owned(),
            peer: peer.to_owned(),
            since: Instant::now(),
            state: AtomicU8::new(0),
        });
        // Zero would look like "no cancel possible" to some drivers.
        let process_id = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & 0x7fff_ffff;
        let key = SessionKey { process_id, secret: rand::random() };
        self.living.lock().insert(key, Arc::clone(&resident));
        if self.draining.load(Ordering::Acquire) {
            bell.ring(DRAIN);
        }
        Place { sessions: Arc::clone(self), key, bell, resident }
    }

    /// Rings for the session that was told this key; a wrong key rings nowhere, silently, as in PostgreSQL.
    pub fn cancel(&self, key: SessionKey) -> bool {
        let resident = self.living.lock().get(&key).cloned();
        resident.inspect(|resident| resident.bell.ring(CANCEL)).is_some()
    }

    /// Tells every session, those still to come included, to end at its next transaction boundary.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.ring_all(DRAIN);
    }

    /// Tells one of `turns` equal parts of the sessions that have not been told `what`; those still to come are not told.
    pub fn ring_part(&self, what: u8, turns: u32) {
        let living = self.living.lock();
        let left: Vec<_> =
            living.values().map(|resident| &resident.bell).filter(|bell| bell.rung() & what == 0).collect();
        let part = left.len().div_ceil(usize::try_from(turns.max(1)).unwrap_or(usize::MAX));
        left.into_iter().take(part).for_each(|bell| bell.ring(what));
    }

    /// Tells every session to end now.
    pub fn end(&self) {
        self.ring_all(END);
    }

    /// Everybody, in no order.
    #[must_use]
    pub fn residents(&self) -> Vec<(SessionKey, Arc<Resident>)> {
        self.living.lock().iter().map(|(key, resident)| (*key, Arc::clone(resident))).collect()
    }

    /// How many live.
    #[must_use]
    pub fn count(&self) -> usize {
        self.living.lock().len()
    }

    fn ring_all(&self, what: u8) {
        for resident in self.living.lock().values() {
            resident.bell.ring(what);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.living.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_key_rings() {
        let sessions = Arc::new(Sessions::default());
        let (one, other) = (sessions.enter("u", "d", "p"), sessions.enter("u", "d", "p"));
        assert!(!sessions.cancel(SessionKey { secret: one.key.secret.wrapping_add(1), ..one.key }));
        assert!(sessions.cancel(one.key));
        assert_eq!((one.bell.rung(), other.bell.rung()), (CANCEL, 0));
        one.bell.hush(CANCEL);
        assert_eq!(one.bell.rung(), 0);
        let gone = one.key;
        drop(one);
        assert!(!sessions.cancel(gone));
    }

    #[test]
    fn in_the_last_turn_all_have_been_told() {
        let sessions = Arc::new(Sessions::default());
        let places: Vec<_> = (0..10).map(|_| sessions.enter("u", "d", "p")).collect();
        let told = || places.iter().filter(|place| place.bell.rung() == LEAVE).count();
        let counts: Vec<_> = (1..=4)
            .rev()
            .map(|turns| {
                sessions.ring_part(LEAVE, turns);
                told()
            })
            .collect();
        assert_eq!(counts, [3, 6, 8, 10]);
        sessions.ring_part(LEAVE, 0);
    }
}
