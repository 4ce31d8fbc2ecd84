//! Values of the store. Field names are those of the HTTP API and, where a value is kept, of the tables.

mod change;
mod document;
mod identity;
mod insight;
mod kind;
mod memory;
mod page;
mod profile;
mod search;

pub use change::{Change, ChangeKind, ChangePage, Subject};
pub use document::{Configuration, Document, DocumentRevision, DocumentTag, NewDocument};
pub use identity::{ApiKey, Identity, KeyId, MadeKey, NewApiKey, Scope, Tenant, TenantError, UserName};
pub use insight::{Evidence, Insight, InsightId, InsightState, NewEvidence, NewInsight, NewVersion};
pub use kind::{Distance, EmbeddingSpec, Kind, NewKind};
pub use memory::{Memory, MemoryFilter, MemoryId, NewMemory};
pub use page::{Cursor, InsightFilter, Page, PageRequest};
pub use profile::{Profile, ProfileChange};
pub use search::{Found, SearchMode, SearchRequest};
