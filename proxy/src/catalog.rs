//! A snapshot of a database's own catalog: what names could mean. Plain data, no connection.
//!
//! **Architecture invariant:** nothing in here decides; it answers what exists. What is harmless, `policy` says.

mod builtin;
mod object;
mod snapshot;
mod tree;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub use builtin::builtin;
pub use object::{
    Cast, CastContext, Column, FIRST_USER_OID, Function, FunctionKind, Oid, Operator, OperatorClass, Origin, Relation,
    RelationKind, Search, TreeUses, Type, TypeKind, Volatility,
};
pub use snapshot::render as render_snapshot;
pub use tree::{UnreadableTree, read_constants, read_tree};

/// How much a catalog knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Knowledge {
    /// Loaded from a server: a name it does not hold does not exist.
    Live,
    /// PostgreSQL's own objects only; any other relation is taken for a plain table (`vitrine check` without a server).
    Offline,
    /// PostgreSQL's own objects only, and the database may hold anything besides: only names qualified with
    /// `pg_catalog` are certain.
    Unavailable,
}

/// Everything a catalog is built from.
#[derive(Debug, Clone, Default, Hash)]
pub struct Objects {
    pub database: String,
    /// `server_version_num`; zero for a merge of several versions.
    pub server_version: u32,
    /// `server_encoding`; empty where no server was asked.
    pub encoding: String,
    pub schemas: Vec<Arc<str>>,
    pub extensions: Vec<Arc<str>>,
    pub types: Vec<Type>,
    pub functions: Vec<Function>,
    pub operators: Vec<Operator>,
    pub casts: Vec<Cast>,
    pub relations: Vec<Relation>,
    pub operator_classes: Vec<OperatorClass>,
}

type ByName = HashMap<Arc<str>, Vec<usize>>;
type ByOid = HashMap<Oid, usize>;

/// The snapshot, with its indexes.
#[derive(Debug)]
pub struct Catalog {
    version: u64,
    knowledge: Knowledge,
    objects: Objects,
    functions_by_name: ByName,
    functions_by_oid: ByOid,
    operators_by_name: ByName,
    operators_by_oid: ByOid,
    types_by_name: ByName,
    types_by_oid: ByOid,
    relations_by_name: ByName,
    relations_by_oid: ByOid,
    casts_by_source: HashMap<Oid, Vec<usize>>,
    /// Casts and operator classes that did not come with PostgreSQL.
    foreign_casts: Vec<usize>,
}

impl Catalog {
    /// Indexes the objects. The version is a hash of them all: the same content gives the same version.
    #[must_use]
    pub fn new(objects: Objects, knowledge: Knowledge) -> Self {
        let mut hasher = DefaultHasher::new();
        objects.hash(&mut hasher);
        knowledge.hash(&mut hasher);
        let mut casts_by_source: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (index, cast) in objects.casts.iter().enumerate() {
            casts_by_source.entry(cast.source).or_default().push(index);
        }
        let foreign = |(index, cast): (usize, &Cast)| (cast.origin != Origin::Builtin).then_some(index);
        Self {
            version: hasher.finish(),
            knowledge,
            functions_by_name: by_name(&objects.functions, |function| &function.name),
            functions_by_oid: by_oid(&objects.functions, |function| function.oid),
            operators_by_name: by_name(&objects.operators, |operator| &operator.name),
            operators_by_oid: by_oid(&objects.operators, |operator| operator.oid),
            types_by_name: by_name(&objects.types, |kind| &kind.name),
            types_by_oid: by_oid(&objects.types, |kind| kind.oid),
            relations_by_name: by_name(&objects.relations, |relation| &relation.name),
            relations_by_oid: by_oid(&objects.relations, |relation| relation.oid),
            foreign_casts: objects.casts.iter().enumerate().filter_map(foreign).collect(),
            casts_by_source,
            objects,
        }
    }

