//! What a statement is, and what it reads and calls: plain values, independent of either reader's tree.

use std::ops::Range;
use std::sync::Arc;

use super::typing::Typing;

/// One statement of a text, as PostgreSQL's grammar sees it. All positions are byte offsets into the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is. Kinds that are not listed there never become a `Statement`: reading fails with a `Denial`.
    pub kind: Kind,
    /// Where the statement's own text lies, without the semicolon that ends it.
    pub span: Range<usize>,
    /// Everything it reads, calls and names.
    pub uses: Uses,
}

/// The kinds of statement that can be permitted at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// SELECT, VALUES, TABLE, WITH … SELECT.
    Select,
    /// INSERT, UPDATE or DELETE, with WITH and RETURNING: in the insight store alone.
    Modify { action: Modification, returning: bool },
    /// COPY table FROM STDIN: in the insight store alone. `target` is where the table's name stands in the text.
    CopyFromStdin { target: Range<usize> },
    /// EXPLAIN of another permitted kind (`Select`, `Modify`, `DeclareCursor` or `Execute`); `costs` shows estimates.
    Explain { analyze: bool, generic_plan: bool, costs: bool, inner: Box<Kind> },
    /// COPY (query) TO STDOUT or COPY table TO STDOUT.
    CopyToStdout,
    /// SHOW name; `all` for SHOW ALL; lower case as PostgreSQL folds it.
    Show { name: String },
    /// SET name = values (also SET TIME ZONE, SET NAMES, SET SCHEMA, under their setting's name).
    Set { name: String, scope: SetScope, value: SetValue },
    /// SET TRANSACTION modes.
    SetTransaction(TransactionModes),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION modes.
    SetSessionCharacteristics(TransactionModes),
    /// RESET name.
    Reset { name: String },
    /// RESET ALL.
    ResetAll,
    /// BEGIN or START TRANSACTION.
    Begin { start: bool, modes: TransactionModes },
    /// COMMIT or END.
    Commit { chain: bool },
    /// ROLLBACK or ABORT.
    Rollback { chain: bool },
    /// SAVEPOINT name.
    Savepoint { name: String },
    /// RELEASE SAVEPOINT name.
    Release { name: String },
    /// ROLLBACK TO SAVEPOINT name.
    RollbackTo { name: String },
    /// DECLARE name CURSOR FOR query.
    DeclareCursor { name: String, hold: bool },
    /// FETCH or MOVE from a cursor.
    Fetch { name: String, is_move: bool },
    /// CLOSE name; `None` for CLOSE ALL.
    ClosePortal { name: Option<String> },
    /// PREPARE name (types) AS statement: `inner` was read in full, `uses` holds what it reads, `body` is its text's span.
    Prepare { name: String, inner: Box<Kind>, body: Range<usize> },
    /// EXECUTE name (arguments).
    Execute { name: String },
    /// DEALLOCATE name; `None` for DEALLOCATE ALL.
    Deallocate { name: Option<String> },
    /// DISCARD ALL, PLANS, SEQUENCES, TEMP.
    Discard(DiscardTarget),
    /// UNLISTEN name; `None` for UNLISTEN *.
    Unlisten { name: Option<String> },
}

/// What is done to rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Modification {
    Insert,
    Update,
    Delete,
}

/// SET or SET SESSION against SET LOCAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetScope {
    Session,
    Local,
}

/// The right side of SET.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetValue {
    /// TO DEFAULT.
    Default,
    /// One or more constants, unquoted and unescaped, in order. `SET search_path = a, 'B'` is `["a", "B"]`.
    /// Numbers keep their spelling, booleans are `on`/`off`/`true`/… as written,
    /// `SET TIME ZONE INTERVAL '…'` is refused by the reader with [`super::Rule::Setting`].
    List(Vec<String>),
}

/// Transaction modes of BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TransactionModes {
    pub isolation: Option<IsolationLevel>,
    pub read_only: bool,
    /// Where READ WRITE stands. The policy decides on it; to a customer database the words never go.
    pub read_write: Option<usize>,
    pub deferrable: Option<bool>,
    /// SET TRANSACTION SNAPSHOT 'id'.
    pub snapshot: Option<String>,
}

/// <https://www.postgresql.org/docs/current/transaction-iso.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// What DISCARD drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiscardTarget {
    All,
    Plans,
    Sequences,
    Temp,
}

