//! What the walk over PostgreSQL's tree carries along and collects.

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::Node;

use super::bomb::Size;
use super::columns;
use super::scope::Scope;
use super::typist::Typist;
use crate::sql::access::Access;
use crate::sql::denial::{Denial, Rule};
use crate::sql::limits::Limits;
use crate::sql::statement::{
    Conversion, FieldRef, FunctionRef, OperatorRef, RelationRef, TypeRef, Uses, shows_writers,
};
use crate::sql::typing::Site;
use crate::wire::sqlstate::SqlState;

/// What the second reader's findings are compared with, besides [`Uses`].
#[derive(Debug, Clone, Default)]
pub(in crate::sql) struct Witness {
    /// Functions that somebody wrote as a call.
    pub(in crate::sql) written: HashSet<(Option<String>, String)>,
    /// Functions that the grammar made of other syntax, `EXTRACT`, `AT TIME ZONE`, `ESCAPE` …
    pub(in crate::sql) implied: HashSet<String>,
    /// Constructs with a node of their own that look like a call: `coalesce`, `xmlelement`, `json_value` …
    pub(in crate::sql) constructs: HashSet<&'static str>,
    /// Names of common table expressions.
    pub(in crate::sql) ctes: HashSet<String>,
}

/// One statement's walk.
pub(super) struct Walk<'t> {
    pub(super) limits: &'t Limits,
    pub(super) access: Access,
    pub(super) uses: Uses,
    pub(super) witness: Witness,
    pub(super) scope: Scope<'t>,
    /// Sizes of the columns of subqueries that are built out of constants.
    pub(super) widths: HashMap<&'t str, u64>,
    /// Calls of `set_config`, wherever they stand.
    pub(super) config_calls: usize,
    /// Stars with a name before them that are no targets of their own.
    pub(super) stars: usize,
    /// A star is a target of its own somewhere.
    pub(super) star_targets: bool,
    /// Somewhere columns are sorted, made distinct, compared or renamed by their places alone.
    pub(super) by_place: bool,
    /// Calls that take a type's name as text, and those of them where it is a constant.
    pub(super) input_calls: usize,
    pub(super) input_calls_known: usize,
    pub(super) typist: Typist,
    pub(super) text: &'t str,
    depth: usize,
    relations: HashMap<RelationRef, usize>,
    functions: HashMap<FunctionRef, usize>,
    operators: HashMap<OperatorRef, usize>,
    types: HashSet<TypeRef>,
    fields: HashSet<FieldRef>,
    conversions: HashSet<Conversion>,
    aliases: HashSet<&'t str>,
}

/// Stack that one level of the walk may take, with a wide margin for a debug build.
const LEVEL_STACK_BYTES: usize = 64 << 10;
/// What is added when there is less.
const SEGMENT_STACK_BYTES: usize = 8 << 20;
/// Most FROM items of one SELECT, and most common table expressions in sight.
pub(super) const ITEMS_MAX: usize = 2_000;

impl<'t> Walk<'t> {
    pub(super) fn new(limits: &'t Limits, text: &'t str, access: Access) -> Self {
        Self {
            limits,
            access,
            uses: Uses::default(),
            witness: Witness::default(),
            scope: Scope::default(),
            widths: HashMap::new(),
            config_calls: 0,
            stars: 0,
            star_targets: false,
            by_place: false,
            input_calls: 0,
            input_calls_known: 0,
            typist: Typist::default(),
            text,
            depth: 0,
            relations: HashMap::new(),
            functions: HashMap::new(),
            operators: HashMap::new(),
            types: HashSet::new(),
            fields: HashSet::new(),
            conversions: HashSet::new(),
            aliases: HashSet::new(),
        }
    }

