//! Log lines: JSON for machines, pretty for people, and the one line that every refusal leaves.

use crate::sql::Rule;
use crate::wire::sqlstate::SqlState;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// One JSON object a line, on stdout.
    Json,
    /// For people, on stderr.
    Pretty,
}

/// Starts logging for the whole process; a second call changes nothing.
///
/// `level` is `error`, `warn`, `info`, `debug` or `trace`. Libraries speak only when something needs attention:
/// pingora, for one, reports every accepted connection at `debug`, and at `info` what our own lines already say.
pub fn start_logs(form: LogForm, level: &str) {
    let filter = EnvFilter::new(format!("warn,vitrine={level}"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let _already_started = match form {
        LogForm::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogForm::Pretty => lines.with_writer(std::io::stderr).try_init(),
    };
}

/// A refused statement, as the log tells it.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The client's user.
    pub user: &'a str,
    /// The database it asked for.
    pub database: &'a str,
    /// Where it came from.
    pub peer: &'a str,
    /// The rule that refused.
    pub rule: Rule,
    /// What the client was told.
    pub sqlstate: SqlState,
    /// The statement without its literals (`sql::shape`): never the text itself.
    pub shape: &'a str,
}

/// Writes the line of a refusal. A disagreement of the readers is louder: it is a fault of a reader or an attack.
pub fn log_refusal(refused: &Refused<'_>) {
    let Refused { user, database, peer, rule, sqlstate, shape } = *refused;
    let shape = clipped(shape);
    if rule == Rule::ReadersDisagree {
        tracing::error!(
            event = "refused",
            user,
            database,
            peer,
            rule = rule.name(),
            sqlstate = sqlstate.code(),
            shape,
            "the readers disagree"
        );
    } else {
        tracing::info!(
            event = "refused",
            user,
            database,
            peer,
            rule = rule.name(),
            sqlstate = sqlstate.code(),
            shape,
            "statement refused"
        );
    }
}

/// A log line has a bound too.
fn clipped(shape: &str) -> &str {
    const SHAPE_BYTES_MAX: usize = 2_000;
    (0..=SHAPE_BYTES_MAX).rev().find_map(|end| shape.get(..end.min(shape.len()))).unwrap_or("")
}
