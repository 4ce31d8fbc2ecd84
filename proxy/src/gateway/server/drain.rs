//! How many sessions there are, and whether the process is leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Counts sessions.
#[derive(Debug)]
pub struct Drain {
    sessions: AtomicUsize,
    sessions_max: usize,
    leaving: AtomicBool,
    one_left: Notify,
    work: AtomicUsize,
}

/// An HTTP connection, until dropped.
#[derive(Debug)]
pub struct Work(Arc<Drain>);

/// The place of one session; dropping it gives the place back.
#[derive(Debug)]
pub struct SessionSlot(Arc<Drain>);

impl Drain {
    /// A drain for at most `sessions_max` sessions at once.
    #[must_use]
    pub fn new(sessions_max: usize) -> Self {
        let (sessions, work) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { sessions, sessions_max, leaving: AtomicBool::new(false), one_left: Notify::new(), work }
    }

    /// An HTTP connection begins: the process waits for it before it ends.
    #[must_use]
    pub fn work(self: &Arc<Self>) -> Work {
        self.work.fetch_add(1, Ordering::AcqRel);
        Work(Arc::clone(self))
    }

    /// A place for one more session, unless all are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<SessionSlot> {
        let before = self.sessions.fetch_add(1, Ordering::AcqRel);
        // Made first, so that a refused session gives back what it took.
        let slot = SessionSlot(Arc::clone(self));
        (before < self.sessions_max).then_some(slot)
    }

    /// Sessions at this moment.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// The process will end: `/readyz` says so from now on, sessions go on.
    pub fn announce(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// True once the end has been announced.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// True while there is one.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.work.load(Ordering::Acquire) > 0
    }

    /// Returns when no session and no HTTP connection is left.
    pub async fn empty(&self) {
        loop {
            let left = self.one_left.notified();
            tokio::pin!(left);
            // Registered before the count is looked at, so that no leave is missed.
            left.as_mut().enable();
            if self.sessions() == 0 && !self.is_working() {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.0.work.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.one_left.notify_waiters();
        }
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        if self.0.sessions.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.one_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_is_empty_when_the_last_session_left() {
        let drain = Arc::new(Drain::new(2));
        let (first, second) = (drain.enter().unwrap(), drain.enter().unwrap());
        assert!(drain.enter().is_none());
        assert_eq!(drain.sessions(), 2);
        drop(first);
        assert!(tokio::time::timeout(Duration::from_millis(20), drain.empty()).await.is_err());
        let waiting = tokio::spawn({
            let drain = Arc::clone(&drain);
            async move { drain.empty().await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(second);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    }
}
