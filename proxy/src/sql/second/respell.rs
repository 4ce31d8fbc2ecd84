//! Spellings that `sqlparser` 0.63 lexes differently from PostgreSQL, put in a way that both lex alike.

use std::borrow::Cow;

use crate::sql::lexer::{Lexeme, Lexer};

/// Operators behind which the tokenizer swallows one character more: a blank is put there for it.
const SWALLOWING: [&str; 2] = ["&>", "&<|"];

/// The text with the known spellings changed; most texts have none and are not copied.
pub(super) fn respell(text: &str) -> Cow<'_, str> {
    let mut respelled = String::new();
    let mut copied = 0;
    let mut context = Context::default();
    let mut tokens = Lexer::new(text).filter(|token| !matches!(token.lexeme, Lexeme::Comment(_))).peekable();
    while let Some(token) = tokens.next() {
        let Some(spelling) = text.get(token.span.clone()) else { continue };
        let next = tokens.peek().and_then(|next| Some((next.lexeme, text.get(next.span.clone())?)));
        let Some(replacement) = context.replacement(token.lexeme, spelling, next) else { continue };
        respelled.push_str(text.get(copied..token.span.start).unwrap_or_default());
        respelled.push_str(&replacement);
        copied = token.span.end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    respelled.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(respelled)
}

/// What came before the token at hand.
#[derive(Default)]
struct Context {
    /// CASEs that are open: another END is a name.
    cases: usize,
    /// The word before was TABLE.
    after_table: bool,
    /// The sign before was a dot: what follows is a name, or AS: what follows is a label.
    names: bool,
}

impl Context {
    /// The other spelling of a token, if it needs one; `next` is what follows it.
    fn replacement(&mut self, lexeme: Lexeme, spelling: &str, next: Option<(Lexeme, &str)>) -> Option<String> {
        let (after_table, names) = (self.after_table, self.names);
        self.after_table = false;
        self.names = false;
        match lexeme {
            Lexeme::Operator => SWALLOWING.contains(&spelling).then(|| format!("{spelling} ")),
            Lexeme::QuotedWord if !spelling.starts_with('"') => decode(spelling).map(|name| format!("\"{name}\"")),
            Lexeme::Sign(sign) => {
                self.names = sign == b'.';
                None
            }
            Lexeme::Word if names => None,
            Lexeme::Word => self.word(&spelling.to_ascii_lowercase(), after_table, next),
            Lexeme::QuotedWord | Lexeme::Text | Lexeme::Number | Lexeme::Parameter | Lexeme::Comment(_) => None,
        }
    }

    fn word(&mut self, word: &str, after_table: bool, next: Option<(Lexeme, &str)>) -> Option<String> {
        match word {
            "as" => self.names = true,
            "table" => self.after_table = true,
            "case" => self.cases += 1,
            // A label without AS; this reader would end the statement here.
            "end" if self.cases == 0 && next.is_some_and(|(lexeme, word)| follows_label(lexeme, word)) => {
                return Some("\"end\"".to_owned());
            }
            "end" => self.cases = self.cases.saturating_sub(1),
            // A column of that name, before a word that no interval can begin with.
            "interval"
                if next.is_some_and(|(lexeme, word)| {
                    lexeme == Lexeme::Word && BEHIND_A_COLUMN.contains(&word.to_ascii_lowercase().as_str())
                }) =>
            {
                return Some("\"interval\"".to_owned());
            }
            // TABLE ONLY t: this reader takes ONLY for the name.
            "only" if after_table => return Some(String::new()),
            _ => {}
        }
        None
    }
}

/// What may follow the label of a column.
fn follows_label(lexeme: Lexeme, word: &str) -> bool {
    lexeme == Lexeme::Sign(b',') || word.eq_ignore_ascii_case("from")
}

/// Reserved words that may follow a column.
const BEHIND_A_COLUMN: [&str; 22] = [
    "from", "as", "is", "and", "or", "in", "not", "between", "like", "ilike", "where", "group", "order", "limit",
    "desc", "asc", "then", "when", "else", "end", "union", "having",
];

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
        assert_eq!(respell("SELECT CASE WHEN a THEN 1 END end FROM t"), "SELECT CASE WHEN a THEN 1 END \"end\" FROM t");
        assert_eq!(respell("SELECT interval FROM t, interval '1 day'"), "SELECT \"interval\" FROM t, interval '1 day'");
        assert_eq!(respell("TABLE ONLY t"), "TABLE  t");
    }
}
