//! One operation, as the document tells it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::http::problem::MEDIA_TYPE;
use crate::model::Scope;

/// One operation.
pub(in crate::http) struct Operation {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// None: no key is needed.
    pub(in crate::http) scope: Option<Scope>,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) responses: BTreeMap<u16, Value>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// An operation that needs a scope.
    pub(in crate::http) fn new(scope: Scope, id: &'static str, summary: &'static str) -> Self {
        let operation = Self::open(id, summary);
        Self { scope: Some(scope), ..operation }
            .error(400, "The request is malformed.")
            .error(401, "A valid key is needed.")
            .error(403, "The key's scopes do not allow it.")
            .error(429, "Too many requests; `Retry-After` says when to come back.")
            .error(503, "The store is away, or the answer took too long; `Retry-After` says when to come back.")
    }

    /// An operation for everybody.
    pub(in crate::http) fn open(id: &'static str, summary: &'static str) -> Self {
        let operation = Self {
            id,
            summary,
            scope: None,
            parameters: Vec::new(),
            body: None,
            responses: BTreeMap::new(),
            schemas: Vec::new(),
        };
        operation.error(500, "Something went wrong; the log knows it under `instance`.")
    }

    /// A write with a JSON body.
    pub(in crate::http) fn body<T: ToSchema>(mut self) -> Self {
        let schema = self.schema::<T>();
        self.body = Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }));
        self.error(408, "The body came too slowly.")
            .error(413, "The body is too large.")
            .error(415, "The body has the wrong type.")
            .error(422, "The body does not fit; `errors` has a JSON Pointer for each place.")
    }

    /// A write whose body is something else, described by hand.
    pub(in crate::http) fn body_of(mut self, content: Value) -> Self {
        self.body = Some(json!({ "required": true, "content": content }));
        self.error(408, "The body came too slowly.")
            .error(413, "The body is too large.")
            .error(415, "The body has the wrong type.")
            .error(422, "The body does not fit; `errors` has a line and a JSON Pointer for each place.")
    }

    /// Takes an `Idempotency-Key`.
    pub(in crate::http) fn idempotent(self) -> Self {
        let operation = self.header(
            "Idempotency-Key",
            "The same key with the same request answers what it answered before, whenever that was.",
        );
        if operation.responses.contains_key(&422) {
            operation
        } else {
            operation.error(422, "The idempotency key was used for another request.")
        }
    }

    /// Takes preconditions.
    pub(in crate::http) fn conditional(self) -> Self {
        self.header("If-Match", "The ETag of the record as it was seen, or `*`.")
            .header("If-None-Match", "`*`: there must be nothing yet.")
            .error(412, "The record is not at the revision that was seen.")
            .error(428, "One of `If-Match` and `If-None-Match` is needed.")
    }

    /// A header of the request.
    pub(in crate::http) fn header(mut self, name: &str, description: &str) -> Self {
        self.parameters
            .push(json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } }));
        self
    }

    /// A query parameter.
    pub(in crate::http) fn query(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters.push(json!({ "name": name, "in": "query", "description": description, "schema": schema }));
        self
    }

    /// `limit` and `after`.
    pub(in crate::http) fn paged(self) -> Self {
        self.limited().query("after", text(), "`next` of the page before.")
    }

    /// `limit`.
    pub(in crate::http) fn limited(self) -> Self {
        let schema = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
        self.query("limit", schema, "Most rows of the page.")
    }

    /// A JSON answer.
    pub(in crate::http) fn answers<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.schema::<T>();
        self.responses.insert(status, json_answer(description, &schema));
        self
    }

    /// An answer of several, with a cursor.
    pub(in crate::http) fn answers_page<T: ToSchema>(mut self) -> Self {
        let item = self.schema::<T>();
        let schema = json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": item },
                "next": { "type": ["string", "null"], "description": "Where the next page begins; null on the last one." },
            },
        });
        self.responses.insert(200, json_answer("A page.", &schema));
        self
    }

    /// An answer described by hand.
    pub(in crate::http) fn answers_with(mut self, status: u16, description: &str, content: &Value) -> Self {
        self.responses.insert(status, json!({ "description": description, "content": content }));
        self
    }

    /// An answer without a body.
    pub(in crate::http) fn answers_empty(mut self, status: u16, description: &str) -> Self {
        self.responses.insert(status, json!({ "description": description }));
        self
    }

    /// The answer names the record's revision.
    pub(in crate::http) fn tagged(mut self, status: u16) -> Self {
        if let Some(response) = self.responses.get_mut(&status).and_then(Value::as_object_mut) {
            let header = json!({ "description": "The record's revision.", "schema": { "type": "string" } });
            response.insert("headers".to_owned(), json!({ "ETag": header }));
        }
        self
    }

    /// A problem.
    pub(in crate::http) fn error(mut self, status: u16, description: &str) -> Self {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let response = json!({ "description": description, "content": { MEDIA_TYPE: { "schema": schema } } });
        self.responses.insert(status, response);
        self
    }

    /// A reference to the schema of a type, which goes into the document with all that it refers to.
    fn schema<T: ToSchema>(&mut self) -> Value {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }
}

fn json_answer(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// The schema of a text.
pub(in crate::http) fn text() -> Value {
    json!({ "type": "string" })
}
