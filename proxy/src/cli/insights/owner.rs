//! The owner's connection to the tool database: the role of `insights.url`, which may change everything there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::config::{Environment, Mistake, read};
use crate::upstream::{ConnectError, Target, sql_client};

use super::{EX_UNAVAILABLE, failed};

/// Which tool database.
#[derive(Debug, Args)]
pub(super) struct ToolDatabase {
    /// The configuration file; without it the environment alone (VITRINE_INSIGHTS_URL).
    #[arg(long, env = "VITRINE_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// The one connection of a command. It is closed when this is dropped.
pub(super) struct Owner {
    pub(super) client: Client,
    task: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ToolDatabase {
    /// Where it is. Mistakes elsewhere in the configuration do not matter here: a job that migrates needs no certificate.
    pub(super) fn target(&self, environment: &Environment) -> Result<Target, ExitCode> {
        let (config, mistakes) = read(self.config.as_deref(), environment);
        let ours = |mistake: &Mistake| mistake.key.is_empty() || mistake.key.starts_with("insights");
        let mistakes: Vec<Mistake> = mistakes.into_iter().filter(ours).collect();
        if !mistakes.is_empty() {
            return Err(crate::cli::refuse(&mistakes));
        }
        let Some(url) = &config.insights_url else {
            return Err(missing(self.config.as_deref()));
        };
        Target::from_url(url.expose()).map_err(|error| failed(crate::cli::EX_CONFIG, &format!("insights.url: {error}")))
    }

    /// Connects.
    pub(super) async fn connect(&self, environment: &Environment) -> Result<Owner, ExitCode> {
        let target = self.target(environment)?;
        connect(&target).await.map_err(|error| failed(EX_UNAVAILABLE, &format!("the tool database {target}: {error}")))
    }
}

/// A connection that may write. The connections to customers cannot; this one starts as they do and is then let go.
pub(super) async fn connect(target: &Target) -> Result<Owner, ConnectError> {
    let (client, task) = sql_client(target).await?;
    let owner = Owner { client, task };
    owner
        .client
        .batch_execute("SET default_transaction_read_only = off")
        .await
        .map_err(|error| ConnectError::Protocol(error.to_string()))?;
    Ok(owner)
}

fn missing(file: Option<&Path>) -> ExitCode {
    let place = file.map_or_else(String::new, |file| format!(" or insights.url in {}", file.display()));
    failed(crate::cli::EX_CONFIG, &format!("no tool database is configured: set VITRINE_INSIGHTS_URL{place}"))
}
