//! What the console understands.

use crate::wire::backend::Report;
use crate::wire::sqlstate::SqlState;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Show(Topic),
    /// SET of anything: drivers send some at start; nothing comes of it.
    Set,
    Empty,
    /// INVALIDATE, of all answers from memory or of those over one table, which is named as SQL names it.
    Invalidate(Option<String>),
}

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Help,
    Pools,
    Clients,
    Stats,
    Catalog,
    Config,
    Databases,
    Version,
    Cache,
    CacheEntries,
}

/// Topics with what they show, as `SHOW HELP` lists them.
pub(super) const TOPICS: &[(&str, Topic, &str)] = &[
    ("HELP", Topic::Help, "this list"),
    ("POOLS", Topic::Pools, "connections to the customer databases, by database and role"),
    ("CLIENTS", Topic::Clients, "who is connected"),
    ("STATS", Topic::Stats, "counters since the start"),
    ("CATALOG", Topic::Catalog, "the snapshots that names are resolved against"),
    ("CONFIG", Topic::Config, "the configuration in force, without secrets"),
    ("DATABASES", Topic::Databases, "the databases on offer"),
    ("CACHE", Topic::Cache, "answers kept in memory: counters, and how fresh they are"),
    (
        "CACHE ENTRIES",
        Topic::CacheEntries,
        "the answers kept, those asked for most first; INVALIDATE [table] drops them",
    ),
    ("VERSION", Topic::Version, "the version of the gateway"),
];

impl Command {
    /// Reads one question: a topic after SHOW, in any case, with or without a semicolon.
    pub(super) fn parse(sql: &str) -> Result<Self, Box<Report>> {
        let text = sql.trim().trim_end_matches(';').trim();
        let mut words = text.split_whitespace();
        let (verb, object) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if verb.eq_ignore_ascii_case("INVALIDATE") {
            let object = object.trim();
            return Ok(Self::Invalidate((!object.is_empty()).then(|| object.to_owned())));
        }
        match (words.next().map(str::to_uppercase).as_deref(), words.next(), words.next()) {
            (None, _, _) => Ok(Self::Empty),
            (Some("SET"), Some(_), _) => Ok(Self::Set),
            (Some("SHOW"), Some(first), Some(second)) if words.next().is_none() => topic(&format!("{first} {second}")),
            (Some("SHOW"), Some(word), None) => topic(word),
            _ => Err(Box::new(unknown("the console answers SHOW and a topic, and INVALIDATE"))),
        }
    }
}

fn topic(words: &str) -> Result<Command, Box<Report>> {
    let found = TOPICS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(words));
    let found = found.map(|(_, topic, _)| Command::Show(*topic));
    found.ok_or_else(|| Box::new(unknown(&format!("unknown topic \"{words}\""))))
}

fn unknown(message: &str) -> Report {
    Report::error(SqlState::SYNTAX_ERROR, message).hint("SHOW HELP lists the topics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_in_any_case() {
        assert_eq!(Command::parse(" show pools ; "), Ok(Command::Show(Topic::Pools)));
        assert_eq!(Command::parse(""), Ok(Command::Empty));
        assert_eq!(Command::parse("SHOW cache Entries;"), Ok(Command::Show(Topic::CacheEntries)));
        assert_eq!(Command::parse("INVALIDATE s.t"), Ok(Command::Invalidate(Some("s.t".to_owned()))));
        assert_eq!(Command::parse("SET application_name = 'x'"), Ok(Command::Set));
        for bad in ["SHOW", "SHOW NOTHING", "SELECT 1", "SHOW POOLS; DROP TABLE t"] {
            assert_eq!(Command::parse(bad).unwrap_err().sqlstate, SqlState::SYNTAX_ERROR, "{bad}");
        }
    }
}
