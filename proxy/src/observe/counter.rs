//! Counters that threads do not fight over: each thread adds to its own cache line, a reader sums the lines.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// More lines than this machine class has cores that serve clients at once; a power of two.
const SHARDS: usize = 16;

/// One cache line (two on machines that fetch lines in pairs).
#[repr(align(128))]
#[derive(Debug, Default)]
struct Line(AtomicU64);

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter {
    lines: [Line; SHARDS],
}

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        if let Some(line) = self.lines.get(shard()) {
            line.0.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// The sum at this moment.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lines.iter().map(|line| line.0.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one away.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number at this moment.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets, microseconds: 1-2.5-5 steps from 100 µs to 60 s.
const BOUNDS_US: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS_US.len()],
    over: Counter,
    sum_us: Counter,
}

/// A histogram as read: buckets are cumulative, as Prometheus wants them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buckets {
    /// Upper bound in seconds and the number of observations at or below it.
    pub(super) cumulative: Vec<(f64, u64)>,
    /// All observations.
    pub(super) count: u64,
    /// Sum of all observations, seconds.
    pub(super) sum_seconds: f64,
}

impl Histogram {
    /// Counts one observation.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.buckets.get(bucket).unwrap_or(&self.over).increment();
        self.sum_us.add(micros);
    }

    pub(super) fn read(&self) -> Buckets {
        let mut count = 0;
        let cumulative = BOUNDS_US
            .iter()
            .zip(&self.buckets)
            .map(|(bound, bucket)| {
                count += bucket.total();
                (Duration::from_micros(*bound).as_secs_f64(), count)
            })
            .collect();
        let sum_seconds = Duration::from_micros(self.sum_us.total()).as_secs_f64();
        Buckets { cumulative, count: count + self.over.total(), sum_seconds }
    }
}

/// The calling thread's line: threads take lines in turn when they first count something.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        mine.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_lose_no_count() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1_000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.total(), 20_000);
    }

    #[test]
    fn observations_fall_into_their_buckets() {
        let histogram = Histogram::default();
        for micros in [1, 100, 101, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert_eq!(read.cumulative[0], (0.0001, 2));
        assert_eq!(read.cumulative[1], (0.00025, 3));
        assert_eq!(read.cumulative[17], (60.0, 4));
        assert_eq!(read.count, 5);
        assert!((read.sum_seconds - 120.000_203).abs() < 1e-9);
    }
}
