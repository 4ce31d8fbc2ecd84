//! `vitrine seed`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vitrine_insights::model::Tenant;
use vitrine_insights::seed::{self, Difference, Planted, SeedMistake, Seeds, Sowing};

use crate::config::Environment;

use super::owner::ToolDatabase;
use super::{EX_DATAERR, EX_UNAVAILABLE, failed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Seed {
    #[command(flatten)]
    database: ToolDatabase,
    /// Take the files from this folder instead of those that the program was built with (config/seed/README.md says how
    /// they look).
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Whose records they become.
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = tenant)]
    tenant: Tenant,
    /// Show what in the database is not as the files say, and how it came so. Changes nothing; exit code 1 if there is some.
    #[arg(long, conflicts_with_all = ["add", "update", "check"])]
    diff: bool,
    /// Plant files that were never planted also in a store that has something already.
    #[arg(long)]
    add: bool,
    /// Bring records that no person has touched to what their files say now.
    #[arg(long)]
    update: bool,
    /// Look at the files alone, without a database.
    #[arg(long)]
    check: bool,
}

pub(super) fn tenant(name: &str) -> Result<Tenant, String> {
    Tenant::parse(name).map_err(|error| error.to_string())
}

impl Seed {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        let seeds = match self.seeds() {
            Ok(seeds) => seeds,
            Err(mistakes) => return refused(&mistakes),
        };
        if self.check {
            println!("{} seeds, no mistake", seeds.0.len());
            return ExitCode::SUCCESS;
        }
        super::wait_for(self.sow(&seeds, environment))
    }

    fn seeds(&self) -> Result<Seeds, Vec<SeedMistake>> {
        match &self.dir {
            Some(folder) => Seeds::read(&seed::of_dir(folder)?),
            None => Seeds::read(&seed::embedded()),
        }
    }

    async fn sow(&self, seeds: &Seeds, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let mut owner = self.database.connect(environment).await?;
        if self.diff {
            let found = seed::diff(&mut owner.client, &self.tenant, seeds).await.map_err(|error| wrong(&error))?;
            print_differences(&found);
            return Ok(ExitCode::from(u8::from(!found.is_empty())));
        }
        let sowing = Sowing { add: self.add, update: self.update };
        let planted =
            seed::plant(&mut owner.client, &self.tenant, seeds, sowing).await.map_err(|error| wrong(&error))?;
        print_planted(&planted);
        Ok(ExitCode::SUCCESS)
    }
}

/// Before serving with seeds: their files must be right.
pub(in crate::cli) fn seeds_or_refuse(folder: Option<&Path>) -> Result<(), ExitCode> {
    let files = folder.map_or_else(|| Ok(seed::embedded()), seed::of_dir);
    files.and_then(|files| Seeds::read(&files)).map(drop).map_err(|mistakes| {
        let _data = refused(&mistakes);
        ExitCode::from(crate::cli::EX_CONFIG)
    })
}

/// Every mistake of every file, and the exit code.
fn refused(mistakes: &[SeedMistake]) -> ExitCode {
    for mistake in mistakes {
        eprintln!("{mistake}");
    }
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    failed(EX_DATAERR, &format!("{} {plural} in the seeds; nothing was planted", mistakes.len()))
}

fn wrong(error: &seed::SeedError) -> ExitCode {
    let code = match error {
        seed::SeedError::Record { .. } => EX_DATAERR,
        seed::SeedError::Database(_) => EX_UNAVAILABLE,
    };
    let missing = error.sqlstate() == Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE);
    let hint = if missing { "\n  hint: run vitrine migrate first" } else { "" };
    failed(code, &format!("{error}{hint}"))
}

fn print_differences(found: &[Difference]) {
    for difference in found {
        println!("{} ({} {}): {}", difference.file, difference.kind, difference.name, difference.standing.words());
        for place in &difference.places {
            println!("    {place}");
        }
    }
    println!("{} of the seeds differ", found.len());
}

fn print_planted(planted: &Planted) {
    println!("{} records planted, {} updated", planted.created, planted.updated);
    for (standing, count) in &planted.left {
        println!("{count} left as they are: {}", standing.words());
    }
    if planted.not_empty && planted.left.contains_key(&seed::Standing::New) {
        println!("the store is not empty, so nothing new was planted (--add does it all the same)");
    }
}
