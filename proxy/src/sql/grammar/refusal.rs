//! Refusals of whole statements, in PostgreSQL's words.

use pg_query::NodeEnum;

use super::nodes::{
    clauses, constructs, defining_statements, from_items, json_expressions, leaves, list_entries,
    maintaining_statements, plain_expressions, readable_statements, statement_parts, writing_expressions,
    writing_statements,
};
use crate::sql::denial::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

pub(super) const READ_ONLY_HINT: &str = "this gateway answers reads; connect to the database itself to change it";

/// How the refusal of something that a read-only gateway does not do begins and ends.
const READ_ONLY: [&str; 2] = ["cannot execute ", " through a read-only gateway"];

fn read_only(rule: Rule, tag: &str, position: Option<usize>) -> Denial {
    Denial::new(rule, SqlState::READ_ONLY_SQL_TRANSACTION, READ_ONLY.join(tag)).hint(READ_ONLY_HINT).at(position)
}

/// The same refusal in the words of the insight store, where writing as such is permitted.
pub(super) fn in_store(denial: Denial) -> Denial {
    let hint = if denial.rule == Rule::Definition {
        "its tables are made and changed by `vitrine migrate` alone"
    } else {
        "INSERT, UPDATE, DELETE and COPY on its own tables are"
    };
    if denial.sqlstate != SqlState::READ_ONLY_SQL_TRANSACTION {
        let of_reads = denial.hint.as_deref() == Some(READ_ONLY_HINT);
        return Denial { hint: denial.hint.filter(|_| !of_reads), ..denial };
    }
    let [before, after] = READ_ONLY;
    let tag = denial.message.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let message =
        tag.map_or_else(|| denial.message.clone(), |tag| format!("{tag} is not permitted in the insight store"));
    Denial { sqlstate: SqlState::INSUFFICIENT_PRIVILEGE, message, ..denial }.hint(hint)
}

/// A statement that writes data.
pub(super) fn write(tag: &str, position: Option<usize>) -> Denial {
    read_only(Rule::Write, tag, position)
}

/// A query that locks rows.
pub(super) fn lock(tag: &str) -> Denial {
    read_only(Rule::Lock, tag, None)
}

/// A statement that writes where a query is expected: in WITH, in COPY, in EXPLAIN, in PREPARE.
pub(super) fn written_in_query(statement: &NodeEnum, position: Option<usize>) -> Denial {
    write(writing_tag(statement), position)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a word for the message; the refusal stands whatever it is")]
fn writing_tag(statement: &NodeEnum) -> &'static str {
    match statement {
        NodeEnum::InsertStmt(_) => "INSERT",
        NodeEnum::UpdateStmt(_) => "UPDATE",
        NodeEnum::DeleteStmt(_) => "DELETE",
        NodeEnum::MergeStmt(_) => "MERGE",
        NodeEnum::TruncateStmt(_) => "TRUNCATE TABLE",
        NodeEnum::CreateTableAsStmt(_) => "CREATE TABLE AS",
        NodeEnum::RefreshMatViewStmt(_) => "REFRESH MATERIALIZED VIEW",
        _ => "a statement that writes",
    }
}

/// Why a statement that is not a read is refused; `words` are its own first keywords.
pub(super) fn statement(statement: &NodeEnum, words: &str, position: usize) -> Denial {
    let refused = |rule, state, message: String| Denial::new(rule, state, message).at(position);
    match statement {
        writing_statements!() => write(writing_tag(statement), Some(position)),
        defining_statements!() => read_only(Rule::Definition, words, Some(position)),
        maintaining_statements!() => read_only(Rule::Maintenance, words, Some(position)),
        NodeEnum::LockStmt(_) => read_only(Rule::Lock, "LOCK TABLE", Some(position)),
        NodeEnum::NotifyStmt(_) => read_only(Rule::Notification, "NOTIFY", Some(position)),
        NodeEnum::ListenStmt(_) => refused(
            Rule::Notification,
            SqlState::FEATURE_NOT_SUPPORTED,
            "LISTEN is not supported: connections to the database are shared".to_owned(),
        )
        .hint("connect to the database itself to wait for notifications, or ask again from time to time"),
        NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) => {
            refused(Rule::Code, SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {words}"))
                .detail("the code that it runs cannot be reviewed")
                .hint("write the reads as SELECT statements; a function that only reads can be called in one when the policy names it")
        }
        NodeEnum::ConstraintsSetStmt(_) => refused(
            Rule::UnsupportedStatement,
            SqlState::FEATURE_NOT_SUPPORTED,
            "SET CONSTRAINTS is not supported: nothing is written here".to_owned(),
        )
        .hint(READ_ONLY_HINT),
        readable_statements!()
        | statement_parts!()
        | plain_expressions!()
        | constructs!()
        | json_expressions!()
        | list_entries!()
        | from_items!()
        | writing_expressions!()
        | leaves!()
        | clauses!() => super::walk::unexpected(statement).at(position),
    }
}
