//! `vitrine serve`.

use crate::config::Environment;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file; without it the environment alone.
    #[arg(long, env = "VITRINE_CONFIG")]
    config: Option<PathBuf>,
    /// Take the sockets over from the gateway that runs with the same `server.run_dir`; its open transactions finish there.
    #[arg(long)]
    upgrade: bool,
}

impl Serve {
    pub(super) fn run(self, environment: &Environment) -> ExitCode {
        match super::configuration(self.config.as_deref(), environment) {
            Ok(config) => {
                eprintln!("vitrine: nothing to serve {} with yet (upgrade: {})", config.databases.len(), self.upgrade);
                ExitCode::FAILURE
            }
            Err(code) => code,
        }
    }
}
