//! Insights and the evidence they rest on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// One version of one insight. UUID version 7: ordered by time of making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct InsightId(pub Uuid);

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InsightState {
    /// The latest version of its key.
    Current,
    /// A later version of the same key stands in its place.
    Superseded,
    /// Taken back: it was wrong, and nothing stands in its place.
    Retracted,
}

/// An insight to be made. `kind` and `key` together are its natural key within a tenant: the same one with the same
/// content again is the same insight, with other content a conflict (supersede it instead).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInsight {
    pub kind: String,
    /// Without one, the insight has its own id as key.
    #[serde(default)]
    pub key: Option<String>,
    pub title: String,
    /// Prose, searched by full text together with the title.
    #[serde(default)]
    pub body: Option<String>,
    /// Fits the kind's JSON Schema.
    #[serde(default = "empty_object")]
    pub payload: Value,
    /// 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// When what it says is true in the world: from (default: now) …
    #[serde(default)]
    pub valid_from: Option<DateTime<Utc>>,
    /// … until, exclusive.
    #[serde(default)]
    pub valid_to: Option<DateTime<Utc>>,
    /// Deleted some time after this, unless held.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// As many dimensions as the kind says.
    #[serde(default)]
    pub embedding: Option<Vec<f32>>,
    #[serde(default)]
    pub evidence: Vec<NewEvidence>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What takes the place of an earlier version: all of its content, the kind and key stay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default = "empty_object")]
    pub payload: Value,
    #[serde(default)]
    pub confidence: Option<f64>,
    #[serde(default)]
    pub valid_from: Option<DateTime<Utc>>,
    #[serde(default)]
    pub valid_to: Option<DateTime<Utc>>,
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub embedding: Option<Vec<f32>>,
    #[serde(default)]
    pub evidence: Vec<NewEvidence>,
}

/// An insight as it is kept. `recorded_at` to `superseded_at` (or `retracted_at`) is the time in which the store said so;
/// `valid_from` to `valid_to` the time in which it is true in the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Insight {
    pub id: InsightId,
    pub kind: String,
    pub key: String,
    /// 1, 2, 3 … within its key.
    pub version: i32,
    pub state: InsightState,
    pub title: String,
    pub body: Option<String>,
    pub payload: Value,
    pub confidence: Option<f64>,
    pub valid_from: DateTime<Utc>,
    pub valid_to: Option<DateTime<Utc>>,
    pub recorded_at: DateTime<Utc>,
    pub superseded_at: Option<DateTime<Utc>>,
    pub superseded_by: Option<InsightId>,
    pub retracted_at: Option<DateTime<Utc>>,
    pub retraction_reason: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub legal_hold: bool,
    pub created_by: String,
}

/// What an insight rests on, as it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvidence {
    /// The query's text without literals, or its fingerprint, as the gateway names shapes.
    pub query_shape: String,
    /// `schema.relation` of the customer database, each.
    #[serde(default)]
    pub relations: Vec<String>,
    /// The data were read as of this moment.
    pub data_as_of: DateTime<Utc>,
    /// The database they were read from.
    #[serde(default)]
    pub database: Option<String>,
    /// Room for a receipt that the gateway issues for a served result.
    #[serde(default)]
    pub receipt: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
}

/// Evidence as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    pub id: Uuid,
    pub insight_id: InsightId,
    #[serde(flatten)]
    pub evidence: NewEvidence,
    pub recorded_at: DateTime<Utc>,
}
