//! The owner's connection to the tool database: the role of `insights.url`, which may change everything there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vitrine_insights::backup::Libpq;
use vitrine_insights::store::{Settings, Store};

use crate::config::{Environment, Mistake, read};
use crate::gateway::tools::owner::{Owner, connect};
use crate::upstream::{Endpoint, Roots, SqlConnect, SslMode, Target};

use super::{EX_UNAVAILABLE, failed};

/// Which tool database.
#[derive(Debug, Args)]
pub(super) struct ToolDatabase {
    /// The configuration file; without it the environment alone (VITRINE_INSIGHTS_URL).
    #[arg(long, env = "VITRINE_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
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

/// How PostgreSQL's own programs, of a major version, reach the same database: everything in their environment, nothing
/// where a list of processes would show it.
///
/// # Errors
/// The password's file cannot be read.
pub(super) fn libpq(target: &Target, major: u32) -> std::io::Result<Libpq> {
    let mut variables = BTreeMap::new();
    let (host, port) = match &target.endpoint {
        Endpoint::Tcp { host, port } => (host.clone(), port),
        Endpoint::Unix { directory, port } => (directory.display().to_string(), port),
    };
    variables.insert("PGHOST", host);
    variables.insert("PGPORT", port.to_string());
    variables.insert("PGUSER", target.user.clone());
    variables.insert("PGDATABASE", target.database.clone());
    variables.insert("PGAPPNAME", "vitrine".to_owned());
    variables.insert("PGCONNECT_TIMEOUT", target.connect_timeout.as_secs().max(2).to_string());
    variables.insert("PGSSLMODE", target.tls.mode.name().to_owned());
    if let Some(password) = target.secret.read()? {
        variables.insert("PGPASSWORD", password.to_string());
    }
    let verifies = matches!(target.tls.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    match &target.tls.roots {
        Roots::File(path) => drop(variables.insert("PGSSLROOTCERT", path.display().to_string())),
        Roots::System if verifies => drop(variables.insert("PGSSLROOTCERT", system_roots(major))),
        Roots::System => {}
    }
    if let Some(identity) = &target.tls.identity {
        variables.insert("PGSSLCERT", identity.certificate.display().to_string());
        variables.insert("PGSSLKEY", identity.key.display().to_string());
    }
    Ok(Libpq(variables))
}

/// libpq knows the system's authorities since version 16; before, the file that distributions keep them in.
fn system_roots(major: u32) -> String {
    const FILES: &[&str] =
        &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let file = FILES.iter().find(|file| Path::new(file).is_file()).filter(|_| major < 16);
    file.map_or_else(|| "system".to_owned(), |file| (*file).to_owned())
}

/// The store behind the same URL, as the role that serves.
pub(super) fn store(target: &Target) -> Result<Store, ExitCode> {
    let mut serving = target.clone();
    serving.settings.push(("role".to_owned(), "vitrine_app".to_owned()));
    serving.settings.push(("search_path".to_owned(), "public".to_owned()));
    Store::open(tokio_postgres::Config::new(), SqlConnect(serving), &Settings::default())
        .map_err(|error| failed(EX_UNAVAILABLE, &error))
}

pub(super) fn missing(file: Option<&Path>) -> ExitCode {
    let place = file.map_or_else(String::new, |file| format!(" or insights.url in {}", file.display()));
    failed(crate::cli::EX_CONFIG, &format!("no tool database is configured: set VITRINE_INSIGHTS_URL{place}"))
}
