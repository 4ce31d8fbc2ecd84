//! What is wrong with a configuration: every mistake at once, each with the place where it stands.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line (from 1) of the configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Environment(String),
    /// Nowhere: the built-in default, or a value that is missing.
    Default,
}

/// One mistake: where, which key, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place to correct.
    pub origin: Origin,
    /// The key in the file's notation, `limits.frame_bytes_max`; empty for a fault of the file as a whole.
    pub key: String,
    /// What is wrong. Never quotes a secret.
    pub message: String,
}

impl Mistake {
    /// Orders a list: the file from top to bottom, then the variables, then what is missing.
    pub fn order(mistakes: &mut [Self]) {
        mistakes.sort_by(|left, right| left.place().cmp(&right.place()));
    }

    fn place(&self) -> (u8, &Path, usize, &str) {
        match &self.origin {
            Origin::File { path, line } => (0, path, *line, ""),
            Origin::Environment(name) => (1, Path::new(""), 0, name),
            Origin::Default => (2, Path::new(""), 0, ""),
        }
    }

    /// A mistake of the file as a whole.
    #[must_use]
    pub fn of_file(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { origin: Origin::File { path: path.into(), line }, key: String::new(), message: message.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, line: 0 } => write!(f, "{}: ", path.display())?,
            Origin::File { path, line } => write!(f, "{}:{line}: ", path.display())?,
            Origin::Environment(name) => write!(f, "environment: {name}: ")?,
            Origin::Default => f.write_str("configuration: ")?,
        }
        let named_already = self.key.is_empty() || matches!(self.origin, Origin::Environment(_));
        if !named_already {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
