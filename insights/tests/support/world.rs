//! The memory store's state, and what every write does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use vitrine_insights::model::{
    ApiKey, Change, ChangeKind, ChangePage, Configuration, Cursor, Document, DocumentRevision, DocumentTag, Evidence,
    Identity, Insight, KeyId, Kind, MadeKey, Memory, NewApiKey, Page, PageRequest, Profile, ProfileChange, Subject,
    Tenant,
};
use vitrine_insights::service::{Capabilities, Error, Feed, Health, Keys, Outcome, Result, Unfit, Writer, Written};

/// Keeps everything in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    world: Mutex<World>,
    trouble: AtomicU8,
}

/// What is wrong with the store, as a test wants it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// The database is away.
    Away,
    /// A fault whose cause must not be told.
    Broken,
    /// A panic.
    Panicking,
}

/// The cause of every fault here: nobody may read it in an answer.
pub(crate) const SECRET_CAUSE: &str = "password=hunter2";

/// All records, each with its tenant.
#[derive(Default)]
pub(super) struct World {
    pub(super) insights: Vec<(Tenant, Insight)>,
    pub(super) evidence: Vec<(Tenant, Evidence)>,
    pub(super) kinds: Vec<(Tenant, Kind)>,
    pub(super) documents: Vec<(Tenant, Document)>,
    pub(super) revisions: Vec<(Tenant, String, String, DocumentRevision)>,
    pub(super) configurations: Vec<(Tenant, Configuration)>,
    pub(super) profiles: Vec<(Tenant, Profile)>,
    pub(super) profile_changes: Vec<(Tenant, ProfileChange)>,
    pub(super) memories: Vec<(Tenant, Memory)>,
    changes: Vec<(Tenant, Change)>,
    keys: Vec<(ApiKey, [u8; 32])>,
    answers: HashMap<(Tenant, String), ([u8; 32], Outcome, Value)>,
    last_revision: i64,
}

impl World {
    pub(super) fn revision(&mut self) -> DocumentTag {
        self.last_revision += 1;
        DocumentTag(self.last_revision)
    }

    pub(super) fn note(&mut self, writer: &Writer, subject: Subject, change: ChangeKind, id: impl ToString) {
        let cursor = format!("c{:09}", self.changes.len() + 1);
        let by = writer.identity.actor.clone();
        let change = Change { cursor, subject, change, id: id.to_string(), at: Utc::now(), by };
        self.changes.push((writer.identity.tenant.clone(), change));
    }
}

impl MemoryStore {
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::SeqCst);
    }

    /// The world, unless the store is in trouble.
    pub(super) fn world(&self) -> Result<MutexGuard<'_, World>> {
        let trouble = self.trouble.load(Ordering::SeqCst);
        assert!(trouble != Trouble::Panicking as u8, "the test wants this panic ({SECRET_CAUSE})");
        if trouble == Trouble::Away as u8 {
            let retry_after = Duration::from_millis(2_500);
            return Err(Error::Unavailable { retry_after, cause: SECRET_CAUSE.to_owned() });
        }
        if trouble == Trouble::Broken as u8 {
            return Err(Error::Internal(SECRET_CAUSE.to_owned()));
        }
        Ok(self.world.lock())
    }

    /// Writes once for each idempotency key: the same request again answers what it answered before.
    pub(super) fn once<T: Serialize + DeserializeOwned>(
        &self,
        writer: &Writer,
        write: impl FnOnce(&mut World) -> Result<Written<T>>,
    ) -> Result<Written<T>> {
        let mut world = self.world()?;
        let Some(idempotency) = &writer.idempotency else { return write(&mut world) };
        let key = (writer.identity.tenant.clone(), idempotency.key.clone());
        if let Some((request, outcome, answer)) = world.answers.get(&key) {
            if *request != idempotency.request {
                return Err(Error::KeyReused);
            }
            return Ok(Written { record: serde_json::from_value(answer.clone()).unwrap(), outcome: *outcome });
        }
        let written = write(&mut world)?;
        let answer = serde_json::to_value(&written.record).unwrap();
        world.answers.insert(key, (idempotency.request, written.outcome, answer));
        Ok(written)
    }
}

/// What an instance is not allowed to be.
pub(super) fn fits(schema: &Value, payload: &Value) -> Result<()> {
    let schema = jsonschema::validator_for(schema).map_err(|error| Error::Invalid(error.to_string()))?;
    let places = schema.iter_errors(payload);
    let places: Vec<Unfit> =
        places.map(|error| Unfit { pointer: error.instance_path().to_string(), detail: error.to_string() }).collect();
    if places.is_empty() { Ok(()) } else { Err(Error::Unfit(places)) }
}

