//! What the text alone tells of the types of values: terms that `policy` works out with a catalog, so that it can tell
//! which of several functions of one name PostgreSQL would choose.
//!
//! **Architecture invariant:** a term says nothing that could be wrong. Whatever is not certain is [`Term::Unclear`].

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Term {
    /// Nothing is known.
    #[default]
    Unclear,
    /// A literal without a type of its own: a string or NULL.
    Literal,
    /// $n.
    Parameter(u16),
    /// One of PostgreSQL's own, by its name in `pg_catalog`.
    Own(&'static str),
    /// An entry of [`Typing::terms`].
    Derived(u32),
}

/// How a type follows from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derived {
    /// The type of that name, or the array over it.
    Named { schema: Option<String>, name: String, array: bool },
    /// The column that the name alone means at that place: an entry of [`Typing::sights`].
    Column { sight: u32, name: String },
    /// A column of one FROM item: an entry of [`Typing::shapes`].
    Field { shape: u32, name: String },
    /// What a call returns.
    Call { schema: Option<String>, name: String, arguments: Box<[Term]> },
    /// What an operator gives, by its operands.
    Operation { schema: Option<String>, name: String, operands: Box<[Term]> },
    /// NULLIF: the left operand as the operator takes it.
    NullIf { schema: Option<String>, name: String, operands: [Term; 2] },
    /// What several values become together: CASE, COALESCE, VALUES, UNION, ARRAY.
    Common(Box<[Term]>),
    /// The same, and text for a literal: a column of a subquery.
    Settled(Term),
    /// The same without domains, and text for a literal.
    Base(Term),
    /// The same, unless it is a parameter without a declared type: such a one takes its type where it is first used.
    Shared(Term),
    /// The array over it.
    ArrayOf(Term),
    /// An element of it.
    ElementOf(Term),
}

/// The columns of a FROM item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// It may have any.
    Unknown,
    /// Those of an entry of `Uses::relations`.
    Relation(usize),
    /// These.
    Columns(Box<[Output]>),
    /// A function that returns this: one column, provided that it is a plain value. `named`: a list of column names gives
    /// it its name.
    Value { name: String, named: bool, value: Term, ordinality: Option<String> },
}

/// One entry of a target list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A column; the text may not show its name.
    Column { name: Option<String>, value: Term },
    /// All columns of these FROM items.
    All(Box<[u32]>),
    /// Any number of any columns.
    Unclear,
}

/// The FROM items whose columns a name alone can mean at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Entries of [`Typing::shapes`].
    pub shapes: Box<[u32]>,
    /// Where to look when none of them has it.
    pub outer: Option<u32>,
}

/// The types of one call's arguments or one operator's operands; `None` where they are not known at all.
pub type Site = Option<Box<[Term]>>;

/// All that is known of a statement's types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typing {
    /// Each refers to earlier ones only, but for the columns of recursive queries.
    pub terms: Vec<Derived>,
    pub shapes: Vec<Shape>,
    pub sights: Vec<Sight>,
    /// For each entry of `Uses::functions` every way in which it is called.
    pub calls: Vec<Vec<Site>>,
    /// For each entry of `Uses::operators` the same.
    pub operations: Vec<Vec<Site>>,
    /// How often each parameter stands in the text: $1 first.
    pub parameters: Vec<u32>,
    /// Something was left out: nothing can be ruled out by types.
    pub incomplete: bool,
}
