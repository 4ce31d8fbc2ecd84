//! Statements the gateway has prepared on one upstream session.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// What must be equal for one prepared statement to serve another question: compared in full, the hash only finds it.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    /// Text of the one statement.
    pub text: Arc<str>,
    /// Declared parameter types, as in Parse.
    pub parameter_types: Arc<[u32]>,
    /// Stands for every setting that names resolve under.
    pub settings_epoch: u64,
    hash: u64,
}

/// Prepared statements of one session, bounded: the one not used for longest makes room.
#[derive(Debug)]
pub struct PreparedStatements {
    statements: HashMap<Arc<PreparedKey>, Slot>,
    statements_max: usize,
    last_number: u32,
    clock: u64,
}

/// A place for a statement that is to be prepared now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Number of the statement: [`statement_name`] is its name.
    pub number: u32,
    /// A statement that must be closed, having lost its place.
    pub evicted: Option<u32>,
}

#[derive(Debug)]
struct Slot {
    number: u32,
    used: u64,
}

/// Each costs the server memory (its plan) and this process some too.
const STATEMENTS_MAX_DEFAULT: usize = 200;

static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The name of a statement on the upstream session. Clients' own names never go upstream.
#[must_use]
pub fn statement_name(number: u32) -> String {
    format!("vitrine_{number}")
}

impl PreparedKey {
    /// A key; its hash is made once, here.
    #[must_use]
    pub fn new(text: Arc<str>, parameter_types: Arc<[u32]>, settings_epoch: u64) -> Self {
        let hash = HASH.hash_one((&text, &parameter_types, settings_epoch));
        Self { text, parameter_types, settings_epoch, hash }
    }
}

impl PartialEq for PreparedKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.settings_epoch == other.settings_epoch
            && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
            && (Arc::ptr_eq(&self.parameter_types, &other.parameter_types)
                || self.parameter_types == other.parameter_types)
    }
}

impl Eq for PreparedKey {}

impl Hash for PreparedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Default for PreparedStatements {
    fn default() -> Self {
        Self::with_bound(STATEMENTS_MAX_DEFAULT)
    }
}

impl PreparedStatements {
    /// None yet, and never more than `statements_max` (at least one).
    #[must_use]
    pub fn with_bound(statements_max: usize) -> Self {
        Self { statements: HashMap::new(), statements_max: statements_max.max(1), last_number: 0, clock: 0 }
    }

    /// The statement, if this session has it. It counts as used.
    pub fn find(&mut self, key: &PreparedKey) -> Option<u32> {
        self.clock += 1;
        let slot = self.statements.get_mut(key)?;
        slot.used = self.clock;
        Some(slot.number)
    }

    /// Registers a statement that is about to be prepared. If Parse then fails, [`Self::remove`] it.
    pub fn register(&mut self, key: Arc<PreparedKey>) -> Registered {
        if let Some(number) = self.find(&key) {
            return Registered { number, evicted: None };
        }
        let evicted = if self.statements.len() >= self.statements_max { self.evict() } else { None };
        // Numbers are not used twice while the session lives: 2^32 Parses on one connection outlive its lifetime bound.
        self.last_number = self.last_number.wrapping_add(1);
        self.statements.insert(key, Slot { number: self.last_number, used: self.clock });
        Registered { number: self.last_number, evicted }
    }

    /// Forgets a statement: it was closed, or never came to be.
    pub fn remove(&mut self, key: &PreparedKey) -> Option<u32> {
        self.statements.remove(key).map(|slot| slot.number)
    }

    /// Forgets all of them: DISCARD ALL, DEALLOCATE ALL.
    pub fn clear(&mut self) {
        self.statements.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Looks at every slot: it happens only when a text is new and all places are taken, before a round trip.
    fn evict(&mut self) -> Option<u32> {
        let oldest = self.statements.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| Arc::clone(key))?;
        self.remove(&oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, epoch: u64) -> Arc<PreparedKey> {
        Arc::new(PreparedKey::new(text.into(), Arc::from([23, 25]), epoch))
    }

    #[test]
    fn the_statement_not_used_for_longest_makes_room() {
        let mut prepared = PreparedStatements::with_bound(2);
        assert_eq!(prepared.register(key("a", 0)), Registered { number: 1, evicted: None });
        assert_eq!(prepared.register(key("b", 0)), Registered { number: 2, evicted: None });
        assert_eq!(prepared.find(&key("a", 0)), Some(1));
        assert_eq!(prepared.register(key("c", 0)), Registered { number: 3, evicted: Some(2) });
        assert_eq!(prepared.find(&key("b", 0)), None);
        assert_eq!(prepared.len(), 2);
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let mut prepared = PreparedStatements::default();
        prepared.register(key("a", 0));
        assert_eq!(prepared.find(&key("a", 1)), None);
        assert_eq!(prepared.find(&PreparedKey::new("a".into(), Arc::from([23]), 0)), None);
        assert_eq!(prepared.find(&key("a", 0)), Some(1));
        assert_eq!(prepared.register(key("a", 0)), Registered { number: 1, evicted: None });
    }

    #[test]
    fn equal_hashes_are_not_taken_for_equal_keys() {
        let mut prepared = PreparedStatements::default();
        prepared.register(key("a", 0));
        let forged = PreparedKey { text: "b".into(), ..PreparedKey::clone(&key("a", 0)) };
        assert_eq!(prepared.find(&forged), None);
    }
}
