//! Migrations: the SQL files of `migrations/`, applied in order, each once and each in a transaction of its own.
//!
//! The history lies in `vitrine.migrations` (version, name, SHA-256, time, duration, role), which the runner makes before
//! the first file. A file that was altered or went missing since it was applied, or that comes late, is refused by name,
//! before anything runs. Two programs that start at once migrate once: the second waits for the first.

mod error;
mod files;
mod history;
mod run;

pub(crate) use error::told;
pub use error::{MigrateError, Misfit};
pub use files::{Migration, Migrations};
pub use history::{Applied, Status, plan, status};
pub(crate) use run::lock;
pub use run::{LOCK, Progress, up};
