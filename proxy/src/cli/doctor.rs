//! `vitrine doctor`: wall 6 for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::Environment;
use crate::upstream::posture::{Posture, ProperRole, inspect, proper_role_sql};
use crate::upstream::{Secret, Target, sql_client};

/// What the customer role could do, were every other wall down, and the SQL for a better one. Exit code 0: it cannot
/// write; 1: it could; 2: nobody could tell.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Look at this database and role instead of the configured ones.
    #[arg(long, value_name = "URL")]
    customer_url: Option<String>,
    /// The configuration file.
    #[arg(long, env = "VITRINE_CONFIG")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

type Fault = Box<dyn std::error::Error>;

/// What was seen of one role.
struct Seen {
    posture: Posture,
    proper: String,
}

/// The proper role is spelled out for so many schemas; a database with more is read whole.
const SCHEMAS_SPELLED_MAX: usize = 20;

impl Doctor {
    pub(super) fn run(self, environment: &Environment) -> ExitCode {
        let targets = match self.targets(environment) {
            Ok(targets) => targets,
            Err(code) => return code,
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("vitrine: {error}");
                return ExitCode::from(2);
            }
        };
        let (mut could_write, mut unknown, mut all) = (false, false, Vec::new());
        for target in targets {
            match runtime.block_on(see(&target)) {
                Ok(seen) => {
                    could_write |= seen.posture.can_write();
                    if self.json {
                        all.push(as_json(&seen));
                    } else {
                        print_text(&seen);
                    }
                }
                Err(fault) => {
                    eprintln!("vitrine: {target}: {fault}");
                    unknown = true;
                }
            }
        }
        if self.json {
            println!("{:#}", json!({ "roles": all }));
        }
        // Not knowing is worse news than knowing.
        ExitCode::from(if unknown { 2 } else { u8::from(could_write) })
    }

    fn targets(&self, environment: &Environment) -> Result<Vec<Target>, ExitCode> {
        if let Some(url) = &self.customer_url {
            return Target::from_url(url).map(|target| vec![target]).map_err(|error| {
                eprintln!("vitrine: --customer-url: {error}");
                ExitCode::from(2)
            });
        }
        let config = super::configuration(self.config.as_deref(), environment)?;
        let mut targets = Vec::new();
        for database in &config.databases {
            targets.push(database.target.clone());
            targets.extend(config.mappings.iter().filter_map(|mapping| {
                let role = mapping.upstream_user.as_ref()?;
                let offered = mapping.databases.is_empty() || mapping.databases.contains(&database.name);
                let secret = mapping.upstream_password_file.clone().map_or_else(Default::default, Secret::file);
                offered.then(|| database.target.with_role(role, secret))
            }));
        }
        if targets.is_empty() {
            eprintln!("vitrine: no customer database is configured; give --customer-url or VITRINE_CUSTOMER_URL");
            return Err(ExitCode::from(2));
        }
        Ok(targets)
    }
}

async fn see(target: &Target) -> Result<Seen, Fault> {
    let (client, task) = sql_client(target).await?;
    let posture = inspect(&client).await?;
    let schemas = client
        .query(
            "SELECT nspname::text FROM pg_catalog.pg_namespace \
             WHERE nspname OPERATOR(pg_catalog.!~) '^pg_' AND nspname OPERATOR(pg_catalog.<>) 'information_schema' \
             ORDER BY 1",
            &[],
        )
        .await?;
    let schemas: Vec<String> = schemas.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let spelled: Vec<&str> = schemas.iter().map(String::as_str).take(SCHEMAS_SPELLED_MAX + 1).collect();
    let proper = proper_role_sql(&ProperRole {
        role: "vitrine_reader",
        database: &posture.database,
        schemas: if spelled.len() > SCHEMAS_SPELLED_MAX { &[] } else { &spelled },
        server_version: posture.server_version,
    });
    task.abort();
    Ok(Seen { posture, proper })
}

fn print_text(seen: &Seen) {
    println!("{}", seen.posture);
    if seen.posture.can_write() {
        println!("\nA role that can look and not touch, from nothing:\n\n{}", seen.proper);
    }
}

fn as_json(seen: &Seen) -> serde_json::Value {
    json!({ "can_write": seen.posture.can_write(), "posture": seen.posture, "proper_role_sql": seen.proper })
}
