//! `vitrine demo`.

use crate::demo::Demo as Tour;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Port of the gateway on 127.0.0.1.
    #[arg(long, default_value_t = 6432)]
    port: u16,
    /// End after the tour; the exit code is 0 only if every read was answered and every write refused.
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error),
        };
        match runtime.block_on(Tour { port: self.port, once: self.once }.run()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("vitrine: {error}");
    ExitCode::FAILURE
}
