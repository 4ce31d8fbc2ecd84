//! Insights and kinds in memory.

use async_trait::async_trait;
use chrono::Utc;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use uuid::Uuid;
use vitrine_insights::model::{
    ChangeKind, DocumentTag, Evidence, Found, Identity, Insight, InsightFilter, InsightId, InsightState, Kind,
    NewEvidence, NewInsight, NewKind, NewVersion, Page, PageRequest, SearchRequest, Subject,
};
use vitrine_insights::service::{BulkCount, Error, Insights, Kinds, Outcome, Result, Writer, Written};

use super::world::{MemoryStore, World, fits, later, of, page};

fn missing(id: InsightId) -> Error {
    Error::NotFound(format!("insight {}", id.0))
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part)))
        }
        (whole, part) => whole == part,
    }
}

impl World {
    fn kind<'a>(&'a self, identity: &'a Identity, name: &str) -> Result<&'a Kind> {
        of(&self.kinds, identity)
            .find(|kind| kind.kind.name == name)
            .ok_or_else(|| Error::NotFound(format!("kind \"{name}\"")))
    }

    fn insight<'a>(&'a self, identity: &'a Identity, id: InsightId) -> Result<&'a Insight> {
        let lives = |insight: &Insight| insight.legal_hold || insight.expires_at.is_none_or(|end| end > Utc::now());
        of(&self.insights, identity).find(|insight| insight.id == id && lives(insight)).ok_or_else(|| missing(id))
    }

    fn change(&mut self, identity: &Identity, id: InsightId) -> Result<&mut Insight> {
        let own = self.insights.iter_mut().find(|(tenant, insight)| *tenant == identity.tenant && insight.id == id);
        own.map(|(_, insight)| insight).ok_or_else(|| missing(id))
    }

    fn create(&mut self, writer: &Writer, new: NewInsight) -> Result<Written<Insight>> {
        let kind = self.kind(&writer.identity, &new.kind)?;
        fits(&kind.kind.schema, &new.payload)?;
        let same_key = |insight: &&Insight| Some(&insight.key) == new.key.as_ref() && insight.kind == new.kind;
        let known = of(&self.insights, &writer.identity).filter(same_key).last();
        let gone = |insight: &&Insight| insight.expires_at.is_some_and(|end| end <= Utc::now());
        if let Some(past) = known.filter(gone).cloned() {
            let (id, next) = (InsightId(Uuid::now_v7()), (past.kind.clone(), past.key.clone(), past.version + 1));
            let insight = self.insert(writer, id, next, version_of(new));
            let past = self.change(&writer.identity, past.id)?;
            (past.state, past.superseded_at, past.superseded_by) =
                (InsightState::Superseded, Some(Utc::now()), Some(id));
            return Ok(Written { record: insight, outcome: Outcome::Created });
        }
        if let Some(known) = known {
            let same = known.title == new.title && known.body == new.body && known.payload == new.payload;
            if !same || known.state != InsightState::Current {
                return Err(Error::Conflict("the key has other content".to_owned()));
            }
            return Ok(Written { record: known.clone(), outcome: Outcome::Unchanged });
        }
        let (id, key) = (InsightId(Uuid::now_v7()), new.key.clone());
        let key = key.unwrap_or_else(|| id.0.to_string());
        let insight = self.insert(writer, id, (new.kind.clone(), key, 1), version_of(new));
        Ok(Written { record: insight, outcome: Outcome::Created })
    }

    fn insert(
        &mut self,
        writer: &Writer,
        id: InsightId,
        (kind, key, version): (String, String, i32),
        new: NewVersion,
    ) -> Insight {
        let now = Utc::now();
        let insight = Insight {
            id,
            kind,
            key,
            version,
            state: InsightState::Current,
            title: new.title,
            body: new.body,
            payload: new.payload,
            confidence: new.confidence,
            valid_from: new.valid_from.unwrap_or(now),
            valid_to: new.valid_to,
            recorded_at: now,
            superseded_at: None,
            superseded_by: None,
            retracted_at: None,
            retraction_reason: None,
            expires_at: new.expires_at,
            legal_hold: false,
            created_by: writer.identity.actor.clone(),
        };
        self.insights.push((writer.identity.tenant.clone(), insight.clone()));
        for evidence in new.evidence {
            self.add(writer, id, evidence);
        }
        self.note(writer, Subject::Insight, ChangeKind::Created, id.0);
        insight
    }

    fn add(&mut self, writer: &Writer, insight_id: InsightId, evidence: NewEvidence) -> Evidence {
        let evidence = Evidence { id: Uuid::now_v7(), insight_id, evidence, recorded_at: Utc::now() };
        self.evidence.push((writer.identity.tenant.clone(), evidence.clone()));
        evidence
    }

