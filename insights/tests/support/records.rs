//! Documents, configurations, profiles and memories in memory.

use async_trait::async_trait;
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;
use vitrine_insights::model::{
    ChangeKind, Configuration, Document, DocumentRevision, DocumentTag, Identity, Memory, MemoryFilter, MemoryId,
    NewDocument, NewMemory, Page, PageRequest, Profile, ProfileChange, Subject,
};
use vitrine_insights::service::{Documents, Error, Memories, Outcome, ProfilePatch, Profiles, Result, Writer, Written};

use super::world::{MemoryStore, World, of, page};

/// Compares what a writer saw with what there is.
fn compare(known: Option<DocumentTag>, seen: Option<DocumentTag>, what: &str) -> Result<()> {
    match (known, seen) {
        (Some(_), None) => Err(Error::Conflict(format!("{what} exists"))),
        (None, Some(_)) => Err(Error::NotFound(what.to_owned())),
        (Some(current), Some(seen)) if current != seen => Err(Error::Stale { current: current.0 }),
        _ => Ok(()),
    }
}

impl World {
    fn document<'a>(&'a self, identity: &'a Identity, kind: &str, name: &str) -> Result<&'a Document> {
        of(&self.documents, identity)
            .find(|document| document.kind == kind && document.name == name)
            .ok_or_else(|| Error::NotFound(format!("document \"{kind}/{name}\"")))
    }

    fn keep(&mut self, writer: &Writer, kind: &str, name: &str, document: Option<&Document>) -> DocumentTag {
        let revision = document.map_or_else(|| self.revision(), |document| document.revision);
        let entry = DocumentRevision {
            revision,
            title: document.map(|document| document.title.clone()),
            content: document.map(|document| document.content.clone()),
            changed_at: Utc::now(),
            changed_by: writer.identity.actor.clone(),
        };
        self.revisions.push((writer.identity.tenant.clone(), kind.to_owned(), name.to_owned(), entry));
        revision
    }
}

#[async_trait]
impl Documents for MemoryStore {
    async fn documents(&self, identity: &Identity, kind: &str, request: &PageRequest) -> Result<Page<Document>> {
        let world = self.world()?;
        let mut found: Vec<Document> =
            of(&world.documents, identity).filter(|document| document.kind == kind).cloned().collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        page(found, request, |document| document.name.clone())
    }

    async fn document(&self, identity: &Identity, kind: &str, name: &str) -> Result<Document> {
        self.world()?.document(identity, kind, name).cloned()
    }

