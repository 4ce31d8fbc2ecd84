//! A text without its literals: what logs, audits and metrics may show.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::lexer::{Lexeme, Lexer, Token};

/// What stands for a text that cannot be told apart into literals and the rest.
const UNREADABLE: &str = "<unreadable>";
/// Longest text that is shaped, bytes; a longer one is cut at a token.
const SHAPED_BYTES_MAX: usize = 16 << 10;

/// The text with comments dropped, white space folded and every literal replaced by `?`; lists of literals become one.
/// Parameters keep their number. Never shows a part of a literal, also where the text is no statement at all.
#[must_use]
pub fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len().min(SHAPED_BYTES_MAX));
    let mut previous: Option<Token> = None;
    for token in Lexer::new(text) {
        if token.unterminated {
            return UNREADABLE.to_owned();
        }
        if matches!(token.lexeme, Lexeme::Comment(_)) {
            continue;
        }
        if shape.len() > SHAPED_BYTES_MAX {
            shape.push_str(" …");
            break;
        }
        let apart = previous.as_ref().is_some_and(|previous| previous.span.end < token.span.start);
        if apart {
            shape.push(' ');
        }
        add(&mut shape, text, &token);
        previous = Some(token);
    }
    shape
}

fn add(shape: &mut String, text: &str, token: &Token) {
    match token.lexeme {
        Lexeme::Text | Lexeme::Number => fold_literal(shape),
        Lexeme::Word | Lexeme::QuotedWord | Lexeme::Parameter | Lexeme::Operator | Lexeme::Sign(_) => {
            shape.push_str(text.get(token.span.clone()).unwrap_or_default());
        }
        Lexeme::Comment(_) => {}
    }
}

/// Adds `?`; behind another literal of the same list it adds nothing more than an ellipsis.
fn fold_literal(shape: &mut String) {
    let list = ["?, …, ", "?, …,", "?, ", "?,"];
    match list.iter().find_map(|tail| shape.strip_suffix(tail).map(str::len)) {
        Some(kept) => {
            shape.truncate(kept);
            shape.push_str("?, …");
        }
        None => shape.push('?'),
    }
}

/// A hash of the text's normal form: the same for texts that differ in literals, comments, spacing and the case of
/// unquoted words alone. `None` for a text whose literals do not end. Stable within one version of the program.
#[must_use]
pub fn fingerprint(text: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut list = false;
    for token in Lexer::new(text) {
        if token.unterminated {
            return None;
        }
        let spelling = text.get(token.span.clone())?;
        match token.lexeme {
            Lexeme::Comment(_) => continue,
            Lexeme::Text | Lexeme::Number => {
                // A list of literals is one literal, however long.
                if !list {
                    "?".hash(&mut hasher);
                }
                list = true;
                continue;
            }
            Lexeme::Sign(b',') if list => continue,
            Lexeme::Word => spelling.to_ascii_lowercase().hash(&mut hasher),
            Lexeme::QuotedWord | Lexeme::Parameter | Lexeme::Operator | Lexeme::Sign(_) => spelling.hash(&mut hasher),
        }
        list = false;
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_never_show() {
        assert_eq!(
            shape(
                "SELECT  a, 'secret' /* secret */ FROM t -- secret\n WHERE b = $1 AND c IN (1, 2,3) AND d = E'se\\'cret'"
            ),
            "SELECT a, ? FROM t WHERE b = $1 AND c IN (?, …) AND d = ?"
        );
        assert_eq!(shape("SELECT $a$secret$a$, B'1', 1.5e3, U&'secret', \"Name\""), "SELECT ?, …, \"Name\"");
        assert_eq!(shape("SELECT 'secret"), UNREADABLE);
        assert_eq!(shape("SELECT 1 /* secret"), UNREADABLE);
        assert_eq!(shape("not sql 'secret' at all 42"), "not sql ? at all ?");
    }

    #[test]
    fn fingerprints_ignore_literals_and_spelling() {
        let one = fingerprint("SELECT a FROM t WHERE b IN (1, 2, 3)");
        assert_eq!(one, fingerprint("select a\nfrom T -- x\nwhere b in ('x')"));
        assert_ne!(one, fingerprint("SELECT a FROM t WHERE c IN (1, 2, 3)"));
        assert_ne!(fingerprint("SELECT \"A\""), fingerprint("SELECT \"a\""));
        assert_eq!(fingerprint("SELECT 'x"), None);
    }
}