    fn matches(&self, insight: &Insight, filter: &InsightFilter) -> bool {
        let then = filter.as_of.is_none_or(|at| {
            let until = [insight.superseded_at, insight.retracted_at].into_iter().flatten().min();
            insight.recorded_at <= at && until.is_none_or(|until| at < until)
        });
        let state = match (filter.state, filter.as_of) {
            (None, Some(_)) => true,
            (state, _) => insight.state == state.unwrap_or(InsightState::Current),
        };
        let rests = |relation: &String| {
            let own = self.evidence.iter().filter(|(_, evidence)| evidence.insight_id == insight.id);
            own.into_iter().any(|(_, evidence)| evidence.evidence.relations.contains(relation))
        };
        let moment = filter.as_of.unwrap_or_else(Utc::now);
        then && state
            && insight.expires_at.is_none_or(|end| end > moment)
            && filter.kind.as_ref().is_none_or(|kind| *kind == insight.kind)
            && filter.key.as_ref().is_none_or(|key| *key == insight.key)
            && filter.confidence_min.is_none_or(|min| insight.confidence.is_some_and(|own| own >= min))
            && filter.valid_at.is_none_or(|at| insight.valid_from <= at && insight.valid_to.is_none_or(|to| at < to))
            && filter.recorded_from.is_none_or(|from| insight.recorded_at >= from)
            && filter.recorded_to.is_none_or(|to| insight.recorded_at < to)
            && filter.relation.as_ref().is_none_or(rests)
            && filter.payload.as_ref().is_none_or(|part| contains(&insight.payload, part))
    }
}

fn version_of(new: NewInsight) -> NewVersion {
    NewVersion {
        title: new.title,
        body: new.body,
        payload: new.payload,
        confidence: new.confidence,
        valid_from: new.valid_from,
        valid_to: new.valid_to,
        expires_at: new.expires_at,
        embedding: new.embedding,
        evidence: new.evidence,
    }
}

#[async_trait]
impl Insights for MemoryStore {
    async fn create_insight(&self, writer: &Writer, insight: NewInsight) -> Result<Written<Insight>> {
        self.once(writer, |world| world.create(writer, insight))
    }

    async fn create_insights(
        &self,
        writer: &Writer,
        mut insights: BoxStream<'static, Result<NewInsight>>,
    ) -> Result<BulkCount> {
        let mut all = Vec::new();
        while let Some(insight) = insights.next().await {
            all.push(insight?);
        }
        let counted = self.once(writer, |world| {
            let (before, noted) = (world.insights.len(), world.evidence.len());
            let mut count = BulkCount { created: 0, unchanged: 0 };
            for (index, insight) in all.into_iter().enumerate() {
                match world.create(writer, insight) {
                    Ok(written) if written.outcome == Outcome::Created => count.created += 1,
                    Ok(_) => count.unchanged += 1,
                    Err(cause) => {
                        world.insights.truncate(before);
                        world.evidence.truncate(noted);
                        return Err(Error::Line { line: index as u64 + 1, cause: Box::new(cause) });
                    }
                }
            }
            Ok(Written { record: json!(count), outcome: Outcome::Created })
        })?;
        Ok(serde_json::from_value(counted.record).unwrap())
    }

    async fn insight(&self, identity: &Identity, id: InsightId) -> Result<Insight> {
        self.world()?.insight(identity, id).cloned()
    }

    async fn insights(
        &self,
        identity: &Identity,
        filter: &InsightFilter,
        request: &PageRequest,
    ) -> Result<Page<Insight>> {
        let world = self.world()?;
        let mut found: Vec<Insight> =
            of(&world.insights, identity).filter(|insight| world.matches(insight, filter)).cloned().collect();
        found.reverse();
        page(found, request, |insight| insight.id.0.to_string())
    }

    async fn supersede(&self, writer: &Writer, id: InsightId, with: NewVersion) -> Result<Written<Insight>> {
        self.once(writer, |world| {
            let old = world.insight(&writer.identity, id)?.clone();
            fits(&world.kind(&writer.identity, &old.kind)?.kind.schema, &with.payload)?;
            if old.state != InsightState::Current {
                return Err(Error::Conflict("the insight is not current".to_owned()));
            }
            let new = InsightId(Uuid::now_v7());
            let inserted = world.insert(writer, new, (old.kind, old.key, old.version + 1), with);
            let old = world.change(&writer.identity, id)?;
            old.state = InsightState::Superseded;
            old.superseded_at = Some(later(old.recorded_at).max(inserted.recorded_at));
            old.superseded_by = Some(new);
            world.note(writer, Subject::Insight, ChangeKind::Superseded, id.0);
            Ok(Written { record: inserted, outcome: Outcome::Created })
        })
    }

    async fn retract(&self, writer: &Writer, id: InsightId, reason: &str) -> Result<Written<Insight>> {
        self.once(writer, |world| {
            let insight = world.change(&writer.identity, id)?;
            if insight.state != InsightState::Current {
                return Err(Error::Conflict("the insight is not current".to_owned()));
            }
            insight.state = InsightState::Retracted;
            insight.retracted_at = Some(later(insight.recorded_at));
            insight.retraction_reason = Some(reason.to_owned());
            let record = insight.clone();
            world.note(writer, Subject::Insight, ChangeKind::Retracted, id.0);
            Ok(Written { record, outcome: Outcome::Updated })
        })
    }

