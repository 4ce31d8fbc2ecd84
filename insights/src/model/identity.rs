//! Who asks: tenants, users and the keys that prove them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest name of a tenant or a user, bytes: PostgreSQL's limit of a name.
const NAME_BYTES_MAX: usize = 63;

/// The name of a tenant: 1 to 63 bytes of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a letter or a digit. It
/// becomes the value of the setting `vitrine.tenant`, which row-level security compares with each row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Tenant(String);

/// A name that cannot be a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tenant name \"{0}\" is not 1 to 63 of a-z, 0-9, \"-\", \"_\", \".\", beginning with a letter or a digit")]
pub struct TenantError(String);

impl Tenant {
    /// Checks the form of `name`.
    ///
    /// # Errors
    /// When it is not a tenant's name.
    pub fn parse(name: &str) -> Result<Self, TenantError> {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !starts || name.len() > NAME_BYTES_MAX || !name.bytes().all(inside) {
            return Err(TenantError(name.chars().take(NAME_BYTES_MAX).collect()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

/// A user of the app, as the app names them; not a database user. Any text of 1 to 255 bytes without NUL.
pub type UserName = String;

/// What a key allows. A key has at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything that changes nothing.
    Read,
    /// Reading and writing records.
    Write,
    /// Kinds, keys, retention, legal hold of the key's own tenant.
    Admin,
}

/// The public part of a key's name, by which it is listed and revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct KeyId(pub Uuid);

/// A key as it is kept: its secret is never kept, only the SHA-256 of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    pub id: KeyId,
    pub tenant: Tenant,
    /// What a person calls it.
    pub label: String,
    pub scopes: Vec<Scope>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it last opened something, to a minute.
    #[serde(default)]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What a person calls it; no other living key of the tenant has it.
    pub label: String,
    pub scopes: Vec<Scope>,
    /// From then on it opens nothing; absent: it is valid until it is revoked.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key that was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MadeKey {
    pub key: ApiKey,
    /// The bearer token: shown this once and never again. Absent where the request had made the key before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Who was authenticated. Every call of the service takes one: there is no way to ask without a tenant.
#[derive(Debug, Clone)]
pub struct Identity {
    pub tenant: Tenant,
    pub scopes: Vec<Scope>,
    /// For the history of a record: the key's id, or the database user's name.
    pub actor: String,
}
