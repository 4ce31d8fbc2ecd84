//! Wall 7, `vitrine verify`: a shipped corpus of attacks, run through the gateway against the customer's own database,
//! and a report of what became of each.
//!
//! It is safe to run even where the gateway fails: the attacks aim at objects that do not exist, call strict functions
//! with NULL (PostgreSQL then does not run them), stand behind `WHERE false`, or have no effect that outlives their
//! transaction. What such an attack meets behind a gateway that failed is an error about the missing target, and that
//! counts as got through.

mod attempt;
mod corpus;
mod frames;
mod line;
mod report;
mod way;

use std::collections::HashMap;

pub use attempt::{By, Outcome, Protocol, Refusal, attempt};
pub use corpus::{Attack, Mistake, Move, attacks, parse};
pub use line::{Answer, Line, LineError};
pub use report::{Family, Report, Run};
pub use way::Way;

use line::question;

/// Why no verdict on the gateway is possible.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The corpus shipped with the program is damaged.
    #[error("the attack corpus, {0}")]
    Corpus(Mistake),
    /// An honest read was not answered: a gateway that answers nothing proves nothing.
    #[error("an honest read was not answered, so a refused attack would prove nothing: {sql}: {why}")]
    Silent {
        /// The read.
        sql: &'static str,
        /// What came instead of an answer.
        why: String,
    },
}

/// Reads that every gateway answers, before the attacks and after them.
const HONEST: &[&str] = &[DATABASE, ROLE, SERVER, NOW, "SELECT count(*) FROM pg_catalog.pg_class"];

const DATABASE: &str = "SELECT current_database()";
const ROLE: &str = "SELECT current_user";
const SERVER: &str = "SHOW server_version";
const NOW: &str = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC')";

/// Runs every attack in every protocol that fits it, each in a session of its own, and tells `progress` after each
/// attack how many are done of how many.
///
/// # Errors
/// Honest reads are not answered, or the corpus cannot be read.
pub async fn run(way: &Way, mut progress: impl FnMut(usize, usize)) -> Result<Report, VerifyError> {
    let attacks = attacks().map_err(VerifyError::Corpus)?;
    let answers = honest(way).await?;
    let answer = |sql: &str| answers.get(sql).cloned().unwrap_or_default();
    let mut report = Report {
        gateway_version: env!("BUILT_VERSION").to_owned(),
        gateway: way.name(),
        policy_version: way.versions().map(|versions| format!("{:016x}", versions.policy)),
        catalog_version: way.versions().map(|versions| format!("{:016x}", versions.catalog)),
        database: answer(DATABASE),
        role: answer(ROLE),
        server_version: answer(SERVER),
        began: answer(NOW),
        ended: String::new(),
        attacks: attacks.len(),
        runs: Vec::new(),
    };
    for (done, attack) in attacks.iter().enumerate() {
        for protocol in attack.protocols() {
            let outcome = attempt(way, attack, *protocol).await;
            report.runs.push(Run::new(attack, *protocol, outcome));
        }
        progress(done + 1, attacks.len());
    }
    report.ended = honest(way).await?.remove(NOW).unwrap_or_default();
    Ok(report)
}

/// Asks every honest question in one session; answers by question.
async fn honest(way: &Way) -> Result<HashMap<&'static str, String>, VerifyError> {
    let mut answers = HashMap::new();
    let mut line = way.open(&[]).await.map_err(|error| silent(DATABASE, error.to_string()))?;
    for sql in HONEST {
        let answer = line.ask(&question(sql)).await.map_err(|error| silent(sql, error.to_string()))?;
        match (answer.refusal, answer.value) {
            (None, Some(value)) => answers.insert(*sql, value),
            (Some(refusal), _) => return Err(silent(sql, refusal.to_string())),
            (None, None) => return Err(silent(sql, "no row".to_owned())),
        };
    }
    Ok(answers)
}

fn silent(sql: &'static str, why: String) -> VerifyError {
    VerifyError::Silent { sql, why }
}
