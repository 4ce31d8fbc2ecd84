//! Texts that differ in number literals alone: read once where the verdict does not hang on the numbers.
//!
//! Deliberately narrow. A text with a quote, a dollar, a backslash or a comment is never folded, a number is folded only
//! where it stands alone between plain delimiters, and a verdict is reused only for a permitted SELECT whose functions
//! and operators cannot make a number matter (`repeat('x', 1000000000)` is refused because of its number).

use crate::policy::Permitted;
use crate::sql::Kind;

/// Longer numbers may be read as another kind of constant.
const DIGITS_MAX: usize = 18;
/// Stands for a number; no SQL text holds it.
const PLACE: char = '\u{1}';

/// The text with its plain numbers taken out; `None` when it has none, or when anything in it could move a boundary.
#[must_use]
pub(super) fn fold(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut folded = String::with_capacity(text.len());
    // What was copied to `folded` ends at the first, what was looked at ends at the second.
    let (mut copied, mut seen) = (0, 0);
    while let Some(notable) = bytes.get(seen..)?.iter().position(|byte| is_notable(*byte)) {
        let start = seen + notable;
        let byte = *bytes.get(start)?;
        seen = start + 1;
        if !byte.is_ascii_digit() {
            let next = bytes.get(seen).copied().unwrap_or(b' ');
            if !matches!(byte, b'-' | b'*' | b'/') || is_comment(byte, next) {
                return None;
            }
            continue;
        }
        seen += bytes.get(seen..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let before = start.checked_sub(1).and_then(|index| bytes.get(index)).copied().unwrap_or(b' ');
        let after = bytes.get(seen).copied().unwrap_or(b' ');
        if seen - start <= DIGITS_MAX && delimits(before) && delimits(after) {
            folded.push_str(text.get(copied..start)?);
            folded.push(PLACE);
            copied = seen;
        }
    }
    if copied == 0 {
        return None;
    }
    folded.push_str(text.get(copied..)?);
    Some(folded)
}

/// A digit, or what may move a boundary: quotes, dollars, backslashes, the byte that stands for a number, and the halves
/// of a comment's sign.
fn is_notable(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'\'' | b'"' | b'$' | b'\\' | 1 | b'-' | b'*' | b'/')
}

fn is_comment(byte: u8, next: u8) -> bool {
    matches!((byte, next), (b'-', b'-') | (b'/', b'*') | (b'*', b'/'))
}

/// Neither a letter, a digit nor a point: a number next to it is a whole number of its own.
fn delimits(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b'('
            | b')'
            | b','
            | b'='
            | b'<'
            | b'>'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b';'
    )
}

/// Whether the same text with other numbers is permitted too.
#[must_use]
pub(super) fn holds_for_any_number(permitted: &[Permitted]) -> bool {
    let [one] = permitted else { return false };
    let statement = one.statement();
    statement.kind == Kind::Select
        && statement.uses.assignments.is_empty()
        && !one.hangs_on_types()
        && statement.uses.operators.iter().all(|operator| OPERATORS.contains(&operator.name.as_str()))
        && statement.uses.functions.iter().all(|function| FUNCTIONS.contains(&function.name.as_str()))
}

/// None of these makes a large value of a small number.
const OPERATORS: &[&str] = &["=", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"];
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "count",
    "date_trunc",
    "dense_rank",
    "floor",
    "lag",
    "lead",
    "lower",
    "max",
    "min",
    "now",
    "rank",
    "round",
    "row_number",
    "sum",
    "upper",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_that_stand_alone_are_taken_out() {
        let same = |one: &str, other: &str| fold(one).is_some() && fold(one) == fold(other);
        assert!(same("SELECT a FROM t1 WHERE id = 7", "SELECT a FROM t1 WHERE id = 12345"));
        assert!(same("SELECT a FROM t WHERE id IN (1,2)", "SELECT a FROM t WHERE id IN (33,4)"));
        for (one, other) in [
            ("SELECT a FROM t1 WHERE id = 7", "SELECT a FROM t2 WHERE id = 7"),
            ("SELECT 1 a", "SELECT 1a"),
            ("SELECT 1.5", "SELECT 2.5"),
            ("SELECT 1e5", "SELECT 2e5"),
            ("SELECT a.1", "SELECT a.2"),
            ("SELECT 0x10", "SELECT 0x11"),
            ("SELECT 1", "SELECT 12345678901234567890"),
            ("SELECT x1y FROM t WHERE a = 1", "SELECT x2y FROM t WHERE a = 1"),
            ("SELECT é1 FROM t WHERE a = 1", "SELECT é2 FROM t WHERE a = 1"),
        ] {
            assert!(!same(one, other), "{one} / {other}");
        }
        for never in ["SELECT '1'", "SELECT \"1\"", "SELECT $1", "SELECT 1 -- 2", "SELECT 1 /* 2 */", "SELECT 1 \\ 2"] {
            assert_eq!(fold(never), None, "{never}");
        }
    }

    /// What fold takes for a number must be one to PostgreSQL's own scanner: the same tokens, whatever the numbers.
    #[test]
    fn both_readers_see_the_same_statement_whatever_the_numbers() {
        let tokens =
            |text: &str| -> Vec<i32> { pg_query::scan(text).unwrap().tokens.iter().map(|token| token.token).collect() };
        for text in [
            "SELECT a FROM t WHERE id = 7 AND b<8 OR c>=9",
            "SELECT a+1, b*2 FROM t LIMIT 10 OFFSET 20",
            "SELECT sum(a) FROM t WHERE x IN (1, 2,3) GROUP BY 1 ORDER BY 2;",
            "SELECT 5-3",
        ] {
            let other = fold(text).unwrap().replace(PLACE, "4242");
            assert_eq!(tokens(text), tokens(&other), "{text}");
            let (one, two) = (read(text), read(&other));
            assert_eq!(one, two, "{text}");
        }
    }

    fn read(text: &str) -> Vec<(Kind, Vec<String>)> {
        let limits = crate::sql::Limits::default();
        let statements = crate::sql::read(text, &limits).unwrap();
        let names = |statement: &crate::sql::Statement| {
            statement.uses.relations.iter().map(|relation| relation.name.clone()).collect()
        };
        statements.iter().map(|statement| (statement.kind.clone(), names(statement))).collect()
    }
}
