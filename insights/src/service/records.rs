//! The traits, one for each kind of record.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use serde_json::{Map, Value};

use super::{Result, Writer};
use crate::model::{
    ApiKey, ChangePage, Configuration, Document, DocumentRevision, DocumentTag, Evidence, Found, Identity, Insight,
    InsightFilter, InsightId, KeyId, Kind, MadeKey, Memory, MemoryFilter, MemoryId, NewApiKey, NewDocument,
    NewEvidence, NewInsight, NewKind, NewMemory, NewVersion, Page, PageRequest, Profile, ProfileChange, Scope,
    SearchRequest, Tenant,
};

/// Whether a write made something or found it made already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    /// It was there with the same content: by natural key, or the same request came again.
    Unchanged,
    Updated,
}

/// What a write left behind.
#[derive(Debug, Clone)]
pub struct Written<T> {
    pub record: T,
    pub outcome: Change,
}

/// Insights, their evidence and search.
#[async_trait]
pub trait Insights: Send + Sync + 'static {
    /// Makes one.
    async fn create_insight(&self, writer: &Writer, insight: NewInsight) -> Result<Written<Insight>>;
    /// Makes many at the speed of COPY, all or none; answers how many were new and how many were there.
    /// The stream's errors (a malformed line) end it and are answered as they are; nothing is kept. An insight that does
    /// not fit is [`super::Error::Line`] with its place in the stream.
    async fn create_insights(
        &self,
        writer: &Writer,
        insights: BoxStream<'static, Result<NewInsight>>,
    ) -> Result<BulkCount>;
    async fn insight(&self, identity: &Identity, id: InsightId) -> Result<Insight>;
    async fn insights(&self, identity: &Identity, filter: &InsightFilter, page: &PageRequest) -> Result<Page<Insight>>;
    /// Puts a new version in the place of `id`, which must be current: else [`super::Error::Conflict`].
    async fn supersede(&self, writer: &Writer, id: InsightId, with: NewVersion) -> Result<Written<Insight>>;
    /// Takes back `id`, which must be current.
    async fn retract(&self, writer: &Writer, id: InsightId, reason: &str) -> Result<Written<Insight>>;
    /// All versions of the key that `id` belongs to, oldest first.
    async fn history(&self, identity: &Identity, id: InsightId) -> Result<Vec<Insight>>;
    async fn evidence(&self, identity: &Identity, id: InsightId) -> Result<Vec<Evidence>>;
    async fn add_evidence(&self, writer: &Writer, id: InsightId, evidence: NewEvidence) -> Result<Written<Evidence>>;
    /// Held insights outlive expiry and retention.
    async fn hold(&self, writer: &Writer, id: InsightId, held: bool) -> Result<Insight>;
    async fn search(&self, identity: &Identity, request: &SearchRequest) -> Result<Vec<Found>>;
}

/// How a bulk write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct BulkCount {
    pub created: u64,
    pub unchanged: u64,
}

/// Kinds.
#[async_trait]
pub trait Kinds: Send + Sync + 'static {
    async fn kinds(&self, identity: &Identity) -> Result<Vec<Kind>>;
    async fn kind(&self, identity: &Identity, name: &str) -> Result<Kind>;
    /// Makes or changes one. `seen`: the revision that the writer saw; without one the kind must not exist.
    async fn put_kind(&self, writer: &Writer, kind: NewKind, seen: Option<DocumentTag>) -> Result<Written<Kind>>;
    /// Refused while insights of the kind exist.
    async fn delete_kind(&self, writer: &Writer, name: &str, seen: DocumentTag) -> Result<()>;
}

