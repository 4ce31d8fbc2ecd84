//! What differs between a file and the database, by JSON Pointer (RFC 6901).

use serde_json::Value;

use super::Standing;

/// Longest value that is shown, characters.
const SHOWN_MAX: usize = 60;
/// Most places that are shown of one record.
const PLACES_MAX: usize = 20;

/// One record that is not as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub file: String,
    /// A document's kind, or `$kind`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How it came to differ.
    pub standing: Standing,
    /// `/title: file "a", database "b"`.
    pub places: Vec<String>,
}

/// The places in which two values differ.
pub(super) fn places(file: &Value, database: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(file), Some(database), &mut found);
    if found.len() > PLACES_MAX {
        let more = found.len() - PLACES_MAX;
        found.truncate(PLACES_MAX);
        found.push(format!("… and {more} more"));
    }
    found
}

/// Whether two values mean the same: numbers are compared as numbers, since the database spells them in its own way.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

fn compare(at: &str, file: Option<&Value>, database: Option<&Value>, found: &mut Vec<String>) {
    match (file, database) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                compare(&at, left.get(name), right.get(name), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                compare(&format!("{at}/{index}"), left.get(index), right.get(index), found);
            }
        }
        (Some(left), Some(right)) if same(left, right) => {}
        (None, None) => {}
        (left, right) => found.push(format!("{at}: file {}, database {}", shown(left), shown(right))),
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_pointers() {
        let found =
            places(&json!({"a/b": [1, 2, {"c": "x"}], "d": 1.0}), &json!({"a/b": [1, 3, {"c": "x"}, 4], "d": 1}));
        assert_eq!(found, ["/a~1b/1: file 2, database 3", "/a~1b/3: file nothing, database 4"]);
        assert!(same(&json!({"a": [1.0, 100]}), &json!({"a": [1, 1e2]})) && !same(&json!([1]), &json!([1, 1])));
    }
}
