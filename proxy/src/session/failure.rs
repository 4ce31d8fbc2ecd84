//! What the client is told when something is refused or fails: the only place where a cause becomes a report.

use super::ResultBound;
use crate::sql::Denial;
use crate::wire::backend::{Report, Severity};
use crate::wire::reader::Malformed;
use crate::wire::sqlstate::SqlState;

/// A denial as an ErrorResponse; `text` is what was reviewed, for the position in characters.
#[must_use]
pub fn denied(denial: &Denial, text: &str) -> Report {
    Report {
        severity: Severity::Error,
        sqlstate: denial.sqlstate,
        message: denial.message.clone(),
        detail: denial.detail.clone(),
        hint: denial.hint.clone(),
        position: denial.position.map(|byte| characters_before(text, byte) + 1),
        rule: Some(denial.rule.name()),
    }
}

/// A body that does not add up.
#[must_use]
pub fn malformed(cause: Malformed) -> Report {
    let sqlstate = match cause {
        Malformed::InvalidUtf8 => SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        Malformed::TooShort
        | Malformed::TrailingBytes
        | Malformed::UnterminatedString
        | Malformed::BadCount
        | Malformed::UnknownSubtype(_) => SqlState::PROTOCOL_VIOLATION,
    };
    Report::error(sqlstate, cause.to_string())
}

/// The connection to the customer database broke under a statement.
#[must_use]
pub fn upstream_lost(detail: Option<String>) -> Report {
    let report = Report::error(SqlState::CONNECTION_FAILURE, "the customer database closed the connection")
        .hint("The session goes on; repeat the statement or the transaction.");
    Report { detail, ..report }
}

/// The same of the insight store, where it matters what became of the last write.
#[must_use]
pub fn store_lost(report: Report) -> Report {
    let message = report.message.replace("the customer database", "the insight store");
    Report { message, ..report }
        .hint("The session goes on. Whether the last statement took effect is not known: look before you repeat it.")
}

/// A statement and a connection of different kinds met.
#[must_use]
pub fn misrouted() -> Report {
    Report::error(SqlState::INTERNAL_ERROR, "the statement was reviewed for another kind of database")
}

/// More rows than may pass of one result.
#[must_use]
pub fn result_too_long(bound: ResultBound) -> Report {
    let detail = match bound {
        ResultBound::Rows(max) => format!("The gateway passes at most {max} rows of one result."),
        ResultBound::Bytes(max) => format!("The gateway passes at most {max} bytes of the rows of one result."),
    };
    Report::error(SqlState::PROGRAM_LIMIT_EXCEEDED, "result is too long")
        .detail(detail)
        .hint("Ask for less, with WHERE, LIMIT or an aggregate.")
}

/// What follows the end of a transaction that had moved search_path, in one text: it was reviewed under the path of
/// that transaction.
#[must_use]
pub fn after_path_moved_back() -> Report {
    Report::error(SqlState::FEATURE_NOT_SUPPORTED, "search_path cannot move back within one query string")
        .hint("Send the statements one by one.")
}

/// A statement after a refusal inside a transaction block, in PostgreSQL's words.
#[must_use]
pub fn in_failed_transaction() -> Report {
    Report::error(
        SqlState::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// EXECUTE behind a SET that names depend on, in one query string.
#[must_use]
pub fn execute_after_set() -> Report {
    Report::error(SqlState::FEATURE_NOT_SUPPORTED, "EXECUTE cannot follow such a SET within one query string")
        .hint("Send the statements one by one.")
}

/// Bind, Describe or DEALLOCATE of a statement that is not there.
#[must_use]
pub fn no_such_statement(name: &str) -> Report {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    Report::error(SqlState::INVALID_SQL_STATEMENT_NAME, message)
}

/// Describe or Execute of a portal that is not there.
#[must_use]
pub fn no_such_portal(name: &str) -> Report {
    Report::error(SqlState::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

/// DECLARE, FETCH, MOVE or CLOSE of a portal of the protocol: what runs in it is the protocol's to know.
#[must_use]
pub fn not_a_cursor(name: &str) -> Report {
    Report::error(SqlState::FEATURE_NOT_SUPPORTED, format!("portal \"{name}\" was not made by DECLARE"))
        .hint("Use the messages of the protocol for a portal that was made by Bind.")
}

/// A portal whose name PostgreSQL would cut in the middle of a character.
#[must_use]
pub fn portal_name_too_long() -> Report {
    Report::error(SqlState::NAME_TOO_LONG, "portal name is too long").detail("A name has at most 63 bytes.")
}

/// Parse under a name that is taken.
#[must_use]
pub fn duplicate_statement(name: &str) -> Report {
    let message = format!("prepared statement \"{name}\" already exists");
    Report::error(SqlState::DUPLICATE_PREPARED_STATEMENT, message)
}

/// The client sent FunctionCall.
#[must_use]
pub fn function_call() -> Report {
    Report::error(SqlState::FEATURE_NOT_SUPPORTED, "function call protocol messages are not permitted")
        .hint("Call the function in a SELECT, where it is reviewed.")
}

/// Parse of more than one statement.
#[must_use]
pub fn several_statements() -> Report {
    Report::error(SqlState::SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement")
}

/// `set_config` of a setting that is reviewed by its value, with NULL bound to it.
#[must_use]
pub fn null_setting(name: &str) -> Report {
    let message = format!("parameter \"{name}\" cannot be set to a bound NULL through the gateway");
    Report::error(SqlState::INSUFFICIENT_PRIVILEGE, message).hint("use RESET")
}

/// `$1` where nothing can bind it.
#[must_use]
pub fn no_parameter(text: &str, position: Option<usize>) -> Report {
    let report = Report::error(SqlState::UNDEFINED_PARAMETER, "there is no parameter $1");
    Report { position: position.map(|byte| characters_before(text, byte) + 1), ..report }
}

/// Characters that stand before a byte offset of `text`.
#[must_use]
pub fn characters_before(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(start, _)| *start < byte).count()
}

/// The message with the client's name of a prepared statement in place of the gateway's.
pub(super) fn renamed(message: &str, client_name: &str) -> Option<String> {
    let (before, rest) = message.split_once("prepared statement \"")?;
    let (server_name, after) = rest.split_once('"')?;
    let differs = server_name != client_name;
    differs.then(|| format!("{before}prepared statement \"{client_name}\"{after}"))
}
