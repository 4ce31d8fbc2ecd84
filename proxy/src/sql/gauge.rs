//! The caps that hold before either reader sees a text: length, comments, brackets, and how deep its trees can become.
//!
//! Both readers, and the destructors of their trees, recurse. How deep is bounded here by counting tokens: a level of a
//! tree takes at least one token, and a comma ends what is built up beside it.

use super::denial::{Denial, Rule};
use super::grammar::too_deep;
use super::lexer::{Lexeme, Lexer};
use super::limits::Limits;
use crate::wire::sqlstate::SqlState;

/// Tokens that one branch of a tree may take for each level of the limit on nesting: an operator and its operand.
const TOKENS_PER_LEVEL: usize = 2;

/// Stack for each token of the deepest branch, and for everything else. A token is at most one and a half levels of
/// libpg_query's tree, and a level takes 24 KiB to decode without optimisation, 4 KiB with. What is not reached of it is
/// never touched.
const TOKEN_STACK_BYTES: usize = if cfg!(debug_assertions) { 64 << 10 } else { 12 << 10 };
const BASE_STACK_BYTES: usize = if cfg!(debug_assertions) { 1 << 20 } else { 512 << 10 };

/// A chain of ANDs and ORs is flat to the grammar and deep to the second reader, whose nodes are dropped on a small frame.
const CONDITION_TOKENS_MAX: usize = 200_000;
const CONDITION_STACK_BYTES: usize = 1 << 10;

/// Most tokens of the deepest branch that a text may have to be read on whatever stack is there.
const SHALLOW_TOKENS_MAX: usize = 256;

/// How deep a text is at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// The stack that reading it needs, bytes.
    pub(super) stack_bytes: usize,
    /// It needs a thread of its own: libpg_query allows itself as much stack as it takes the thread to have, and does
    /// not know of stacks that were switched. On those it stops at 100 KiB, some 450 levels.
    pub(super) own_thread: bool,
}

/// Measures a text before it is read.
///
/// # Errors
/// A refusal when the text is longer or deeper than the limits allow.
pub(super) fn measure(text: &str, limits: &Limits) -> Result<Depth, Denial> {
    if text.len() > limits.statement_bytes_max {
        return Err(Denial::new(Rule::Limit, SqlState::PROGRAM_LIMIT_EXCEEDED, "statement is too long")
            .detail(format!("it has {} bytes, the limit is {}", text.len(), limits.statement_bytes_max)));
    }
    if let Some(position) = text.find('\0') {
        return Err(Denial::new(
            Rule::Limit,
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )
        .at(position));
    }
    let branch_tokens_max = limits.nesting_max.saturating_mul(TOKENS_PER_LEVEL);
    let mut branches = Branches::default();
    let mut tokens = 0_usize;
    for token in Lexer::new(text) {
        let position = token.span.start;
        let spelling = text.get(token.span).unwrap_or_default();
        if let Lexeme::Comment(depth) = token.lexeme {
            if depth > limits.comment_depth_max {
                return Err(nesting("comments nest too deeply", limits.comment_depth_max).at(position));
            }
            continue;
        }
        tokens += 1;
        if tokens > limits.tokens_max {
            let denial = Denial::new(Rule::Limit, SqlState::PROGRAM_LIMIT_EXCEEDED, "statement has too many words");
            let detail = format!("words, numbers and signs are counted, the limit is {}", limits.tokens_max);
            return Err(denial.detail(detail).at(position));
        }
        branches.add(token.lexeme, spelling);
        if branches.tokens > branch_tokens_max || branches.conditions > CONDITION_TOKENS_MAX {
            return Err(too_deep().at(position));
        }
    }
    let branch = branches.tokens_max.saturating_mul(TOKEN_STACK_BYTES);
    let conditions = branches.conditions_max.saturating_mul(CONDITION_STACK_BYTES);
    Ok(Depth {
        stack_bytes: BASE_STACK_BYTES.saturating_add(branch).saturating_add(conditions),
        own_thread: branches.tokens_max > SHALLOW_TOKENS_MAX,
    })
}

fn nesting(message: &str, limit: usize) -> Denial {
    Denial::new(Rule::Limit, SqlState::STATEMENT_TOO_COMPLEX, message).detail(format!("the limit is {limit} levels"))
}

/// How many tokens the deepest branch through the current place can have.
#[derive(Default)]
struct Branches {
    /// Brackets and CASEs that are open.
    open: Vec<Branch>,
    /// The statement itself.
    top: Branch,
    /// The sum of them all, now and at its highest.
    tokens: usize,
    tokens_max: usize,
    /// The same for what stands before an AND or OR.
    conditions: usize,
    conditions_max: usize,
}

#[derive(Default, Clone, Copy)]
struct Branch {
    is_case: bool,
    /// Tokens since the last comma, AND or OR: the grammar flattens lists and chains of these.
    tokens: usize,
    /// Tokens before that, since the last comma.
    conditions: usize,
    /// UNIONs, JOINs and their like: a chain of them goes deeper across all of those.
    chained: usize,
}

