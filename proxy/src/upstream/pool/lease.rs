//! A connection on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use super::Pool;
use super::state::Pooled;
use crate::upstream::Connection;

/// A connection on loan. [`Lease::release`] gives it back; dropping it destroys the connection, because nobody vouched
/// for its state. If the server had closed it, the idle ones are looked at too.
pub struct Lease(Box<Pooled>);

impl Lease {
    pub(super) fn new(pool: &Pool, mut pooled: Box<Pooled>, now: Instant) -> Self {
        pooled.lender = Some(pool.clone());
        pooled.lent = now;
        Self(pooled)
    }

    /// Since when it is lent.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.0.lent
    }

    /// Gives the connection back: idle, outside a transaction, every answer read, and `settings` saying what is applied.
    /// One with bytes left unread is destroyed all the same.
    pub fn release(self) {
        self.release_at(Instant::now());
    }

    /// As [`Self::release`], for who has looked at the clock a moment ago.
    pub fn release_at(self, now: Instant) {
        let Self(mut pooled) = self;
        pooled.connection.statements.rest();
        if pooled.connection.rx.is_empty()
            && let Some(pool) = pooled.lender.take()
        {
            pool.give_back(pooled, now);
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(pool) = self.lender.take() else { return };
        if self.connection.is_closed() {
            // After a restart of the server the idle ones are dead too: the next leases should not find that out one
            // by one.
            pool.sift();
        } else {
            self.say_goodbye();
        }
        pool.forget();
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0.connection
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("process_id", &self.key.process_id).finish_non_exhaustive()
    }
}

/// A lease on its way to one who waits. If nobody takes it (the client left that moment), it goes back untouched.
pub(super) struct Handed(Option<Lease>);

impl Handed {
    pub(super) fn new(lease: Lease) -> Self {
        Self(Some(lease))
    }

    pub(super) fn into_lease(mut self) -> Option<Lease> {
        self.0.take()
    }

    /// Takes the connection out again without telling the pool: for use under its lock.
    pub(super) fn into_pooled(mut self) -> Option<Box<Pooled>> {
        self.0.take().map(|Lease(mut pooled)| {
            pooled.lender = None;
            pooled
        })
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            lease.release();
        }
    }
}
