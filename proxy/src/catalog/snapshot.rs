//! Writes the built-in snapshot: what several servers' own objects have in common and where they differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Catalog;
use super::object::{
    CastContext, Function, FunctionKind, Oid, Origin, Relation, RelationKind, Type, TypeKind, Volatility,
};

/// The snapshot's files, by name, from one catalog of each major version, oldest first.
#[must_use]
pub fn render(catalogs: &[Catalog]) -> Vec<(&'static str, String)> {
    let files: [(&str, &str, Rows); 6] = [
        ("types.txt", "versions, oid, name, kind, category, preferred, of, array", types),
        (
            "functions.txt",
            "versions, signature, returns, kind, volatility, language, defaults, variadic, columns",
            functions,
        ),
        ("operators.txt", "versions, name, left, right, result, function", operators),
        ("casts.txt", "versions, source, target, context, function", casts),
        ("relations.txt", "versions, name, kind, columns", relations),
        ("views.txt", "versions, name, relations, functions", views),
    ];
    files.map(|(name, title, rows)| (name, merge(catalogs, title, rows))).into()
}

/// The rows of one file, from one server.
type Rows = fn(&Catalog) -> Vec<Row>;

/// A line: `key` tells objects apart between versions, `fields` is everything after the versions.
struct Row {
    key: String,
    fields: Vec<Field>,
}

/// How a field of several versions becomes one.
enum Field {
    /// The newest version's.
    Newest(String),
    /// The worst of all.
    Worst(Volatility),
    /// Everything that any version has, joined by the character.
    Union(Vec<String>, &'static str),
}

impl Field {
    fn with_older(self, older: Field) -> Field {
        match (self, older) {
            (Field::Worst(new), Field::Worst(old)) => Field::Worst(new.max(old)),
            (Field::Union(mut new, separator), Field::Union(old, _)) => {
                for part in old {
                    if !new.contains(&part) {
                        new.push(part);
                    }
                }
                Field::Union(new, separator)
            }
            (new, _) => new,
        }
    }

