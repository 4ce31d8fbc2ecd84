//! The `vitrine` program: takes arguments and environment from the process and hands them on.
#![forbid(unsafe_code)]

use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    vitrine::cli::run(vitrine::cli::CommandLine::parse(), &environment)
}
