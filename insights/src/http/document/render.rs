//! All operations as one document.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::Operation;
use crate::http::door::word;
use crate::http::problem::ProblemBody;
use crate::http::routes::Route;

/// The document as JSON text.
pub(in crate::http) fn render(routes: &[Route]) -> Bytes {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    let mut problem = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut problem);
    for route in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({ "parameters": segments(route.path) }));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_owned(), operation(&route.operation));
        }
    }
    for (name, schema) in routes.iter().flat_map(|route| &route.operation.schemas).chain(&problem) {
        schemas.entry(name.clone()).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    let flat: Map<String, Value> =
        schemas.iter().map(|(name, schema)| (name.clone(), flattened(schema, &schemas))).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vitrine: the insight store",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What an application derives from a customer database, kept apart from it. Errors are problems \
                (RFC 9457). A key belongs to one tenant, and nothing else says which tenant a request is for.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": flat,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "bearerFormat": "vtr_<keyid>_<secret>" },
            },
        },
    });
    Bytes::from(document.to_string())
}

/// A record that holds another one's fields beside its own (`serde(flatten)`) as one object: as `allOf`, the part that
/// takes no unknown field would refuse the fields of the whole.
fn flattened(schema: &Value, all: &Map<String, Value>) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let name = part.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
        let part = name.and_then(|name| all.get(name)).unwrap_or(part);
        properties.extend(part.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
        required.extend(part.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    let mut whole = json!({ "type": "object", "properties": properties, "required": required });
    if let (Some(whole), Some(description)) = (whole.as_object_mut(), schema.get("description")) {
        whole.insert("description".to_owned(), description.clone());
    }
    whole
}

/// `{name}` of a path as parameters.
fn segments(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let schema = match name {
                "id" => json!({ "type": "string", "format": "uuid" }),
                _ => json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

fn operation(operation: &Operation) -> Value {
    let responses: Map<String, Value> =
        operation.responses.iter().map(|(status, response)| (status.to_string(), response.clone())).collect();
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": operation.parameters,
        "responses": responses,
        "security": [],
    });
    if let Some(fields) = told.as_object_mut() {
        if let Some(scope) = operation.scope {
            fields.insert("description".to_owned(), json!(format!("Needs the scope `{}`.", word(scope))));
            fields.insert("security".to_owned(), json!([{ "key": [] }]));
        }
        if let Some(body) = &operation.body {
            fields.insert("requestBody".to_owned(), body.clone());
        }
    }
    told
}
