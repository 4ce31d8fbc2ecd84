//! The change feed: every committed change of a tenant's records, in one order, nothing missed and nothing twice.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Insight,
    Kind,
    Document,
    Configuration,
    Profile,
    Memory,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Created,
    Updated,
    Superseded,
    Retracted,
    Deleted,
    Expired,
}

/// One change. `cursor` survives restarts; the events after it come in the order in which they became visible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    pub cursor: String,
    pub subject: Subject,
    pub change: ChangeKind,
    /// The id or key of the record.
    pub id: String,
    pub at: DateTime<Utc>,
    pub by: String,
}

/// Changes after a cursor. `cursor` is where to go on, also when there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    pub cursor: String,
}
