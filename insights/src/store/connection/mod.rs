//! Connections to the tool database, what is asked over them, and what their failures mean.

mod ask;
mod backoff;
mod fault;
mod pool;

pub(in crate::store) use ask::{Parameter, decode};
pub(crate) use fault::fault;
pub(crate) use pool::Connections;
pub use pool::Settings;
