//! The upkeep of the tool database while the gateway serves: migrations and seeds once it is there, then a look at every
//! part, every few seconds. When it is away, it is tried again, ever more slowly and never at the same moment as others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use vitrine_insights::migrate::{self, Migrations};
use vitrine_insights::model::Tenant;
use vitrine_insights::seed::{self, Seeds, Sowing};

use super::owner::{self, Owner};
use super::{Board, NotPrepared, Status};
use crate::gateway::state::Gateway;
use crate::upstream::{Endpoint, Target};

/// Between two looks while everything answers.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// First and longest wait before the tool database is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// A look that takes longer found the database gone.
const LOOK_TIME_MAX: Duration = Duration::from_secs(10);
/// Below this share of the disk, or below this many bytes, it is nearly full.
const DISK_FREE_SHARE_MIN: u64 = 20;
const DISK_FREE_BYTES_MIN: u64 = 1 << 30;

/// Names of the parts.
const TOOLS: &str = "tool database";
const MIGRATIONS: &str = "migrations";
const EXTENSION: &str = "extension vector";
const DISK: &str = "disk";

/// Looks after everything, for as long as it is polled.
pub(in crate::gateway) struct Upkeep {
    gateway: Arc<Gateway>,
    /// None where no tool database is configured.
    tools: Option<Target>,
    prepared: bool,
}

impl Upkeep {
    pub(in crate::gateway) fn new(gateway: Arc<Gateway>) -> Self {
        let tools = gateway.config.insights_http.owner.clone();
        Self { gateway, tools, prepared: false }
    }

    /// Never returns.
    pub(in crate::gateway) async fn run(mut self) {
        let mut wait = RETRY_FIRST;
        let mut owner: Option<Owner> = None;
        loop {
            self.look_at_customers();
            let Some(target) = self.tools.clone() else {
                sleep(LOOK_INTERVAL).await;
                continue;
            };
            match self.round(&target, &mut owner).await {
                Ok(()) => {
                    wait = RETRY_FIRST;
                    sleep(LOOK_INTERVAL).await;
                }
                Err(why) => {
                    owner = None;
                    self.away(&why);
                    // What comes back may be an older copy.
                    self.prepared = false;
                    self.gateway.preparation.lapse().await;
                    // Between half of it and all of it: instances that lost it together do not come back together.
                    let pause = wait.mul_f64(rand::rng().random_range(0.5..=1.0));
                    sleep(pause).await;
                    wait = (wait * 2).min(RETRY_LAST);
                }
            }
        }
    }

    /// One round: connected, prepared, looked at, written down.
    async fn round(&mut self, target: &Target, kept: &mut Option<Owner>) -> Result<(), String> {
        if kept.is_none() {
            *kept = Some(owner::connect(target).await.map_err(|error| error.to_string())?);
        }
        let Some(owner) = kept.as_mut() else { return Ok(()) };
        if !self.prepared {
            self.prepare(owner).await?;
        }
        let looked = timeout(LOOK_TIME_MAX, look(&owner.client, target, self.board())).await;
        looked.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        // Nothing of this is needed to serve: a table that cannot be written is no reason to call the database away.
        if let Ok(Err(error)) = timeout(LOOK_TIME_MAX, write_down(&owner.client, self.board())).await {
            tracing::debug!(%error, "service_health could not be written");
        }
        Ok(())
    }

    fn board(&self) -> &Board {
        &self.gateway.board
    }

    /// Migrations and seeds, each time the tool database comes back: there is usually nothing to do.
    async fn prepare(&mut self, owner: &mut Owner) -> Result<(), String> {
        let config = &self.gateway.config.insights;
        match self.gateway.preparation.with(&owner.client, config.migrate_at_start).await {
            Ok(()) => {}
            // The look says so.
            Err(NotPrepared::Pending(_)) => return Ok(()),
            Err(error) => {
                self.board().note(MIGRATIONS, Status::Down, error.to_string(), None);
                tracing::error!(event = "migrate_failed", %error, "the insight store cannot serve");
                return Err(error.to_string());
            }
        }
        if config.seed {
            let seeds = seeds(config.seed_dir.as_deref())?;
            let tenant = Tenant::parse(&config.seed_tenant).map_err(|error| error.to_string())?;
            let planted = seed::plant(&mut owner.client, &tenant, &seeds, Sowing::default()).await;
            let planted = planted.map_err(|error| error.to_string())?;
            tracing::info!(
                event = "seeded",
                created = planted.created,
                not_empty = planted.not_empty,
                "seeds are planted"
            );
        }
        self.prepared = true;
        Ok(())
    }

    fn look_at_customers(&self) {
        for (name, status, detail) in self.gateway.customers() {
            self.board().note(&format!("customer database {name}"), status, detail, None);
        }
    }

