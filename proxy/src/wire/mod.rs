//! Bytes to messages and back, PostgreSQL protocol 3.0. No I/O.
//!
//! <https://www.postgresql.org/docs/current/protocol.html>

pub mod authentication;
pub mod backend;
pub mod frame;
pub mod frontend;
pub mod options;
pub mod quantity;
pub mod reader;
pub mod sqlstate;
pub mod startup;
