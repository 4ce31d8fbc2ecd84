//! The grammar's own refusals: PostgreSQL's message, and the place it means.
//!
//! libpg_query's message names the token (`at or near "X"`), not where it stands. The parser stops at the first token
//! that no statement can go on with, so a text cut in front of it ends too early, and one cut behind it is wrong in the
//! same way: that tells which of several equal tokens is meant.

use std::ops::Range;

use super::walk::too_deep;
use crate::sql::denial::{Denial, Rule};
use crate::sql::lexer::Lexer;
use crate::wire::sqlstate::SqlState;

/// Longest text whose equal tokens are told apart by parsing prefixes of it, bytes.
const SEARCHED_BYTES_MAX: usize = 32 << 10;

/// What libpg_query says of a text that nests beyond its own bounds.
const TOO_DEEP: [&str; 3] = ["memory exhausted", "stack depth limit exceeded", "parse tree is nested too deeply"];

/// A name or a string with bytes that are no UTF-8, out of an escape.
const BAD_BYTES: &str = "invalid byte sequence for encoding \"UTF8\"";

const TWO_LIMITS: &str = "LIMIT #,# syntax is not supported";
const NEAR: &str = " at or near \"";
const END_OF_INPUT: &str = " at end of input";

/// Turns libpg_query's error into PostgreSQL's.
pub(super) fn refusal(text: &str, error: pg_query::Error) -> Denial {
    match error {
        pg_query::Error::Parse(message) => {
            if TOO_DEEP.iter().any(|start| message.starts_with(start)) {
                return too_deep();
            }
            if message.starts_with(BAD_BYTES) {
                return Denial::new(Rule::Syntax, SqlState::CHARACTER_NOT_IN_REPERTOIRE, message);
            }
            if message == TWO_LIMITS {
                return two_limits(text);
            }
            let position = position(text, &message);
            Denial::new(Rule::Syntax, sqlstate(text, &message), message).at(position)
        }
        // A name or a string with bytes that are no UTF-8, out of an escape.
        pg_query::Error::Decode(_) => Denial::new(Rule::Syntax, SqlState::CHARACTER_NOT_IN_REPERTOIRE, BAD_BYTES),
        pg_query::Error::Conversion(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::Scan(_)
        | pg_query::Error::IsUtility(_)
        | pg_query::Error::Split(_) => Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, "syntax error"),
    }
}

/// MySQL's `LIMIT 5, 10`. Which LIMIT is meant is told where there is one alone.
fn two_limits(text: &str) -> Denial {
    let is_limit = |span: &Range<usize>| text.get(span.clone()).is_some_and(|word| word.eq_ignore_ascii_case("limit"));
    let mut limits = Lexer::new(text).map(|found| found.span).filter(is_limit);
    let position = limits.next().filter(|_| limits.next().is_none()).map(|span| span.start);
    Denial::new(Rule::Syntax, SqlState::SYNTAX_ERROR, TWO_LIMITS)
        .hint("Use separate LIMIT and OFFSET clauses.")
        .at(position)
}

/// The grammar refuses some texts for other reasons than their syntax.
fn sqlstate(text: &str, message: &str) -> SqlState {
    if message.starts_with("frame start") || message.starts_with("frame end") {
        return SqlState::WINDOWING_ERROR;
    }
    // In an E string; in a U& one the same words are a syntax error to PostgreSQL.
    if message == "invalid Unicode escape" && (text.contains("\\u") || text.contains("\\U")) {
        return SqlState::INVALID_ESCAPE_SEQUENCE;
    }
    SqlState::SYNTAX_ERROR
}

/// Where the token lies that the message names, as a byte offset.
fn position(text: &str, message: &str) -> Option<usize> {
    if message.ends_with(END_OF_INPUT) {
        return Some(text.len());
    }
    let (_, quoted) = message.split_once(NEAR)?;
    let token = quoted.strip_suffix('"').filter(|token| !token.is_empty())?;
    let spans: Vec<Range<usize>> = Lexer::new(text).map(|found| found.span).collect();
    let begins = |span: &&Range<usize>| text.get(span.start..).is_some_and(|rest| rest.starts_with(token));
    let is_it = |span: &&Range<usize>| text.get((*span).clone()) == Some(token);
    let mut places: Vec<usize> = spans.iter().filter(is_it).map(|span| span.start).collect();
    if places.is_empty() {
        // What does not end, or ends in junk, is shown otherwise than it is cut up here.
        places = spans.iter().filter(begins).map(|span| span.start).collect();
    }
    if places.len() < 2 || text.len() > SEARCHED_BYTES_MAX {
        return places.first().copied();
    }
    let first = places.partition_point(|&start| !wrong_within(text, start.saturating_add(token.len())));
    places.get(first).copied()
}

/// Whether the text up to there is wrong already, rather than unfinished.
fn wrong_within(text: &str, end: usize) -> bool {
    let Some(prefix) = text.get(..end) else { return true };
    match pg_query::parse(prefix, 0) {
        Ok(_) => false,
        Err(pg_query::Error::Parse(message)) => message.contains(NEAR),
        Err(_) => true,
    }
}
