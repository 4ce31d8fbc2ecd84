//! The tool database from the gateway's side: its owner's connection, its upkeep beside the sessions, and how everything is.
//!
//! Nothing here is in the way of a customer's read: the tool database may be away for as long as it likes.

mod board;
pub mod owner;
mod prepare;
mod upkeep;

pub use board::{Board, Part, Status};
pub(super) use prepare::NotPrepared;
pub use prepare::Preparation;
pub(super) use upkeep::Upkeep;
