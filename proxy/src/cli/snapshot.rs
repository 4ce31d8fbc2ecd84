//! `vitrine snapshot`: writes the built-in snapshot from real servers, one of each major version. For maintainers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::catalog::{Catalog, render_snapshot};
use crate::upstream;

/// Write PostgreSQL's own functions, operators, casts, types and views, as real servers have them, into text files.
#[derive(Debug, Args)]
pub(super) struct Snapshot {
    /// A server; one of each major version, freshly made.
    #[arg(long = "customer-url", required = true, value_name = "URL")]
    servers: Vec<String>,
    /// The folder of the files.
    #[arg(long, default_value = "proxy/src/catalog/builtin")]
    into: PathBuf,
}

impl Snapshot {
    pub(super) fn run(&self) -> ExitCode {
        match self.write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("vitrine: {reason}");
                ExitCode::FAILURE
            }
        }
    }

    fn write(&self) -> Result<(), Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut catalogs: Vec<Catalog> = Vec::new();
        for url in &self.servers {
            catalogs.push(runtime.block_on(load(url))?);
        }
        catalogs.sort_by_key(|catalog| catalog.objects().server_version);
        for (name, text) in render_snapshot(&catalogs) {
            std::fs::write(self.into.join(name), text)?;
        }
        Ok(())
    }
}

/// Loads the catalog behind a URL over a connection of its own.
pub(super) async fn load(url: &str) -> Result<Catalog, Box<dyn std::error::Error>> {
    let target = upstream::Target::from_url(url)?;
    let (client, task) = upstream::sql_client(&target).await?;
    let catalog = upstream::catalog::load(&client).await?;
    task.abort();
    Ok(catalog)
}
