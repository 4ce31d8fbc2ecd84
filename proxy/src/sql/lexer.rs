//! PostgreSQL's lexical structure, as far as it takes to find where literals, comments, words and brackets lie.
//!
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>, with `standard_conforming_strings = on`, which
//! the session pins. It bounds what the readers are given and drops literals from what is logged; it never decides
//! what a statement is.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// An unquoted identifier or a keyword.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedWord,
    /// A string constant in any spelling, its continuation lines included.
    Text,
    /// A numeric constant.
    Number,
    /// `$1`.
    Parameter,
    /// An operator of PostgreSQL's operator characters.
    Operator,
    /// `( ) [ ] , ; : .` and whatever else stands alone.
    Sign(u8),
    /// `-- …` or `/* … */`; for the latter how deep it nests.
    Comment(usize),
}

/// One token: what it is and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) span: Range<usize>,
    /// A literal or comment that never ends: it reaches to the end of the text.
    pub(super) unterminated: bool,
}

/// Where the first name stands that has letters beyond ASCII, or may have: one in `U&"…"`.
#[must_use]
pub fn name_beyond_ascii(text: &str) -> Option<usize> {
    let token = Lexer::new(text).find(|token| {
        let written = text.get(token.span.clone()).unwrap_or_default();
        match token.lexeme {
            Lexeme::Word => !written.is_ascii(),
            Lexeme::QuotedWord => !written.is_ascii() || written.starts_with(['u', 'U']),
            Lexeme::Sign(byte) => !byte.is_ascii(),
            Lexeme::Text | Lexeme::Number | Lexeme::Parameter | Lexeme::Operator | Lexeme::Comment(_) => false,
        }
    })?;
    Some(token.span.start)
}

/// Walks a text token by token. Never fails: what it does not know is a [`Lexeme::Sign`].
pub(super) struct Lexer<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
    }

    /// `-- …` up to the end of its line.
    fn line_comment(&mut self) {
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    /// `/* … */`, nested; returns its depth and whether it ended.
    fn block_comment(&mut self) -> (usize, bool) {
        let (mut depth, mut deepest) = (0_usize, 0_usize);
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    deepest = deepest.max(depth);
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.at += 2;
                    if depth == 0 {
                        return (deepest, true);
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return (deepest, false),
            }
        }
    }

    /// The rest of a literal after its opening quote: a doubled quote is a quote. Returns whether it ended.
    fn quoted(&mut self, quote: u8, backslashes: bool) -> bool {
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == b'\\' && backslashes {
                self.at = self.at.saturating_add(1).min(self.bytes.len());
            } else if byte == quote {
                if self.peek(0) != Some(quote) {
                    return true;
                }
                self.at += 1;
            }
        }
        false
    }

    /// A string after its opening quote, with the parts that follow on later lines: they keep the first one's kind.
    fn string(&mut self, backslashes: bool) -> bool {
        loop {
            if !self.quoted(b'\'', backslashes) {
                return false;
            }
            let end = self.at;
            if !self.continues() {
                self.at = end;
                return true;
            }
        }
    }

    /// Steps over white space that holds a line break, and line comments in it, onto the quote of the next part.
    fn continues(&mut self) -> bool {
        let mut line_break = false;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\n' | b'\r'), _) => {
                    line_break = true;
                    self.at += 1;
                }
                (Some(byte), _) if is_space(byte) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.line_comment(),
                (Some(b'\''), _) if line_break => {
                    self.at += 1;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// `$tag$ … $tag$` when one opens here.
    fn dollar_quoted(&mut self) -> Option<bool> {
        let rest = self.bytes.get(self.at..)?;
        let tag = rest.iter().skip(1).position(|&byte| byte == b'$')? + 2;
        let delimiter = rest.get(..tag)?;
        let name = delimiter.get(1..tag - 1)?;
        let starts = name.first().is_none_or(|&byte| is_word_start(byte));
        if !starts || !name.iter().all(|&byte| is_word_start(byte) || byte.is_ascii_digit()) {
            return None;
        }
        let body = rest.get(tag..)?;
        match find(body, delimiter) {
            Some(end) => {
                self.at += tag + end + tag;
                Some(true)
            }
            None => {
                self.at = self.bytes.len();
                Some(false)
            }
        }
    }

    /// A number: digits, one exponent, and whatever sticks to it.
    fn number(&mut self) {
        while let Some(byte) = self.peek(0) {
            let exponent = matches!(byte, b'e' | b'E') && matches!(self.peek(1), Some(b'+' | b'-'));
            if exponent && self.peek(2).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 2;
            } else if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')) {
                return;
            } else {
                self.at += 1;
            }
        }
    }

    /// An operator ends where a comment begins.
    fn operator(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            let comment = matches!((byte, self.peek(1)), (b'-', Some(b'-')) | (b'/', Some(b'*')));
            if comment || !is_operator(byte) {
                return;
            }
            self.at += 1;
        }
    }

    /// What a letter opens: a prefixed literal or a word.
    fn word(&mut self, first: u8) -> (Lexeme, bool) {
        let (second, third) = (self.peek(1), self.peek(2));
        match (first.to_ascii_lowercase(), second, third) {
            (b'e', Some(b'\''), _) => {
                self.at += 2;
                (Lexeme::Text, self.string(true))
            }
            (b'b' | b'x' | b'n', Some(b'\''), _) => {
                self.at += 2;
                (Lexeme::Text, self.string(false))
            }
            (b'u', Some(b'&'), Some(b'\'')) => {
                self.at += 3;
                (Lexeme::Text, self.string(false))
            }
            (b'u', Some(b'&'), Some(b'"')) => {
                self.at += 3;
                (Lexeme::QuotedWord, self.quoted(b'"', false))
            }
            _ => {
                self.skip_while(|byte| is_word_start(byte) || byte.is_ascii_digit() || byte == b'$');
                (Lexeme::Word, true)
            }
        }
    }

    fn lex(&mut self, first: u8) -> (Lexeme, bool) {
        let second = self.peek(1);
        let digit_follows = second.is_some_and(|byte| byte.is_ascii_digit());
        match (first, second) {
            (b'-', Some(b'-')) => {
                self.line_comment();
                (Lexeme::Comment(1), true)
            }
            (b'/', Some(b'*')) => {
                let (depth, ended) = self.block_comment();
                (Lexeme::Comment(depth), ended)
            }
            (b'\'', _) => {
                self.at += 1;
                (Lexeme::Text, self.string(false))
            }
            (b'"', _) => {
                self.at += 1;
                (Lexeme::QuotedWord, self.quoted(b'"', false))
            }
            (b'$', _) if digit_follows => {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_digit());
                (Lexeme::Parameter, true)
            }
            (b'$', _) => match self.dollar_quoted() {
                Some(ended) => (Lexeme::Text, ended),
                None => self.sign(first),
            },
            (b'.', _) if digit_follows => {
                self.number();
                (Lexeme::Number, true)
            }
            _ if first.is_ascii_digit() => {
                self.number();
                (Lexeme::Number, true)
            }
            _ if is_word_start(first) => self.word(first),
            _ if is_operator(first) => {
                self.operator();
                (Lexeme::Operator, true)
            }
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, byte: u8) -> (Lexeme, bool) {
        self.at += 1;
        (Lexeme::Sign(byte), true)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_while(is_space);
        let start = self.at;
        let first = self.peek(0)?;
        let (lexeme, ended) = self.lex(first);
        Some(Token { lexeme, span: start..self.at, unterminated: !ended })
    }
}