    async fn put_document(
        &self,
        writer: &Writer,
        kind: &str,
        name: &str,
        document: NewDocument,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Document>> {
        self.once(writer, |world| {
            let known = world.document(&writer.identity, kind, name).ok().cloned();
            compare(known.as_ref().map(|known| known.revision), seen, "document")?;
            let now = Utc::now();
            let record = Document {
                kind: kind.to_owned(),
                name: name.to_owned(),
                title: document.title,
                content: document.content,
                revision: world.revision(),
                created_at: known.as_ref().map_or(now, |known| known.created_at),
                updated_at: now,
                updated_by: writer.identity.actor.clone(),
                seeded: false,
            };
            world.documents.retain(|(tenant, other)| {
                *tenant != writer.identity.tenant || (other.kind.as_str(), other.name.as_str()) != (kind, name)
            });
            world.documents.push((writer.identity.tenant.clone(), record.clone()));
            world.keep(writer, kind, name, Some(&record));
            let made = known.is_none();
            let change = if made { ChangeKind::Created } else { ChangeKind::Updated };
            world.note(writer, Subject::Document, change, format!("{kind}/{name}"));
            Ok(Written { record, outcome: if made { Outcome::Created } else { Outcome::Updated } })
        })
    }

    async fn delete_document(&self, writer: &Writer, kind: &str, name: &str, seen: DocumentTag) -> Result<()> {
        self.once(writer, |world| {
            let known = world.document(&writer.identity, kind, name)?.revision;
            compare(Some(known), Some(seen), "document")?;
            world.documents.retain(|(tenant, other)| {
                *tenant != writer.identity.tenant || (other.kind.as_str(), other.name.as_str()) != (kind, name)
            });
            world.keep(writer, kind, name, None);
            world.note(writer, Subject::Document, ChangeKind::Deleted, format!("{kind}/{name}"));
            Ok(Written { record: (), outcome: Outcome::Updated })
        })
        .map(drop)
    }

    async fn document_history(&self, identity: &Identity, kind: &str, name: &str) -> Result<Vec<DocumentRevision>> {
        let world = self.world()?;
        let own = world.revisions.iter().filter(|(tenant, own_kind, own_name, _)| {
            *tenant == identity.tenant && (own_kind.as_str(), own_name.as_str()) == (kind, name)
        });
        let history: Vec<DocumentRevision> = own.map(|(.., entry)| entry.clone()).collect();
        if history.is_empty() { Err(Error::NotFound("document".to_owned())) } else { Ok(history) }
    }

    async fn configuration(&self, identity: &Identity, user: &str) -> Result<Configuration> {
        let world = self.world()?;
        let found = of(&world.configurations, identity).find(|configuration| configuration.user == user);
        found.cloned().ok_or_else(|| Error::NotFound("configuration".to_owned()))
    }

    async fn put_configuration(
        &self,
        writer: &Writer,
        user: &str,
        settings: Value,
        seen: Option<DocumentTag>,
    ) -> Result<Written<Configuration>> {
        self.once(writer, |world| {
            let known = of(&world.configurations, &writer.identity).find(|known| known.user == user);
            let known = known.map(|known| known.revision);
            compare(known, seen, "configuration")?;
            let (user, revision) = (user.to_owned(), world.revision());
            let record = Configuration { user: user.clone(), settings, revision, updated_at: Utc::now() };
            world.configurations.retain(|(tenant, other)| *tenant != writer.identity.tenant || other.user != user);
            world.configurations.push((writer.identity.tenant.clone(), record.clone()));
            let (change, outcome) = match known {
                None => (ChangeKind::Created, Outcome::Created),
                Some(_) => (ChangeKind::Updated, Outcome::Updated),
            };
            world.note(writer, Subject::Configuration, change, user);
            Ok(Written { record, outcome })
        })
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[async_trait]
impl Profiles for MemoryStore {
    async fn profile(&self, identity: &Identity, user: &str) -> Result<Profile> {
        let world = self.world()?;
        let found = of(&world.profiles, identity).find(|profile| profile.user == user);
        found.cloned().ok_or_else(|| Error::NotFound("profile".to_owned()))
    }

    async fn patch_profile(&self, writer: &Writer, user: &str, patch: ProfilePatch) -> Result<Written<Profile>> {
        self.once(writer, |world| {
            let known = of(&world.profiles, &writer.identity).find(|profile| profile.user == user).cloned();
            if patch.seen.is_some() {
                compare(known.as_ref().map(|known| known.revision), patch.seen, "profile")?;
            }
            let (before, roles) =
                known.as_ref().map(|known| (known.fields.clone(), known.roles.clone())).unwrap_or_default();
            let mut fields = Value::Object(before.clone());
            merge(&mut fields, &Value::Object(patch.fields.clone()));
            let fields = fields.as_object().unwrap().clone();
            let record = Profile {
                user: user.to_owned(),
                fields: fields.clone(),
                roles: patch.roles.clone().unwrap_or(roles),
                revision: world.revision(),
                updated_at: Utc::now(),
            };
            for field in before.keys().chain(fields.keys().filter(|field| !before.contains_key(*field))) {
                if before.get(field) == fields.get(field) {
                    continue;
                }
                let change = ProfileChange {
                    user: user.to_owned(),
                    field: field.clone(),
                    before: before.get(field).cloned(),
                    after: fields.get(field).cloned(),
                    revision: record.revision,
                    changed_at: Utc::now(),
                    changed_by: writer.identity.actor.clone(),
                };
                world.profile_changes.push((writer.identity.tenant.clone(), change));
            }
            world.profiles.retain(|(tenant, other)| *tenant != writer.identity.tenant || other.user != user);
            world.profiles.push((writer.identity.tenant.clone(), record.clone()));
            let (change, outcome) = match known {
                None => (ChangeKind::Created, Outcome::Created),
                Some(_) => (ChangeKind::Updated, Outcome::Updated),
            };
            world.note(writer, Subject::Profile, change, user);
            Ok(Written { record, outcome })
        })
    }

    async fn profile_history(
        &self,
        identity: &Identity,
        user: &str,
        request: &PageRequest,
    ) -> Result<Page<ProfileChange>> {
        let world = self.world()?;
        let mut found: Vec<ProfileChange> =
            of(&world.profile_changes, identity).filter(|change| change.user == user).cloned().collect();
        found.reverse();
        page(found, request, |change| format!("{}.{}", change.revision.0, change.field))
    }
}

#[async_trait]
impl Memories for MemoryStore {
    async fn remember(&self, writer: &Writer, memory: NewMemory) -> Result<Written<Memory>> {
        self.once(writer, |world| {
            let natural = |known: &&Memory| {
                known.key.is_some()
                    && (&known.user, &known.session, &known.key) == (&memory.user, &memory.session, &memory.key)
            };
            if let Some(known) = of(&world.memories, &writer.identity).find(natural) {
                if known.text != memory.text || known.attributes != memory.attributes {
                    return Err(Error::Conflict("the key has other content".to_owned()));
                }
                return Ok(Written { record: known.clone(), outcome: Outcome::Unchanged });
            }
            let record = Memory {
                id: MemoryId(Uuid::now_v7()),
                user: memory.user,
                session: memory.session,
                key: memory.key,
                text: memory.text,
                attributes: memory.attributes,
                recorded_at: Utc::now(),
                expires_at: memory.expires_at,
                score: None,
            };
            world.memories.push((writer.identity.tenant.clone(), record.clone()));
            world.note(writer, Subject::Memory, ChangeKind::Created, record.id.0);
            Ok(Written { record, outcome: Outcome::Created })
        })
    }

    async fn memory(&self, identity: &Identity, id: MemoryId) -> Result<Memory> {
        let world = self.world()?;
        let found = of(&world.memories, identity).find(|memory| memory.id == id);
        found.cloned().ok_or_else(|| Error::NotFound("memory".to_owned()))
    }

    async fn memories(
        &self,
        identity: &Identity,
        filter: &MemoryFilter,
        request: &PageRequest,
    ) -> Result<Page<Memory>> {
        let world = self.world()?;
        let fits = |memory: &&Memory| {
            (filter.user.is_none() || memory.user == filter.user)
                && (filter.session.is_none() || memory.session == filter.session)
                && filter.query.as_ref().is_none_or(|query| memory.text.to_lowercase().contains(&query.to_lowercase()))
        };
        let mut found: Vec<Memory> = of(&world.memories, identity).filter(fits).cloned().collect();
        found.reverse();
        if filter.query.is_some() {
            found.iter_mut().for_each(|memory| memory.score = Some(1.0));
        }
        page(found, request, |memory| memory.id.0.to_string())
    }

    async fn forget(&self, writer: &Writer, id: MemoryId) -> Result<()> {
        self.once(writer, |world| {
            let before = world.memories.len();
            world.memories.retain(|(tenant, memory)| *tenant != writer.identity.tenant || memory.id != id);
            if world.memories.len() == before {
                return Err(Error::NotFound("memory".to_owned()));
            }
            world.note(writer, Subject::Memory, ChangeKind::Deleted, id.0);
            Ok(Written { record: (), outcome: Outcome::Updated })
        })
        .map(drop)
    }
}
