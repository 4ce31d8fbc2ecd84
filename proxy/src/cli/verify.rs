//! `vitrine verify`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{Environment, Mistake, read};
use crate::gateway::build::{build, trusting};
use crate::gateway::state::Gateway;
use crate::upstream::Target;
use crate::verify::{Report, Way, run};

/// Attack the configured database through the gateway and report what became of each attempt.
///
/// Exit code 0 when nothing got through, 1 when something did, 2 when it could not run, 78 when the configuration is
/// wrong. The attacks aim at nothing that
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
        let gateway = match self.gateway(environment) {
            Ok(gateway) => gateway,
            Err(mistakes) => return super::refuse(&mistakes),
        };
        match self.attack(gateway.as_ref()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(fault) => {
                eprintln!("vitrine: {fault}");
                ExitCode::from(2)
            }
        }
    }

    /// The gateway of our own, unless another is to be attacked.
    fn gateway(&self, environment: &Environment) -> Result<Option<Arc<Gateway>>, Vec<Mistake>> {
        if self.gateway_url.is_some() {
            return Ok(None);
        }
        let gateway = build(read(self.config.as_deref(), environment)).and_then(trusting)?;
        Ok(Some(Arc::new(gateway)))
    }

    fn attack(&self, gateway: Option<&Arc<Gateway>>) -> Result<bool, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let reports = runtime.block_on(async {
            let mut reports = Vec::new();
            for way in self.ways(gateway).await? {
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
    async fn ways(&self, gateway: Option<&Arc<Gateway>>) -> Result<Vec<Way>, Fault> {
        if let Some(url) = &self.gateway_url {
            return Ok(vec![Way::There(Box::new(Target::from_url(url)?))]);
        }
        let mut ways = Vec::new();
        let Some(gateway) = gateway else { return Ok(ways) };
        for (name, database) in gateway.databases.load().iter() {
            if self.database.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            database.catalog.refresh().await?;
            ways.push(way(gateway, name, CLIENT));
            ways.extend(database.routes.keys().map(|user| way(gateway, name, user)));
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