/// White space to PostgreSQL's scanner.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(text: &str) -> Vec<(Lexeme, &str)> {
        Lexer::new(text).map(|token| (token.lexeme, &text[token.span])).collect()
    }

    #[test]
    fn literals_end_where_postgresql_ends_them() {
        assert_eq!(lexemes(r"'a\' b"), [(Lexeme::Text, r"'a\'"), (Lexeme::Word, "b")]);
        assert_eq!(lexemes(r"E'a\' b' c"), [(Lexeme::Text, r"E'a\' b'"), (Lexeme::Word, "c")]);
        assert_eq!(lexemes("E'a'\n'\\'' c"), [(Lexeme::Text, "E'a'\n'\\''"), (Lexeme::Word, "c")]);
        assert_eq!(lexemes("'a' 'b'").len(), 2);
        assert_eq!(lexemes("'a' -- x\n 'b' c"), [(Lexeme::Text, "'a' -- x\n 'b'"), (Lexeme::Word, "c")]);
        assert_eq!(lexemes("$a$ $b$ ' $a$x"), [(Lexeme::Text, "$a$ $b$ ' $a$"), (Lexeme::Word, "x")]);
        assert_eq!(lexemes("a$b$ c"), [(Lexeme::Word, "a$b$"), (Lexeme::Word, "c")]);
        assert_eq!(lexemes(r#"U&"a""b" x"#), [(Lexeme::QuotedWord, r#"U&"a""b""#), (Lexeme::Word, "x")]);
    }

    #[test]
    fn comments_nest_and_end_operators() {
        assert_eq!(lexemes("/* /* */ ; */1"), [(Lexeme::Comment(2), "/* /* */ ; */"), (Lexeme::Number, "1")]);
        assert_eq!(
            lexemes("+/* */-"),
            [(Lexeme::Operator, "+"), (Lexeme::Comment(1), "/* */"), (Lexeme::Operator, "-")]
        );
        assert_eq!(
            lexemes("a<--b\nc"),
            [(Lexeme::Word, "a"), (Lexeme::Operator, "<"), (Lexeme::Comment(1), "--b"), (Lexeme::Word, "c")]
        );
    }

    #[test]
    fn numbers_take_what_sticks_to_them() {
        assert_eq!(
            lexemes("1.5e-3+0x1F_F"),
            [(Lexeme::Number, "1.5e-3"), (Lexeme::Operator, "+"), (Lexeme::Number, "0x1F_F")]
        );
        assert_eq!(
            lexemes("$1::int"),
            [(Lexeme::Parameter, "$1"), (Lexeme::Sign(b':'), ":"), (Lexeme::Sign(b':'), ":"), (Lexeme::Word, "int")]
        );
    }
}