/// One page of what is in order already; a cursor is the last row that was seen.
pub(super) fn page<T>(items: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Result<Page<T>> {
    let limit = request.limit.unwrap_or(50) as usize;
    let skip = match &request.after {
        None => 0,
        Some(Cursor(cursor)) => {
            let seen = items.iter().position(|item| key(item) == *cursor);
            seen.ok_or_else(|| Error::Invalid("the cursor is none of ours".to_owned()))? + 1
        }
    };
    let more = items.len() > skip + limit;
    let items: Vec<T> = items.into_iter().skip(skip).take(limit).collect();
    let next = items.last().filter(|_| more).map(|last| Cursor(key(last)));
    Ok(Page { items, next })
}

/// The records of one tenant.
pub(super) fn of<'a, T>(all: &'a [(Tenant, T)], identity: &'a Identity) -> impl Iterator<Item = &'a T> {
    all.iter().filter(|(tenant, _)| *tenant == identity.tenant).map(|(_, record)| record)
}

pub(super) fn later(after: DateTime<Utc>) -> DateTime<Utc> {
    Utc::now().max(after + chrono::Duration::microseconds(1))
}

#[async_trait]
impl Feed for MemoryStore {
    async fn changes(&self, identity: &Identity, cursor: Option<&str>, limit: u32) -> Result<ChangePage> {
        let world = self.world()?;
        let after = cursor.unwrap_or("c000000000");
        if !after.starts_with('c') || after.len() != 10 {
            return Err(Error::Invalid("the cursor is none of ours".to_owned()));
        }
        let changes: Vec<Change> = of(&world.changes, identity)
            .filter(|change| *change.cursor > *after)
            .take(limit as usize)
            .cloned()
            .collect();
        let cursor = changes.last().map_or_else(|| after.to_owned(), |change| change.cursor.clone());
        Ok(ChangePage { changes, cursor })
    }

    async fn latest(&self, _: &Identity) -> Result<String> {
        Ok(format!("c{:09}", self.world()?.changes.len()))
    }
}

fn lives(key: &ApiKey) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > Utc::now())
}

#[async_trait]
impl Keys for MemoryStore {
    async fn identify(&self, secret: &str) -> Result<Option<Identity>> {
        let mut world = self.world()?;
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let found = world.keys.iter_mut().find(|(key, known)| *known == hash && lives(key));
        Ok(found.map(|(key, _)| {
            key.last_used_at = Some(Utc::now());
            Identity { tenant: key.tenant.clone(), scopes: key.scopes.clone(), actor: key.id.0.to_string() }
        }))
    }

    async fn make_key(&self, writer: &Writer, new: NewApiKey) -> Result<Written<MadeKey>> {
        let mut fresh = None;
        let made = self.once(writer, |world| {
            let tenant = &writer.identity.tenant;
            let taken = |key: &ApiKey| key.tenant == *tenant && key.label == new.label && lives(key);
            if world.keys.iter().any(|(key, _)| taken(key)) {
                return Err(Error::Conflict(format!("a key with the label \"{}\" exists", new.label)));
            }
            let id = Uuid::now_v7();
            let secret = format!("vtr_{}_{}", id.simple(), Uuid::new_v4().simple());
            let key = ApiKey {
                id: KeyId(id),
                tenant: tenant.clone(),
                label: new.label,
                scopes: new.scopes,
                created_at: Utc::now(),
                expires_at: new.expires_at,
                revoked_at: None,
                last_used_at: None,
            };
            world.keys.push((key.clone(), Sha256::digest(&secret).into()));
            fresh = Some(secret);
            Ok(Written { record: key, outcome: Outcome::Created })
        })?;
        Ok(Written { record: MadeKey { key: made.record, secret: fresh }, outcome: made.outcome })
    }

    async fn keys(&self, tenant: &Tenant) -> Result<Vec<ApiKey>> {
        let world = self.world()?;
        Ok(world.keys.iter().map(|(key, _)| key).filter(|key| key.tenant == *tenant).cloned().collect())
    }

    async fn revoke_key(&self, tenant: &Tenant, id: KeyId) -> Result<()> {
        let mut world = self.world()?;
        let found = world.keys.iter_mut().find(|(key, _)| key.tenant == *tenant && key.id == id);
        let (key, _) = found.ok_or_else(|| Error::NotFound(format!("key {}", id.0)))?;
        key.revoked_at.get_or_insert(Utc::now());
        Ok(())
    }
}

#[async_trait]
impl Health for MemoryStore {
    async fn capabilities(&self) -> Result<Capabilities> {
        drop(self.world()?);
        let vector_detail = "a store in memory has no vectors".to_owned();
        Ok(Capabilities { vector_search: false, vector_detail, schema_version: 0 })
    }
}