    fn text(&self) -> String {
        match self {
            Field::Newest(text) => text.clone(),
            Field::Worst(Volatility::Immutable) => "immutable".to_owned(),
            Field::Worst(Volatility::Stable) => "stable".to_owned(),
            Field::Worst(Volatility::Volatile) => "volatile".to_owned(),
            Field::Union(parts, separator) => parts.join(separator),
        }
    }
}

fn merge(catalogs: &[Catalog], title: &str, rows: Rows) -> String {
    let mut merged: BTreeMap<String, (Vec<u32>, Vec<Field>)> = BTreeMap::new();
    for catalog in catalogs {
        let major = catalog.objects().server_version / 10_000;
        for Row { key, fields } in rows(catalog) {
            let (versions, known) = merged.entry(key).or_default();
            let mut older = std::mem::take(known).into_iter();
            *known = fields
                .into_iter()
                .map(|field| match older.next() {
                    Some(old) => field.with_older(old),
                    None => field,
                })
                .collect();
            versions.push(major);
        }
    }
    let mut text = format!("# Written by `vitrine snapshot`; tab separated: {title}.\n");
    for (versions, fields) in merged.values() {
        let fields: Vec<String> = fields.iter().map(Field::text).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\t{}", ranges(versions), fields.join("\t"));
    }
    text
}

/// `13-15,18`.
fn ranges(versions: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for version in versions {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *version => *last = *version,
            _ => runs.push((*version, *version)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    runs.join(",")
}

fn builtin<T>(objects: &[T], origin: impl Fn(&T) -> &Origin) -> impl Iterator<Item = &T> {
    objects.iter().filter(move |object| *origin(object) == Origin::Builtin)
}

fn newest(text: impl Into<String>) -> Field {
    Field::Newest(text.into())
}

/// A name without `pg_catalog`.
fn short(schema: &str, name: &str) -> String {
    if schema == "pg_catalog" { name.to_owned() } else { format!("{schema}.{name}") }
}

fn type_name(catalog: &Catalog, oid: Oid) -> String {
    catalog.type_of(oid).map_or_else(|| "-".to_owned(), |found| short(&found.schema, &found.name))
}

fn type_names(catalog: &Catalog, oids: &[Oid]) -> Vec<String> {
    oids.iter().map(|oid| type_name(catalog, *oid)).collect()
}

fn signature(catalog: &Catalog, function: &Function) -> String {
    let arguments = type_names(catalog, &function.arguments).join(",");
    format!("{}({arguments})", short(&function.schema, &function.name))
}

fn function_name(catalog: &Catalog, oid: Oid) -> String {
    catalog.function(oid).map_or_else(|| "-".to_owned(), |function| signature(catalog, function))
}

/// OIDs below this are written in PostgreSQL's own source and never change.
const FIXED_OIDS_END: Oid = 10_000;

fn types(catalog: &Catalog) -> Vec<Row> {
    let rows = builtin(&catalog.objects().types, |kind| &kind.origin).filter(|kind| &*kind.schema != "pg_toast");
    rows.map(|kind| type_row(catalog, kind)).collect()
}

fn type_row(catalog: &Catalog, kind: &Type) -> Row {
    let name = short(&kind.schema, &kind.name);
    let (sort, of) = match &kind.kind {
        TypeKind::Base => ("base", "-".to_owned()),
        TypeKind::Array(of) => ("array", type_name(catalog, *of)),
        TypeKind::Composite(of) => {
            let relation = catalog.relation(*of);
            ("composite", relation.map_or_else(|| "-".to_owned(), |found| short(&found.schema, &found.name)))
        }
        TypeKind::Domain { base, .. } => ("domain", type_name(catalog, *base)),
        TypeKind::Enum => ("enum", "-".to_owned()),
        TypeKind::Pseudo => ("pseudo", "-".to_owned()),
        TypeKind::Range(of) => ("range", type_name(catalog, *of)),
        TypeKind::Multirange(of) => ("multirange", type_name(catalog, *of)),
    };
    let oid = if kind.oid < FIXED_OIDS_END { kind.oid } else { 0 };
    let fields = vec![
        newest(oid.to_string()),
        newest(name.clone()),
        newest(sort),
        newest(kind.category),
        newest(if kind.preferred { "preferred" } else { "-" }),
        newest(of),
        newest(type_name(catalog, kind.array)),
    ];
    Row { key: name, fields }
}

fn functions(catalog: &Catalog) -> Vec<Row> {
    let row = |function: &Function| {
        let signature = signature(catalog, function);
        let kind = match function.kind {
            FunctionKind::Function => "function",
            FunctionKind::Aggregate => "aggregate",
            FunctionKind::Window => "window",
            FunctionKind::Procedure => "procedure",
        };
        let fields = vec![
            newest(signature.clone()),
            newest(type_name(catalog, function.returns)),
            newest(kind),
            Field::Worst(function.volatility),
            newest(&*function.language),
            newest(function.defaults.to_string()),
            newest(type_name(catalog, function.variadic.unwrap_or_default())),
            Field::Union(type_names(catalog, &function.columns), ","),
        ];
        Row { key: signature, fields }
    };
    builtin(&catalog.objects().functions, |function| &function.origin).map(row).collect()
}

fn operators(catalog: &Catalog) -> Vec<Row> {
    let mut rows = Vec::new();
    for operator in builtin(&catalog.objects().operators, |operator| &operator.origin) {
        let names = [operator.left, operator.right, operator.result].map(|oid| type_name(catalog, oid));
        let [left, right, result] = names;
        let key = format!("{} {left} {right}", operator.name);
        let function = function_name(catalog, operator.function);
        let fields = vec![newest(&*operator.name), newest(left), newest(right), newest(result), newest(function)];
        rows.push(Row { key, fields });
    }
    rows
}

fn casts(catalog: &Catalog) -> Vec<Row> {
    let mut rows = Vec::new();
    for cast in builtin(&catalog.objects().casts, |cast| &cast.origin) {
        let (source, target) = (type_name(catalog, cast.source), type_name(catalog, cast.target));
        let context = match cast.context {
            CastContext::Explicit => "explicit",
            CastContext::Assignment => "assignment",
            CastContext::Implicit => "implicit",
        };
        let key = format!("{source} {target}");
        let function = function_name(catalog, cast.function);
        rows.push(Row { key, fields: vec![newest(source), newest(target), newest(context), newest(function)] });
    }
    rows
}

fn readable(catalog: &Catalog) -> impl Iterator<Item = &Relation> {
    let kinds = [RelationKind::Table, RelationKind::View, RelationKind::Composite];
    builtin(&catalog.objects().relations, |relation| &relation.origin)
        .filter(move |relation| kinds.contains(&relation.kind) && &*relation.schema != "pg_toast")
}

fn relations(catalog: &Catalog) -> Vec<Row> {
    let row = |relation: &Relation| {
        let name = short(&relation.schema, &relation.name);
        let kind = match relation.kind {
            RelationKind::View => "view",
            RelationKind::Composite => "composite",
            RelationKind::Table
            | RelationKind::Partitioned
            | RelationKind::MaterializedView
            | RelationKind::Foreign
            | RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::Index => "table",
        };
        let columns = relation.columns.iter();
        let columns = columns.map(|column| format!("{} {}", column.name, type_name(catalog, column.type_oid)));
        Row { key: name.clone(), fields: vec![newest(name), newest(kind), Field::Union(columns.collect(), ",")] }
    };
    readable(catalog).map(row).collect()
}

fn views(catalog: &Catalog) -> Vec<Row> {
    let mut rows = Vec::new();
    for relation in readable(catalog) {
        let Some(uses) = &relation.view else { continue };
        let reads = uses.relations.iter().filter_map(|oid| catalog.relation(*oid));
        let reads = reads.map(|found| short(&found.schema, &found.name)).collect();
        let operators = uses.operators.iter().filter_map(|oid| catalog.operator(*oid));
        let calls = uses.functions.iter().copied().chain(operators.map(|operator| operator.function));
        let mut calls: Vec<String> = calls.map(|oid| function_name(catalog, oid)).collect();
        calls.sort_unstable();
        calls.dedup();
        let name = short(&relation.schema, &relation.name);
        let fields = vec![newest(name.clone()), Field::Union(reads, " "), Field::Union(calls, " ")];
        rows.push(Row { key: name, fields });
    }
    rows
}
