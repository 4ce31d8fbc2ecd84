//! What all sessions share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::bell::Sessions;
use super::door::Door;
use super::insights::Store;
use super::refresh::Hottest;
use super::tools::{Board, Preparation, Status};
use crate::cache::{Cache, Freshness};
use crate::catalog::{Catalog, Knowledge};
use crate::config::Config;
use crate::observe::{Metrics, PoolGauges};
use crate::policy::Policy;
use crate::session::review::{Rulebook, review_text};
use crate::session::settings::Settings;
use crate::session::verdict::{Asked, Memory, Reviewed, Verdicts, Versions};
use crate::session::{Limits as SessionLimits, Origin, Stall};
use crate::sql::{Access, Limits as ReaderLimits, Rule};
use crate::upstream::catalog::Watch;
use crate::upstream::posture::Guard;
use crate::upstream::{Parameters, Pool, SessionFacts};

/// Everything a session needs that is not its own.
pub struct Gateway {
    /// The configuration it was built from.
    pub config: Config,
    /// Its counters.
    pub metrics: Metrics,
    /// Answers kept in memory, of all databases.
    pub cache: Cache,
    /// Those of them that are asked for most.
    pub hottest: Hottest,
    /// Start-up, TLS and authentication of clients.
    pub door: Door,
    /// The customer databases on offer, by the name a client asks for.
    pub databases: ArcSwap<Databases>,
    /// The SQL door of the insight store. It is not among the databases: no name leads from one to the other.
    pub insights: ArcSwapOption<Store>,
    /// All living sessions.
    pub sessions: Arc<Sessions>,
    /// How everything is, the tool database too.
    pub board: Board,
    /// Whether the tool database was made ready to serve.
    pub preparation: Preparation,
    /// Bounds.
    pub limits: Limits,
}

/// Databases by the name a client asks for.
pub type Databases = HashMap<String, Arc<Database>>;

/// Bounds of every session.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one frontend message that carries SQL or parameters (54000 beyond).
    pub frame_bytes_max: usize,
    /// Of a session.
    pub session: SessionLimits,
    /// Of the readers.
    pub readers: ReaderLimits,
}

/// One database on offer.
#[derive(Debug)]
pub struct Database {
    /// The name clients ask for.
    pub name: Arc<str>,
    /// The pool of client users that have no role of their own.
    pub default_route: Arc<Route>,
    /// Pools of client users that are mapped to an upstream role of their own.
    pub routes: HashMap<String, Arc<Route>>,
    /// The customer's catalog, kept fresh.
    pub catalog: Arc<Watch>,
    /// The reviewer's word; replaced as a whole, for sessions that live already too.
    pub policy: Arc<ArcSwap<Policy>>,
    /// How fresh answers from memory are.
    pub freshness: Arc<Freshness>,
    /// The connection by which that is found out.
    pub watch_pool: deadpool_postgres::Pool,
    /// Verdicts known already.
    pub verdicts: Memory,
    /// Bounds of the readers.
    pub reader_limits: ReaderLimits,
}

/// One pool, and what a login through it needs.
#[derive(Debug)]
pub struct Route {
    /// Connections of one upstream role.
    pub pool: Pool,
    /// Wall 6: looks at what that role could do, and holds the pool where the posture is strict.
    pub guard: Guard,
    /// What the upstream says of a session without client settings; empty before the first connection.
    pub greeting: ArcSwapOption<Greeting>,
    /// The same for sessions with start-up settings, by those settings.
    pub greetings: Mutex<HashMap<Settings, Arc<Greeting>>>,
    /// What sessions begin with that ask for the same parameters.
    pub beginnings: Mutex<Beginnings>,
    /// What its statements may do at all: a property of where the pool connects to.
    access: Access,
    /// The change of roles and the like that its connections are younger than.
    renewed: AtomicU64,
}

/// By the parameters that a client asked for at its start, in its order.
pub type Beginnings = HashMap<Vec<(String, String)>, Arc<Beginning>, ahash::RandomState>;

/// What a session begins with. Sessions that begin alike share it: a login needs no second review of the same
/// parameters, and an idle session little memory.
#[derive(Debug)]
pub struct Beginning {
    /// What the parameters were reviewed with.
    pub versions: Versions,
    /// What a session without parameters was told when this was made.
    pub fresh: Arc<Greeting>,
    /// What the session is born with.
    pub origin: Arc<Origin>,
    /// ParameterStatus messages.
    pub words: Bytes,
}

