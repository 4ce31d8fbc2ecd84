//! How fresh kept answers are.
//!
//! **The bound.** A look at the database (a *tick*) asks for `pg_current_snapshot()`. While it stays the same no
//! transaction that writes has ended anywhere in the server, so every answer made since it was first seen is exactly what
//! PostgreSQL would say at the time of the last tick. When it has moved, an answer made before is not known to be current
//! any more: it may still be served until `staleness_max` has passed since the last moment at which it was known to be,
//! and no longer, whatever the counters say. So no answer is ever older than `staleness_max`.
//!
//! Within that time changes are looked for, table by table, to drop answers sooner: counters of inserted, updated and
//! deleted rows, file nodes, row versions of the definitions, grants and policies, and locks of writers. Counters alone
//! would promise nothing: a backend reports its own when it is idle outside of a transaction and has not done so within
//! a second, otherwise after ten seconds of idleness, and not at all while one statement, one procedure with COMMITs in
//! it or one following transaction runs. Definitions, grants and policies are read themselves, so that they take
//! effect at the next tick.
//!
//! On a standby the snapshot does not tell of transactions that were in progress, and counters are not its own; of tables
//! with a storage of their own nothing is known. There answers live for `ttl`.

mod poll;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::catalog::Oid;

pub use poll::{PollError, run};
pub use table::{Table, Tables};

/// How the age of answers is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is kept.
    Off,
    /// Each answer lives for `ttl`.
    Ttl,
    /// The database is watched.
    Watch,
}

/// Times and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How the age is bounded.
    pub rule: Rule,
    /// The life of an answer where nothing is watched, or can be.
    pub ttl: Duration,
    /// The oldest that an answer may be where the database is watched.
    pub staleness_max: Duration,
    /// Between two ticks.
    pub tick_interval: Duration,
    /// How much longer an answer may be served while it is asked for again.
    pub stale_while_revalidate: Duration,
}

/// Relations watched in one database.
const TABLES_MAX: usize = 10_000;
/// Moves of the snapshot that are remembered: with the shortest interval, longer than any bound.
const PAST_MAX: usize = 128;
/// Without a question for so long, nobody looks at the database.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// What is known of one database.
#[derive(Debug)]
pub struct Freshness {
    /// No other has the same in this process.
    number: u64,
    limits: Limits,
    tick: ArcSwap<Tick>,
    /// The epoch before which everything is stale.
    dropped_before: AtomicU64,
    /// Counts the times that something was found to be another which PostgreSQL plans nothing again for.
    plans_moved: AtomicU64,
    /// When definitions were last found to be others: microseconds since `began`, and one.
    redefined_us: AtomicU64,
    redefined: Notify,
    tables: Mutex<HashMap<Oid, Arc<Table>>>,
    began: Instant,
    /// Milliseconds since `began` at which somebody last asked.
    used_ms: AtomicU64,
    woken: Notify,
    asleep: AtomicBool,
}

/// What the last look found.
#[derive(Debug, Clone)]
struct Tick {
    /// Counts the times that the snapshot has moved; zero before the first look.
    epoch: u64,
    /// When the last look of this epoch was sent.
    confirmed: Instant,
    /// The same of epochs before, the latest last.
    past: Vec<(u64, Instant)>,
    /// The snapshot tells everything: no standby.
    tells: bool,
}

/// What was known of the database before an answer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who knew it: what another watch has counted, of another server under the same name, means nothing.
    watch: u64,
    /// The epoch that was known then.
    pub epoch: u64,
    /// When it was asked for.
    pub executed: Instant,
}

/// How an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// As of when it is surely what PostgreSQL would have said.
    pub as_of: Instant,
    /// How long ago that may be.
    pub bound: Duration,
    /// Rows under it have changed since.
    pub changed: bool,
}

impl Stamp {
    /// Nothing was seen to happen between the two.
    #[must_use]
    pub fn is_of_epoch(&self, other: &Self) -> bool {
        (self.watch, self.epoch) == (other.watch, other.epoch)
    }
}

