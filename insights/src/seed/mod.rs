//! Seeds: the files of `config/seed/` that fill an empty store once. After that the database is the only truth.
//!
//! ```text
//! kinds/NAME.json          {"description", "schema", "embedding", "retention_days"}   a kind of insights
//! personas/NAME.json       {"title", "content"}                                       a document of kind persona
//! scenarios/NAME.json      {"title", "content"}                                       … of kind scenario
//! prompts/NAME.prompty     front matter in YAML and a body                            … of kind prompt
//! documents/KIND/NAME.json {"title", "content"}                                       … of any kind
//! ```
//! What a person changed or deleted since stays as the person left it: `vitrine.seeded` has what was planted, and the
//! column `seeded` of a row tells whether a person has touched it.

mod difference;
mod files;
mod plant;
mod prompty;
mod read;
mod standing;

pub use difference::Difference;
pub use files::{SeedFile, embedded, of_dir};
pub use plant::{Planted, SeedError, Sowing, diff, plant};
pub use prompty::{Message, Prompty};
pub use read::{Seed, SeedContent, SeedMistake, Seeds};
pub use standing::Standing;
