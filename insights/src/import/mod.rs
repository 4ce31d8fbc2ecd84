//! Import: insight tables that lie in a customer database, copied over. Read there in one read-only snapshot, written here
//! through the store like any other bulk write.
//!
//! It may be broken off and started again: `vitrine.import_progress` has the last key of each finished batch, and the natural
//! key of an insight makes a row that comes twice the same insight. Each batch is compared with what the tool database then
//! holds, by the database itself.

mod map;
mod run;
mod source;

pub use map::{Mapping, Target, propose};
pub use run::{Ends, Import, ImportError, Outcome, Rejected, import};
pub use source::{Column, Sample, Table, TableError};
