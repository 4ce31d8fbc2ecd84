//! `vitrine import-insights`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vitrine_insights::import::{Ends, Import, ImportError, Mapping, Outcome, Table, import, propose};
use vitrine_insights::model::Tenant;

use crate::config::{Config, Environment, Mistake, read};
use crate::gateway::tools::owner;
use crate::upstream::{Target, sql_client};

use super::bar::Bar;
use super::owner::{missing, store};
use super::seed::tenant;
use super::{EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, failed};

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportInsights {
    /// The configuration file; without it the environment alone (VITRINE_CUSTOMER_URL, VITRINE_INSIGHTS_URL).
    #[arg(long, env = "VITRINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The configured database to read from: its name, or `customer` for the one of customer.url.
    #[arg(long, default_value = "customer", value_name = "NAME")]
    from: String,
    /// The table to copy.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    table: String,
    /// Which column becomes which part of an insight: PART=COLUMN, PART='text', payload=COLUMN+COLUMN or payload=* (every
    /// column that nothing else takes), separated by commas. Parts: kind, key, title (these are needed), body, payload,
    /// confidence, valid_from, valid_to, expires_at. Evidence and embeddings are no parts of it and are not copied; a column
    /// that holds some can go into the payload. Without a map one is proposed from the names of the columns, and nothing is
    /// copied.
    #[arg(long, value_name = "MAP")]
    map: Option<String>,
    /// Whose insights they become.
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = tenant)]
    tenant: Tenant,
    /// Look at the table, the map and the kinds, and copy nothing.
    #[arg(long)]
    dry_run: bool,
    /// Begin at the first row, where an earlier run was broken off too.
    #[arg(long)]
    restart: bool,
    /// Make kinds that the tenant does not have, with a schema that takes any object.
    #[arg(long)]
    create_kinds: bool,
}

impl ImportInsights {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let (source, tools) = self.targets(environment)?;
        let reached =
            |name: &Target, error: &dyn std::fmt::Display| failed(EX_UNAVAILABLE, &format!("{name}: {error}"));
        let (mut client, _task) = sql_client(&source).await.map_err(|error| reached(&source, &error))?;
        let table = Table::of(&client, &self.table).await.map_err(|error| failed(EX_DATAERR, &error))?;
        let Some(map) = &self.map else {
            let proposal = propose(&table.name, &table.columns).replace('"', "\\\"");
            println!("--map \"{proposal}\"");
            return Err(failed(
                EX_USAGE,
                &"no --map was given; the one above is a guess from the names of the columns",
            ));
        };
        let map = Mapping::parse(map, &table.columns).map_err(|mistakes| {
            for mistake in &mistakes {
                eprintln!("--map: {mistake}");
            }
            failed(EX_DATAERR, &format!("{} mistakes in the map; nothing was copied", mistakes.len()))
        })?;
        let owner = owner::connect(&tools).await.map_err(|error| reached(&tools, &error))?;
        let store = store(&tools)?;
        let what = Import {
            from: source.database.clone(),
            table,
            map,
            tenant: self.tenant.clone(),
            restart: self.restart,
            create_kinds: self.create_kinds,
            dry_run: self.dry_run,
        };
        let bar = Bar::new();
        let ends = Ends { source: &mut client, owner: &owner.client, store: &store };
        let outcome = import(ends, &what, |done, all| {
            bar.length(all);
            bar.at(done);
        })
        .await;
        drop(bar);
        match outcome {
            Ok(outcome) => Ok(self.report(&outcome, &source)),
            Err(error) => Err(refused(&error)),
        }
    }

    /// The two databases. Mistakes elsewhere in the configuration do not matter here.
    fn targets(&self, environment: &Environment) -> Result<(Target, Target), ExitCode> {
        let (config, mistakes) = read(self.config.as_deref(), environment);
        let ours = |mistake: &Mistake| {
            let key = mistake.key.as_str();
            key.is_empty() || ["insights", "customer", "database"].iter().any(|section| key.starts_with(section))
        };
        let mistakes: Vec<Mistake> = mistakes.into_iter().filter(ours).collect();
        if !mistakes.is_empty() {
            return Err(crate::cli::refuse(&mistakes));
        }
        let source = self.source(&config).ok_or_else(|| {
            let names: Vec<&str> = config.databases.iter().map(|database| database.name.as_str()).collect();
            failed(
                EX_USAGE,
                &format!("no database is called \"{}\": expected customer or {}", self.from, names.join(", ")),
            )
        })?;
        let url = config.insights_url.as_ref().ok_or_else(|| missing(self.config.as_deref()))?;
        let tools = Target::from_url(url.expose());
        Ok((source, tools.map_err(|error| failed(crate::cli::EX_CONFIG, &format!("insights.url: {error}")))?))
    }

    fn source(&self, config: &Config) -> Option<Target> {
        let named = config.databases.iter().find(|database| database.name == self.from);
        let of_url =
            || config.databases.iter().find(|database| self.from == "customer" && database.key == "customer.url");
        named.or_else(of_url).map(|database| database.target.clone())
    }

    fn report(&self, outcome: &Outcome, source: &Target) -> ExitCode {
        let sample = &outcome.sample;
        if self.dry_run {
            println!(
                "{} rows of kinds {}, each with a key and a title; nothing was copied",
                sample.rows,
                sample.kinds.join(", ")
            );
            return ExitCode::SUCCESS;
        }
        if let Some(after) = &outcome.resumed_after {
            println!("went on after key {after}, where the last run was broken off");
        }
        println!(
            "{} of {}: {} of {} rows read = {} created + {} there already + {} rejected; {} compared and equal",
            self.table,
            source.database,
            outcome.read,
            sample.rows,
            outcome.created,
            outcome.unchanged,
            outcome.rejected,
            outcome.equal
        );
        if outcome.created > 0 {
            println!(
                "evidence and embeddings are not copied: POST /v1/insights/{{id}}/evidence and a new version add them"
            );
        }
        for rejected in &outcome.first_rejected {
            eprintln!("vitrine: key {}: {}", rejected.key, rejected.reason);
        }
        let complete = outcome.resumed_after.is_some() || outcome.read == sample.rows;
        if complete && outcome.rejected == 0 && outcome.equal == outcome.read {
            return ExitCode::SUCCESS;
        }
        failed(1, &"not everything arrived as it is in the customer database")
    }
}

fn refused(error: &ImportError) -> ExitCode {
    let code = match error {
        ImportError::Unfit(_) | ImportError::NoKind { .. } => EX_DATAERR,
        ImportError::Source(_) | ImportError::Store(_) => EX_UNAVAILABLE,
    };
    failed(code, error)
}
