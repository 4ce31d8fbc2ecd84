//! What becomes of a backend message, and why a connection cannot be used any further.

use crate::wire::sqlstate::SqlState;

/// What becomes of one backend message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// It goes to the client as it is, before whatever was appended to `out`.
    Forward,
    /// It does not; what was appended to `out` goes in its place.
    Swallow,
    /// The connection cannot be used any further.
    Fault(UpstreamFault),
}

/// Why a connection cannot be used any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFault {
    /// A message came that nothing asked for.
    OutOfPlace(u8),
    /// The server ended the connection: SQLSTATE and message of its FATAL.
    Ended { sqlstate: SqlState, message: String },
    /// A setting that the walls stand on moved.
    SettingMoved(String),
    /// Replaying the client's settings failed, with the server's own words.
    Replay { sqlstate: SqlState, message: String },
    /// A kept plan no longer fits the tables; nothing of this batch was answered yet.
    StalePlan,
    /// The result is longer than what passes of one: nothing more of it is read.
    ResultTooLong(ResultBound),
}

/// A bound on one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultBound {
    /// Rows.
    Rows(u64),
    /// Bytes of the rows.
    Bytes(u64),
}
