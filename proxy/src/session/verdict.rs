//! Verdicts, and the memory of them.

mod ask;
mod fold;
mod generations;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ahash::RandomState;

use super::dispatch::StatementKey;
use super::scope::SettingsScope;
use crate::policy::Permitted;
use crate::sql::Denial;
use fold::{fold, holds_for_any_number};
use generations::Generations;

/// How often a text must have come before it is worth a name on an upstream connection.
const HOT_USES: u32 = 2;

/// One reviewed text: all its statements, or why it is refused.
#[derive(Debug)]
pub struct Reviewed {
    /// The whole text as the client sent it.
    pub text: Arc<str>,
    /// Declared parameter types.
    pub parameter_types: Arc<[u32]>,
    /// What it was reviewed under.
    pub scope: Arc<SettingsScope>,
    /// Versions of what it was reviewed with.
    pub versions: Versions,
    /// Every statement, permitted; or the first denial.
    pub outcome: Result<Arc<[Permitted]>, Denial>,
    uses: AtomicU32,
    key: OnceLock<Arc<StatementKey>>,
}

/// The versions of policy and catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Versions {
    /// `Policy::version`.
    pub policy: u64,
    /// `Catalog::version`.
    pub catalog: u64,
}

impl Reviewed {
    /// A verdict.
    #[must_use]
    pub fn new(asked: Asked<'_>, versions: Versions, outcome: Result<Vec<Permitted>, Denial>) -> Self {
        Self {
            text: asked.text.into(),
            parameter_types: asked.parameter_types.into(),
            scope: Arc::clone(asked.scope),
            versions,
            outcome: outcome.map(Arc::from),
            uses: AtomicU32::new(0),
            key: OnceLock::new(),
        }
    }

    /// The same verdict on another text: one that differs in numbers alone, or a part that is reviewed again before
    /// it runs.
    pub(super) fn on(&self, text: &str) -> Self {
        Self {
            text: text.into(),
            parameter_types: Arc::clone(&self.parameter_types),
            scope: Arc::clone(&self.scope),
            versions: self.versions,
            outcome: self.outcome.clone(),
            uses: AtomicU32::new(0),
            key: OnceLock::new(),
        }
    }

    /// What upstream connections know the whole text by.
    #[must_use]
    pub(super) fn key(&self) -> &Arc<StatementKey> {
        self.key.get_or_init(|| Arc::new(self.key_of(Arc::clone(&self.text))))
    }

    /// What they know a text by that was made from it.
    #[must_use]
    pub(super) fn key_of(&self, text: Arc<str>) -> StatementKey {
        StatementKey::new(text, Arc::clone(&self.parameter_types), Arc::clone(&self.scope), self.versions.catalog)
    }

    /// Whether it answers what is asked, whatever the versions.
    #[must_use]
    pub(super) fn is_of(&self, asked: &Asked<'_>) -> bool {
        *self.text == *asked.text && self.is_under(asked, self.versions)
    }

    /// About how many bytes it takes. What several of one kind share counts for each: they may outlive each other.
    fn bytes(&self) -> usize {
        let outcome = match &self.outcome {
            Ok(permitted) => permitted.iter().map(Permitted::bytes).sum(),
            Err(denial) => denial.bytes(),
        };
        size_of::<Self>() + self.text.len() + size_of_val(&*self.parameter_types) + self.scope.bytes() + outcome
    }

    /// Counts one more use and tells whether the text is hot by now.
    pub fn use_again(&self) -> bool {
        self.uses.fetch_add(1, Ordering::Relaxed) + 1 >= HOT_USES
    }

    fn is_for(&self, text: &str, asked: &Asked<'_>, versions: Versions) -> bool {
        *self.text == *text && self.is_under(asked, versions)
    }

    fn is_under(&self, asked: &Asked<'_>, versions: Versions) -> bool {
        self.versions == versions
            && *self.parameter_types == *asked.parameter_types
            && (Arc::ptr_eq(&self.scope, asked.scope) || self.scope == *asked.scope)
    }
}

/// What is to be reviewed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Declared parameter types of Parse.
    pub parameter_types: &'a [u32],
    /// What it is read under.
    pub scope: &'a Arc<SettingsScope>,
}

/// Why a frame was not taken: a verdict is needed first. The frame stays with the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The text to review.
    pub text: Arc<str>,
    /// Declared parameter types.
    pub parameter_types: Arc<[u32]>,
    /// What to review it under.
    pub scope: Arc<SettingsScope>,
}

