//! The objects of a catalog: plain values, linked by OID as PostgreSQL links them.
//!
//! <https://www.postgresql.org/docs/current/catalogs.html>

use std::sync::Arc;

/// PostgreSQL's object identifier; zero means none.
pub type Oid = u32;

/// The first OID that belongs to the user; everything below came with `initdb`.
pub const FIRST_USER_OID: Oid = 16384;

/// Who made an object: PostgreSQL itself, an extension, or the user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    Builtin,
    /// The extension's name.
    Extension(Arc<str>),
    User,
}

/// `pg_proc.provolatile`, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// `pg_proc.prokind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    Function,
    Aggregate,
    Window,
    Procedure,
}

/// A row of `pg_proc`, and for an aggregate of `pg_aggregate`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    pub oid: Oid,
    pub schema: Arc<str>,
    pub name: Arc<str>,
    pub origin: Origin,
    pub kind: FunctionKind,
    pub volatility: Volatility,
    pub language: Arc<str>,
    pub security_definer: bool,
    /// Input argument types, the variadic array included.
    pub arguments: Box<[Oid]>,
    /// How many of the last arguments have defaults.
    pub defaults: usize,
    /// Element type of the VARIADIC argument.
    pub variadic: Option<Oid>,
    pub returns: Oid,
    /// OUT and TABLE columns.
    pub columns: Box<[Oid]>,
    /// Aggregates: transition, final, combine, serial, deserial and moving functions.
    pub parts: Box<[Oid]>,
    /// Aggregates: the types of their states.
    pub states: Box<[Oid]>,
    /// Words and operators of a body that is text: what they mean is looked up when it runs, under the caller's
    /// search_path. Empty where the body is a parsed tree, machine code, or runs under a path of its own.
    pub words: Box<[Arc<str>]>,
}

impl Function {
    /// Whether a call with this many arguments can resolve to this function.
    #[must_use]
    pub fn takes(&self, count: usize, variadic_marked: bool) -> bool {
        let most = self.arguments.len();
        let least = most.saturating_sub(self.defaults);
        if (least..=most).contains(&count) {
            return true;
        }
        // `f(VARIADIC "any")` and expanded variadics take one element or more; with defaults before it, even fewer.
        self.variadic.is_some() && !variadic_marked && count + 1 >= least
    }

    /// The type at argument `index` when called with elements in place of a variadic array.
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<Oid> {
        match self.variadic {
            Some(element) if index + 1 >= self.arguments.len() => Some(element),
            _ => self.arguments.get(index).copied(),
        }
    }

    /// `schema.name`, as lists and reports spell it.
    #[must_use]
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// A row of `pg_operator`; `left` is zero for a prefix operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operator {
    pub oid: Oid,
    pub schema: Arc<str>,
    pub name: Arc<str>,
    pub origin: Origin,
    pub left: Oid,
    pub right: Oid,
    pub result: Oid,
    pub function: Oid,
    /// Functions of the user's own that can run in its place or beside it: of its negator and its commutator, and of the
    /// operator families that it belongs to.
    pub linked: Box<[Oid]>,
}

/// `pg_cast.castcontext`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// A row of `pg_cast`; `function` is zero for binary-coercible and I/O casts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cast {
    pub origin: Origin,
    pub source: Oid,
    pub target: Oid,
    pub function: Oid,
    pub context: CastContext,
}

/// What sort of type it is, with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypeKind {
    Base,
    /// An array whose elements are of this type.
    Array(Oid),
    /// The row type of this relation.
    Composite(Oid),
    Domain {
        base: Oid,
        checks: TreeUses,
    },
    Enum,
    Pseudo,
    Range(Oid),
    /// The multirange of this range type.
    Multirange(Oid),
}

/// A row of `pg_type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    pub oid: Oid,
    pub schema: Arc<str>,
    pub name: Arc<str>,
    pub origin: Origin,
    pub kind: TypeKind,
    /// `typcategory` and `typispreferred`: they steer which candidate an untyped literal picks.
    pub category: char,
    pub preferred: bool,
    /// The array over this type; zero for none.
    pub array: Oid,
    /// Input, receive, modifier input.
    pub input: Box<[Oid]>,
    /// Output, send, and the subscripting function.
    pub output: Box<[Oid]>,
}

/// `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    Sequence,
    Toast,
    Index,
    /// A free-standing composite type.
    Composite,
}

/// A column, dropped ones left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    pub name: Box<str>,
    pub type_oid: Oid,
}

/// A row of `pg_class` with what reading it implies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    pub oid: Oid,
    pub schema: Arc<str>,
    pub name: Arc<str>,
    pub origin: Origin,
    pub kind: RelationKind,
    pub row_type: Oid,
    pub columns: Box<[Column]>,
    /// Inheritance and partition children.
    pub children: Box<[Oid]>,
    /// Inheritance and partition parents.
    pub parents: Box<[Oid]>,
    /// Row security is on.
    pub row_security: bool,
    /// The view's definition.
    pub view: Option<Box<TreeUses>>,
    /// Row security policies that apply to reads, virtual generated columns, and the constants that planning folds in
    /// index predicates and CHECK constraints.
    pub implied: Option<Box<TreeUses>>,
    /// Indexes with operator classes of the user's own.
    pub searches: Box<[Search]>,
}

/// What a search in an index runs, and nothing else that reads the table: support functions of operator classes of the
/// user's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Search {
    /// The columns of the index. Only a condition on one of them leads to a search.
    pub columns: Box<[Box<str>]>,
    pub functions: Box<[Oid]>,
}

impl Relation {
    /// `schema.name`.
    #[must_use]
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// Functions of the user's own in an operator class: comparing values of `input`, with ones of `other` where that is not
/// zero, can run them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperatorClass {
    pub input: Oid,
    pub other: Oid,
    /// Only the bounds of a window frame run them.
    pub framing: bool,
    pub functions: Box<[Oid]>,
}

/// What a stored expression or query refers to, by OID, exactly as PostgreSQL resolved it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TreeUses {
    pub functions: Vec<Oid>,
    pub operators: Vec<Oid>,
    pub relations: Vec<Oid>,
    /// Types that values are coerced to.
    pub types: Vec<Oid>,
    /// Something in it could not be read: what it does is unknown.
    pub unreadable: bool,
    /// Its answer changes though no data does: it tells the time, reads text as a time, or takes a sample that cannot be
    /// repeated.
    pub unsteady: bool,
    /// Types of the user's own that values in it have.
    pub values: Vec<Oid>,
    /// It takes the greatest or least of several values: they are compared without an operator that is named.
    pub compares: bool,
}

impl TreeUses {
    /// Adds everything of `other`.
    pub fn absorb(&mut self, other: TreeUses) {
        self.functions.extend(other.functions);
        self.operators.extend(other.operators);
        self.relations.extend(other.relations);
        self.types.extend(other.types);
        self.unreadable |= other.unreadable;
        self.unsteady |= other.unsteady;
        self.values.extend(other.values);
        self.compares |= other.compares;
        let Self { functions, operators, relations, types, values, unreadable: _, unsteady: _, compares: _ } = self;
        for list in [functions, operators, relations, types, values] {
            list.sort_unstable();
            list.dedup();
        }
    }

    /// Nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.unreadable
            && !self.unsteady
            && !self.compares
            && self.functions.is_empty()
            && self.operators.is_empty()
            && self.relations.is_empty()
            && self.types.is_empty()
    }
}
