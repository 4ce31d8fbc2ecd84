//! Why a statement is refused.

use crate::wire::sqlstate::SqlState;

/// A refusal: what the client is told (PostgreSQL's message style: lower case, no full stop) and the rule that spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The rule that refused, stable across versions: reviewers, metrics and tests name it.
    pub rule: Rule,
    /// The SQLSTATE the client receives.
    pub sqlstate: SqlState,
    /// Primary message; may quote names, never literals of the statement, but for a syntax error, which quotes the token
    /// as PostgreSQL does: logs take [`Denial::log_message`].
    pub message: String,
    /// Secondary message, one line.
    pub detail: Option<String>,
    /// What the user or the reviewer can do about it.
    pub hint: Option<String>,
    /// Byte offset into the whole text that was reviewed (zero based), where there is a place to point at.
    /// The session turns it into PostgreSQL's one-based character position.
    pub position: Option<usize>,
}

impl Denial {
    /// About how many bytes its texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.message.len() + self.detail.as_ref().map_or(0, String::len) + self.hint.as_ref().map_or(0, String::len)
    }

    /// A refusal without detail, hint or position.
    #[must_use]
    pub fn new(rule: Rule, sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { rule, sqlstate, message: message.into(), detail: None, hint: None, position: None }
    }

    /// The message without anything that may be a literal of the statement.
    #[must_use]
    pub fn log_message(&self) -> &str {
        if self.rule == Rule::Syntax { "syntax error" } else { &self.message }
    }

    /// Points at a byte offset of the text.
    #[must_use]
    pub fn at(mut self, position: impl Into<Option<usize>>) -> Self {
        self.position = position.into();
        self
    }

    /// Adds the DETAIL line.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the HINT line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The rules, each with a stable name (`Rule::name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Not PostgreSQL's grammar (42601).
    Syntax,
    /// A byte, depth or count limit was reached before reading (54000, 54001).
    Limit,
    /// The two readers do not see the same statement (42501).
    ReadersDisagree,
    /// A statement that writes data: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY FROM, data-modifying CTE, SELECT INTO (25006).
    Write,
    /// A statement that defines, alters, drops, grants or comments (25006).
    Definition,
    /// A statement that maintains or administers: VACUUM, CHECKPOINT, CLUSTER, REINDEX, ANALYZE, ALTER SYSTEM, LOAD (25006).
    Maintenance,
    /// Row or table locks: FOR UPDATE, FOR SHARE, LOCK TABLE (25006).
    Lock,
    /// Code run as an opaque body: DO, CALL (42501).
    Code,
    /// A transaction that asks to write: READ WRITE in any spelling (25006).
    ReadWriteTransaction,
    /// Two-phase commit (0A000).
    TwoPhase,
    /// LISTEN, NOTIFY (0A000 and 25006).
    Notification,
    /// SET ROLE, SET SESSION AUTHORIZATION (42501).
    Identity,
    /// A setting that is not on the allow list, or a value out of its bounds (42501).
    Setting,
    /// COPY that is not `COPY … TO STDOUT` (25006 or 42501).
    Copy,
    /// A grammar node that is not on the list: unknown means no (0A000).
    UnsupportedNode,
    /// A function that is not harmless, or that the policy does not name (42501).
    Function,
    /// A function that takes text and runs it as SQL (42501).
    TextAsCode,
    /// No function of that name exists in the catalog (42883).
    UnknownFunction,
    /// An operator one of whose candidates is not harmless (42501).
    Operator,
    /// No operator of that name exists in the catalog (42883).
    UnknownOperator,
    /// A type whose input, cast or domain check is not harmless (42501).
    Type,
    /// No type of that name exists in the catalog (42704).
    UnknownType,
    /// A relation the policy hides, or one whose reading has effects: foreign tables, secrets of the server (42501).
    Relation,
    /// No relation of that name exists in the catalog (42P01).
    UnknownRelation,
    /// A view, row-level security policy or computed column whose definition is not harmless (42501).
    View,
    /// Attribute notation `t.f` that would call a function that is not harmless (42501).
    AttributeCall,
    /// A result built out of constants that would not fit in memory (54000).
    ConstantBomb,
    /// What would show, or reach for, what belongs to another tenant of the insight store (42501).
    Tenant,
    /// A statement of a kind the session cannot keep safe or does not offer (0A000).
    UnsupportedStatement,
}

impl Rule {
    /// Every rule, for metrics and references; `name` is exhaustive and a test holds the two equal.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::Limit,
        Self::ReadersDisagree,
        Self::Write,
        Self::Definition,
        Self::Maintenance,
        Self::Lock,
        Self::Code,
        Self::ReadWriteTransaction,
        Self::TwoPhase,
        Self::Notification,
        Self::Identity,
        Self::Setting,
        Self::Copy,
        Self::UnsupportedNode,
        Self::Function,
        Self::TextAsCode,
        Self::UnknownFunction,
        Self::Operator,
        Self::UnknownOperator,
        Self::Type,
        Self::UnknownType,
        Self::Relation,
        Self::UnknownRelation,
        Self::View,
        Self::AttributeCall,
        Self::ConstantBomb,
        Self::Tenant,
        Self::UnsupportedStatement,
    ];

    /// The stable name, as printed by `vitrine check` and counted in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Limit => "limit",
            Self::ReadersDisagree => "readers_disagree",
            Self::Write => "write",
            Self::Definition => "definition",
            Self::Maintenance => "maintenance",
            Self::Lock => "lock",
            Self::Code => "code",
            Self::ReadWriteTransaction => "read_write_transaction",
            Self::TwoPhase => "two_phase",
            Self::Notification => "notification",
            Self::Identity => "identity",
            Self::Setting => "setting",
            Self::Copy => "copy",
            Self::UnsupportedNode => "unsupported_node",
            Self::Function => "function",
            Self::TextAsCode => "text_as_code",
            Self::UnknownFunction => "unknown_function",
            Self::Operator => "operator",
            Self::UnknownOperator => "unknown_operator",
            Self::Type => "type",
            Self::UnknownType => "unknown_type",
            Self::Relation => "relation",
            Self::UnknownRelation => "unknown_relation",
            Self::View => "view",
            Self::AttributeCall => "attribute_call",
            Self::ConstantBomb => "constant_bomb",
            Self::Tenant => "tenant",
            Self::UnsupportedStatement => "unsupported_statement",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_listed() {
        let source = include_str!("denial.rs");
        let arms = source.lines().filter(|line| line.contains("=> \"") && line.contains("Self::")).count();
        assert_eq!(Rule::ALL.len(), arms);
    }
}
