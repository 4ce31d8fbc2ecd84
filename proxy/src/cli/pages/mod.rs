//! `vitrine completions` and `vitrine man`: what shells and readers of manuals need, from the command line's own declarations.

use super::CommandLine;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> ExitCode {
        clap_complete::generate(self.shell, &mut CommandLine::command(), "vitrine", &mut std::io::stdout());
        ExitCode::SUCCESS
    }
}

/// A page for the program and for each of its commands, for `make dist`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder to write them to; it is there already.
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> ExitCode {
        match clap_mangen::generate_to(CommandLine::command(), &self.folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("vitrine: cannot write to {}: {error}", self.folder.display());
                ExitCode::FAILURE
            }
        }
    }
}
