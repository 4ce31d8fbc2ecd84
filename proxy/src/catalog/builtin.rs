//! PostgreSQL's own objects, from a snapshot of real servers (13 to 18) that `vitrine snapshot` wrote.
//!
//! Each line says which versions have the object. Where versions differ the worst volatility counts, so that what is
//! harmless here is harmless in every version.

use std::collections::HashMap;
use std::str::Split;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use super::object::{
    Cast, CastContext, Column, Function, FunctionKind, Oid, Operator, Origin, Relation, RelationKind, TreeUses, Type,
    TypeKind, Volatility,
};
use super::{Catalog, Knowledge, Objects};

/// The merged snapshot, read once.
#[must_use]
pub fn builtin() -> Arc<Catalog> {
    static BUILTIN: OnceLock<Arc<Catalog>> = OnceLock::new();
    let load = || {
        // A broken file leaves nothing known, so everything is refused; a test reads it.
        let objects = Reader::new().objects().unwrap_or_default();
        Arc::new(Catalog::new(objects, Knowledge::Offline))
    };
    Arc::clone(BUILTIN.get_or_init(load))
}

/// A line of the snapshot that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("built-in snapshot: {0}")]
pub(super) struct BadLine(String);

const TYPES: &str = include_str!("builtin/types.txt");
const FUNCTIONS: &str = include_str!("builtin/functions.txt");
const OPERATORS: &str = include_str!("builtin/operators.txt");
const CASTS: &str = include_str!("builtin/casts.txt");
const RELATIONS: &str = include_str!("builtin/relations.txt");
const VIEWS: &str = include_str!("builtin/views.txt");

/// OIDs that are not the same on every server are made up, from here on.
const INVENTED: Oid = 1_000_000;

struct Reader {
    words: HashMap<&'static str, Arc<str>>,
    types: HashMap<&'static str, Oid>,
    functions: HashMap<&'static str, Oid>,
    relations: HashMap<&'static str, Oid>,
    next: Oid,
}

impl Reader {
    fn new() -> Self {
        Self {
            words: HashMap::new(),
            types: HashMap::new(),
            functions: HashMap::new(),
            relations: HashMap::new(),
            next: INVENTED,
        }
    }

    fn objects(mut self) -> Result<Objects, BadLine> {
        self.number_names()?;
        let functions = lines(FUNCTIONS).map(|line| self.function(line)).collect::<Result<_, _>>()?;
        let operators = lines(OPERATORS).map(|line| self.operator(line)).collect::<Result<_, _>>()?;
        let casts = lines(CASTS).map(|line| self.cast(line)).collect::<Result<_, _>>()?;
        let mut views = HashMap::new();
        for line in lines(VIEWS) {
            let (oid, uses) = self.view(line)?;
            views.insert(oid, uses);
        }
        let relations = lines(RELATIONS).map(|line| self.relation(line, &mut views)).collect::<Result<_, _>>()?;
        let types = lines(TYPES).map(|line| self.kind(line)).collect::<Result<_, _>>()?;
        let schemas = ["information_schema", "pg_catalog", "pg_toast", "public"].map(Arc::from).to_vec();
        Ok(Objects { schemas, types, functions, operators, casts, relations, ..Objects::default() })
    }

    /// References go forward and back: every name gets its OID first.
    fn number_names(&mut self) -> Result<(), BadLine> {
        for line in lines(TYPES) {
            let mut fields = line.split('\t').skip(1);
            let oid = field(&mut fields, line)?.parse().unwrap_or_default();
            let name = field(&mut fields, line)?;
            let oid = if oid == 0 { self.invent() } else { oid };
            self.types.insert(name, oid);
        }
        for line in lines(FUNCTIONS) {
            let name = field(&mut line.split('\t').skip(1), line)?;
            let oid = self.invent();
            self.functions.insert(name, oid);
        }
        for line in lines(RELATIONS) {
            let name = field(&mut line.split('\t').skip(1), line)?;
            let oid = self.invent();
            self.relations.insert(name, oid);
        }
        Ok(())
    }

    fn invent(&mut self) -> Oid {
        self.next += 1;
        self.next
    }

    fn word(&mut self, text: &'static str) -> Arc<str> {
        Arc::clone(self.words.entry(text).or_insert_with(|| Arc::from(text)))
    }

