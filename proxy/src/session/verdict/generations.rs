//! A bounded map in two generations, which approximates least recently used: what is not asked for while a generation
//! fills is forgotten. Entries are found by hash and compared in full by the caller.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

const SHARDS: usize = 16;

/// The map. Of two entries with the same hash the later one stays.
#[derive(Debug)]
pub(super) struct Generations<T> {
    shards: Vec<Mutex<Shard<T>>>,
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Shard<T> {
    young: HashMap<u64, Arc<T>, ahash::RandomState>,
    old: HashMap<u64, Arc<T>, ahash::RandomState>,
    young_bytes: usize,
}

impl<T> Generations<T> {
    /// About so many entries, and so many bytes as their owners count them.
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let shard = || Shard { young: HashMap::default(), old: HashMap::default(), young_bytes: 0 };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            entries_max: (entries_max / SHARDS / 2).max(1),
            bytes_max: (bytes_max / SHARDS / 2).max(1),
        }
    }

    /// The entry of that hash, if it is the one that is meant.
    pub(super) fn find(&self, hash: u64, is_meant: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let mut shard = self.shard(hash)?.lock();
        if let Some(found) = shard.young.get(&hash).filter(|found| is_meant(found)) {
            return Some(Arc::clone(found));
        }
        let found = shard.old.remove(&hash).filter(|found| is_meant(found))?;
        shard.young.insert(hash, Arc::clone(&found));
        Some(found)
    }

    /// Puts an entry in, unless it is too long for its share.
    pub(super) fn insert(&self, hash: u64, entry: Arc<T>, bytes: usize) {
        let Some(shard) = self.shard(hash).filter(|_| bytes <= self.bytes_max) else { return };
        let mut shard = shard.lock();
        if shard.young.len() >= self.entries_max || shard.young_bytes + bytes > self.bytes_max {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes += bytes;
        shard.young.insert(hash, entry);
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard<T>>> {
        self.shards.get(usize::try_from(hash >> 60).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let map = Generations::new(SHARDS * 2 * 4, 1 << 20);
        map.insert(0, Arc::new(0_u64), 1);
        for hash in 1..100 {
            assert!(map.find(0, |_| true).is_some(), "{hash}");
            map.insert(hash, Arc::new(hash), 1);
        }
        map.insert(7, Arc::new(7), usize::MAX);
        assert!(map.find(7, |_| true).is_none(), "too long for its share");
        assert!(map.find(1, |_| true).is_none());
        assert!(map.find(0, |entry| *entry == 7).is_none());
    }
}
