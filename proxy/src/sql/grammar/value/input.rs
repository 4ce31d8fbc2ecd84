//! `pg_input_is_valid('text', 'type')`: a type's name as text. Where it is a constant, it counts as if it were written in
//! a cast; any other call is left to the policy, which refuses it.
//!
//! <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-VALIDITY>

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{Node, TypeName};

use crate::sql::grammar::walk::{Walk, inner, place, qualified, strings};
use crate::sql::statement::TypeRef;

/// Longer than any name of a type with its schema.
const NAME_BYTES_MAX: usize = 200;

impl<'t> Walk<'t> {
    /// Records the type that a call of `name` takes as text.
    pub(in crate::sql::grammar) fn input_type(&mut self, name: &str, arguments: &'t [Node]) {
        if !matches!(name, "pg_input_is_valid" | "pg_input_error_info") {
            return;
        }
        self.input_calls += 1;
        let [_, named] = arguments else { return };
        let Some((text, location)) = constant(named) else { return };
        if let Some(reference) = reference(text, location) {
            self.named_type(reference);
            self.input_calls_known += 1;
        }
    }
}

/// The text of a literal, with its place.
fn constant(node: &Node) -> Option<(&str, i32)> {
    let node = inner(node).ok()?;
    if let NodeEnum::TypeCast(cast) = node {
        let parts = strings(&cast.type_name.as_ref()?.names).ok()?;
        let text = matches!(parts.as_slice(), ["text"] | ["pg_catalog", "text"]);
        return if text { constant(cast.arg.as_deref()?) } else { None };
    }
    let NodeEnum::AConst(literal) = node else { return None };
    if let Some(Val::Sval(text)) = &literal.val { Some((&text.sval, literal.location)) } else { None }
}

/// What PostgreSQL's grammar makes of the text as a type's name; `None` for anything else.
fn reference(text: &str, location: i32) -> Option<TypeRef> {
    let plain = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | ' ' | '.' | '"' | '(' | ')' | ',' | '[' | ']')
    };
    if text.len() > NAME_BYTES_MAX || !text.chars().all(plain) {
        return None;
    }
    let parsed = pg_query::parse(&format!("SELECT NULL::{text}"), 0).ok()?;
    let [statement] = parsed.protobuf.stmts.as_slice() else { return None };
    let NodeEnum::SelectStmt(query) = inner(statement.stmt.as_deref()?).ok()? else { return None };
    let [target] = query.target_list.as_slice() else { return None };
    let NodeEnum::ResTarget(target) = inner(target).ok()? else { return None };
    let NodeEnum::TypeCast(cast) = inner(target.val.as_deref()?).ok()? else { return None };
    let alone = target.name.is_empty() && query.from_clause.is_empty() && query.where_clause.is_none();
    let null =
        matches!(cast.arg.as_deref().and_then(|arg| arg.node.as_ref()), Some(NodeEnum::AConst(value)) if value.isnull);
    let TypeName { names, type_oid: _, setof, pct_type, typmods, typemod: _, array_bounds, location: _ } =
        cast.type_name.as_ref()?;
    let constants = typmods.iter().all(|modifier| matches!(modifier.node, Some(NodeEnum::AConst(_))));
    if !alone || !null || *setof || *pct_type || !constants {
        return None;
    }
    let parts = strings(names).ok()?;
    let (schema, name) = qualified(&parts).ok()?;
    let (schema, name) = (schema.map(str::to_owned), name.to_owned());
    Some(TypeRef { schema, name, array: !array_bounds.is_empty(), position: place(location) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_type_counts() {
        let named = |text: &str| reference(text, 0).map(|found| (found.schema, found.name, found.array));
        let own = |name: &str| Some((Some("pg_catalog".to_owned()), name.to_owned(), false));
        assert_eq!(named("integer"), own("int4"));
        assert_eq!(named("numeric(3, 1)"), own("numeric"));
        assert_eq!(named("app.mood[]"), Some((Some("app".to_owned()), "mood".to_owned(), true)));
        assert_eq!(named("\"Mood\""), Some((None, "Mood".to_owned(), false)));
        for text in [
            "",
            "int, 1",
            "int FROM t",
            "int AS x",
            "int x",
            "SETOF int",
            "int)",
            "numeric(1 )(2)",
            "int; SELECT 1",
            "a.b%TYPE",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
