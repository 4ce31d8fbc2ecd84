//! Compiled schemas of kinds, kept between writes.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use parking_lot::RwLock;
use serde_json::Value;

use crate::model::{EmbeddingSpec, Kind, Tenant};
use crate::service::{Error, Result, Unfit};

/// Kinds that are kept compiled; beyond it all are forgotten and come again as they are used.
const KINDS_MAX: usize = 4_096;

/// Places of one payload that are answered.
const UNFIT_MAX: usize = 50;

/// What a payload must fit.
pub(super) struct Schema {
    pub(super) name: String,
    /// The revision of the kind that this was compiled from: the database refuses writes checked against another.
    pub(super) revision: i64,
    pub(super) embedding: Option<EmbeddingSpec>,
    validator: Validator,
}

/// The kept ones.
#[derive(Default)]
pub(super) struct Schemas {
    known: RwLock<HashMap<Tenant, HashMap<String, Arc<Schema>>>>,
}

impl Schemas {
    pub(super) fn known(&self, tenant: &Tenant, kind: &str) -> Option<Arc<Schema>> {
        self.known.read().get(tenant)?.get(kind).cloned()
    }

    /// Compiles and keeps a kind's.
    pub(super) fn learn(&self, tenant: &Tenant, kind: &Kind) -> Result<Arc<Schema>> {
        let schema = Arc::new(Schema::compile(kind)?);
        let mut known = self.known.write();
        if known.values().map(HashMap::len).sum::<usize>() >= KINDS_MAX {
            known.clear();
        }
        known.entry(tenant.clone()).or_default().insert(kind.kind.name.clone(), schema.clone());
        Ok(schema)
    }

    pub(super) fn forget(&self, tenant: &Tenant, kind: &str) {
        if let Some(kinds) = self.known.write().get_mut(tenant) {
            kinds.remove(kind);
        }
    }
}

impl Schema {
    fn compile(kind: &Kind) -> Result<Self> {
        Ok(Self {
            name: kind.kind.name.clone(),
            revision: kind.revision,
            embedding: kind.kind.embedding,
            validator: compile(&kind.kind.schema)?,
        })
    }

    /// Whether a payload and an embedding fit.
    pub(super) fn check(&self, payload: &Value, embedding: Option<&[f32]>) -> Result<()> {
        if !self.validator.is_valid(payload) {
            let unfit = self
                .validator
                .iter_errors(payload)
                .take(UNFIT_MAX)
                .map(|error| Unfit { pointer: error.instance_path().as_str().to_owned(), detail: error.to_string() });
            return Err(Error::Unfit(unfit.collect()));
        }
        let Some(embedding) = embedding else { return Ok(()) };
        let wanted = self.embedding.map_or(0, |spec| usize::from(spec.dimension));
        if embedding.len() != wanted {
            return Err(Error::Invalid(format!(
                "kind \"{}\" has embeddings of {wanted} dimensions, not of {}",
                self.name,
                embedding.len()
            )));
        }
        if embedding.iter().any(|number| !number.is_finite()) {
            return Err(Error::Invalid("an embedding's numbers are finite".to_owned()));
        }
        Ok(())
    }
}

/// Compiles a schema: nothing is fetched for its references, and its patterns take linear time.
pub(super) fn compile(schema: &Value) -> Result<Validator> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| Error::Invalid(format!("the schema is not valid: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_where_a_payload_does_not_fit() {
        let validator = compile(&json!({"properties": {"a/b": {"type": "integer"}}, "required": ["c"]})).unwrap();
        let schema = Schema { name: "k".to_owned(), revision: 1, embedding: None, validator };
        let Err(Error::Unfit(unfit)) = schema.check(&json!({"a/b": "x"}), None) else { panic!("it fits") };
        let mut pointers: Vec<&str> = unfit.iter().map(|unfit| unfit.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/a~1b"]);
        assert!(schema.check(&json!({"c": 1}), None).is_ok());
        assert!(matches!(schema.check(&json!({"c": 1}), Some(&[1.0])), Err(Error::Invalid(_))));
    }

    #[test]
    fn hostile_schemas_are_refused_or_harmless() {
        for schema in [json!({"$ref": "http://127.0.0.1:1/x"}), json!({"type": 7}), json!({"pattern": "(?=x)y"})] {
            assert!(compile(&schema).is_err(), "{schema}");
        }
        // Exponential for a backtracking matcher.
        let validator = compile(&json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(!validator.is_valid(&json!(format!("{}b", "a".repeat(50_000)))));
        // Refers to itself without end.
        if let Ok(validator) = compile(&json!({"$ref": "#"})) {
            let _ = validator.is_valid(&json!({}));
        }
    }
}
