//! JSON from strangers: its shape is bounded before anything recurses over it.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::check::{Checked, Faults};
use crate::http::problem::{Fault, Problem};

/// Parses and checks a body.
pub(in crate::http) fn parse<T: DeserializeOwned + Checked>(bytes: &[u8], depth_max: usize) -> Result<T, Problem> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Problem::malformed("the body is not UTF-8"));
    }
    let shape = scan(bytes, depth_max).map_err(|depth| {
        Problem::malformed(format!("the JSON is nested deeper than {depth_max} levels: at byte {depth}"))
    })?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (pointer, cause) = (pointer(error.path()), error.into_inner());
        // A wrong type may stand before a place at which it is no JSON at all.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Err(syntax) => refuse(&syntax, String::new()),
            Ok(_) => refuse(&cause, pointer),
        }
    })?;
    json.end().map_err(|error| refuse(&error, String::new()))?;
    // serde takes an array for a struct, field by field.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::invalid(vec![Fault::at("", "must be an object")]));
    }
    if shape.has_nul || shape.inexact.is_some() {
        return Err(unkeepable(bytes, &shape));
    }
    let mut faults = Faults::default();
    value.check(&mut faults);
    faults.finish(value)
}

fn refuse(error: &serde_json::Error, pointer: String) -> Problem {
    // serde_json ends its words with a place of its own, which for a value in the middle is not the one that is wrong.
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default().to_owned();
    match error.classify() {
        Category::Data => Problem::invalid(vec![Fault::at(pointer, words)]),
        Category::Syntax | Category::Eof | Category::Io => Problem::malformed(format!(
            "the body is not JSON: {words} (line {}, column {})",
            error.line(),
            error.column()
        )),
    }
}

/// The JSON Pointer of where a parser stood.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&escaped(key));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901, section 3.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What a scan saw beside the depth.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// A string holds U+0000, which PostgreSQL's text and jsonb cannot.
    has_nul: bool,
    /// Where an integer stands that a parser would round.
    inexact: Option<usize>,
}

/// One pass over the bytes without recursion: depth, `\u0000`, integers beyond 64 bits. Whether it is JSON is the
/// parser's to say. The error is the byte at which it is too deep.
fn scan(bytes: &[u8], depth_max: usize) -> Result<Shape, usize> {
    let (mut shape, mut depth, mut in_string) = (Shape::default(), 0_usize, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (in_string, byte) {
            (true, b'\\') => {
                shape.has_nul |= bytes.get(at + 1..at + 6) == Some(b"u0000");
                at += 1;
            }
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > depth_max {
                    return Err(at);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b'-' | b'0'..=b'9') => {
                let number = number_at(bytes, at);
                if shape.inexact.is_none() && is_rounded(number) {
                    shape.inexact = Some(at);
                }
                at += number.len().saturating_sub(1);
            }
            (true | false, _) => {}
        }
        at += 1;
    }
    Ok(shape)
}

fn number_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// Integers of more than 64 bits become floating-point numbers, and would be kept as another number than was sent.
fn is_rounded(number: &[u8]) -> bool {
    let is_integer = !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    is_integer
        && number.len() > 18
        && std::str::from_utf8(number).is_ok_and(|text| text.parse::<i64>().is_err() && text.parse::<u64>().is_err())
}

fn unkeepable(bytes: &[u8], shape: &Shape) -> Problem {
    let mut faults = Vec::new();
    if shape.has_nul
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        find_nul(&value, &mut String::new(), &mut faults);
    }
    if let Some(at) = shape.inexact {
        let detail = format!("the integer at byte {at} does not fit 64 bits and would be rounded: send it as a string");
        faults.push(Fault { detail, ..Fault::default() });
    }
    if faults.is_empty() {
        // Under a key that came twice, of which a parser keeps one.
        faults.push(Fault::at("", "a string contains U+0000, which cannot be kept"));
    }
    Problem::invalid(faults)
}

/// Depth is bounded by now: recursion is safe.
fn find_nul(value: &Value, pointer: &mut String, faults: &mut Vec<Fault>) {
    let mut below = |key: &str, inner: &Value| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&escaped(key));
        if key.contains('\0') {
            faults.push(Fault::at(pointer.replace('\0', "\u{fffd}"), "the name contains U+0000, which cannot be kept"));
        }
        find_nul(inner, pointer, faults);
        pointer.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| below(key, inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, inner)| below(&index.to_string(), inner)),
        Value::String(text) if text.contains('\0') => {
            faults.push(Fault::at(pointer.replace('\0', "\u{fffd}"), "the text contains U+0000, which cannot be kept"));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::model::NewInsight;

    fn refused(body: &str) -> Problem {
        parse::<NewInsight>(body.as_bytes(), 64).unwrap_err()
    }

    fn body_of(problem: Problem) -> String {
        format!("{problem:?}")
    }

    #[test]
    fn depth_is_refused_before_anything_recurses() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
            assert_eq!(refused(&deep).status(), StatusCode::BAD_REQUEST);
        }
        assert_eq!(scan(b"[[\"[[[[\\\"[\"]]", 2), Ok(Shape::default()), "brackets in strings do not count");
        assert_eq!(scan(b"[[[", 2), Err(2));
    }

    #[test]
    fn what_cannot_be_kept_is_named_with_its_place() {
        let nul = refused(r#"{"kind":"k","title":"t","payload":{"a/b":["x","\u0000"]}}"#);
        assert_eq!(nul.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(body_of(nul).contains("/payload/a~1b/1"));
        let big = refused(r#"{"kind":"k","title":"t","payload":{"n":123456789012345678901234567890}}"#);
        assert!(body_of(big).contains("at byte 39"));
        let fine = r#"{"kind":"k","title":"\\u0000","payload":{"n":-9223372036854775808,"m":18446744073709551615}}"#;
        assert_eq!(parse::<NewInsight>(fine.as_bytes(), 64).unwrap().title, "\\u0000");
    }

    #[test]
    fn an_array_is_no_insight() {
        assert_eq!(refused(r#"["k", null, "t"]"#).status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused("[1,]").status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_wrong_type_is_named_by_its_pointer_and_a_wrong_text_by_its_place() {
        let wrong = refused(r#"{"kind":"k","title":"t","evidence":[{"query_shape":7}]}"#);
        assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(body_of(wrong).contains("/evidence/0/query_shape"));
        assert!(body_of(refused(r#"{"kind":"k","title":"t","extra":1}"#)).contains("/extra"));
        for malformed in ["", "{", "{\"kind\":}", "{\"payload\":1e999}", "{\"title\":\"\\ud800\"}", "\u{feff}{}"] {
            assert_eq!(refused(malformed).status(), StatusCode::BAD_REQUEST, "{malformed}");
        }
        let twice = refused(r#"{"kind":"k","title":"t"} {}"#);
        assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
        let latin = parse::<NewInsight>(b"{\"kind\":\"\xe9\"}", 64).unwrap_err();
        assert_eq!(latin.status(), StatusCode::BAD_REQUEST);
    }
}