/// Everything one statement reads, calls and names. Names are folded as PostgreSQL folds them (unquoted: lower case;
/// quoted and U&"" ones: decoded) and cut at 63 bytes as PostgreSQL cuts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Relations named, common table expressions excluded by PostgreSQL's own scoping rules: all that are read, and the
    /// targets of `writes`.
    pub relations: Vec<RelationRef>,
    /// What is written; empty for whatever a customer database may be asked.
    pub writes: Vec<WriteRef>,
    /// Rows are locked: FOR UPDATE and its weaker forms. Never for a customer database.
    pub locks: bool,
    /// Functions, aggregates and window functions called by name, wherever they stand.
    pub functions: Vec<FunctionRef>,
    /// Operators used: written ones, those of BETWEEN, IN, LIKE, SIMILAR TO, DISTINCT FROM, NULLIF, ANY/ALL, row comparison,
    /// ORDER BY … USING, and the implied `=`/`<` of JOIN USING, NATURAL, simple CASE, GROUP BY, DISTINCT, ORDER BY, UNION …
    pub operators: Vec<OperatorRef>,
    /// Types named: casts, column definition lists, typed literals, PREPARE's types, JSON RETURNING …
    pub types: Vec<TypeRef>,
    /// Column references and attribute selections with something before the dot: each may be a function call.
    pub fields: Vec<FieldRef>,
    /// Keywords that stand for a value of the session: `current_date`, `current_user`, `localtimestamp` …, lower case.
    pub value_functions: Vec<&'static str>,
    /// Collations named by COLLATE, as (schema, name).
    pub collations: Vec<(Option<String>, String)>,
    /// Settings assigned by `set_config` in a SELECT of nothing else; empty when any call of it is not of that form.
    pub assignments: Vec<Assignment>,
    /// Highest $n; zero for none. `parameter_position` is where the first one stands.
    pub parameter_max: u16,
    pub parameter_position: Option<usize>,
    /// Words that are grammar to the version of PostgreSQL that is read here, and calls of functions to older ones.
    pub words: Vec<&'static str>,
    /// An alias gives the columns of a relation or join other names.
    pub renames_columns: bool,
    /// TABLESAMPLE without REPEATABLE stands somewhere.
    pub unrepeatable_sample: bool,
    /// The row of a FROM item may be a value: its name stands alone, or with `.*` inside of an expression.
    pub whole_rows: bool,
    /// Columns that a star stands for may be sorted, made distinct, compared or renamed by their places: their names need
    /// not stand in the text.
    pub compares_by_place: bool,
    /// Every call that takes a type's name as text has it as a constant, and `types` holds it.
    pub types_of_input: bool,
    /// What the text tells of types.
    pub typing: Arc<Typing>,
    /// A string constant holds a word that dates read as the present: `now`, `today`, `tomorrow`, `yesterday`.
    pub says_now: bool,
    /// A column is named that shows transactions under way: see [`shows_writers`].
    pub shows_writers: bool,
    /// What each named type makes a value of, in no order.
    pub conversions: Vec<Conversion>,
    /// Names that target lists give to values.
    pub aliases: Vec<String>,
}

/// A value turned into one of a named type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conversion {
    /// The type's name, without its schema.
    pub type_name: String,
    pub of: ConversionSource,
}

/// What a conversion is made of, as far as the text alone tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConversionSource {
    Constant,
    Parameter,
    /// A column of this name.
    Column(String),
    /// The answer of a function of this name.
    Call(String),
    /// A value of the type of that name.
    Type(String),
    /// Anything else, and columns whose type stands in a list.
    Other,
}

/// Whether a text holds a word that the input functions of dates and times read as the present.
///
/// <https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-SPECIAL-VALUES>
#[must_use]
pub fn says_now(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    text.split(|byte| !byte.is_ascii_alphabetic())
        .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a name is that of a column of the system which another transaction changes before it ends, and VACUUM without
/// one.
///
/// <https://www.postgresql.org/docs/current/ddl-system-columns.html>
#[must_use]
pub(super) fn shows_writers(name: &str) -> bool {
    matches!(name, "xmax" | "cmin" | "cmax")
}

/// `set_config(name, value, is_local)` where it runs exactly once, as SET does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The setting, lower case.
    pub name: String,
    pub value: Assigned,
    pub scope: SetScope,
}

/// What is assigned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Assigned {
    /// NULL: back to the default.
    Default,
    /// This text, in the setting's own syntax: `search_path` takes a list in one text.
    Text(String),
    /// The text bound to $n.
    Parameter(u16),
}

/// A relation in FROM, in TABLE, in COPY.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationRef {
    /// `db` of db.schema.name.
    pub database: Option<String>,
    pub schema: Option<String>,
    pub name: String,
    pub only: bool,
    pub position: Option<usize>,
}

/// A relation whose rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteRef {
    /// Index into [`Uses::relations`].
    pub relation: usize,
    pub action: Modification,
}

/// A call by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    pub schema: Option<String>,
    pub name: String,
    /// Number of arguments as a signature counts them: direct and WITHIN GROUP (ORDER BY …) ones together; `f(*)` is 0.
    pub arguments: u16,
    /// The last argument is marked VARIADIC.
    pub variadic: bool,
    /// Any argument is named (`f(a => 1)`): defaults may fill the rest.
    pub named: bool,
    pub position: Option<usize>,
}

/// An operator by name; `arguments` is 1 for prefix and 2 for infix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperatorRef {
    pub schema: Option<String>,
    pub name: String,
    pub arguments: u8,
    /// Sorting, grouping or comparing implies it: PostgreSQL takes it from the type's default operator class, never by
    /// its name.
    pub by_class: bool,
    pub position: Option<usize>,
}

/// A type by name, without modifiers; SQL's spellings come as PostgreSQL's grammar gives them (`pg_catalog.int4`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeRef {
    pub schema: Option<String>,
    pub name: String,
    pub array: bool,
    pub position: Option<usize>,
}

/// `something.name` where PostgreSQL may read `name(something)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldRef {
    pub name: String,
    pub source: FieldSource,
    pub position: Option<usize>,
}

/// What stands before the dot of a [`FieldRef`], as far as scoping alone can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldSource {
    /// An alias or name of one relation: index into [`Uses::relations`]. The alias carries no column aliases.
    Relation(usize),
    /// An alias of a subquery, CTE, VALUES, join, function or relation with column aliases, whose visible column
    /// names are all known and include `name`: surely a column.
    Column,
    /// Anything else: an expression in parentheses, a row of unknown shape, an alias the walk could not resolve.
    Unknown,
}
