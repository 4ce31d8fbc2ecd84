//! The insight store: what an AI insight app derives, kept in a database of its own, apart from the customer's.
//!
//! - [`http`]: the HTTP API over any store.
//! - [`backup`]: backup, restore and verification by restoring.
//! - [`import`]: copies insight tables out of a customer database.
//! - [`migrate`]: brings the tables of a database to the program's version.
//! - [`model`]: the values, parsed once; holding one means that it is well formed.
//! - [`retention`]: deletes what is past its time.
//! - [`seed`]: fills an empty store from files, once.
//! - [`service`]: what can be asked of a store, as traits. HTTP routes know these and nothing below them.
//! - [`store`]: the store that PostgreSQL keeps.
//!
//! This crate knows nothing of the gateway that hosts it.

pub mod backup;
pub mod http;
pub mod import;
pub mod migrate;
pub mod model;
pub mod retention;
pub mod seed;
pub mod service;
pub mod store;
