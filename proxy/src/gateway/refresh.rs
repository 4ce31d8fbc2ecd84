//! What is asked for most is asked upstream again before anybody has to wait for it: by one task, one question after the
//! other, with a rest after each, so that the load it makes has a bound whatever is asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::client::Again;
use super::state::Gateway;
use crate::cache::{Entry, Key};

/// An answer that was served so often since it was kept may become one of the hottest; looked at again at every doubling.
const HITS_FIRST: u64 = 4;
/// Who is not asked for so often between two refreshes is not refreshed any more.
const HITS_MIN: u64 = 2;

/// The hottest answers, and how to ask for them again.
#[derive(Debug, Default)]
pub struct Hottest {
    slots: Mutex<HashMap<Key, Slot, ahash::RandomState>>,
    runs: AtomicBool,
}

#[derive(Debug)]
struct Slot {
    again: Arc<Again>,
    /// Times it was served since it was last asked upstream, as of the last round.
    hits: u64,
}

impl Hottest {
    /// Notes that an answer was served; `again` is asked only where it is one of the hottest.
    pub(super) fn served(&self, gateway: &Arc<Gateway>, entry: &Entry, again: impl FnOnce() -> Again) {
        let entries_max = gateway.config.cache.refresh_entries_max;
        let hits = entry.hits();
        if entries_max == 0 || hits < HITS_FIRST || !hits.is_power_of_two() {
            return;
        }
        let again = Arc::new(again());
        let key = again.key();
        let mut slots = self.slots.lock();
        if !slots.contains_key(&key) && slots.len() >= entries_max {
            let coldest = slots.iter().min_by_key(|(_, slot)| slot.hits).map(|(key, slot)| (key.clone(), slot.hits));
            match coldest {
                Some((coldest, less)) if less < hits => drop(slots.remove(&coldest)),
                Some(_) | None => return,
            }
        }
        slots.insert(key, Slot { again, hits });
        drop(slots);
        if !self.runs.swap(true, Ordering::AcqRel) {
            tokio::spawn(run(Arc::clone(gateway)));
        }
    }

    /// What is about to be too old, or is already, the most worthwhile first.
    fn due(&self, gateway: &Gateway) -> Vec<Arc<Again>> {
        let mut due: Vec<(u128, Arc<Again>)> = Vec::new();
        self.slots.lock().retain(|key, slot| {
            let entry = gateway.cache.store.find(key);
            slot.hits = entry.as_ref().map_or(slot.hits, |entry| entry.hits());
            let is_young = entry.as_ref().is_some_and(|entry| is_young(entry, &slot.again));
            if is_young || !slot.again.is_permitted() {
                return is_young;
            }
            // Counted anew from here on: what nobody asks for meanwhile is let go of in the next round.
            let hits = std::mem::take(&mut slot.hits);
            let took = entry.map_or(Duration::ZERO, |entry| entry.took);
            let worth = u128::from(hits).saturating_mul(took.as_micros().max(1));
            if hits >= HITS_MIN {
                due.push((worth, Arc::clone(&slot.again)));
            }
            hits >= HITS_MIN
        });
        due.sort_by_key(|(worth, _)| std::cmp::Reverse(*worth));
        due.into_iter().map(|(_, again)| again).collect()
    }
}

/// A quarter of its time is left, and nothing has changed under it.
fn is_young(entry: &Entry, again: &Again) -> bool {
    let standing = again.database().freshness.judge(&entry.stamp, &entry.tables);
    standing.is_some_and(|standing| !standing.changed && standing.as_of.elapsed() * 4 <= standing.bound * 3)
}

async fn run(gateway: Arc<Gateway>) {
    let mut timer = tokio::time::interval(gateway.config.cache.watch_interval_ms.duration());
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let percent = u32::try_from(gateway.config.cache.refresh_load_max_percent).unwrap_or(1).clamp(1, 100);
    loop {
        timer.tick().await;
        for again in gateway.hottest.due(&gateway) {
            if let Some(ticket) = again.board(&gateway) {
                let began = Instant::now();
                again.ask(&gateway, ticket).await;
                tokio::time::sleep(rest_after(began.elapsed(), percent)).await;
            }
        }
    }
}

/// How long nothing is asked after something took so long, for the load to be `percent`.
fn rest_after(took: Duration, percent: u32) -> Duration {
    took * (100 - percent) / percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_has_a_bound() {
        let took = Duration::from_millis(50);
        assert_eq!(rest_after(took, 10), Duration::from_millis(450));
        assert_eq!(rest_after(took, 1), Duration::from_millis(4_950));
        assert_eq!(rest_after(took, 100), Duration::ZERO);
    }
}
