//! Wall 6 at work: a pool lends nothing while its role could write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Posture, Severity, inspect, store};
use crate::sql::Access;
use crate::upstream::{ConnectError, Pool, PoolError, sql_client};
use crate::wire::sqlstate::SqlState;

/// What happens when the role could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is lent: not before the first look, and not after one that found the role able to write.
    Strict,
    /// It is logged.
    Warn,
}

/// Looks at the role of one pool: at the first login, when the server comes back, and on a timer.
#[derive(Debug)]
pub struct Guard {
    pool: Pool,
    rule: Rule,
    interval: Duration,
    latest: ArcSwapOption<Posture>,
    last_try: Mutex<Option<Instant>>,
}

/// Why nobody could look.
#[derive(Debug, Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("could not look at what the upstream role could do: {0}")]
    Query(#[from] tokio_postgres::Error),
    #[error("could not look at what the upstream role could do: no answer")]
    Slow,
    #[error("the insight store has not been migrated yet")]
    NotMigrated,
}

/// The server's own limit on a look is a minute; one that says nothing for longer is as good as gone.
const LOOK_TIME_MAX: Duration = Duration::from_secs(90);

/// How soon a failed look is repeated, and how soon the return of a server is noticed.
const SOON: Duration = Duration::from_secs(1);

impl Guard {
    /// A guard that has not looked yet. Under [`Rule::Strict`] the pool is held from now on.
    #[must_use]
    pub fn new(pool: Pool, rule: Rule, interval: Duration) -> Self {
        let guard = Self { pool, rule, interval, latest: ArcSwapOption::empty(), last_try: Mutex::default() };
        guard.hold(SqlState::CANNOT_CONNECT_NOW, "what the upstream role could do is not known yet");
        guard
    }

    /// Waits for the first look, where it matters. Whether it found the role proper shows when the pool is asked.
    pub async fn ready(&self) {
        if self.rule == Rule::Strict && self.latest.load().is_none() {
            let mut last_try = self.last_try.lock().await;
            let just_now = last_try.is_some_and(|tried| tried.elapsed() < SOON);
            if self.latest.load().is_none() && !just_now {
                self.look(&mut last_try).await;
            }
        }
    }

    /// What was found last.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Posture>> {
        self.latest.load_full()
    }

    /// Looks now.
    pub async fn refresh(&self) {
        let mut last_try = self.last_try.lock().await;
        self.look(&mut last_try).await;
    }

    /// Looks on the timer and when the server comes back, until dropped.
    pub async fn run(&self) {
        loop {
            self.refresh().await;
            let (looked, recoveries) = (Instant::now(), self.pool.stats().recoveries);
            let wait = if self.latest.load().is_some() { self.interval } else { SOON };
            while looked.elapsed() < wait && self.pool.stats().recoveries == recoveries {
                tokio::time::sleep(SOON.min(wait)).await;
            }
        }
    }

    async fn look(&self, last_try: &mut Option<Instant>) {
        let outcome = timeout(LOOK_TIME_MAX, self.ask()).await.unwrap_or(Err(LookError::Slow));
        *last_try = Some(Instant::now());
        match outcome {
            Ok(posture) => self.judge(posture),
            Err(error) => {
                tracing::warn!(target = %self.pool.target(), %error, "what the upstream role could do is not known");
                // What was found before still stands: the server that cannot be asked cannot be used either.
                let gone = matches!(error, LookError::NotMigrated);
                if gone || self.latest.load().is_none() {
                    self.hold_for(&error);
                }
            }
        }
    }

    fn judge(&self, posture: Posture) {
        let before = self.latest.swap(Some(Arc::new(posture.clone())));
        if before.as_deref() != Some(&posture) {
            let checks = checks(&posture);
            if posture.can_write() && self.is_of_store() {
                tracing::error!(role = posture.role, database = posture.database, %checks, "the SQL door of the insight store stays closed");
            } else if posture.can_write() {
                tracing::warn!(role = posture.role, database = posture.database, %checks, "the upstream role could write");
            } else {
                tracing::info!(role = posture.role, database = posture.database, "the upstream role cannot write");
            }
        }
        if posture.can_write() {
            let (role, checks) = (&posture.role, checks(&posture));
            let reason = if self.is_of_store() {
                format!("role \"{role}\" of the insight store could reach more than one tenant ({checks})")
            } else {
                format!("upstream role \"{role}\" could write ({checks}), and the posture is strict")
            };
            self.hold(SqlState::INSUFFICIENT_PRIVILEGE, &reason);
        } else {
            self.pool.hold(None);
        }
    }

    fn hold(&self, sqlstate: SqlState, reason: &str) {
        if self.rule == Rule::Strict {
            self.pool.hold(Some(PoolError::Held { sqlstate, reason: reason.into(), hint: None }));
        }
    }

    /// Nothing is known of the role: why, and what to do about it.
    fn hold_for(&self, error: &LookError) {
        let no_such_role = |error: &ConnectError| matches!(error, ConnectError::Server(refusal) if refusal.sqlstate == SqlState::INVALID_PARAMETER_VALUE);
        let unmade = match error {
            LookError::NotMigrated => true,
            LookError::Connect(error) => self.is_of_store() && no_such_role(error),
            LookError::Query(_) | LookError::Slow => false,
        };
        if unmade {
            let reason = LookError::NotMigrated.to_string().into();
            let hint = Some("run `vitrine migrate`");
            return self.pool.hold(Some(PoolError::Held { sqlstate: SqlState::CANNOT_CONNECT_NOW, reason, hint }));
        }
        let sqlstate = match error {
            LookError::Connect(error) => error.sqlstate(),
            LookError::Query(_) | LookError::Slow | LookError::NotMigrated => SqlState::CONNECTION_FAILURE,
        };
        self.hold(sqlstate, &error.to_string());
    }

    fn is_of_store(&self) -> bool {
        self.pool.target().access() == Access::Store
    }

    async fn ask(&self) -> Result<Posture, LookError> {
        let (client, task) = sql_client(&self.pool.target()).await?;
        let seen = match self.pool.target().access() {
            Access::Read => inspect(&client).await.map(store::Seen::Posture),
            Access::Store => store::inspect(&client).await,
        };
        task.abort();
        match seen? {
            store::Seen::Posture(posture) => Ok(posture),
            store::Seen::NotMigrated => Err(LookError::NotMigrated),
        }
    }
}

/// The checks that found the role able to write.
fn checks(posture: &Posture) -> String {
    let writes = posture.findings.iter().filter(|finding| finding.severity == Severity::Write);
    writes.map(|finding| finding.check).collect::<Vec<_>>().join(", ")
}
