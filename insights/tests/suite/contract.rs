//! The OpenAPI document as a contract: each answer must be one that it tells of.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use jsonschema::Validator;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::client::{Answer, Client};

/// The document.
#[derive(Default)]
pub(crate) struct Contract {
    pub(crate) document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
    /// Operations that answered, each with a status.
    pub(crate) seen: Mutex<BTreeSet<(String, u16)>>,
}

impl Contract {
    /// The document that is served at an address.
    pub(crate) async fn read(address: SocketAddr) -> Self {
        let empty = Arc::new(Self::default());
        let answer = Client::new(address, "", empty).get("/openapi.json").await.is(200);
        Self { document: answer.json(), ..Self::default() }
    }

    /// Fails if the answer is not as the document says.
    #[track_caller]
    pub(crate) fn hold(&self, method: &str, path: &str, answer: &Answer) {
        if self.document.is_null() {
            return;
        }
        let content_type = answer.header("content-type");
        if answer.status >= 400 {
            assert_eq!(content_type, "application/problem+json", "{answer:?}");
            self.fits(&json!({ "$ref": "#/components/schemas/Problem" }), &answer.json(), answer);
            assert_eq!(answer.json()["status"], answer.status, "{answer:?}");
        }
        let path = path.split('?').next().unwrap();
        let Some((template, item)) = self.path(path) else {
            assert_eq!(answer.status, 404, "no route has this path: {answer:?}");
            return;
        };
        let Some(operation) = item.get(method.to_lowercase()) else {
            assert!(answer.status == 405 || method == "HEAD", "the route lacks the method: {answer:?}");
            return;
        };
        let responses = &operation["responses"];
        let documented = &responses[answer.status.to_string()];
        assert!(documented.is_object(), "{method} {template} does not tell of {}: {answer:?}", answer.status);
        self.seen.lock().insert((operation["operationId"].as_str().unwrap().to_owned(), answer.status));
        let Some(content) = documented.get("content") else {
            assert!(answer.body.is_empty(), "no body is told of: {answer:?}");
            return;
        };
        let told = &content[content_type];
        assert!(told.is_object(), "{content_type} is not told of: {answer:?}");
        if content_type.ends_with("json") {
            self.fits(&told["schema"], &answer.json(), answer);
        }
        for name in documented["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            assert!(!answer.header(&name.to_lowercase()).is_empty(), "{name} is missing: {answer:?}");
        }
    }

    /// The path of the document that means this one; one without variables goes first.
    fn path(&self, path: &str) -> Option<(&str, &Value)> {
        let fits = |template: &str| {
            let (own, theirs) = (template.split('/'), path.split('/'));
            own.clone().count() == theirs.clone().count()
                && own.zip(theirs).all(|(own, theirs)| own.starts_with('{') || own == theirs)
        };
        let mut fitting: Vec<_> = self.document["paths"].as_object()?.iter().filter(|(path, _)| fits(path)).collect();
        fitting.sort_by_key(|(path, _)| path.matches('{').count());
        fitting.first().map(|(path, item)| (path.as_str(), *item))
    }

    #[track_caller]
    fn fits(&self, schema: &Value, instance: &Value, answer: &Answer) {
        let validator = self.validator(schema);
        let faults: Vec<String> =
            validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "not as the document says: {faults:?}: {answer:?}");
    }

    /// A validator of a schema of the document.
    pub(crate) fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock();
        let known = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["components"] = self.document["components"].clone();
            Arc::new(jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{schema}: {error}")))
        });
        Arc::clone(known)
    }
}
