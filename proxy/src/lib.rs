//! Vitrine: look, don't touch. A gateway that lets any PostgreSQL client read a database and lets none write.
//!
//! The house plan, the invariants and the walls are in `ARCHITECTURE.md`.
#![forbid(unsafe_code)]

pub mod cache;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod gateway;
pub mod observe;
pub mod policy;
pub mod session;
pub mod sql;
pub mod upstream;
pub mod verify;
pub mod wire;
