//! `vitrine config check` and `vitrine config reference`.

use crate::config::{Environment, markdown, read, reference};
use crate::gateway::build::build;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the configuration as `serve` would and list every mistake; exit code 78 if there is one.
    Check {
        /// The configuration file; without it the environment alone.
        #[arg(long, env = "VITRINE_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print every setting with its meaning, bounds, default in both modes and environment variable, as Markdown.
    Reference {
        /// As the complete configuration file instead.
        #[arg(long)]
        toml: bool,
    },
}

impl Config {
    pub(super) fn run(self, environment: &Environment) -> ExitCode {
        match self.action {
            Action::Check { config } => match build(read(config.as_deref(), environment)) {
                Ok(gateway) => {
                    let databases = &gateway.config.databases;
                    let names: Vec<&str> = databases.iter().map(|database| database.name.as_str()).collect();
                    println!("the configuration is right: {} mode, {}", gateway.config.mode.word(), names.join(", "));
                    ExitCode::SUCCESS
                }
                Err(mistakes) => super::refuse(&mistakes),
            },
            Action::Reference { toml } => {
                print!("{}", if toml { reference() } else { markdown() });
                ExitCode::SUCCESS
            }
        }
    }
}