    fn away(&self, why: &str) {
        let newly = !self.board().parts().iter().any(|part| part.name == TOOLS && part.status == Status::Down);
        if newly {
            tracing::warn!(
                event = "tools_away",
                why,
                "the tool database does not answer; customers are served all the same"
            );
        }
        self.board().note(TOOLS, Status::Down, why, None);
        for part in [EXTENSION, DISK] {
            self.board().note(part, Status::Unknown, "the tool database does not answer", None);
        }
        let failed = self.board().parts().iter().any(|part| part.name == MIGRATIONS && part.status == Status::Down);
        // Why migrations failed is worth more than that nobody knows.
        if self.prepared || !failed {
            self.board().note(MIGRATIONS, Status::Unknown, "the tool database does not answer", None);
        }
    }
}

/// The seeds of a folder, or those of the program.
///
/// # Errors
/// Every mistake, in lines.
pub(super) fn seeds(folder: Option<&Path>) -> Result<Seeds, String> {
    let files = folder.map_or_else(|| Ok(seed::embedded()), seed::of_dir);
    files
        .and_then(|files| Seeds::read(&files))
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Looks at every part of the tool database.
async fn look(client: &Client, target: &Target, board: &Board) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let began = Instant::now();
    let row = client
        .query_one(
            "SELECT pg_catalog.current_setting('server_version'), pg_catalog.pg_is_in_recovery(), \
             (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vector'), \
             (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'vector')",
            &[],
        )
        .await?;
    let (version, standby): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
    let took = began.elapsed();
    match standby {
        false => board.note(TOOLS, Status::Ok, format!("PostgreSQL {version}"), Some(took)),
        true => board.note(
            TOOLS,
            Status::Degraded,
            format!("PostgreSQL {version}, a standby: nothing can be written"),
            Some(took),
        ),
    }
    let (installed, available): (Option<String>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    match (installed, available) {
        (Some(version), _) => board.note(EXTENSION, Status::Ok, format!("pgvector {version}"), None),
        (None, Some(version)) => {
            let detail = format!("pgvector {version} is available and not installed: no search by vector");
            board.note(EXTENSION, Status::Degraded, detail, None);
        }
        (None, None) => {
            board.note(EXTENSION, Status::Degraded, "the server has no pgvector: no search by vector", None)
        }
    }
    look_at_migrations(client, board).await?;
    look_at_disk(client, target, board).await?;
    Ok(())
}

async fn look_at_migrations(client: &Client, board: &Board) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let migrations = Migrations::embedded()?;
    let status = migrate::status(client, &migrations).await?;
    let misfits: Vec<String> = status.misfits.iter().map(ToString::to_string).collect();
    match (misfits.is_empty(), status.pending.len()) {
        (false, _) => board.note(MIGRATIONS, Status::Down, misfits.join("; "), None),
        (true, 0) => board.note(MIGRATIONS, Status::Ok, format!("version {}", migrations.latest()), None),
        (true, pending) => {
            let detail = format!("{pending} of {} are pending: run vitrine migrate", migrations.latest());
            board.note(MIGRATIONS, Status::Down, detail, None);
        }
    }
    Ok(())
}

/// The size of the database, and the room on its disk where that is a disk of this machine.
async fn look_at_disk(client: &Client, target: &Target, board: &Board) -> Result<(), tokio_postgres::Error> {
    let size = client.query_one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[]).await?;
    let size = u64::try_from(size.try_get::<_, i64>(0)?).unwrap_or_default();
    // Only a superuser, or who reads all settings, is told where the files lie.
    let folder = client.query_one("SELECT pg_catalog.current_setting('data_directory', true)", &[]).await;
    let folder: Option<String> = folder.ok().and_then(|row| row.try_get(0).ok().flatten());
    let free = folder.filter(|_| is_here(&target.endpoint)).and_then(|folder| rustix::fs::statvfs(folder).ok());
    let megabytes = |bytes: u64| bytes >> 20;
    match free {
        None => {
            let detail = format!("the database takes {} MB; what is free cannot be known from here", megabytes(size));
            board.note(DISK, Status::Ok, detail, None);
        }
        Some(disk) => {
            let (free, all) =
                (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
            let detail = format!(
                "the database takes {} MB; {} MB of {} MB are free",
                megabytes(size),
                megabytes(free),
                megabytes(all)
            );
            let low = free < DISK_FREE_BYTES_MIN && free.saturating_mul(DISK_FREE_SHARE_MIN) < all;
            board.note(DISK, if low { Status::Degraded } else { Status::Ok }, detail, None);
        }
    }
    Ok(())
}

fn is_here(endpoint: &Endpoint) -> bool {
    endpoint.is_local()
}

/// Keeps the board in the table, for who asks by SQL or after a restart.
async fn write_down(client: &Client, board: &Board) -> Result<(), tokio_postgres::Error> {
    for part in board.parts() {
        let latency = part.latency_ms.map(|latency| i32::try_from(latency).unwrap_or(i32::MAX));
        client
            .execute(
                "INSERT INTO public.service_health AS h (service, status, detail, checked_at, since, latency_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (service) DO UPDATE SET status = excluded.status, \
                 detail = excluded.detail, checked_at = excluded.checked_at, latency_ms = excluded.latency_ms, \
                 since = CASE WHEN h.status = excluded.status THEN h.since ELSE excluded.since END",
                &[&part.name, &part.status.word(), &part.detail, &part.checked_at, &part.since, &latency],
            )
            .await?;
    }
    Ok(())
}
