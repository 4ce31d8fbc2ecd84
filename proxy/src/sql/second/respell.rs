//! Spellings that `sqlparser` 0.63 lexes differently from PostgreSQL, put in a way that both lex alike.

use std::borrow::Cow;

use crate::sql::lexer::{Lexeme, Lexer};

/// Operators behind which the tokenizer swallows one character more: a blank is put there for it.
const SWALLOWING: [&str; 2] = ["&>", "&<|"];

/// The text with the known spellings changed; most texts have none and are not copied.
pub(super) fn respell(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut respelled = String::with_capacity(text.len().saturating_add(16));
    let mut copied = 0;
    for token in Lexer::new(text) {
        let Some(spelling) = text.get(token.span.clone()) else { continue };
        let replacement = match token.lexeme {
            Lexeme::Operator if SWALLOWING.contains(&spelling) => format!("{spelling} "),
            Lexeme::QuotedWord if !spelling.starts_with('"') => match decode(spelling) {
                Some(name) => format!("\"{name}\""),
                None => continue,
            },
            Lexeme::Operator
            | Lexeme::QuotedWord
            | Lexeme::Word
            | Lexeme::Text
            | Lexeme::Number
            | Lexeme::Parameter
            | Lexeme::Sign(_)
            | Lexeme::Comment(_) => continue,
        };
        respelled.push_str(text.get(copied..token.span.start).unwrap_or_default());
        respelled.push_str(&replacement);
        copied = token.span.end;
    }
    respelled.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(respelled)
}

/// What stands between the quotes of `U&"d\0061ta"`, decoded; doubled quotes stay doubled. `None` where it is malformed,
/// or followed by UESCAPE, which no reader but the grammar follows.
fn decode(spelling: &str) -> Option<String> {
    let body = spelling.get(3..spelling.len().checked_sub(1)?)?;
    let mut name = String::with_capacity(body.len());
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            name.push(character);
            continue;
        }
        let mut rest = characters.clone();
        let digits = match rest.next()? {
            '\\' => {
                name.push('\\');
                characters = rest;
                continue;
            }
            '+' => {
                characters = rest;
                6
            }
            _ => 4,
        };
        let code: String = characters.by_ref().take(digits).collect();
        let decoded = char::from_u32(u32::from_str_radix(&code, 16).ok()?)?;
        name.push(decoded);
        if decoded == '"' {
            name.push(decoded);
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_escapes_are_decoded() {
        assert_eq!(respell(r#"SELECT U&"pg\005fsl\+000065ep"(0)"#), r#"SELECT "pg_sleep"(0)"#);
        assert_eq!(respell("SELECT a &>b, 'U&\"x\" &>c'"), "SELECT a &> b, 'U&\"x\" &>c'");
        assert_eq!(respell("SELECT a & b"), "SELECT a & b");
    }
}
