//! `vitrine check`.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::catalog::Catalog;
use crate::check::{Reviewer, answer, report};
use crate::policy::Policy;
use crate::upstream;

use super::EX_CONFIG;

/// The verdict on a statement: what it reads and calls, or the rule that refuses it.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The SQL; without it and without -f, standard input.
    sql: Option<String>,
    /// Read the SQL from a file.
    #[arg(short, long, conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Review against the catalog of this database instead of PostgreSQL's own objects alone.
    #[arg(long, value_name = "URL")]
    customer_url: Option<String>,
    /// The policy file; without it the built-in one.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Lines {"id", "sql"} in, lines {"id", "verdict", …} out.
    #[arg(long)]
    jsonl: bool,
}

type Fault = Box<dyn std::error::Error>;

impl Check {
    /// Exit code 0 when everything passes, 1 when something is refused, 2 when nothing could be reviewed.
    pub(super) fn run(&self) -> ExitCode {
        let policy = match self.policy.as_deref().map(policy).transpose() {
            Ok(policy) => policy.unwrap_or_else(Policy::built_in),
            Err(code) => return code,
        };
        match self.review(policy) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(fault) => {
                eprintln!("vitrine: {fault}");
                ExitCode::from(2)
            }
        }
    }

    fn review(&self, policy: Policy) -> Result<bool, Fault> {
        let mut reviewer = Reviewer::offline(policy);
        if let Some(url) = &self.customer_url {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let found = runtime.block_on(ask(url))?;
            reviewer = Reviewer { limits: reviewer.limits, policy: reviewer.policy, ..found };
        }
        if self.jsonl {
            return self.lines(&reviewer);
        }
        let text = match (&self.sql, &self.file) {
            (Some(sql), _) => sql.clone(),
            (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?,
            (None, None) => std::io::read_to_string(std::io::stdin().lock())?,
        };
        let verdict = reviewer.verdict(&text);
        std::io::stdout().write_all(report(&text, &verdict).as_bytes())?;
        Ok(verdict.denial.is_none())
    }

    fn lines(&self, reviewer: &Reviewer) -> Result<bool, Fault> {
        let source: Box<dyn Read> = match &self.file {
            Some(file) => Box::new(std::fs::File::open(file).map_err(|error| unreadable(file, &error))?),
            None => Box::new(std::io::stdin().lock()),
        };
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let mut all = true;
        for (number, line) in std::io::BufReader::new(source).split(b'\n').enumerate() {
            // Bytes that are not UTF-8 are one bad line, not the end.
            let line = String::from_utf8_lossy(&line?).into_owned();
            if line.trim().is_empty() {
                continue;
            }
            let (line, passed) = answer(reviewer, number + 1, &line)?;
            writeln!(out, "{line}")?;
            all &= passed;
        }
        out.flush()?;
        Ok(all)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("could not read {}: {error}", path.display())
}

fn policy(path: &Path) -> Result<Policy, ExitCode> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        eprintln!("vitrine: {}", unreadable(path, &error));
        ExitCode::from(EX_CONFIG)
    })?;
    Policy::from_toml(&text).map_err(|mistakes| {
        for mistake in mistakes {
            eprintln!("{}: {mistake}", path.display());
        }
        ExitCode::from(EX_CONFIG)
    })
}

/// The catalog behind a URL, and what a session there starts with.
async fn ask(url: &str) -> Result<Reviewer, Fault> {
    let target = upstream::Target::from_url(url)?;
    let (client, task) = upstream::sql_client(&target).await?;
    let catalog: Catalog = upstream::catalog::load(&client).await?;
    let row = client
        .query_one(
            "SELECT pg_catalog.current_setting('search_path'), CURRENT_USER::text, pg_catalog.current_database()::text",
            &[],
        )
        .await?;
    let reviewer = Reviewer {
        catalog: Arc::new(catalog),
        search_path: upstream::catalog::path_entries(row.try_get(0)?),
        role: row.try_get(1)?,
        database: row.try_get(2)?,
        ..Reviewer::offline(Policy::default())
    };
    task.abort();
    Ok(reviewer)
}
