//! Search by words, by vector, or by both fused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Insight, InsightFilter};

/// How to search. Without one: what the request carries, words, an embedding or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    Text,
    Vector,
    /// Both lists fused by reciprocal rank.
    Fused,
}

/// A search.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// Words, in the syntax of `websearch_to_tsquery`.
    #[serde(default)]
    pub query: Option<String>,
    /// Needs a filter by one kind, which says dimension and distance.
    #[serde(default)]
    pub embedding: Option<Vec<f32>>,
    #[serde(default)]
    pub mode: Option<SearchMode>,
    #[serde(default)]
    pub filter: InsightFilter,
    /// 1 to 1,000; default 10. As many are found as exist, up to this.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// One insight that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    pub insight: Insight,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
    /// Rank in the list by words, from 1.
    pub text_rank: Option<u32>,
    /// Rank in the list by vector, from 1.
    pub vector_rank: Option<u32>,
    /// In the kind's measure.
    pub distance: Option<f64>,
}
