//! Profiles.

use async_trait::async_trait;
use tokio_postgres::types::Json;

use super::settled;
use crate::model::{Identity, Page, PageRequest, Profile, ProfileChange};
use crate::service::{Error, ProfilePatch, Profiles, Result, Writer, Written};
use crate::store::Store;
use crate::store::connection::{decode, fault};
use crate::store::cursor;

const PROFILE: &str =
    "SELECT to_jsonb(p) || jsonb_build_object('user', p.user_name) FROM profiles p WHERE p.user_name = $1";

/// Latest revision first; within one, by field.
const HISTORY: &str = "SELECT to_jsonb(h) || jsonb_build_object('user', h.user_name) FROM profile_history h
    WHERE h.user_name = $1 AND ($2::int8 IS NULL OR h.revision < $2 OR (h.revision = $2 AND h.field > $3::text))
    ORDER BY h.revision DESC, h.field LIMIT $4::int4";

#[async_trait]
impl Profiles for Store {
    async fn profile(&self, identity: &Identity, user: &str) -> Result<Profile> {
        let rows = self.connections().read(&identity.tenant, PROFILE, &[&user]).await?;
        let row = rows.first().ok_or_else(|| Error::NotFound(format!("profile of \"{user}\"")))?;
        decode(row.try_get(0).map_err(fault)?)
    }

    async fn patch_profile(&self, writer: &Writer, user: &str, patch: ProfilePatch) -> Result<Written<Profile>> {
        let sql = "SELECT outcome, answer FROM vitrine.patch_profile($1, $2, $3, $4, $5, $6, $7, $8)";
        let (fields, seen) = (Json(&patch.fields), patch.seen.map(|tag| tag.0));
        let written = self.connections().write(writer, sql, &[&user, &fields, &patch.roles, &seen]).await?;
        let (outcome, answer) = settled(written)?;
        Ok(Written { record: decode(answer)?, outcome })
    }

    async fn profile_history(
        &self,
        identity: &Identity,
        user: &str,
        page: &PageRequest,
    ) -> Result<Page<ProfileChange>> {
        let limit = cursor::limit(page)?;
        let (mut revision, mut field) = (None::<i64>, None::<String>);
        if let Some(key) = cursor::after(page, "profile history", 2)? {
            let mut key = key.into_iter();
            revision = Some(key.next().and_then(|text| text.parse().ok()).ok_or_else(cursor::bad)?);
            field = key.next();
        }
        let rows = self.connections().read(&identity.tenant, HISTORY, &[&user, &revision, &field, &limit]).await?;
        let changes =
            rows.iter().map(|row| decode(row.try_get(0).map_err(fault)?)).collect::<Result<Vec<ProfileChange>>>()?;
        let key = |change: &ProfileChange| vec![change.revision.0.to_string(), change.field.clone()];
        Ok(cursor::page(changes, limit, "profile history", key))
    }
}