impl Freshness {
    /// Of a database that nobody has looked at.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let now = Instant::now();
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            limits,
            tick: ArcSwap::from_pointee(Tick { epoch: 0, confirmed: now, past: Vec::new(), tells: true }),
            dropped_before: AtomicU64::new(0),
            plans_moved: AtomicU64::new(0),
            redefined_us: AtomicU64::new(0),
            redefined: Notify::new(),
            tables: Mutex::default(),
            began: now,
            used_ms: AtomicU64::new(0),
            woken: Notify::new(),
            asleep: AtomicBool::new(false),
        }
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Nothing is kept of this database.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.limits.rule == Rule::Off
    }

    /// The oldest that an answer may be.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let is_told = self.limits.rule == Rule::Watch && self.tick.load().tells;
        let fresh = if is_told { self.limits.staleness_max } else { self.limits.ttl };
        fresh + self.limits.stale_while_revalidate
    }

    /// To be stamped on an answer that is asked for from now on; `None` while nothing is known.
    #[must_use]
    pub fn stamp(&self, now: Instant) -> Option<Stamp> {
        let epoch = match self.limits.rule {
            Rule::Off => return None,
            Rule::Ttl => 0,
            Rule::Watch => self.tick.load().epoch,
        };
        (epoch > 0 || self.limits.rule == Rule::Ttl).then_some(Stamp { watch: self.number, epoch, executed: now })
    }

    /// Notes that answers are asked for: the database is looked at while they are.
    pub fn used(&self, now: Instant) {
        let now_ms = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        if self.used_ms.load(Ordering::Relaxed) != now_ms {
            self.used_ms.store(now_ms, Ordering::Relaxed);
        }
        if self.asleep.load(Ordering::Relaxed) {
            self.woken.notify_one();
        }
    }

    /// The relations of those OIDs, watched from now on; `None` where they are too many.
    #[must_use]
    pub fn watched(&self, oids: &[Oid]) -> Option<Tables> {
        if self.limits.rule != Rule::Watch {
            return Some(oids.iter().map(|oid| Arc::new(Table::new(*oid))).collect());
        }
        let mut tables = self.tables.lock();
        if tables.len() + oids.len() > TABLES_MAX {
            return None;
        }
        let mut table = |oid: &Oid| Arc::clone(tables.entry(*oid).or_insert_with(|| Arc::new(Table::new(*oid))));
        if let [oid] = oids {
            return Some(Arc::from([table(oid)]));
        }
        let mut watched: Vec<Arc<Table>> = Vec::with_capacity(oids.len());
        for oid in oids {
            if !watched.iter().any(|table| table.oid == *oid) {
                watched.push(table(oid));
            }
        }
        Some(watched.into())
    }

    /// How an answer stands; `None` when more than rows changed under it, or it is no answer of this database.
    #[must_use]
    pub fn judge(&self, stamp: &Stamp, tables: &Tables) -> Option<Standing> {
        if stamp.watch != self.number {
            return None;
        }
        let changed = || tables.iter().any(|table| table.changed_at() > stamp.epoch);
        let dropped = || self.dropped_before.load(Ordering::Acquire) > stamp.epoch;
        let for_ttl = Standing { as_of: stamp.executed, bound: self.limits.ttl, changed: false };
        if self.limits.rule != Rule::Watch {
            return (!dropped()).then_some(for_ttl);
        }
        // First the tick: what has changed is marked before the tick that found it is published.
        let tick = self.tick.load();
        if !tick.tells || tables.iter().any(|table| table.is_strange()) {
            return (!dropped() && !changed()).then_some(for_ttl);
        }
        let bound = self.limits.staleness_max;
        if tick.epoch == stamp.epoch {
            return Some(Standing { as_of: stamp.executed.max(tick.confirmed), bound, changed: false });
        }
        if dropped() || tables.iter().any(|table| table.redefined_at() > stamp.epoch) {
            return None;
        }
        let known = tick.past.iter().rev().find(|(epoch, _)| *epoch == stamp.epoch).map(|(_, confirmed)| *confirmed);
        let as_of = stamp.executed.max(known.unwrap_or(stamp.executed));
        Some(Standing { as_of, bound, changed: changed() })
    }

    /// When the database was last looked at, how often its snapshot has moved, and whether that tells everything.
    #[must_use]
    pub fn watch_state(&self) -> (Instant, u64, bool) {
        let tick = self.tick.load();
        (tick.confirmed, tick.epoch, tick.tells)
    }

    /// How often something was found to be another than before which PostgreSQL plans nothing again for: a role, a label
    /// of an enum, a text search configuration. What a connection that is older has prepared may say what was.
    #[must_use]
    pub fn plans_moved(&self) -> u64 {
        self.plans_moved.load(Ordering::Acquire)
    }

    /// Returns when definitions were found to be others than before, at once where that was missed.
    pub async fn redefinition(&self) {
        self.redefined.notified().await;
    }

    /// Whether a catalog that the database was asked for at that time has every definition that was found: what an older
    /// one says of a statement may not be so any more.
    #[must_use]
    pub fn is_known_to(&self, catalog_asked: Option<std::time::Instant>) -> bool {
        let redefined_us = self.redefined_us.load(Ordering::Acquire);
        let asked = |asked: std::time::Instant| self.us(Instant::from_std(asked));
        redefined_us == 0 || catalog_asked.is_some_and(|moment| asked(moment) > redefined_us)
    }

    /// Definitions were found to be others, in what was looked at until now.
    fn redefine(&self) {
        self.redefined_us.fetch_max(self.us(Instant::now()), Ordering::AcqRel);
        self.redefined.notify_one();
    }

    fn us(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.began).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    /// How many relations are watched.
    #[must_use]
    pub fn watched_count(&self) -> usize {
        self.tables.lock().len()
    }

    fn is_idle(&self) -> bool {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        u128::from(now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed))) > IDLE_AFTER.as_millis()
    }

    /// The snapshot is the same.
    fn confirm(&self, sent: Instant) {
        let tick = self.tick.load();
        self.tick.store(Arc::new(Tick { confirmed: sent, ..(**tick).clone() }));
    }

    /// The snapshot has moved; what changed has been marked with the new epoch.
    fn advance(&self, sent: Instant, tells: bool) {
        let tick = self.tick.load();
        let mut past = tick.past.clone();
        if past.len() >= PAST_MAX {
            past.remove(0);
        }
        past.push((tick.epoch, tick.confirmed));
        self.tick.store(Arc::new(Tick { epoch: tick.epoch + 1, confirmed: sent, past, tells }));
    }

    fn next_epoch(&self) -> u64 {
        self.tick.load().epoch + 1
    }

    /// Everything made before `epoch` is stale.
    fn drop_before(&self, epoch: u64) {
        self.dropped_before.fetch_max(epoch, Ordering::AcqRel);
    }
}

/// The time of day of a moment.
#[must_use]
pub fn wall(moment: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(moment.elapsed()).unwrap_or(now)
}
