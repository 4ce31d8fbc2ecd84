//! What the cache counts.

use std::time::Duration;

use crate::observe::{Counter, Exposition};

use super::outcome::Bypass;

/// Counters of all databases together.
#[derive(Debug)]
pub struct Counters {
    /// Questions answered from memory.
    pub hits: Counter,
    /// Those of them whose answer's time was over.
    pub stale: Counter,
    /// Answers asked for again while nobody waited.
    pub refreshes: Counter,
    /// Of those, the ones that failed.
    pub refreshes_failed: Counter,
    /// Questions that could have been.
    pub misses: Counter,
    /// Questions that waited for another's answer.
    pub waits: Counter,
    /// Microseconds that answers took upstream, each time they were not asked for there.
    pub saved_us: Counter,
    /// Answers kept.
    pub kept: Counter,
    /// Entries dropped because the bound on bytes was reached.
    pub evicted_size: Counter,
    /// Entries dropped because a table under them changed.
    pub evicted_changed: Counter,
    /// Entries dropped because nobody asked for them.
    pub evicted_idle: Counter,
    /// Entries dropped because somebody said so.
    pub evicted_asked: Counter,
    bypasses: Vec<(Bypass, Counter)>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            hits: Counter::default(),
            stale: Counter::default(),
            refreshes: Counter::default(),
            refreshes_failed: Counter::default(),
            misses: Counter::default(),
            waits: Counter::default(),
            saved_us: Counter::default(),
            kept: Counter::default(),
            evicted_size: Counter::default(),
            evicted_changed: Counter::default(),
            evicted_idle: Counter::default(),
            evicted_asked: Counter::default(),
            bypasses: Bypass::ALL.iter().map(|why| (*why, Counter::default())).collect(),
        }
    }
}

impl Counters {
    /// Counts a question that was not answered from memory, or an answer that was not kept, under its reason.
    pub fn bypassed(&self, why: Bypass) {
        if let Some((_, counter)) = self.bypasses.iter().find(|(known, _)| *known == why) {
            counter.increment();
        }
    }

    /// Counts an answer from memory that took `cost` upstream.
    pub fn hit(&self, cost: Duration) {
        self.hits.increment();
        self.saved_us.add(u64::try_from(cost.as_micros()).unwrap_or(u64::MAX));
    }

    /// How often each reason was counted.
    pub fn bypasses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.bypasses.iter().map(|(why, counter)| (why.word(), counter.total()))
    }

    /// Entries dropped, by cause.
    #[must_use]
    pub fn evictions(&self) -> [(&'static str, u64); 4] {
        [
            ("size", self.evicted_size.total()),
            ("changed", self.evicted_changed.total()),
            ("idle", self.evicted_idle.total()),
            ("asked", self.evicted_asked.total()),
        ]
    }

    /// Writes every counter, and what is kept now.
    pub fn expose(&self, out: &mut Exposition, (entries, bytes): (u64, u64)) {
        out.counter("vitrine_cache_hits_total", "Questions answered from memory.", &self.hits);
        out.counter("vitrine_cache_stale_total", "Those of the hits whose answer's time was over.", &self.stale);
        out.counter("vitrine_cache_refreshes_total", "Answers asked for again while nobody waited.", &self.refreshes);
        let failed = "Answers asked for again that could not be had.";
        out.counter("vitrine_cache_refreshes_failed_total", failed, &self.refreshes_failed);
        out.counter("vitrine_cache_misses_total", "Questions that could have been.", &self.misses);
        out.counter("vitrine_cache_waits_total", "Questions that waited for another's answer.", &self.waits);
        out.counter("vitrine_cache_kept_total", "Answers kept.", &self.kept);
        out.family("vitrine_cache_bypasses_total", "counter", "Questions that could not be, by reason.");
        for (why, total) in self.bypasses() {
            out.sample("vitrine_cache_bypasses_total", &[("reason", why)], total);
        }
        out.family("vitrine_cache_evictions_total", "counter", "Entries dropped, by cause.");
        for (cause, total) in self.evictions() {
            out.sample("vitrine_cache_evictions_total", &[("cause", cause)], total);
        }
        let saved = Duration::from_micros(self.saved_us.total()).as_secs_f64();
        out.family("vitrine_cache_saved_seconds_total", "counter", "Time upstream that hits did not take.");
        out.sample("vitrine_cache_saved_seconds_total", &[], saved);
        out.gauge("vitrine_cache_entries", "Answers kept now.", entries);
        out.gauge("vitrine_cache_bytes", "Memory that they take.", bytes);
    }
}