    /// `name` in `pg_catalog`, or `schema.name`.
    fn qualified(&mut self, text: &'static str) -> (Arc<str>, Arc<str>) {
        match text.split_once('.') {
            Some((schema @ "information_schema", name)) => (self.word(schema), self.word(name)),
            _ => (self.word("pg_catalog"), self.word(text)),
        }
    }

    fn type_oid(&self, name: &str) -> Result<Oid, BadLine> {
        if name == "-" {
            return Ok(0);
        }
        self.types.get(name).copied().ok_or_else(|| BadLine(format!("type {name} is not defined")))
    }

    fn type_oids(&self, names: &str) -> Result<Box<[Oid]>, BadLine> {
        names.split(',').filter(|name| !name.is_empty()).map(|name| self.type_oid(name)).collect()
    }

    fn function_oid(&self, signature: &str) -> Result<Oid, BadLine> {
        if signature == "-" {
            return Ok(0);
        }
        self.functions.get(signature).copied().ok_or_else(|| BadLine(format!("function {signature} is not defined")))
    }

    fn kind(&mut self, line: &'static str) -> Result<Type, BadLine> {
        let mut fields = line.split('\t').skip(2);
        let full_name = field(&mut fields, line)?;
        let kind = field(&mut fields, line)?;
        let category = field(&mut fields, line)?.chars().next().unwrap_or('X');
        let preferred = field(&mut fields, line)? == "preferred";
        let of = field(&mut fields, line)?;
        let array = self.type_oid(field(&mut fields, line)?)?;
        let kind = match kind {
            "base" => TypeKind::Base,
            "array" => TypeKind::Array(self.type_oid(of)?),
            "composite" => TypeKind::Composite(self.relations.get(of).copied().unwrap_or_default()),
            "domain" => TypeKind::Domain { base: self.type_oid(of)?, checks: TreeUses::default() },
            "enum" => TypeKind::Enum,
            "pseudo" => TypeKind::Pseudo,
            "range" => TypeKind::Range(self.type_oid(of)?),
            "multirange" => TypeKind::Multirange(self.type_oid(of)?),
            _ => return Err(BadLine(line.to_owned())),
        };
        let (schema, name) = self.qualified(full_name);
        Ok(Type {
            oid: self.type_oid(full_name)?,
            schema,
            name,
            origin: Origin::Builtin,
            kind,
            category,
            preferred,
            array,
            input: Box::default(),
            output: Box::default(),
        })
    }

    fn function(&mut self, line: &'static str) -> Result<Function, BadLine> {
        let bad = || BadLine(line.to_owned());
        let mut fields = line.split('\t').skip(1);
        let signature = field(&mut fields, line)?;
        let returns = self.type_oid(field(&mut fields, line)?)?;
        let kind = match field(&mut fields, line)? {
            "function" => FunctionKind::Function,
            "aggregate" => FunctionKind::Aggregate,
            "window" => FunctionKind::Window,
            "procedure" => FunctionKind::Procedure,
            _ => return Err(bad()),
        };
        let volatility = match field(&mut fields, line)? {
            "immutable" => Volatility::Immutable,
            "stable" => Volatility::Stable,
            "volatile" => Volatility::Volatile,
            _ => return Err(bad()),
        };
        let language = self.word(field(&mut fields, line)?);
        let defaults = field(&mut fields, line)?.parse().map_err(|_| bad())?;
        let variadic = self.type_oid(field(&mut fields, line)?)?;
        let columns = self.type_oids(field(&mut fields, line)?)?;
        let (name, arguments) = signature.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(bad)?;
        let oid = self.function_oid(signature)?;
        let (schema, name) = self.qualified(name);
        Ok(Function {
            oid,
            schema,
            name,
            origin: Origin::Builtin,
            kind,
            volatility,
            language,
            security_definer: false,
            arguments: self.type_oids(arguments)?,
            defaults,
            variadic: (variadic != 0).then_some(variadic),
            returns,
            columns,
            parts: Box::default(),
            states: Box::default(),
            words: Box::default(),
        })
    }

