//! What must hold of a body whose types are right, whatever store is behind: what no PostgreSQL could keep.

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::Value;

use crate::http::problem::{Fault, Problem};
use crate::model::{NewDocument, NewEvidence, NewInsight, NewKind, NewMemory, NewVersion, SearchRequest};
use crate::service::ProfilePatch;

/// Longest name or key, bytes: it stands in an index, whose rows PostgreSQL bounds.
const NAME_BYTES_MAX: usize = 255;
/// Longest natural key, bytes.
const KEY_BYTES_MAX: usize = 512;
/// Longest title, bytes.
const TITLE_BYTES_MAX: usize = 1_000;
/// Longest prose, bytes: what is searched by full text has a bound in PostgreSQL.
const PROSE_BYTES_MAX: usize = 131_072;
/// Longest text of evidence, bytes, and the most relations.
const EVIDENCE_BYTES_MAX: usize = 65_536;
const RELATIONS_MAX: usize = 1_000;
/// Longest embedding, dimensions: what an HNSW index of pgvector takes.
const DIMENSIONS_MAX: usize = 2_000;
/// Years that every PostgreSQL and every client can write.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9_999;

/// A body that can be checked.
pub(in crate::http) trait Checked {
    /// Adds what is wrong.
    fn check(&self, faults: &mut Faults);
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(in crate::http) struct Faults(Vec<Fault>);

impl Faults {
    /// The value, if nothing is wrong with it.
    pub(in crate::http) fn finish<T>(self, value: T) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(value) } else { Err(Problem::invalid(self.0)) }
    }

    /// Something else is wrong at `pointer`.
    pub(in crate::http) fn add(&mut self, pointer: impl Into<String>, detail: &str) {
        self.0.push(Fault::at(pointer, detail));
    }

    /// A name: 1 to 255 bytes.
    pub(in crate::http) fn name(&mut self, pointer: &str, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            self.add(pointer, "must have 1 to 255 bytes");
        }
    }

    fn optional_name(&mut self, pointer: &str, name: Option<&String>) {
        if let Some(name) = name {
            self.name(pointer, name);
        }
    }

    fn key(&mut self, key: Option<&String>) {
        if key.is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            self.add("/key", "must have 1 to 512 bytes");
        }
    }

    fn title(&mut self, title: &str) {
        if title.trim().is_empty() || title.len() > TITLE_BYTES_MAX {
            self.add("/title", "must have 1 to 1000 bytes that are not all white space");
        }
    }

    fn at_most(&mut self, pointer: impl Into<String>, text: Option<&String>, bytes_max: usize) {
        if text.is_some_and(|text| text.len() > bytes_max) {
            self.add(pointer, &format!("must have at most {bytes_max} bytes"));
        }
    }

    fn confidence(&mut self, confidence: Option<f64>) {
        if confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
            self.add("/confidence", "must be 0 to 1");
        }
    }

    /// `valid_from` until `valid_to`.
    fn validity(&mut self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        self.time("/valid_from", from);
        self.time("/valid_to", to);
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            self.add("/valid_to", "must be later than valid_from");
        }
    }

    fn evidence(&mut self, evidence: &[NewEvidence]) {
        for (index, evidence) in evidence.iter().enumerate() {
            check_evidence(&format!("/evidence/{index}"), evidence, self);
        }
    }

    fn time(&mut self, pointer: &str, time: Option<DateTime<Utc>>) {
        if time.is_some_and(|time| !YEARS.contains(&time.year())) {
            self.add(pointer, "must lie in the years 1 to 9999");
        }
    }

    fn embedding(&mut self, embedding: Option<&Vec<f32>>) {
        let Some(embedding) = embedding else { return };
        if embedding.is_empty() || embedding.len() > DIMENSIONS_MAX {
            self.add("/embedding", "must have 1 to 2000 dimensions");
        }
        if let Some(index) = embedding.iter().position(|number| !number.is_finite()) {
            self.add(format!("/embedding/{index}"), "must be a number that 32 bits can hold");
        }
    }

    fn object(&mut self, pointer: &str, value: &Value) {
        if !value.is_object() {
            self.add(pointer, "must be an object");
        }
    }
}

impl Checked for NewVersion {
    fn check(&self, faults: &mut Faults) {
        faults.title(&self.title);
        faults.object("/payload", &self.payload);
        faults.at_most("/body", self.body.as_ref(), PROSE_BYTES_MAX);
        faults.confidence(self.confidence);
        faults.validity(self.valid_from, self.valid_to);
        faults.time("/expires_at", self.expires_at);
        faults.embedding(self.embedding.as_ref());
        faults.evidence(&self.evidence);
    }
}

