//! Documents of any kind (persona, prompt, scenario …) and the configuration of users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The revision of a document that a writer saw: what `ETag` and `If-Match` carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct DocumentTag(pub i64);

/// A document to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    pub title: String,
    pub content: Value,
}

/// A document as it is kept: `kind` and `name` together are its key within a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    pub kind: String,
    pub name: String,
    pub title: String,
    pub content: Value,
    /// Counts up with each write, deletions included; never used again.
    pub revision: DocumentTag,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub updated_by: String,
    /// Made by a seed file and not changed by a person since.
    pub seeded: bool,
}

/// One entry of a document's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentRevision {
    pub revision: DocumentTag,
    /// None where it was deleted.
    pub title: Option<String>,
    pub content: Option<Value>,
    pub changed_at: DateTime<Utc>,
    pub changed_by: String,
}

/// Settings of one user of the app: one JSON object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Configuration {
    pub user: String,
    pub settings: Value,
    pub revision: DocumentTag,
    pub updated_at: DateTime<Utc>,
}
