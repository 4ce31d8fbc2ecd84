//! Answers from memory: the same bytes, never across a security boundary, never older than the bound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "cache/proof/admission.rs"]
mod admission;
#[path = "cache/again.rs"]
mod again;
#[path = "cache/proof/attacks.rs"]
mod attacks;
#[path = "cache/proof/behind.rs"]
mod behind;
#[path = "cache/blocks.rs"]
mod blocks;
#[path = "cache/boundaries.rs"]
mod boundaries;
#[path = "cache/proof/depends.rs"]
mod depends;
#[path = "cache/flights.rs"]
mod flights;
#[path = "cache/freshness.rs"]
mod freshness;
mod gateway_process;
#[path = "cache/hits.rs"]
mod hits;
#[path = "cache/proof/operators.rs"]
mod operators;
#[path = "cache/proof/random.rs"]
mod random;
#[path = "cache/proof/spellings.rs"]
mod spellings;
#[path = "cache/stage.rs"]
mod stage;
mod support;
