//! What is done to the tool database before it serves, in one place, whoever comes first: it is brought to the program's
//! version, its feed goes on, and pgvector is taken up.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Client;
use vitrine_insights::migrate::{MigrateError, Migrations, plan, up};
use vitrine_insights::store::settle;

/// How long another instance may migrate before this one says so and tries again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether it was done since the tool database last came back: it may come back as an older copy.
#[derive(Debug, Default)]
pub struct Preparation(Mutex<bool>);

/// Why the tool database cannot serve.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum NotPrepared {
    #[error("{0}")]
    Migrate(#[from] MigrateError),
    #[error("it lacks migrations ({0}): run \"vitrine migrate\", or set insights.migrate_at_start")]
    Pending(String),
    #[error("{0}")]
    Sql(#[from] tokio_postgres::Error),
}

impl Preparation {
    /// Prepares, unless it is done. Who comes meanwhile waits for the first.
    pub(in crate::gateway) async fn with(&self, owner: &Client, migrate: bool) -> Result<(), NotPrepared> {
        let mut done = self.0.lock().await;
        if *done {
            return Ok(());
        }
        let migrations = Migrations::embedded()?;
        if migrate {
            let applied = up(owner, &migrations, PATIENCE, |_| {}).await?;
            if !applied.is_empty() {
                tracing::info!(
                    event = "insights_migrated",
                    files = applied.join(", "),
                    "the tool database was migrated"
                );
            }
        } else {
            let pending = plan(owner, &migrations).await?;
            if !pending.is_empty() {
                let names: Vec<&str> = pending.iter().map(|migration| migration.name.as_str()).collect();
                return Err(NotPrepared::Pending(names.join(", ")));
            }
        }
        settle(owner).await?;
        *done = true;
        Ok(())
    }

    /// The tool database went away.
    pub(in crate::gateway) async fn lapse(&self) {
        *self.0.lock().await = false;
    }
}
