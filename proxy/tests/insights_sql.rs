//! The SQL door of the insight store, `dbname=insights`: real drivers, real servers, the store's own migrations.
#![allow(clippy::too_many_lines, reason = "a list of ways is one list")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "insights_sql/copying.rs"]
mod copying;
#[path = "insights_sql/crossing.rs"]
mod crossing;
#[path = "insights_sql/login.rs"]
mod login;
#[path = "insights_sql/route.rs"]
mod route;
#[path = "insights_sql/scene.rs"]
mod scene;
mod support;
#[path = "insights_sql/writing.rs"]
mod writing;