/// What a fresh upstream session is like.
#[derive(Debug, Clone)]
pub struct Greeting {
    /// Values of ParameterStatus.
    pub parameters: Parameters,
    /// Role, search_path, version.
    pub facts: Arc<SessionFacts>,
}

impl Gateway {
    /// What must hold for clients to be served, each with the reason where it does not.
    #[must_use]
    pub fn readiness(&self) -> Vec<(&'static str, Result<(), String>)> {
        let databases = self.databases.load();
        let told = |database: &Database, why: String| format!("{}: {why}", database.name);
        let blind = databases.values().find(|database| database.catalog.current().knowledge() != Knowledge::Live);
        let outage = databases.values().find_map(|database| {
            let why = database.all_routes().find_map(|route| route.pool.stats().outage)?;
            Some(told(database, why))
        });
        let barred = databases.values().find_map(|database| {
            let why = database.all_routes().find_map(|route| route.pool.held())?;
            Some(told(database, why.to_string()))
        });
        vec![
            ("catalog", blind.map_or(Ok(()), |database| Err(told(database, "no fresh catalog".to_owned())))),
            ("upstream", outage.map_or(Ok(()), Err)),
            ("posture", barred.map_or(Ok(()), Err)),
        ]
    }

    /// Each customer database: its name, how it is, and why.
    #[must_use]
    pub fn customers(&self) -> Vec<(String, Status, String)> {
        let databases = self.databases.load();
        let mut found: Vec<_> = databases
            .values()
            .map(|database| {
                let outage = database.all_routes().find_map(|route| route.pool.stats().outage);
                let held = database.all_routes().find_map(|route| route.pool.held());
                let (status, detail) = match (outage, held) {
                    (Some(why), _) => (Status::Down, why),
                    (None, Some(why)) => (Status::Down, why.to_string()),
                    (None, None) if database.catalog.current().knowledge() != Knowledge::Live => {
                        (Status::Degraded, "no fresh catalog: only what is certain from the text passes".to_owned())
                    }
                    (None, None) => (Status::Ok, "it answers, and its catalog is fresh".to_owned()),
                };
                (database.name.to_string(), status, detail)
            })
            .collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        found
    }

    /// Every pool as it stands, by database and role; a pool that several users share comes once.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolGauges> {
        let databases = self.databases.load();
        let mut pools: Vec<PoolGauges> = Vec::new();
        let store = self.insights.load_full();
        for database in databases.values().chain(store.as_ref().map(|store| &store.database)) {
            for route in database.all_routes() {
                let (stats, role) = (route.pool.stats(), route.pool.target().user.clone());
                if pools.iter().any(|pool| *pool.database == *database.name && pool.role == role) {
                    continue;
                }
                pools.push(PoolGauges {
                    database: database.name.to_string(),
                    role,
                    busy: stats.active,
                    idle: stats.idle,
                    waiting: stats.waiting,
                    size: stats.connections_max,
                    connects: stats.connects,
                    connects_failed: stats.connect_errors,
                    destroyed: stats.destroyed + stats.lost,
                    waits: stats.waits,
                    oldest_wait: stats.oldest_wait,
                });
            }
        }
        pools.sort_by(|left, right| (&left.database, &left.role).cmp(&(&right.database, &right.role)));
        pools
    }
}

impl Route {
    /// A route through this pool that nobody has taken yet.
    #[must_use]
    pub fn new(guard: Guard, pool: Pool) -> Self {
        let access = pool.target().access();
        Self {
            pool,
            guard,
            greeting: ArcSwapOption::empty(),
            greetings: Mutex::default(),
            beginnings: Mutex::default(),
            access,
            renewed: AtomicU64::new(0),
        }
    }

    /// What its statements may do at all; nothing changes it.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Opens connections anew where something was found to be another than when the last ones were which PostgreSQL plans
    /// nothing again for: a role that loses BYPASSRLS or a membership that a row policy names, a text search configuration,
    /// a label. What a session begins with is found out anew too: settings of its role may be others.
    pub fn renew_after(&self, plans_moved: u64) {
        if self.renewed.load(Ordering::Acquire) != plans_moved {
            self.pool.renew();
            self.greeting.store(None);
            self.greetings.lock().clear();
            // Last: who finds it equal gets a new connection.
            self.renewed.store(plans_moved, Ordering::Release);
        }
    }
}