    fn operator(&mut self, line: &'static str) -> Result<Operator, BadLine> {
        let mut fields = line.split('\t').skip(1);
        let name = self.word(field(&mut fields, line)?);
        Ok(Operator {
            oid: self.invent(),
            schema: self.word("pg_catalog"),
            name,
            origin: Origin::Builtin,
            left: self.type_oid(field(&mut fields, line)?)?,
            right: self.type_oid(field(&mut fields, line)?)?,
            result: self.type_oid(field(&mut fields, line)?)?,
            function: self.function_oid(field(&mut fields, line)?)?,
            linked: Box::default(),
        })
    }

    fn cast(&mut self, line: &'static str) -> Result<Cast, BadLine> {
        let mut fields = line.split('\t').skip(1);
        Ok(Cast {
            origin: Origin::Builtin,
            source: self.type_oid(field(&mut fields, line)?)?,
            target: self.type_oid(field(&mut fields, line)?)?,
            context: match field(&mut fields, line)? {
                "explicit" => CastContext::Explicit,
                "assignment" => CastContext::Assignment,
                "implicit" => CastContext::Implicit,
                _ => return Err(BadLine(line.to_owned())),
            },
            function: self.function_oid(field(&mut fields, line)?)?,
        })
    }

    fn relation(&mut self, line: &'static str, views: &mut HashMap<Oid, TreeUses>) -> Result<Relation, BadLine> {
        let mut fields = line.split('\t').skip(1);
        let full_name = field(&mut fields, line)?;
        let kind = match field(&mut fields, line)? {
            "table" => RelationKind::Table,
            "view" => RelationKind::View,
            "composite" => RelationKind::Composite,
            _ => return Err(BadLine(line.to_owned())),
        };
        let mut columns = Vec::new();
        for column in field(&mut fields, line)?.split(',').filter(|text| !text.is_empty()) {
            let (name, type_name) = column.split_once(' ').ok_or_else(|| BadLine(line.to_owned()))?;
            columns.push(Column { name: name.into(), type_oid: self.type_oid(type_name)? });
        }
        let oid = self.relations.get(full_name).copied().unwrap_or_default();
        let (schema, name) = self.qualified(full_name);
        Ok(Relation {
            oid,
            schema,
            name,
            origin: Origin::Builtin,
            kind,
            row_type: self.types.get(full_name).copied().unwrap_or_default(),
            columns: columns.into(),
            children: Box::default(),
            parents: Box::default(),
            row_security: false,
            view: views.remove(&oid).map(Box::new),
            implied: None,
            searches: Box::default(),
        })
    }

    fn view(&mut self, line: &'static str) -> Result<(Oid, TreeUses), BadLine> {
        let mut fields = line.split('\t').skip(1);
        let name = field(&mut fields, line)?;
        let mut uses = TreeUses::default();
        for relation in field(&mut fields, line)?.split(' ').filter(|text| !text.is_empty()) {
            let oid = self.relations.get(relation).copied();
            uses.relations.push(oid.ok_or_else(|| BadLine(format!("relation {relation} is not defined")))?);
        }
        for function in field(&mut fields, line)?.split(' ').filter(|text| !text.is_empty()) {
            uses.functions.push(self.function_oid(function)?);
        }
        Ok((self.relations.get(name).copied().unwrap_or_default(), uses))
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn field(fields: &mut std::iter::Skip<Split<'static, char>>, line: &str) -> Result<&'static str, BadLine> {
    fields.next().ok_or_else(|| BadLine(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_reads_without_a_fault() {
        let objects = Reader::new().objects().unwrap();
        assert!(objects.functions.len() > 3000 && objects.operators.len() > 800 && objects.relations.len() > 200);
        let catalog = builtin();
        let lower = catalog.functions("lower").find(|function| catalog.type_name(function.returns) == "text").unwrap();
        assert_eq!(catalog.signature(lower), "pg_catalog.lower(text)");
        let locks = catalog.relations("pg_locks").next().unwrap();
        assert_eq!(locks.view.as_ref().unwrap().functions.len(), 1);
    }

    #[test]
    fn fixed_type_oids_are_kept() {
        assert_eq!(&*builtin().type_of(23).unwrap().name, "int4");
        assert_eq!(&*builtin().type_of(5077).unwrap().name, "anycompatible");
    }
}
