//! Answers from memory, as far as a session has a part in them: which batches can have one, how it is said, and what the
//! client is told of it.

mod block;
mod kept;
pub mod own;
mod told;

pub(super) use block::Block;
pub use kept::{Parts, Read, Wants};
pub use told::{Moment, Told};
