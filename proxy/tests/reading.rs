//! What the readers make of a statement, as text that a reviewer can read and extend: `tests/sql/*.read`.
//!
//! A case is SQL, a line `----`, and one line for each statement, or `deny RULE SQLSTATE @position message`; a line
//! `====` ends it. `REWRITE=1` writes what the readers say now: the diff is the review.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::fmt::Write as _;
use std::path::Path;

use vitrine::sql::{self, FieldSource, Limits, Statement, Uses};

fn facts(text: &str) -> String {
    match sql::read(text, &Limits::default()) {
        Ok(statements) if statements.is_empty() => "nothing\n".to_owned(),
        Ok(statements) => statements.iter().map(|statement| describe(text, statement)).collect(),
        Err(denial) => {
            let place = denial.position.map_or(String::new(), |at| format!(" @{at}"));
            let detail = denial.detail.map_or(String::new(), |detail| format!(" ({detail})"));
            format!("deny {} {}{place} {}{detail}\n", denial.rule.name(), denial.sqlstate, denial.message)
        }
    }
}

fn describe(text: &str, statement: &Statement) -> String {
    let Statement { kind, span, uses } = statement;
    let mut line = format!("{kind:?}");
    if span.len() < text.trim().len() {
        write!(line, " [{}]", text[span.clone()].replace('\n', " ")).unwrap();
    }
    line + &describe_uses(uses) + "\n"
}

fn dotted(schema: Option<&String>, name: &str) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}

fn describe_uses(uses: &Uses) -> String {
    let mut parts: Vec<(&str, Vec<String>)> = Vec::new();
    let relations = uses.relations.iter().map(|relation| {
        let only = if relation.only { "ONLY " } else { "" };
        format!("{only}{}", dotted(relation.schema.as_ref(), &relation.name))
    });
    parts.push(("reads", relations.collect()));
    let functions = uses.functions.iter().map(|function| {
        let marks = [(function.variadic, "v"), (function.named, "n")];
        let marks: String = marks.iter().filter(|mark| mark.0).map(|mark| mark.1).collect();
        format!("{}/{}{marks}", dotted(function.schema.as_ref(), &function.name), function.arguments)
    });
    parts.push(("calls", functions.collect()));
    let operators = uses.operators.iter();
    parts.push((
        "operators",
        operators
            .map(|op| match op.by_class {
                // Not looked up by its name.
                true => format!("({})/{}", op.name, op.arguments),
                false => format!("{}/{}", dotted(op.schema.as_ref(), &op.name), op.arguments),
            })
            .collect(),
    ));
    let types = uses
        .types
        .iter()
        .map(|named| format!("{}{}", dotted(named.schema.as_ref(), &named.name), if named.array { "[]" } else { "" }));
    parts.push(("types", types.collect()));
    let fields = uses.fields.iter().map(|field| match field.source {
        FieldSource::Relation(index) => format!("{}.{}", uses.relations[index].name, field.name),
        FieldSource::Column => format!("column {}", field.name),
        FieldSource::Unknown => format!("?.{}", field.name),
    });
    parts.push(("fields", fields.collect()));
    parts.push(("values", uses.value_functions.iter().map(|name| (*name).to_owned()).collect()));
    parts.push(("collations", uses.collations.iter().map(|(schema, name)| dotted(schema.as_ref(), name)).collect()));
    if uses.parameter_max > 0 {
        parts.push(("parameters", vec![uses.parameter_max.to_string()]));
    }
    if uses.unrepeatable_sample {
        parts.push(("sample", vec!["unrepeatable".to_owned()]));
    }
    parts.iter().filter(|part| !part.1.is_empty()).map(|(name, list)| format!(" {name}={}", list.join(","))).collect()
}

#[test]
fn an_empty_text_is_no_statement() {
    assert_eq!(facts(""), "nothing\n");
}

#[test]
fn statements_are_read_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "read"));
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let mut now = String::new();
        for case in written.split("====\n").filter(|case| !case.trim().is_empty()) {
            let text = case.split_once("----\n").map_or(case, |(text, _)| text);
            let sql = text.trim_end_matches('\n');
            write!(now, "{sql}\n----\n{}====\n", facts(sql)).unwrap();
        }
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&file, now).unwrap();
        } else if now != written {
            for (expected, actual) in written.lines().zip(now.lines()).filter(|(expected, actual)| expected != actual) {
                wrong.push(format!("{}\n  written: {expected}\n  now:     {actual}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
