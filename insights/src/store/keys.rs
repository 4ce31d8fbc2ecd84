//! Keys of the HTTP API: `vtr_<key id>_<secret>`. What is kept is the SHA-256 of the secret; it is 256 bits of chance, so
//! that no slow hash is needed.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::RngCore as _;
use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::connection::{Parameter, decode, fault};
use super::records::settled;
use crate::model::{ApiKey, Identity, KeyId, MadeKey, NewApiKey, Scope, Tenant};
use crate::service::{Error, Keys, Result, Writer, Written};

const PREFIX: &str = "vtr_";
const SECRET_BYTES: usize = 32;

#[async_trait]
impl Keys for Store {
    async fn identify(&self, secret: &str) -> Result<Option<Identity>> {
        let Some((id, secret)) = parts(secret) else { return Ok(None) };
        let hash = sha256(secret);
        let lease = self.connections().lease().await?;
        let statement =
            lease.prepare_cached("SELECT tenant, scopes FROM vitrine.identify($1, $2)").await.map_err(fault)?;
        let Some(row) = lease.query_opt(&statement, &[&id, &hash]).await.map_err(fault)? else { return Ok(None) };
        Ok(Some(Identity { tenant: tenant(&row, 0)?, scopes: scopes(&row, 1)?, actor: format!("key:{}", id.simple()) }))
    }

    async fn make_key(&self, writer: &Writer, key: NewApiKey) -> Result<Written<MadeKey>> {
        if key.scopes.is_empty() {
            return Err(Error::Invalid("a key has at least one scope".to_owned()));
        }
        let mut bytes = [0_u8; SECRET_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let (id, secret) = (Uuid::now_v7(), URL_SAFE_NO_PAD.encode(bytes));
        let names: Vec<&str> = key.scopes.iter().map(|scope| name(*scope)).collect();
        let sql = "SELECT outcome, answer FROM vitrine.make_key($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let hash = sha256(&secret);
        let parameters: [Parameter<'_>; 5] = [&id, &hash, &key.label, &names, &key.expires_at];
        let (outcome, answer) = settled(self.connections().write(writer, sql, &parameters).await?)?;
        let key: ApiKey = decode(answer)?;
        // The secret of a key that an earlier request made is not known here.
        let secret = (key.id.0 == id).then(|| format!("{PREFIX}{}_{secret}", id.simple()));
        Ok(Written { record: MadeKey { key, secret }, outcome })
    }

    async fn keys(&self, tenant: &Tenant) -> Result<Vec<ApiKey>> {
        let lease = self.connections().lease().await?;
        let sql =
            "SELECT id, label, scopes, created_at, expires_at, revoked_at, last_used_at FROM vitrine.show_keys($1)";
        let rows = lease.query(sql, &[&tenant.as_str()]).await.map_err(fault)?;
        rows.iter().map(|row| api_key(tenant, row)).collect()
    }

    async fn revoke_key(&self, tenant: &Tenant, id: KeyId) -> Result<()> {
        let lease = self.connections().lease().await?;
        let row =
            lease.query_one("SELECT vitrine.revoke_key($1, $2)", &[&tenant.as_str(), &id.0]).await.map_err(fault)?;
        if row.try_get(0).map_err(fault)? { Ok(()) } else { Err(Error::NotFound(format!("key {}", id.0))) }
    }
}

/// Key id and secret of a key; None where it has not the form of one.
fn parts(key: &str) -> Option<(Uuid, &str)> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_once('_')?;
    Some((Uuid::try_parse(id).ok()?, secret))
}

fn sha256(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

fn api_key(tenant: &Tenant, row: &Row) -> Result<ApiKey> {
    let times = |column: usize| row.try_get::<_, Option<DateTime<Utc>>>(column).map_err(fault);
    Ok(ApiKey {
        id: KeyId(row.try_get(0).map_err(fault)?),
        tenant: tenant.clone(),
        label: row.try_get(1).map_err(fault)?,
        scopes: scopes(row, 2)?,
        created_at: row.try_get(3).map_err(fault)?,
        expires_at: times(4)?,
        revoked_at: times(5)?,
        last_used_at: times(6)?,
    })
}

fn tenant(row: &Row, column: usize) -> Result<Tenant> {
    let name: String = row.try_get(column).map_err(fault)?;
    Tenant::parse(&name).map_err(|error| Error::Internal(error.to_string()))
}

fn scopes(row: &Row, column: usize) -> Result<Vec<Scope>> {
    let names: Vec<String> = row.try_get(column).map_err(fault)?;
    Ok(names
        .iter()
        .filter_map(|said| [Scope::Read, Scope::Write, Scope::Admin].into_iter().find(|scope| name(*scope) == said))
        .collect())
}

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_is_looked_up() {
        let id = Uuid::now_v7();
        assert_eq!(parts(&format!("vtr_{}_a_b", id.simple())), Some((id, "a_b")));
        for key in ["", "vtr_", "vtr_x_y", "abc", "vtr__", "Bearer vtr_1_2"] {
            assert_eq!(parts(key), None, "{key}");
        }
    }
}
