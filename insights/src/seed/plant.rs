//! Planting, in one transaction: all seeds or none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio_postgres::{Client, Transaction};

use super::difference::{Difference, places, same};
use super::read::KIND;
use super::{Seed, SeedContent, Seeds, Standing};
use crate::migrate::told;
use crate::model::{Distance, Tenant};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sowing {
    /// Plant what was never planted also in a store that has something already.
    pub add: bool,
    /// Bring records that no person touched to what their files say now.
    pub update: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planted {
    /// Records made.
    pub created: usize,
    /// Records brought to what their file says.
    pub updated: usize,
    /// Records left as they are, by why.
    pub left: BTreeMap<Standing, usize>,
    /// The store had something already, so nothing was planted.
    pub not_empty: bool,
}

/// Why nothing was planted.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A record does not fit the database.
    #[error("{file}: {}", told(.source))]
    Record {
        /// The file of the record.
        file: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The database cannot be asked.
    #[error("{}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

impl SeedError {
    /// The server's own error where it spoke.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&tokio_postgres::error::SqlState> {
        match self {
            Self::Record { source, .. } | Self::Database(source) => source.code(),
        }
    }
}

/// Two that seed at once seed once. The letters `seeding`.
const LOCK: i64 = 0x0073_6565_6469_6e67;

/// Plants the seeds for a tenant. Without `add` and `update` an empty store is filled, and a store that has anything is
/// left as it is. The connection must be the owner's.
///
/// # Errors
/// The database refuses a record or cannot be asked; then nothing is changed.
pub async fn plant(client: &mut Client, tenant: &Tenant, seeds: &Seeds, sowing: Sowing) -> Result<Planted, SeedError> {
    let transaction = client.transaction().await?;
    begin(&transaction, tenant).await?;
    let there = There::of(&transaction, tenant).await?;
    let mut planted = Planted { not_empty: !there.is_empty, ..Planted::default() };
    for seed in &seeds.0 {
        let standing = there.standing(seed);
        match standing {
            Standing::New if there.is_empty || sowing.add => {
                write(&transaction, tenant, seed, true).await?;
                planted.created += 1;
            }
            Standing::FileChanged if sowing.update => {
                write(&transaction, tenant, seed, false).await?;
                planted.updated += 1;
            }
            Standing::New
            | Standing::Same
            | Standing::FileChanged
            | Standing::Changed
            | Standing::Deleted
            | Standing::Foreign
            | Standing::FileGone => *planted.left.entry(standing).or_default() += 1,
        }
    }
    transaction.commit().await?;
    Ok(planted)
}

/// What is not as the files say. Changes nothing.
///
/// # Errors
/// The database cannot be asked.
pub async fn diff(client: &mut Client, tenant: &Tenant, seeds: &Seeds) -> Result<Vec<Difference>, SeedError> {
    let transaction = client.transaction().await?;
    begin(&transaction, tenant).await?;
    let there = There::of(&transaction, tenant).await?;
    let mut found = Vec::new();
    for seed in &seeds.0 {
        let standing = there.standing(seed);
        let place = (seed.kind.clone(), seed.name.clone());
        if standing != Standing::Same {
            let places =
                there.records.get(&place).map(|record| places(&seed.value(), &record.value)).unwrap_or_default();
            let (kind, name) = place;
            found.push(Difference { file: seed.file.clone(), kind, name, standing, places });
        }
    }
    let files: BTreeSet<(&str, &str)> = seeds.0.iter().map(|seed| (seed.kind.as_str(), seed.name.as_str())).collect();
    for (kind, name) in there.seeded.keys().filter(|(kind, name)| !files.contains(&(kind.as_str(), name.as_str()))) {
        if there.records.contains_key(&(kind.clone(), name.clone())) {
            let (kind, name, standing) = (kind.clone(), name.clone(), Standing::FileGone);
            found.push(Difference { file: "no file".to_owned(), kind, name, standing, places: Vec::new() });
        }
    }
    transaction.rollback().await?;
    Ok(found)
}

async fn begin(transaction: &Transaction<'_>, tenant: &Tenant) -> Result<(), tokio_postgres::Error> {
    transaction
        .execute(
            "SELECT pg_catalog.pg_advisory_xact_lock($1), pg_catalog.set_config('vitrine.tenant', $2, true), \
             pg_catalog.set_config('vitrine.actor', 'seed', true), pg_catalog.set_config('vitrine.seeding', 'on', true)",
            &[&LOCK, &tenant.as_str()],
        )
        .await
        .map(drop)
}

/// What the database has of what the files speak of.
struct There {
    /// No kind, no document, and never planted.
    is_empty: bool,
    seeded: BTreeMap<(String, String), Vec<u8>>,
    records: BTreeMap<(String, String), Record>,
}

struct Record {
    value: Value,
    untouched: bool,
}

impl There {
    async fn of(transaction: &Transaction<'_>, tenant: &Tenant) -> Result<Self, tokio_postgres::Error> {
        let tenant = tenant.as_str();
        let (mut seeded, mut records) = (BTreeMap::new(), BTreeMap::new());
        let rows = transaction
            .query("SELECT kind, name, content_sha256 FROM vitrine.seeded WHERE tenant = $1", &[&tenant])
            .await?;
        for row in rows {
            seeded.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
        let rows = transaction
            .query(
                "SELECT name, description, schema, embedding_dimension, embedding_distance, retention_days, seeded \
                 FROM public.kinds WHERE tenant = $1",
                &[&tenant],
            )
            .await?;
        for row in rows {
            let dimension: Option<i32> = row.try_get(3)?;
            let distance: Option<String> = row.try_get(4)?;
            let embedding = dimension.map(|dimension| json!({ "dimension": dimension, "distance": distance }));
            let value = json!({
                "description": row.try_get::<_, Option<String>>(1)?,
                "schema": row.try_get::<_, Value>(2)?,
                "embedding": embedding,
                "retention_days": row.try_get::<_, Option<i32>>(5)?,
            });
            records.insert((KIND.to_owned(), row.try_get(0)?), Record { value, untouched: row.try_get(6)? });
        }
        let rows = transaction
            .query("SELECT kind, name, title, content, seeded FROM public.documents WHERE tenant = $1", &[&tenant])
            .await?;
        for row in rows {
            let value = json!({ "title": row.try_get::<_, String>(2)?, "content": row.try_get::<_, Value>(3)? });
            records.insert((row.try_get(0)?, row.try_get(1)?), Record { value, untouched: row.try_get(4)? });
        }
        Ok(Self { is_empty: seeded.is_empty() && records.is_empty(), seeded, records })
    }

    fn standing(&self, seed: &Seed) -> Standing {
        let place = (seed.kind.clone(), seed.name.clone());
        match (self.seeded.get(&place), self.records.get(&place)) {
            (None, None) => Standing::New,
            (Some(_), None) => Standing::Deleted,
            (_, Some(record)) if same(&seed.value(), &record.value) => Standing::Same,
            (None, Some(_)) => Standing::Foreign,
            (Some(planted), Some(record)) if record.untouched && planted.as_slice() != seed.checksum() => {
                Standing::FileChanged
            }
            (Some(_), Some(_)) => Standing::Changed,
        }
    }
}

async fn write(transaction: &Transaction<'_>, tenant: &Tenant, seed: &Seed, new: bool) -> Result<(), SeedError> {
    let failed = |source| SeedError::Record { file: seed.file.clone(), source };
    let tenant = tenant.as_str();
    match &seed.content {
        SeedContent::Kind(kind) => {
            let dimension = kind.embedding.map(|embedding| i32::from(embedding.dimension));
            let distance = kind.embedding.map(|embedding| distance(embedding.distance));
            let retention = kind.retention_days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
            let sql = if new {
                "INSERT INTO public.kinds (tenant, name, description, schema, embedding_dimension, embedding_distance, \
                 retention_days, seeded) VALUES ($1, $2, $3, $4, $5, $6, $7, true)"
            } else {
                "UPDATE public.kinds SET description = $3, schema = $4, embedding_dimension = $5, \
                 embedding_distance = $6, retention_days = $7, seeded = true WHERE tenant = $1 AND name = $2"
            };
            transaction
                .execute(
                    sql,
                    &[&tenant, &kind.name, &kind.description, &kind.schema, &dimension, &distance, &retention],
                )
                .await
                .map_err(failed)?;
        }
        SeedContent::Document(document) => {
            let sql = if new {
                "INSERT INTO public.documents (tenant, kind, name, title, content, seeded) VALUES ($1, $2, $3, $4, $5, true)"
            } else {
                "UPDATE public.documents SET title = $4, content = $5, seeded = true \
                 WHERE tenant = $1 AND kind = $2 AND name = $3"
            };
            transaction
                .execute(sql, &[&tenant, &seed.kind, &seed.name, &document.title, &document.content])
                .await
                .map_err(failed)?;
        }
    }
    transaction
        .execute(
            "INSERT INTO vitrine.seeded (tenant, kind, name, content_sha256) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, kind, name) DO UPDATE SET content_sha256 = excluded.content_sha256, seeded_at = now()",
            &[&tenant, &seed.kind, &seed.name, &seed.checksum().as_slice()],
        )
        .await
        .map_err(failed)?;
    Ok(())
}

fn distance(distance: Distance) -> &'static str {
    match distance {
        Distance::Cosine => "cosine",
        Distance::InnerProduct => "inner_product",
        Distance::L2 => "l2",
    }
}
