//! Memory: what an app remembers for a tenant, a user, or one session of a user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct MemoryId(pub Uuid);

/// A memory to be kept. Without a user it is the tenant's; a session belongs to a user.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemory {
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub session: Option<String>,
    /// Natural key within tenant, user and session: the same key with the same text is the same memory, with
    /// another text a conflict.
    #[serde(default)]
    pub key: Option<String>,
    /// Searched by full text.
    pub text: String,
    #[serde(default)]
    pub attributes: Value,
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A memory as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    pub id: MemoryId,
    pub user: Option<String>,
    pub session: Option<String>,
    pub key: Option<String>,
    pub text: String,
    pub attributes: Value,
    pub recorded_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// How well it fits a search, higher is better; absent in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// Which memories.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryFilter {
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub session: Option<String>,
    /// Words to search for, in the syntax of `websearch_to_tsquery`.
    #[serde(default)]
    pub query: Option<String>,
}