impl Branches {
    fn add(&mut self, lexeme: Lexeme, spelling: &str) {
        match lexeme {
            Lexeme::Sign(b'(' | b'[') => self.open(false),
            Lexeme::Sign(b')' | b']') => self.close(false),
            Lexeme::Sign(b',') => {
                self.restart();
                let conditions = std::mem::take(&mut self.current().conditions);
                self.conditions -= conditions;
            }
            Lexeme::Sign(b';') if self.open.is_empty() => {
                self.top = Branch::default();
                (self.tokens, self.conditions) = (0, 0);
            }
            Lexeme::Word => self.word(spelling),
            Lexeme::QuotedWord
            | Lexeme::Text
            | Lexeme::Number
            | Lexeme::Parameter
            | Lexeme::Operator
            | Lexeme::Sign(_)
            | Lexeme::Comment(_) => self.count(),
        }
        self.tokens_max = self.tokens_max.max(self.tokens);
        self.conditions_max = self.conditions_max.max(self.conditions);
    }

    fn word(&mut self, word: &str) {
        // The longest of these words has nine letters.
        let mut letters = [0_u8; 9];
        let Some(letters) = letters.get_mut(..word.len()) else { return self.count() };
        letters.copy_from_slice(word.as_bytes());
        letters.make_ascii_lowercase();
        match &*letters {
            b"and" | b"or" => self.restart(),
            b"case" => self.open(true),
            b"end" => self.close(true),
            b"union" | b"intersect" | b"except" | b"join" => {
                self.current().chained += 1;
                self.tokens += 1;
            }
            _ => self.count(),
        }
    }

    fn open(&mut self, is_case: bool) {
        self.count();
        self.open.push(Branch { is_case, ..Branch::default() });
    }

    /// Closes a bracket, or a CASE where END ends one: elsewhere it is a name.
    fn close(&mut self, is_case: bool) {
        if self.open.last().is_none_or(|branch| is_case && !branch.is_case) {
            return self.count();
        }
        while let Some(closed) = self.open.pop() {
            self.tokens -= closed.tokens + closed.chained;
            self.conditions -= closed.conditions;
            // A CASE that never ends inside its brackets is a fault of syntax; the brackets count.
            if closed.is_case == is_case {
                return;
            }
        }
    }

    fn restart(&mut self) {
        let branch = self.current();
        let tokens = std::mem::take(&mut branch.tokens);
        branch.conditions += tokens;
        self.conditions += tokens;
        self.tokens -= tokens;
        self.count();
    }

    fn count(&mut self) {
        self.current().tokens += 1;
        self.tokens += 1;
    }

    fn current(&mut self) -> &mut Branch {
        self.open.last_mut().unwrap_or(&mut self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> usize {
        let mut branches = Branches::default();
        Lexer::new(text).for_each(|token| branches.add(token.lexeme, &text[token.span.clone()]));
        branches.tokens_max
    }

    #[test]
    fn lists_and_conditions_are_flat_and_chains_are_deep() {
        assert!(tokens(&format!("SELECT a IN (1{})", ",2".repeat(9_000))) < 10);
        assert!(tokens(&format!("SELECT a = 1 {}", "AND b = 2 ".repeat(9_000))) < 10);
        assert_eq!(tokens(&format!("SELECT 1{}", "+1".repeat(500))), 1_002);
        assert!(tokens(&format!("SELECT 1, 2 {}", "UNION SELECT 1, 2 ".repeat(500))) > 500);
        assert!(tokens(&format!("SELECT * FROM t {}", "JOIN u ON a AND b ".repeat(500))) > 500);
        assert!(tokens(&format!("SELECT {} 1", "CASE WHEN a AND ".repeat(500))) > 1_000);
        assert!(tokens(&format!("SELECT {} 1{}", "CASE WHEN a AND ".repeat(500), " END".repeat(500))) > 1_000);
        assert!(tokens(&"SELECT 1; ".repeat(900)) < 10);
    }

    #[test]
    fn each_cap_has_its_state() {
        let limits = Limits { tokens_max: 4, ..Limits::default() };
        assert!(measure("SELECT 1, 2 -- and some more words", &limits).is_ok());
        assert_eq!(measure("SELECT 1, 2 AS", &limits).unwrap_err().sqlstate.code(), "54000");
        let limits = Limits { statement_bytes_max: 10, ..Limits::default() };
        assert_eq!(measure("SELECT 1234", &limits).unwrap_err().sqlstate, SqlState::PROGRAM_LIMIT_EXCEEDED);
        let limits = Limits::default();
        assert_eq!(measure("SELECT '\0'", &limits).unwrap_err().sqlstate, SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        let comments = format!("{}SELECT 1", "/*".repeat(33));
        assert_eq!(measure(&comments, &limits).unwrap_err().sqlstate, SqlState::STATEMENT_TOO_COMPLEX);
        assert!(measure(&format!("SELECT '{}'", "/*".repeat(33)), &limits).is_ok());
        let brackets = "(".repeat(50_000);
        assert_eq!(measure(&brackets, &limits).unwrap_err().sqlstate, SqlState::STATEMENT_TOO_COMPLEX);
    }
}
