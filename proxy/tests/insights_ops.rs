//! The commands that keep the tool database: the real program against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

#[path = "insights_ops/migrate.rs"]
mod migrate;
#[path = "insights_ops/program.rs"]
mod program;
