//! `vitrine serve`.

use crate::config::{Environment, LogFormat, read};
use crate::gateway::build::{build, reload};
use crate::gateway::server::serve;
use crate::gateway::state::Gateway;
use crate::observe::{LogForm, start_logs};
use clap::Args;
use std::path::{Path, PathBuf};
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
        let gateway = match build(read(self.config.as_deref(), environment)) {
            Ok(gateway) => Arc::new(gateway),
            Err(mistakes) => return super::refuse(&mistakes),
        };
        if gateway.config.insights.seed
            && let Err(code) = super::insights::seeds_or_refuse(gateway.config.insights.seed_dir.as_deref())
        {
            return code;
        }
        start_logs(log_form(gateway.config.log), gateway.config.log_level.word());
        let (file, environment) = (self.config, environment.clone());
        let reload = Box::new(move |gateway: &Gateway| read_again(gateway, file.as_deref(), &environment));
        match serve(gateway, reload, self.upgrade) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("vitrine: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// SIGHUP: users, certificates and policy from the files as they are now, or the old ones if there is any mistake.
fn read_again(gateway: &Gateway, file: Option<&Path>, environment: &Environment) {
    match reload(gateway, read(file, environment)) {
        Ok(()) => {
            gateway.metrics.reloads.increment();
            tracing::info!(event = "reloaded", "users, certificates and policy are read again");
        }
        Err(mistakes) => {
            gateway.metrics.reloads_refused.increment();
            for mistake in &mistakes {
                tracing::error!(event = "reload_refused", %mistake, "the old state stays in force");
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
