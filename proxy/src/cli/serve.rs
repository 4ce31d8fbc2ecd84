//! `vitrine serve`.

use crate::config::{Environment, LogFormat};
use crate::gateway::server::serve;
use crate::gateway::state::Gateway;
use crate::observe::{LogForm, Metrics, start_logs};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

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
        let config = match super::configuration(self.config.as_deref(), environment) {
            Ok(config) => config,
            Err(code) => return code,
        };
        start_logs(log_form(config.log), config.log_level.word());
        let gateway = Arc::new(Gateway { config, metrics: Metrics::default() });
        match serve(gateway, Box::new(|_| ()), self.upgrade) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("vitrine: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn log_form(format: LogFormat) -> LogForm {
    match format {
        LogFormat::Json => LogForm::Json,
        LogFormat::Pretty => LogForm::Pretty,
    }
}
