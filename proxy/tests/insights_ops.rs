//! The commands that keep the tool database: the real program against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

#[path = "insights_ops/backup.rs"]
mod backup;
#[path = "gateway_process/mod.rs"]
mod gateway_process;
#[path = "insights_ops/health.rs"]
mod health;
#[path = "insights_ops/import.rs"]
mod import;
#[path = "insights_ops/migrate.rs"]
mod migrate;
#[path = "insights_ops/program.rs"]
mod program;
#[path = "insights_ops/seed.rs"]
mod seed;