    /// Runs one level of the walk deeper, within the limit and on enough stack.
    pub(super) fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Result<T, Denial>) -> Result<T, Denial> {
        if self.depth >= self.limits.nesting_max {
            return Err(too_deep());
        }
        self.depth += 1;
        let outcome = stacker::maybe_grow(LEVEL_STACK_BYTES, SEGMENT_STACK_BYTES, || walk(self));
        self.depth -= 1;
        outcome
    }

    /// Records a relation; returns its place in [`Uses::relations`].
    pub(super) fn relation(&mut self, relation: RelationRef) -> usize {
        let position = relation.position;
        let key = RelationRef { position: None, ..relation };
        if let Some(&index) = self.relations.get(&key) {
            return index;
        }
        let index = self.uses.relations.len();
        self.uses.relations.push(RelationRef { position, ..key.clone() });
        self.relations.insert(key, index);
        index
    }

    /// Records a call; returns its place in [`Uses::functions`], for which the caller owes [`Typist::call`].
    #[must_use]
    pub(super) fn function(&mut self, function: FunctionRef) -> usize {
        let key = FunctionRef { position: None, ..function.clone() };
        let next = self.uses.functions.len();
        let index = *self.functions.entry(key).or_insert(next);
        if index == next {
            self.uses.functions.push(function);
        }
        index
    }

    /// Records an operator; `sites` is what is known of its operands' types, each way in which it is looked up.
    pub(super) fn operator(&mut self, operator: OperatorRef, sites: Vec<Site>) {
        let key = OperatorRef { position: None, ..operator.clone() };
        let next = self.uses.operators.len();
        let index = *self.operators.entry(key).or_insert(next);
        if index == next {
            self.uses.operators.push(operator);
        }
        sites.into_iter().for_each(|site| self.typist.operation(index, site));
    }

    /// Records an operator that syntax implies and PostgreSQL looks up by its name: `=` of USING.
    pub(super) fn implied_operator(&mut self, name: &str, sites: Vec<Site>, position: Option<usize>) {
        let name = name.to_owned();
        self.operator(OperatorRef { schema: None, name, arguments: 2, by_class: false, position }, sites);
    }

    /// Records the operators of a sort or a comparison, which PostgreSQL takes from the types' operator classes.
    pub(super) fn sorts(&mut self, position: Option<usize>) {
        for name in ["=", "<"] {
            let name = name.to_owned();
            self.operator(OperatorRef { schema: None, name, arguments: 2, by_class: true, position }, vec![None]);
        }
    }

    pub(super) fn named_type(&mut self, named: TypeRef) {
        let key = TypeRef { position: None, ..named.clone() };
        if self.types.insert(key) {
            self.uses.types.push(named);
        }
    }

    pub(super) fn field(&mut self, field: FieldRef) {
        self.uses.shows_writers |= shows_writers(&field.name);
        let key = FieldRef { position: None, ..field.clone() };
        if self.fields.insert(key) {
            self.uses.fields.push(field);
        }
    }

    /// Records a name that a target list gives.
    pub(super) fn alias(&mut self, name: &'t str) {
        if !name.is_empty() && self.aliases.insert(name) {
            self.uses.aliases.push(name.to_owned());
        }
    }

    pub(super) fn conversion(&mut self, conversion: Conversion) {
        if self.conversions.insert(conversion.clone()) {
            self.uses.conversions.push(conversion);
        }
    }

    pub(super) fn construct(&mut self, name: &'static str) {
        self.witness.constructs.insert(name);
        // Grammar since PostgreSQL 16 and 17.
        if name.starts_with("json") && !self.uses.words.contains(&name) {
            self.uses.words.push(name);
        }
    }

    /// Walks values that belong together; their sizes add up.
    pub(super) fn all(&mut self, nodes: &'t [Node]) -> Result<Size, Denial> {
        let mut sum = Size::NOTHING;
        for node in nodes {
            sum = sum.plus(self.expression(node)?);
        }
        Ok(sum)
    }

    /// Walks a value that may be absent.
    pub(super) fn maybe(&mut self, node: Option<&'t Node>) -> Result<Size, Denial> {
        node.map_or(Ok(Size::NOTHING), |node| self.expression(node))
    }
}

/// A byte offset out of a tree's location: below zero is none.
pub(super) fn place(location: i32) -> Option<usize> {
    usize::try_from(location).ok()
}

/// The node inside, which a parsed tree always has.
pub(super) fn inner(node: &Node) -> Result<&NodeEnum, Denial> {
    let Node { node } = node;
    node.as_ref().ok_or_else(|| unsupported("an empty node"))
}

/// The strings of a name in parts.
pub(super) fn strings(nodes: &[Node]) -> Result<Vec<&str>, Denial> {
    nodes.iter().map(string).collect()
}

/// The text of a String node.
pub(super) fn string(node: &Node) -> Result<&str, Denial> {
    columns::text(node).ok_or_else(|| unsupported("a name of this form"))
}

/// A name of one or two parts, the last of more: `catalog.schema.name` is PostgreSQL's to check.
pub(super) fn qualified<'n>(parts: &[&'n str]) -> Result<(Option<&'n str>, &'n str), Denial> {
    match parts {
        [name] => Ok((None, name)),
        [schema, name] | [_, schema, name] => Ok((Some(schema), name)),
        _ => Err(Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, "improper qualified name (too many dotted names)")),
    }
}

/// Refuses a node where it has no business.
pub(super) fn unexpected(node: &NodeEnum) -> Denial {
    unsupported(super::nodes::name(node))
}

/// Refuses what the walk does not know.
pub(super) fn unsupported(what: &str) -> Denial {
    Denial::new(Rule::UnsupportedNode, SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported here"))
        .hint("only what the gateway knows to be a read passes")
}

/// PostgreSQL's answer to a statement that nests beyond its stack.
pub(in crate::sql) fn too_deep() -> Denial {
    Denial::new(Rule::Limit, SqlState::STATEMENT_TOO_COMPLEX, "statement nests too deeply")
        .hint("simplify the statement, or raise the gateway's nesting limit")
}