/// Documents and configurations.
#[allow(clippy::too_many_arguments, reason = "kind and name are the two parts of one key")]
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    async fn documents(&self, identity: &Identity, kind: &str, page: &PageRequest) -> Result<Page<Document>>;
    async fn document(&self, identity: &Identity, kind: &str, name: &str) -> Result<Document>;
    /// `seen`: the revision that the writer saw; without one the document must not exist.
    async fn put_document(
        &self,
        writer: &Writer,
        kind: &str,
        name: &str,
        document: NewDocument,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Document>>;
    async fn delete_document(&self, writer: &Writer, kind: &str, name: &str, seen: DocumentTag) -> Result<()>;
    async fn document_history(&self, identity: &Identity, kind: &str, name: &str) -> Result<Vec<DocumentRevision>>;

    async fn configuration(&self, identity: &Identity, user: &str) -> Result<Configuration>;
    async fn put_configuration(
        &self,
        writer: &Writer,
        user: &str,
        settings: Value,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Configuration>>;
}

/// Profiles.
#[async_trait]
pub trait Profiles: Send + Sync + 'static {
    async fn profile(&self, identity: &Identity, user: &str) -> Result<Profile>;
    /// JSON Merge Patch (RFC 7396) of the fields; roles are replaced where given. Makes the profile where there is none.
    async fn patch_profile(&self, writer: &Writer, user: &str, patch: ProfilePatch) -> Result<Written<Profile>>;
    /// Every changed field, latest first.
    async fn profile_history(&self, identity: &Identity, user: &str, page: &PageRequest)
    -> Result<Page<ProfileChange>>;
}

/// A change of a profile.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// `null` removes a field.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub fields: Map<String, Value>,
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// The revision that the writer saw, where it must not have changed since.
    #[serde(skip)]
    pub seen: Option<DocumentTag>,
}

/// Memory.
#[async_trait]
pub trait Memories: Send + Sync + 'static {
    /// A natural key that is taken is the same memory where text and attributes are, else [`super::Error::Conflict`].
    async fn remember(&self, writer: &Writer, memory: NewMemory) -> Result<Written<Memory>>;
    async fn memory(&self, identity: &Identity, id: MemoryId) -> Result<Memory>;
    /// With a query: best first, one page. Without: latest first, paged.
    async fn memories(&self, identity: &Identity, filter: &MemoryFilter, page: &PageRequest) -> Result<Page<Memory>>;
    async fn forget(&self, writer: &Writer, id: MemoryId) -> Result<()>;
}

/// The change feed.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// Changes after `cursor` (from the beginning without one), at most `limit`; waits for none.
    async fn changes(&self, identity: &Identity, cursor: Option<&str>, limit: u32) -> Result<ChangePage>;
    /// The cursor of this moment.
    async fn latest(&self, identity: &Identity) -> Result<String>;
}

/// Keys of the HTTP API.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// The identity that a key proves, or None. `secret` is all of it, `vtr_<keyid>_<secret>`; what is secret of it is
    /// hashed before it is compared.
    async fn identify(&self, secret: &str) -> Result<Option<Identity>>;
    /// Makes a key; the secret is answered this once and never again, not to the same request either. A label that a
    /// living key of the tenant has is [`super::Error::Conflict`].
    async fn make_key(&self, writer: &Writer, key: NewApiKey) -> Result<Written<MadeKey>>;
    /// The same for who stands above tenants: the key and its secret.
    async fn create_key(&self, tenant: &Tenant, label: &str, scopes: &[Scope]) -> Result<(ApiKey, String)> {
        let key = NewApiKey { label: label.to_owned(), scopes: scopes.to_vec(), expires_at: None };
        let identity = Identity { tenant: tenant.clone(), scopes: vec![Scope::Admin], actor: "operator".to_owned() };
        let made = self.make_key(&Writer { identity, idempotency: None }, key).await?.record;
        let secret = made.secret.ok_or_else(|| super::Error::Internal("a new key without a secret".to_owned()))?;
        Ok((made.key, secret))
    }
    async fn keys(&self, tenant: &Tenant) -> Result<Vec<ApiKey>>;
    async fn revoke_key(&self, tenant: &Tenant, id: KeyId) -> Result<()>;
}

/// What the store can do, and how it is.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    async fn capabilities(&self) -> Result<Capabilities>;
}

/// What the server behind the store can do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Capabilities {
    /// pgvector is there.
    pub vector_search: bool,
    /// Its version, or why there is none.
    pub vector_detail: String,
    /// The latest migration that was applied.
    pub schema_version: i64,
}
