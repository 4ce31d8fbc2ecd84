//! Lists: filters, pages and the cursor between them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::InsightState;

/// Where the next page begins: a keyset, opaque to clients. Rows made or deleted meanwhile shift nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows, 1 to 1,000; default 50.
    pub limit: Option<u32>,
    pub after: Option<Cursor>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// None on the last page.
    pub next: Option<Cursor>,
}

/// Which insights. What is absent does not filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InsightFilter {
    pub kind: Option<String>,
    pub key: Option<String>,
    /// Default: current only, unless `as_of` asks for a past moment.
    pub state: Option<InsightState>,
    pub confidence_min: Option<f64>,
    /// True in the world at this moment.
    pub valid_at: Option<DateTime<Utc>>,
    /// As the store said it at this moment, whatever was superseded or retracted since.
    pub as_of: Option<DateTime<Utc>>,
    pub recorded_from: Option<DateTime<Utc>>,
    pub recorded_to: Option<DateTime<Utc>>,
    /// Rests on this relation, `schema.relation`.
    pub relation: Option<String>,
    /// The payload contains this JSON (`@>`).
    pub payload: Option<serde_json::Value>,
}
