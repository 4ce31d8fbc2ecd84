//! The store on real PostgreSQL servers, which these tests start, kill and fill up themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test says what is wrong by failing"
)]

#[path = "store/bulk.rs"]
mod bulk;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/feed.rs"]
mod feed;
#[path = "store/papers.rs"]
mod papers;
#[path = "store/payloads.rs"]
mod payloads;
#[path = "store/records.rs"]
mod records;
#[path = "store/retention.rs"]
mod retention;
#[path = "store/search.rs"]
mod search;
#[path = "store/server.rs"]
mod server;
#[path = "store/wire.rs"]
mod wire;
#[path = "store/writes.rs"]
mod writes;
