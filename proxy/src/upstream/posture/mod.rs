//! Wall 6: what the customer role could do to the database, were every other wall down.
//!
//! Everything is read from the system catalogs, as the role itself; nothing is tried out. Roles it is a member of count
//! as itself, whether it inherits from them or would have to SET ROLE.

mod checks;
mod guard;
mod proper;
mod report;
mod store;

use serde::Serialize;
use tokio_postgres::{Client, Row};

use checks::{ACTING, Check, SUMMARY};

pub use guard::{Guard, Rule};
pub use proper::{ProperRole, proper_role_sql};

/// What a role could do, as of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// `session_user`.
    pub role: String,
    /// The database that was looked at.
    pub database: String,
    /// `server_version_num`.
    pub server_version: u32,
    /// Worst first.
    pub findings: Vec<Finding>,
}

/// One thing the role could do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the check.
    pub check: &'static str,
    /// What the role could do.
    pub what: &'static str,
    /// How many objects it is about.
    pub count: u64,
    /// The first few of them.
    pub places: Vec<String>,
    /// SQL that takes the ability away, one statement each.
    pub fixes: Vec<String>,
}

/// What a finding means for "look, don't touch".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Could have effects on the server or beyond it, though not change the customer's data.
    Effects,
    /// Could change data, definitions or files.
    Write,
}

/// The time the look may take on the server. A catalog of 100,000 relations takes a few seconds.
const LOOK: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL search_path = 'pg_catalog'; SET LOCAL statement_timeout = '60s'";

const WHO: &str = "SELECT session_user::text, pg_catalog.current_database()::text, \
    pg_catalog.current_setting('server_version_num')::int4, \
    COALESCE((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user), false)";

/// Looks at what the role of this client could do in its database. The client must have nothing else in flight.
///
/// # Errors
/// A query failed.
pub async fn inspect(client: &Client) -> Result<Posture, tokio_postgres::Error> {
    client.batch_execute(LOOK).await?;
    let outcome = look(client).await;
    // Whatever happened, the client is as it was.
    client.batch_execute("ROLLBACK").await?;
    outcome
}

impl Posture {
    /// Whether the role could change data, definitions or files: in `strict` mode the gateway does not serve with it.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Write)
    }
}

async fn look(client: &Client) -> Result<Posture, tokio_postgres::Error> {
    let who = client.query_one(WHO, &[]).await?;
    let server_version = u32::try_from(who.try_get::<_, i32>(2)?).unwrap_or(0);
    let superuser: bool = who.try_get(3)?;
    let mut findings = Vec::new();
    for check in checks::all() {
        // To a superuser every grant is open: one finding says it all.
        if (superuser && !check.of_superusers) || !check.applies(server_version) {
            continue;
        }
        findings.extend(found(client, check).await?);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Posture { role: who.try_get(0)?, database: who.try_get(1)?, server_version, findings })
}

async fn found(client: &Client, check: &'static Check) -> Result<Option<Finding>, tokio_postgres::Error> {
    let row = client.query_one(&format!("{ACTING}, found(place, fix) AS ({}) {SUMMARY}", check.sql), &[]).await?;
    finding(check, &row)
}

/// What the row of [`SUMMARY`] says.
fn finding(check: &Check, row: &Row) -> Result<Option<Finding>, tokio_postgres::Error> {
    let count = u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
    if count == 0 {
        return Ok(None);
    }
    Ok(Some(Finding {
        severity: check.severity,
        check: check.name,
        what: check.what,
        count,
        places: row.try_get::<_, Option<Vec<String>>>(1)?.unwrap_or_default(),
        fixes: row.try_get::<_, Option<Vec<String>>>(2)?.unwrap_or_default(),
    }))
}