/// Where a session asks for verdicts that are known already.
pub trait Verdicts {
    /// The verdict for exactly this text, these types, this scope and the present versions.
    fn recall(&self, asked: &Asked<'_>) -> Option<Arc<Reviewed>>;
    /// Whether a verdict is one of the present versions.
    fn current(&self, reviewed: &Reviewed) -> bool;
}

/// A bounded memory of verdicts: by the whole text, and by the text without its numbers where they do not matter.
#[derive(Debug)]
pub struct Memory {
    exact: Generations<Reviewed>,
    folded: Generations<Folded>,
    seen: Seen,
    hasher: RandomState,
}

#[derive(Debug)]
struct Folded {
    text: String,
    reviewed: Arc<Reviewed>,
}

impl Memory {
    /// A memory of about `entries_max` verdicts that take about `bytes_max` bytes.
    #[must_use]
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            exact: Generations::new(entries_max, bytes_max),
            folded: Generations::new(entries_max / 4, bytes_max / 4),
            seen: Seen::default(),
            hasher: RandomState::new(),
        }
    }

    /// The verdict for exactly what is asked; for a text that differs from a known one in numbers alone, that one's.
    #[must_use]
    pub fn recall(&self, asked: &Asked<'_>, versions: Versions) -> Option<Arc<Reviewed>> {
        let hash = self.hash(asked.text, asked);
        if let Some(known) = self.exact.find(hash, |reviewed| reviewed.is_for(asked.text, asked, versions)) {
            return Some(known);
        }
        let text = fold(asked.text)?;
        let like = |folded: &Folded| folded.text == text && folded.reviewed.is_under(asked, versions);
        let folded = self.folded.find(self.hash(&text, asked), like)?;
        let reviewed = Arc::new(folded.reviewed.on(asked.text));
        if self.seen.again(hash) {
            self.exact.insert(hash, Arc::clone(&reviewed), reviewed.bytes());
        }
        Some(reviewed)
    }

    /// Remembers a verdict.
    pub fn remember(&self, reviewed: &Arc<Reviewed>) {
        let Reviewed { text, parameter_types, scope, .. } = &**reviewed;
        let asked = Asked { text, parameter_types, scope };
        self.exact.insert(self.hash(text, &asked), Arc::clone(reviewed), reviewed.bytes());
        let any_number = reviewed.outcome.as_ref().is_ok_and(|permitted| holds_for_any_number(permitted));
        if any_number && let Some(text) = fold(text) {
            let (hash, bytes) = (self.hash(&text, &asked), text.len() + reviewed.bytes());
            self.folded.insert(hash, Arc::new(Folded { text, reviewed: Arc::clone(reviewed) }), bytes);
        }
    }

    fn hash(&self, text: &str, asked: &Asked<'_>) -> u64 {
        self.hasher.hash_one((text, asked.parameter_types, asked.scope))
    }
}

/// Hashes of texts that came lately, one in each slot. A text that never comes again, as one with a key in it, then
/// pushes nothing out of the memory; one that does is remembered the second time. It is a hint: who is taken for known
/// by mistake is remembered too early, and nothing else.
#[derive(Debug)]
struct Seen(Box<[AtomicU64]>);

const SEEN_SLOTS: u64 = 8192;

impl Default for Seen {
    fn default() -> Self {
        Self((0..SEEN_SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Seen {
    fn again(&self, hash: u64) -> bool {
        let slot = usize::try_from(hash % SEEN_SLOTS).ok().and_then(|slot| self.0.get(slot));
        slot.is_some_and(|slot| slot.swap(hash, Ordering::Relaxed) == hash)
    }
}

impl Asked<'_> {
    /// Whether a review is long enough to keep other sessions of the thread waiting.
    #[must_use]
    pub fn is_long(&self) -> bool {
        const LONG_BYTES: usize = 16 * 1024;
        self.text.len() > LONG_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Seed;
    use crate::session::settings::{Ledger, Settings};
    use crate::sql::{Access, Rule};
    use crate::wire::sqlstate::SqlState;

    /// Statements of one length can be of one name or of a hundred.
    #[test]
    fn a_verdict_counts_with_what_it_names() {
        let catalog = crate::catalog::builtin();
        let policy = crate::policy::Policy::default();
        let path = ["public".to_owned()];
        let scope = crate::policy::Scope {
            search_path: &path,
            role: "r",
            database: "d",
            access: Access::Read,
            parameter_types: &[],
        };
        let bytes = |text: &str| {
            let read = crate::sql::read(text, &crate::sql::Limits::default()).unwrap();
            let permitted = crate::policy::review(&read[0], text, &catalog, &policy, &scope).unwrap();
            permitted.bytes()
        };
        let (few, many) = ("SELECT 1111111111 AS one, 222 AS two", "SELECT abs(1), sqrt(2), exp(1), cbrt(8)");
        assert!(bytes(many) > bytes(few) + 4 * 64, "{} {}", bytes(many), bytes(few));
    }

    /// A client chooses its search_path: what is remembered under long ones counts with them.
    #[test]
    fn long_scopes_count_towards_the_bound() {
        let memory = Memory::new(1_000_000, 1 << 20);
        let scopes: Vec<Arc<SettingsScope>> = (0..200)
            .map(|number| {
                let path = format!("'{number}{}'", "x".repeat(10 << 10));
                let settings = Arc::new(Settings::from([("search_path".to_owned(), path)]));
                let seed = Seed {
                    access: Access::Read,
                    database: "d".into(),
                    role: "r".into(),
                    default_search_path: "public".into(),
                    settings: Arc::clone(&settings),
                    own: Arc::default(),
                    staleness_max: "0ms".into(),
                    memory_in_blocks: false,
                    binds_numbers: false,
                    limits: Default::default(),
                };
                Arc::new(SettingsScope::new(&seed, &Ledger::new(settings)))
            })
            .collect();
        let asked = |scope| Asked { text: "SELECT 1", parameter_types: &[], scope };
        let denial = || Denial::new(Rule::UnsupportedStatement, SqlState::FEATURE_NOT_SUPPORTED, "no");
        for scope in &scopes {
            memory.remember(&Arc::new(Reviewed::new(asked(scope), Versions::default(), Err(denial()))));
        }
        let known = scopes.iter().filter(|scope| memory.recall(&asked(scope), Versions::default()).is_some()).count();
        // Two generations of sixteen shards hold at least one entry each, however long it is.
        assert!((1..=64).contains(&known), "{known}");
    }
}
