//! When to try again: later each time, and not all at once.

use std::time::{Duration, Instant};

use rand::Rng as _;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);

/// How an outage goes on. One for all connections: who comes while the server is away waits for the next attempt
/// instead of making one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    next: Option<Instant>,
}

impl Backoff {
    /// How long until somebody may try; zero when nothing failed.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// An attempt failed: the pause before the next one doubles, less a random half of it.
    pub(super) fn failed(&mut self, now: Instant) {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now + ceiling.mul_f64(rand::rng().random_range(0.5..=1.0)));
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_success() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.wait(now), Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            backoff.failed(now);
            pauses.push(backoff.wait(now));
        }
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST / 2, "{pauses:?}");
        assert!(pauses[3] > FIRST && pauses.iter().all(|pause| *pause <= LONGEST), "{pauses:?}");
        assert!(pauses[19] >= LONGEST / 2, "{pauses:?}");
        backoff.succeeded();
        assert_eq!(backoff.wait(now), Duration::ZERO);
    }
}
