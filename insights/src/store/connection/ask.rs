//! Reads and writes of one tenant, each in one round trip.

use futures_util::future::join3;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::fault;
use super::pool::{Connections, Lease};
use crate::model::Tenant;
use crate::service::{Error, Outcome, Result, Writer};

/// A parameter of a statement.
pub(in crate::store) type Parameter<'a> = &'a (dyn ToSql + Sync);

impl Connections {
    /// Rows that a tenant may see. The transaction's three messages go out together.
    pub(in crate::store) async fn read(
        &self,
        tenant: &Tenant,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let mut again = true;
        loop {
            let lease = self.lease().await?;
            match read_once(&lease, tenant, sql, parameters).await {
                // The connection had died while it lay in the pool: a read can be asked again.
                Err(Error::Unavailable { .. }) if again && lease.is_closed() => again = false,
                answer => return answer,
            }
        }
    }

    /// A write by one of the database's functions: `SELECT outcome, answer FROM vitrine.name($1, …)`, whose first four
    /// parameters are tenant, actor, idempotency key and request. None: the kind was changed, check the payload again.
    pub(in crate::store) async fn write(
        &self,
        writer: &Writer,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<(Outcome, Value)>> {
        let tenant = writer.identity.tenant.as_str();
        let key = writer.idempotency.as_ref().map(|idempotency| idempotency.key.as_str());
        let request = writer.idempotency.as_ref().map(|idempotency| idempotency.request.as_slice());
        let mut all: Vec<Parameter<'_>> = vec![&tenant, &writer.identity.actor, &key, &request];
        all.extend_from_slice(parameters);
        let mut again = true;
        loop {
            let lease = self.lease().await?;
            let statement = lease.prepare_cached(sql).await.map_err(fault)?;
            match lease.query_one(&statement, &all).await {
                Ok(row) => return written(&row),
                // The same request won a moment ago: now its answer is there.
                Err(error) if again && is_same_request(&error) => again = false,
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

async fn read_once(lease: &Lease, tenant: &Tenant, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
    let statement = lease.prepare_cached(sql).await.map_err(fault)?;
    // A tenant's name has no character that could end the literal.
    let begin = format!("BEGIN READ ONLY; SET LOCAL vitrine.tenant = '{tenant}'");
    let (begun, rows, ended) =
        join3(lease.batch_execute(&begin), lease.query(&statement, parameters), lease.batch_execute("COMMIT")).await;
    begun.map_err(fault)?;
    let rows = rows.map_err(fault)?;
    ended.map_err(fault)?;
    Ok(rows)
}

fn is_same_request(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.constraint() == Some("idempotency_keys_pkey"))
}

fn written(row: &Row) -> Result<Option<(Outcome, Value)>> {
    let said: String = row.try_get(0).map_err(fault)?;
    let answer: Option<Value> = row.try_get(1).map_err(fault)?;
    match said.as_str() {
        "stale_kind" => Ok(None),
        "key_reused" => Err(Error::KeyReused),
        said => Ok(Some((outcome(said)?, answer.unwrap_or_default()))),
    }
}

/// A write's outcome by its name in the database.
pub(in crate::store) fn outcome(said: &str) -> Result<Outcome> {
    match said {
        "created" => Ok(Outcome::Created),
        "unchanged" => Ok(Outcome::Unchanged),
        "updated" => Ok(Outcome::Updated),
        other => Err(Error::Internal(format!("unknown outcome \"{other}\""))),
    }
}

/// A record from the answer of a write.
pub(in crate::store) fn decode<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).map_err(|error| Error::Internal(format!("cannot read a record: {error}")))
}
