//! `vitrine verify`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{Environment, read};
use crate::gateway::build::{build, trusting};
use crate::gateway::state::Gateway;
use crate::upstream::Target;
use crate::verify::{Report, Way, run};

/// Attack the configured database through the gateway and report what became of each attempt.
///
/// Exit code 0 when nothing got through, 1 when something did, 2 when it could not run. The attacks aim at nothing that
/// exists: they are safe even where the gateway fails.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The configuration file; without it the environment alone.
    #[arg(long, env = "VITRINE_CONFIG")]
    config: Option<PathBuf>,
    /// Attack the gateway that runs behind this URL instead of one started for the purpose.
    #[arg(long, value_name = "URL")]
    gateway_url: Option<String>,
    /// One of the configured databases; without it all of them.
    #[arg(long, value_name = "NAME", conflicts_with = "gateway_url")]
    database: Option<String>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the report as JSON: an array with one object for each database and role.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

type Fault = Box<dyn std::error::Error>;

impl Verify {
    pub(super) fn run(self, environment: &Environment) -> ExitCode {
        match self.attack(environment) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(fault) => {
                eprintln!("vitrine: {fault}");
                ExitCode::from(2)
            }
        }
    }

    fn attack(&self, environment: &Environment) -> Result<bool, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let reports = runtime.block_on(async {
            let mut reports = Vec::new();
            for way in self.ways(environment).await? {
                let report = attack_by(&way).await?;
                println!("{}", summary(&report));
                reports.push(report);
            }
            Ok::<_, Fault>(reports)
        })?;
        if let Some(path) = &self.report {
            let pages: Vec<String> = reports.iter().map(Report::markdown).collect();
            std::fs::write(path, pages.join("\n"))?;
        }
        if let Some(path) = &self.json {
            let objects = reports.iter().map(Report::json).collect::<Result<Vec<_>, _>>()?;
            std::fs::write(path, format!("[{}]\n", objects.join(",\n")))?;
        }
        Ok(reports.iter().all(Report::is_clean))
    }

    /// The gateway that is there, or one of our own before each database and upstream role.
    async fn ways(&self, environment: &Environment) -> Result<Vec<Way>, Fault> {
        if let Some(url) = &self.gateway_url {
            return Ok(vec![Way::There(Box::new(Target::from_url(url)?))]);
        }
        let built = build(read(self.config.as_deref(), environment)).and_then(trusting);
        let gateway = Arc::new(built.map_err(|mistakes| listed(&mistakes))?);
        let mut ways = Vec::new();
        for (name, database) in gateway.databases.load().iter() {
            if self.database.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            database.catalog.refresh().await?;
            ways.push(way(&gateway, name, CLIENT));
            ways.extend(database.routes.keys().map(|user| way(&gateway, name, user)));
        }
        if ways.is_empty() { Err("no such database in the configuration".into()) } else { Ok(ways) }
    }
}

/// A client user that no mapping names.
const CLIENT: &str = "vitrine_verify";

fn way(gateway: &Arc<Gateway>, database: &str, user: &str) -> Way {
    Way::Here { gateway: Arc::clone(gateway), database: database.to_owned(), user: user.to_owned() }
}

async fn attack_by(way: &Way) -> Result<Report, Fault> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} attacks")?;
    let bar = ProgressBar::new(0).with_style(style);
    let report = run(way, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await;
    bar.finish_and_clear();
    Ok(report?)
}

fn summary(report: &Report) -> String {
    let totals = report.totals();
    let mut text = format!(
        "{} as {}: {} attempts of {} attacks; {} refused by the gateway, {} by the database, {} without effect, {} not \
         run; {} got through",
        report.database,
        report.role,
        totals.attempts,
        report.attacks,
        totals.by_gateway,
        totals.by_database,
        totals.without_effect,
        totals.not_run,
        totals.got_through
    );
    for run in report.runs.iter().filter(|run| matches!(run.outcome, crate::verify::Outcome::GotThrough { .. })) {
        text.push_str(&format!("\n  {} ({}): {}\n    {}", run.id, run.protocol, run.attack, run.outcome));
    }
    text
}

fn listed(mistakes: &[crate::config::Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    format!("the configuration is wrong\n{}", lines.join("\n"))
}