    async fn history(&self, identity: &Identity, id: InsightId) -> Result<Vec<Insight>> {
        let world = self.world()?;
        let one = world.insight(identity, id)?;
        Ok(of(&world.insights, identity)
            .filter(|other| (&other.kind, &other.key) == (&one.kind, &one.key))
            .cloned()
            .collect())
    }

    async fn evidence(&self, identity: &Identity, id: InsightId) -> Result<Vec<Evidence>> {
        let world = self.world()?;
        world.insight(identity, id)?;
        Ok(of(&world.evidence, identity).filter(|evidence| evidence.insight_id == id).cloned().collect())
    }

    async fn add_evidence(&self, writer: &Writer, id: InsightId, evidence: NewEvidence) -> Result<Written<Evidence>> {
        self.once(writer, |world| {
            world.insight(&writer.identity, id)?;
            Ok(Written { record: world.add(writer, id, evidence), outcome: Outcome::Created })
        })
    }

    async fn hold(&self, writer: &Writer, id: InsightId, held: bool) -> Result<Insight> {
        let written = self.once(writer, |world| {
            let insight = world.change(&writer.identity, id)?;
            insight.legal_hold = held;
            Ok(Written { record: insight.clone(), outcome: Outcome::Updated })
        })?;
        Ok(written.record)
    }

    async fn search(&self, identity: &Identity, request: &SearchRequest) -> Result<Vec<Found>> {
        if request.embedding.is_some() {
            return Err(Error::Unsupported("this store has no vectors".to_owned()));
        }
        let world = self.world()?;
        let words: Vec<String> =
            request.query.iter().flat_map(|query| query.split_whitespace()).map(str::to_lowercase).collect();
        let fits = |insight: &&Insight| {
            let text = format!("{} {}", insight.title, insight.body.as_deref().unwrap_or_default()).to_lowercase();
            words.iter().all(|word| text.contains(word)) && world.matches(insight, &request.filter)
        };
        let found = of(&world.insights, identity).filter(fits).take(request.limit.unwrap_or(10) as usize);
        let found = found.enumerate().map(|(rank, insight)| Found {
            insight: insight.clone(),
            score: 1.0 / (rank as f64 + 1.0),
            text_rank: Some(rank as u32 + 1),
            vector_rank: None,
            distance: None,
        });
        Ok(found.collect())
    }
}

#[async_trait]
impl Kinds for MemoryStore {
    async fn kinds(&self, identity: &Identity) -> Result<Vec<Kind>> {
        Ok(of(&self.world()?.kinds, identity).cloned().collect())
    }

    async fn kind(&self, identity: &Identity, name: &str) -> Result<Kind> {
        self.world()?.kind(identity, name).cloned()
    }

    async fn put_kind(&self, writer: &Writer, kind: NewKind, seen: Option<DocumentTag>) -> Result<Written<Kind>> {
        self.once(writer, |world| {
            let known = world.kind(&writer.identity, &kind.name).ok().map(|kind| kind.revision);
            match (known, seen) {
                (Some(_), None) => return Err(Error::Conflict("the kind exists".to_owned())),
                (None, Some(_)) => return Err(Error::NotFound(format!("kind \"{}\"", kind.name))),
                (Some(current), Some(seen)) if current != seen.0 => return Err(Error::Stale { current }),
                _ => {}
            }
            jsonschema::validator_for(&kind.schema).map_err(|error| Error::Invalid(error.to_string()))?;
            let (own, name) = (writer.identity.tenant.clone(), kind.name.clone());
            let record = Kind { kind, revision: world.revision().0, updated_at: Utc::now(), seeded: false };
            world.kinds.retain(|(tenant, other)| *tenant != own || other.kind.name != name);
            world.kinds.push((own, record.clone()));
            let (change, outcome) = match known {
                None => (ChangeKind::Created, Outcome::Created),
                Some(_) => (ChangeKind::Updated, Outcome::Updated),
            };
            world.note(writer, Subject::Kind, change, name);
            Ok(Written { record, outcome })
        })
    }

    async fn delete_kind(&self, writer: &Writer, name: &str, seen: DocumentTag) -> Result<()> {
        self.once(writer, |world| {
            let current = world.kind(&writer.identity, name)?.revision;
            if current != seen.0 {
                return Err(Error::Stale { current });
            }
            if of(&world.insights, &writer.identity).any(|insight| insight.kind == name) {
                return Err(Error::Conflict("insights of the kind exist".to_owned()));
            }
            world.kinds.retain(|(tenant, kind)| *tenant != writer.identity.tenant || kind.kind.name != name);
            world.note(writer, Subject::Kind, ChangeKind::Deleted, name);
            Ok(Written { record: (), outcome: Outcome::Updated })
        })
        .map(drop)
    }
}
