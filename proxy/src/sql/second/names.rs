//! Names as PostgreSQL folds them, out of `sqlparser`'s tree.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// A schema, where one is written, and a name.
pub(in crate::sql) type Name = (Option<String>, String);

/// PostgreSQL's longest name, bytes (`NAMEDATALEN - 1`).
const NAME_BYTES_MAX: usize = 63;

/// A name folded and cut as PostgreSQL folds and cuts it.
pub(super) fn fold(name: &Ident) -> String {
    let Ident { value, quote_style, span: _ } = name;
    let folded = if quote_style.is_some() { value.clone() } else { value.to_ascii_lowercase() };
    cut(folded)
}

/// Cut at 63 bytes, never inside a character.
fn cut(mut name: String) -> String {
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    name
}

/// The last two parts of a name; `None` for an empty one, or one that is computed.
pub(super) fn qualified(name: &ObjectName) -> Option<Name> {
    let ObjectName(parts) = name;
    let mut parts = parts.iter().rev();
    let last = part(parts.next()?)?;
    let schema = match parts.next() {
        Some(schema) => Some(part(schema)?),
        None => None,
    };
    Some((schema, last))
}

fn part(part: &ObjectNamePart) -> Option<String> {
    match part {
        ObjectNamePart::Identifier(name) => Some(fold(name)),
        ObjectNamePart::Function(_) => None,
    }
}

/// Whether the name is the bare keyword, unquoted.
pub(super) fn is_keyword(name: &ObjectName, keyword: &str) -> bool {
    let ObjectName(parts) = name;
    match parts.as_slice() {
        [ObjectNamePart::Identifier(Ident { value, quote_style: None, span: _ })] => {
            value.eq_ignore_ascii_case(keyword)
        }
        _ => false,
    }
}
