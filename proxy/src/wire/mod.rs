//! Bytes to messages and back, PostgreSQL protocol 3.0. No I/O.
//!
//! <https://www.postgresql.org/docs/current/protocol.html>

pub mod sqlstate;