impl Checked for NewInsight {
    fn check(&self, faults: &mut Faults) {
        faults.name("/kind", &self.kind);
        faults.key(self.key.as_ref());
        faults.title(&self.title);
        faults.object("/payload", &self.payload);
        faults.at_most("/body", self.body.as_ref(), PROSE_BYTES_MAX);
        faults.confidence(self.confidence);
        faults.validity(self.valid_from, self.valid_to);
        faults.time("/expires_at", self.expires_at);
        faults.embedding(self.embedding.as_ref());
        faults.evidence(&self.evidence);
    }
}

impl Checked for NewEvidence {
    fn check(&self, faults: &mut Faults) {
        check_evidence("", self, faults);
    }
}

fn check_evidence(at: &str, evidence: &NewEvidence, faults: &mut Faults) {
    if evidence.query_shape.trim().is_empty() {
        faults.add(format!("{at}/query_shape"), "must not be empty");
    }
    faults.at_most(format!("{at}/query_shape"), Some(&evidence.query_shape), EVIDENCE_BYTES_MAX);
    faults.at_most(format!("{at}/receipt"), evidence.receipt.as_ref(), EVIDENCE_BYTES_MAX);
    faults.at_most(format!("{at}/note"), evidence.note.as_ref(), EVIDENCE_BYTES_MAX);
    if evidence.relations.len() > RELATIONS_MAX {
        faults.add(format!("{at}/relations"), "must be at most 1000");
    }
    for (index, relation) in evidence.relations.iter().enumerate() {
        faults.name(&format!("{at}/relations/{index}"), relation);
    }
    faults.time(&format!("{at}/data_as_of"), Some(evidence.data_as_of));
}

impl Checked for NewKind {
    fn check(&self, faults: &mut Faults) {
        faults.name("/name", &self.name);
        if self.retention_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
            faults.add("/retention_days", "must be 1 to 36500");
        }
        if !self.schema.is_object() && !self.schema.is_boolean() {
            faults.add("/schema", "must be a JSON Schema: an object or a boolean");
        }
        if self.embedding.is_some_and(|embedding| !(1..=2_000).contains(&embedding.dimension)) {
            faults.add("/embedding/dimension", "must be 1 to 2000");
        }
    }
}

impl Checked for NewDocument {
    fn check(&self, faults: &mut Faults) {
        faults.title(&self.title);
    }
}

impl Checked for NewMemory {
    fn check(&self, faults: &mut Faults) {
        faults.optional_name("/user", self.user.as_ref());
        faults.optional_name("/session", self.session.as_ref());
        faults.key(self.key.as_ref());
        if self.session.is_some() && self.user.is_none() {
            faults.add("/session", "belongs to a user: name the user too");
        }
        if self.text.trim().is_empty() {
            faults.add("/text", "must not be empty");
        }
        faults.at_most("/text", Some(&self.text), PROSE_BYTES_MAX);
        if !self.attributes.is_null() {
            faults.object("/attributes", &self.attributes);
        }
        faults.time("/expires_at", self.expires_at);
    }
}

impl Checked for ProfilePatch {
    fn check(&self, faults: &mut Faults) {
        for field in self.fields.keys() {
            let pointer = format!("/fields/{}", field.replace('~', "~0").replace('/', "~1"));
            faults.name(&pointer, field);
            if field == "$roles" {
                faults.add(pointer, "is the place of the roles in the history, not a field");
            }
        }
        for (index, role) in self.roles.iter().flatten().enumerate() {
            faults.name(&format!("/roles/{index}"), role);
        }
    }
}

impl Checked for SearchRequest {
    fn check(&self, faults: &mut Faults) {
        if self.query.is_none() && self.embedding.is_none() {
            faults.add("/query", "needs words, an embedding or both");
        }
        faults.embedding(self.embedding.as_ref());
        if self.limit.is_some_and(|limit| !(1..=1_000).contains(&limit)) {
            faults.add("/limit", "must be 1 to 1000");
        }
        let filter = &self.filter;
        faults.optional_name("/filter/kind", filter.kind.as_ref());
        faults.optional_name("/filter/key", filter.key.as_ref());
        for (pointer, time) in [
            ("/filter/valid_at", filter.valid_at),
            ("/filter/as_of", filter.as_of),
            ("/filter/recorded_from", filter.recorded_from),
            ("/filter/recorded_to", filter.recorded_to),
        ] {
            faults.time(pointer, time);
        }
    }
}

/// Settings, schemas: any JSON object.
impl Checked for serde_json::Map<String, Value> {
    fn check(&self, _: &mut Faults) {}
}
