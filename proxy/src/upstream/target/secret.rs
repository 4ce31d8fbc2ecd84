//! The secret a role logs in with, wherever it is kept.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A password or the place it is read from. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, Default, PartialEq, Eq)]
enum Source {
    #[default]
    None,
    Inline(Arc<str>),
    File(PathBuf),
}

/// Passwords above this are a mistake in the file's name. In bytes; Azure tokens take about 2,000.
const SECRET_BYTES_MAX: usize = 64 * 1024;

impl Secret {
    /// No secret: trust, peer or certificate authentication.
    #[must_use]
    pub fn none() -> Self {
        Self(Source::None)
    }

    /// A password in memory.
    #[must_use]
    pub fn inline(password: impl Into<Arc<str>>) -> Self {
        Self(Source::Inline(password.into()))
    }

    /// A file whose contents, less one line break at the end, are the password. It is read at each connection.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The secret as of now; `None` when there is none.
    ///
    /// # Errors
    /// The file cannot be read, is empty, too big or not UTF-8.
    pub fn read(&self) -> io::Result<Option<Arc<str>>> {
        match &self.0 {
            Source::None => Ok(None),
            Source::Inline(password) => Ok(Some(Arc::clone(password))),
            Source::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                let line =
                    text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
                if line.is_empty() || line.len() > SECRET_BYTES_MAX {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{}: expected one password", path.display()),
                    ));
                }
                Ok(Some(line.into()))
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::None => f.write_str("Secret(none)"),
            Source::Inline(_) => f.write_str("Secret(..)"),
            Source::File(path) => write!(f, "Secret(file {})", path.display()),
        }
    }
}
