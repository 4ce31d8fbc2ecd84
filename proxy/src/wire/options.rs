//! The `options` start-up parameter: command-line switches for a backend, split as PostgreSQL splits them.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS>; in PostgreSQL's source
//! `pg_split_opts`, `process_postgres_switches` and `ParseLongOption`.

use thiserror::Error;

use super::sqlstate::SqlState;

/// Something in `options` that is not a setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownSwitch {
    /// A switch of the server program other than `-c` and `--name`.
    #[error("command-line switch \"{0}\" in options is not permitted")]
    NotPermitted(String),
    /// Not a switch, or one without its argument.
    #[error("invalid command-line argument for server process: {0}")]
    Invalid(String),
    /// A setting without `=`.
    #[error("{0} requires a value")]
    MissingValue(String),
}

impl UnknownSwitch {
    /// The SQLSTATE that the client is given.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::NotPermitted(_) => SqlState::INSUFFICIENT_PRIVILEGE,
            Self::Invalid(_) | Self::MissingValue(_) => SqlState::SYNTAX_ERROR,
        }
    }
}

/// The settings in an `options` value, in order. Names come out with dashes turned into underscores, as PostgreSQL does.
pub fn split(options: &str) -> Result<Vec<(String, String)>, UnknownSwitch> {
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            // getopt's end of switches: whatever follows would be a plain argument, and a backend takes none.
            return words.next().map_or(Ok(settings), |rest| Err(UnknownSwitch::Invalid(rest)));
        }
        if let Some(long) = word.strip_prefix("--") {
            settings.push(setting(long, "--")?);
        } else if let Some(attached) = word.strip_prefix("-c") {
            let argument = if attached.is_empty() { words.next() } else { Some(attached.to_owned()) };
            let argument = argument.ok_or(UnknownSwitch::Invalid(word))?;
            settings.push(setting(&argument, "-c ")?);
        } else if word.len() > 1 && word.starts_with('-') {
            return Err(UnknownSwitch::NotPermitted(word));
        } else {
            return Err(UnknownSwitch::Invalid(word));
        }
    }
    Ok(settings)
}

fn setting(text: &str, switch: &str) -> Result<(String, String), UnknownSwitch> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.replace('-', "_"), value.to_owned())),
        None => Err(UnknownSwitch::MissingValue(format!("{switch}{text}"))),
    }
}

/// Words between unescaped white space; a backslash takes the next character as it is.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = options.chars().peekable();
    while characters.next_if(|c| is_space(*c)).is_some() {}
    while characters.peek().is_some() {
        let mut word = String::new();
        while let Some(character) = characters.next_if(|c| !is_space(*c)) {
            match character {
                // A backslash at the very end escapes nothing and is dropped.
                '\\' => word.extend(characters.next()),
                plain => word.push(plain),
            }
        }
        words.push(word);
        while characters.next_if(|c| is_space(*c)).is_some() {}
    }
    words
}

/// C's `isspace` in the C locale, which has the vertical tab that `char::is_ascii_whitespace` lacks.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(options: &str) -> Vec<(String, String)> {
        split(options).unwrap_or_else(|error| panic!("{options:?}: {error}"))
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn settings_are_split_as_postgresql_splits_them() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            (" \t\x0b ", &[]),
            ("-c a=b", &[("a", "b")]),
            ("-ca=b", &[("a", "b")]),
            ("--a=b", &[("a", "b")]),
            ("  -c a=b   --c-d=e  ", &[("a", "b"), ("c_d", "e")]),
            ("-c statement-timeout=5", &[("statement_timeout", "5")]),
            (r"-c search_path=a,\ b", &[("search_path", "a, b")]),
            (r"-c a=\\b", &[("a", r"\b")]),
            (r"-c\ a=b", &[(" a", "b")]),
            (r"-c a=b\", &[("a", "b")]),
            ("-c a=b=c -- ", &[("a", "b=c")]),
            ("-c a=", &[("a", "")]),
            ("-c -c=d", &[("_c", "d")]),
            ("-c a=b -c a=c", &[("a", "b"), ("a", "c")]),
            ("-c a=ä\u{a0}b", &[("a", "ä\u{a0}b")]),
        ];
        for (options, wanted) in table {
            let wanted: Vec<_> = wanted.iter().map(|(name, value)| pair(name, value)).collect();
            assert_eq!(pairs(options), wanted, "{options:?}");
        }
    }

    #[test]
    fn anything_but_a_setting_is_refused() {
        for options in ["-d 5", "-e", "-fs", "-O", "-P", "-S 100", "-tpa", "-W 5", "-ec a=b", "-C a"] {
            let error = split(options).unwrap_err();
            assert!(matches!(error, UnknownSwitch::NotPermitted(_)), "{options:?}: {error}");
        }
        for options in ["a=b", "-c a=b c", "-", "-c", "-- -c a=b"] {
            let error = split(options).unwrap_err();
            assert!(matches!(error, UnknownSwitch::Invalid(_)), "{options:?}: {error}");
        }
        for options in ["-c a", "--a", "-c a --b=c"] {
            let error = split(options).unwrap_err();
            assert!(matches!(error, UnknownSwitch::MissingValue(_)), "{options:?}: {error}");
        }
    }
}
