//! What all sessions share.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use super::bell::Sessions;
use super::door::Door;
use crate::catalog::{Catalog, Knowledge};
use crate::config::Config;
use crate::observe::Metrics;
use crate::policy::Policy;
use crate::session::review::{Rulebook, review_text};
use crate::session::settings::Settings;
use crate::session::verdict::{Asked, Memory, Reviewed, Verdicts, Versions};
use crate::session::{Limits as SessionLimits, Stall};
use crate::sql::{Limits as ReaderLimits, Rule};
use crate::upstream::catalog::Watch;
use crate::upstream::posture::Guard;
use crate::upstream::{Parameters, Pool, SessionFacts};

/// Everything a session needs that is not its own.
pub struct Gateway {
    /// The configuration it was built from.
    pub config: Config,
    /// Its counters.
    pub metrics: Metrics,
    /// Start-up, TLS and authentication of clients.
    pub door: Door,
    /// The databases on offer, by the name a client asks for.
    pub databases: ArcSwap<HashMap<String, Arc<Database>>>,
    /// All living sessions.
    pub sessions: Arc<Sessions>,
    /// Bounds.
    pub limits: Limits,
}

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
    /// The reviewer's word; replaced as a whole.
    pub policy: ArcSwap<Policy>,
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
        let blind = databases.values().find(|database| database.catalog.current().knowledge() != Knowledge::Live);
        let outage = databases.values().find_map(|database| {
            database.default_route.pool.stats().outage.map(|why| format!("{}: {why}", database.name))
        });
        let held = databases
            .values()
            .find_map(|database| database.default_route.pool.held().map(|why| format!("{}: {why}", database.name)));
        vec![
            ("posture", held.map_or(Ok(()), Err)),
            ("catalog", blind.map_or(Ok(()), |database| Err(format!("{}: no fresh catalog", database.name)))),
            ("upstream", outage.map_or(Ok(()), Err)),
        ]
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
    pub async fn review(self: &Arc<Self>, stall: &Stall, default_path: &str) -> Arc<Reviewed> {
        let reviewed = self.review_once(stall, default_path).await;
        let blind = self.catalog.current().knowledge() == Knowledge::Unavailable;
        let unknown = reviewed.outcome.as_ref().err().is_some_and(|denial| blind || is_unknown(denial.rule));
        if !unknown || !self.catalog.refresh_if_unknown(reviewed.versions.catalog).await {
            return reviewed;
        }
        self.review_once(stall, default_path).await
    }

    async fn review_once(self: &Arc<Self>, stall: &Stall, default_path: &str) -> Arc<Reviewed> {
        let asked = Asked { text: &stall.text, parameter_types: &stall.parameter_types, scope: &stall.scope };
        if !asked.is_long() {
            return self.review_now(&asked, default_path);
        }
        let (database, stall, path) = (Arc::clone(self), stall.clone(), default_path.to_owned());
        let long = tokio::task::spawn_blocking(move || {
            let asked = Asked { text: &stall.text, parameter_types: &stall.parameter_types, scope: &stall.scope };
            database.review_now(&asked, &path)
        });
        match long.await {
            Ok(reviewed) => reviewed,
            Err(_) => Arc::new(Reviewed::new(asked, self.versions(), Err(review_failed()))),
        }
    }

    fn review_now(&self, asked: &Asked<'_>, default_path: &str) -> Arc<Reviewed> {
        let (catalog, policy) = (self.catalog.current(), self.policy.load());
        let rulebook = Rulebook { limits: &self.reader_limits, catalog: &catalog, policy: &policy, default_path };
        let outcome = review_text(asked, &rulebook);
        let reviewed = Arc::new(Reviewed::new(*asked, versions(&catalog, &policy), outcome));
        self.verdicts.remember(&reviewed);
        reviewed
    }

    fn versions(&self) -> Versions {
        versions(&self.catalog.current(), &self.policy.load())
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

/// The review itself broke: nothing passes that was not reviewed.
fn review_failed() -> crate::sql::Denial {
    crate::sql::Denial::new(
        Rule::UnsupportedStatement,
        crate::wire::sqlstate::SqlState::INTERNAL_ERROR,
        "the statement could not be reviewed",
    )
}
