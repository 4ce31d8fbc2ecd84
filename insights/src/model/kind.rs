//! Kinds of insights: what their payloads look like, and whether they are embedded.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How far apart two embeddings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    Cosine,
    InnerProduct,
    L2,
}

/// The embeddings of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSpec {
    /// 1 to 2,000, the most that an HNSW index of `vector` takes.
    pub dimension: u16,
    pub distance: Distance,
}

/// A kind to be made or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKind {
    /// 1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// JSON Schema, draft 2020-12, that payloads must fit.
    pub schema: Value,
    #[serde(default)]
    pub embedding: Option<EmbeddingSpec>,
    /// Insights of this kind are deleted this many days after they were recorded, unless held.
    #[serde(default)]
    pub retention_days: Option<u32>,
}

/// A kind as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Kind {
    #[serde(flatten)]
    pub kind: NewKind,
    pub revision: i64,
    pub updated_at: DateTime<Utc>,
    /// Made by a seed file and not changed by a person since.
    pub seeded: bool,
}
