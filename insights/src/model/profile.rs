//! Profiles of users, and what became of each field.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::DocumentTag;

/// What is known about a user of the app, long-term, with the roles they have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    pub user: String,
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub fields: Map<String, Value>,
    pub roles: Vec<String>,
    pub revision: DocumentTag,
    pub updated_at: DateTime<Utc>,
}

/// One field of a profile that was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileChange {
    pub user: String,
    /// The name of the field, or `roles`' place `$roles`.
    pub field: String,
    /// None: the field was not there.
    pub before: Option<Value>,
    /// None: the field was removed.
    pub after: Option<Value>,
    pub revision: DocumentTag,
    pub changed_at: DateTime<Utc>,
    pub changed_by: String,
}
