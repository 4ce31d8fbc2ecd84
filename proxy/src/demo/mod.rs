//! `vitrine demo`: a private PostgreSQL with a sample customer database, the gateway in front of it, and a tour.
//!
//! [`postgres`] is also what every integration test starts its servers with.

pub mod postgres;