    /// PostgreSQL's own objects, for a gateway that has no fresh snapshot: nearly everything is refused.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(builtin().objects.clone(), Knowledge::Unavailable)
    }

    /// Equal for equal content.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How far a missing name can be trusted to be missing.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    /// Everything, for listings.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Name of the database it was loaded from; empty for PostgreSQL's own.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.objects.database
    }

    /// Whether names have the same letters and the same length in the database as in what clients send.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        matches!(self.objects.encoding.as_str(), "" | "UTF8")
    }

    /// Whether a schema of that name exists.
    #[must_use]
    pub fn has_schema(&self, name: &str) -> bool {
        self.objects.schemas.iter().any(|schema| &**schema == name)
    }

    /// All functions of that name, in every schema.
    pub fn functions(&self, name: &str) -> impl Iterator<Item = &Function> {
        found(&self.functions_by_name, &self.objects.functions, name)
    }

    /// The function with that OID.
    #[must_use]
    pub fn function(&self, oid: Oid) -> Option<&Function> {
        self.objects.functions.get(*self.functions_by_oid.get(&oid)?)
    }

    /// All operators of that name, in every schema.
    pub fn operators(&self, name: &str) -> impl Iterator<Item = &Operator> {
        found(&self.operators_by_name, &self.objects.operators, name)
    }

    /// The operator with that OID.
    #[must_use]
    pub fn operator(&self, oid: Oid) -> Option<&Operator> {
        self.objects.operators.get(*self.operators_by_oid.get(&oid)?)
    }

    /// All types of that name, in every schema.
    pub fn types(&self, name: &str) -> impl Iterator<Item = &Type> {
        found(&self.types_by_name, &self.objects.types, name)
    }

    /// The type with that OID.
    #[must_use]
    pub fn type_of(&self, oid: Oid) -> Option<&Type> {
        self.objects.types.get(*self.types_by_oid.get(&oid)?)
    }

    /// All relations of that name, in every schema.
    pub fn relations(&self, name: &str) -> impl Iterator<Item = &Relation> {
        found(&self.relations_by_name, &self.objects.relations, name)
    }

    /// The relation with that OID.
    #[must_use]
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.objects.relations.get(*self.relations_by_oid.get(&oid)?)
    }

    /// Casts from that type.
    pub fn casts_from(&self, source: Oid) -> impl Iterator<Item = &Cast> {
        let indexes = self.casts_by_source.get(&source).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.objects.casts.get(*index))
    }

    /// Casts that did not come with PostgreSQL.
    pub fn added_casts(&self) -> impl Iterator<Item = &Cast> {
        self.foreign_casts.iter().filter_map(|index| self.objects.casts.get(*index))
    }

    /// Operator classes that did not come with PostgreSQL and are used without being named.
    #[must_use]
    pub fn operator_classes(&self) -> &[OperatorClass] {
        &self.objects.operator_classes
    }

    /// A type's name as PostgreSQL prints it (`format_type`): `pg_catalog` left out, arrays with brackets.
    #[must_use]
    pub fn type_name(&self, oid: Oid) -> String {
        match self.type_of(oid) {
            None => format!("type {oid}"),
            Some(Type { kind: TypeKind::Array(element), .. }) => format!("{}[]", self.type_name(*element)),
            Some(found) if &*found.schema == "pg_catalog" => standard(&found.name).to_owned(),
            Some(found) => format!("{}.{}", found.schema, found.name),
        }
    }

    /// `schema.name(types)`, the way a policy names a function; `pg_catalog` left out.
    #[must_use]
    pub fn signature(&self, function: &Function) -> String {
        let types: Vec<String> = function.arguments.iter().map(|oid| self.type_name(*oid)).collect();
        format!("{}.{}({})", function.schema, function.name, types.join(", "))
    }
}

/// The SQL standard's name of a type where `format_type` prints it.
fn standard(name: &str) -> &str {
    match name {
        "bool" => "boolean",
        "bpchar" => "character",
        "char" => "\"char\"",
        "float4" => "real",
        "float8" => "double precision",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "varbit" => "bit varying",
        "varchar" => "character varying",
        other => other,
    }
}

fn by_name<T>(objects: &[T], name: impl Fn(&T) -> &Arc<str>) -> ByName {
    let mut names = ByName::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        names.entry(Arc::clone(name(object))).or_default().push(index);
    }
    names
}

fn by_oid<T>(objects: &[T], oid: impl Fn(&T) -> Oid) -> ByOid {
    objects.iter().enumerate().map(|(index, object)| (oid(object), index)).collect()
}

fn found<'a, T>(names: &'a ByName, objects: &'a [T], name: &str) -> impl Iterator<Item = &'a T> {
    let indexes = names.get(name).map(Vec::as_slice).unwrap_or_default();
    indexes.iter().filter_map(|index| objects.get(*index))
}