impl Database {
    /// The route of a client user.
    #[must_use]
    pub fn route(&self, user: &str) -> &Arc<Route> {
        self.routes.get(user).unwrap_or(&self.default_route)
    }

    /// Every route, the default one first.
    pub fn all_routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        std::iter::once(&self.default_route).chain(self.routes.values())
    }

    /// Reviews a text that nothing is known about yet, and remembers the verdict. A name the catalog does not know
    /// has the catalog looked at again first: it may be new.
    pub async fn review(self: &Arc<Self>, stall: &Stall) -> Arc<Reviewed> {
        let reviewed = self.review_once(stall).await;
        let blind = self.catalog.current().knowledge() == Knowledge::Unavailable;
        let unknown = reviewed.outcome.as_ref().err().is_some_and(|denial| blind || is_unknown(denial.rule));
        if !unknown || !self.catalog.refresh_if_unknown(reviewed.versions.catalog).await {
            return reviewed;
        }
        self.review_once(stall).await
    }

    async fn review_once(self: &Arc<Self>, stall: &Stall) -> Arc<Reviewed> {
        let asked = Asked { text: &stall.text, parameter_types: &stall.parameter_types, scope: &stall.scope };
        if !asked.is_long() {
            return self.review_now(&asked);
        }
        let (database, stall) = (Arc::clone(self), stall.clone());
        let share = u32::try_from(stall.text.len()).unwrap_or(u32::MAX).min(LONG_BYTES_AT_ONCE);
        // Nobody closes it.
        let turn = LONG_REVIEWS.acquire_many(share).await;
        let long = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let asked = Asked { text: &stall.text, parameter_types: &stall.parameter_types, scope: &stall.scope };
            database.review_now(&asked)
        });
        match long.await {
            Ok(reviewed) => reviewed,
            Err(_) => Arc::new(Reviewed::new(asked, self.versions(), Err(review_failed()))),
        }
    }

    fn review_now(&self, asked: &Asked<'_>) -> Arc<Reviewed> {
        let (catalog, policy) = (self.catalog.current(), self.policy.load());
        let rulebook = Rulebook { limits: &self.reader_limits, catalog: &catalog, policy: &policy };
        let at_home = self.default_route.access() == asked.scope.access();
        let outcome = if at_home { review_text(asked, &rulebook) } else { Err(review_failed()) };
        let reviewed = Arc::new(Reviewed::new(*asked, versions(&catalog, &policy), outcome));
        self.verdicts.remember(&reviewed);
        reviewed
    }

    /// Whether what comes from a connection that is younger than that change of what plans hang on may be kept: nothing that
    /// was found since is unknown to it, or to the catalog.
    #[must_use]
    pub fn keeps(&self, plans: u64) -> bool {
        self.freshness.plans_moved() == plans && self.freshness.is_known_to(self.catalog.asked())
    }

    /// The versions of policy and catalog in force.
    #[must_use]
    pub fn versions(&self) -> Versions {
        Versions { policy: self.policy.load().version(), catalog: self.catalog.version() }
    }
}

impl Verdicts for Database {
    fn recall(&self, asked: &Asked<'_>) -> Option<Arc<Reviewed>> {
        self.verdicts.recall(asked, self.versions())
    }

    fn current(&self, reviewed: &Reviewed) -> bool {
        reviewed.versions == self.versions()
    }
}

fn versions(catalog: &Catalog, policy: &Policy) -> Versions {
    Versions { policy: policy.version(), catalog: catalog.version() }
}

fn is_unknown(rule: Rule) -> bool {
    matches!(rule, Rule::UnknownFunction | Rule::UnknownOperator | Rule::UnknownType | Rule::UnknownRelation)
}

/// Long texts that are reviewed at the same time, bytes: a text takes up to two thousand times its length while it is
/// read. A longer one is reviewed alone.
const LONG_BYTES_AT_ONCE: u32 = 512 << 10;
static LONG_REVIEWS: Semaphore = Semaphore::const_new(512 << 10);

/// The review itself broke: nothing passes that was not reviewed.
fn review_failed() -> crate::sql::Denial {
    crate::sql::Denial::new(
        Rule::UnsupportedStatement,
        crate::wire::sqlstate::SqlState::INTERNAL_ERROR,
        "the statement could not be reviewed",
    )
}
