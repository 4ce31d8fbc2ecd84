//! How one value is written: in the file as TOML, in the environment as text.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A value as given, before it has a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A TOML string.
    Text(String),
    /// A TOML integer, in digits with an optional sign.
    Integer(String),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// An environment variable: the target type decides what the text means.
    Environment(String),
    /// Any other TOML value, by the name of its type.
    Other(&'static str),
}

impl Raw {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Environment(_) => "text",
            Self::Other(kind) => kind,
        }
    }

    /// The text of a string, or why there is none.
    ///
    /// # Errors
    /// What was found instead of a string.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::Environment(text) => Ok(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other(_) => {
                Err(format!("expected a string, found {}", self.kind()))
            }
        }
    }

    /// The items of a list; an environment variable separates them by commas, a lone string is a list of one.
    ///
    /// # Errors
    /// What was found instead of a list.
    pub(super) fn items(&self) -> Result<Vec<String>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(text) => Ok(vec![text.clone()]),
            Self::Environment(text) => {
                Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Self::Integer(_) | Self::Boolean(_) | Self::Other(_) => {
                Err(format!("expected a list of strings, found {}", self.kind()))
            }
        }
    }
}

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// Reads the value; the error is a message for the operator and never quotes a secret.
    ///
    /// # Errors
    /// What is wrong with the value, in words.
    fn read(raw: &Raw) -> Result<Self, String>;
    /// The value as TOML, for the reference; secrets show as `"…"`.
    fn show(&self) -> String;
    /// What may stand here, for the reference.
    fn expects() -> String;
    /// The number to compare with a range, for values that have one.
    fn measure(&self) -> Option<u64> {
        None
    }
}

/// A time span in milliseconds, as every `_ms` setting is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// The same as a [`Duration`].
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// As [`Duration`]; `None` where zero means "no limit".
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        (self.0 > 0).then(|| self.duration())
    }
}

/// Text that must not reach a log: neither `Debug` nor the reference shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for the connection that needs it, never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Secret {
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "" => Err("is empty".to_owned()),
            text => Ok(Self(text.to_owned())),
        }
    }

    fn show(&self) -> String {
        "\"…\"".to_owned()
    }

    fn expects() -> String {
        "text, secret".to_owned()
    }
}

impl Value for String {
    fn read(raw: &Raw) -> Result<Self, String> {
        raw.text().map(str::to_owned)
    }

    fn show(&self) -> String {
        quoted(self)
    }

    fn expects() -> String {
        "text".to_owned()
    }
}

impl Value for PathBuf {
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "" => Err("expected a path, found nothing".to_owned()),
            text => Ok(Self::from(text)),
        }
    }

    fn show(&self) -> String {
        quoted(&self.display().to_string())
    }

    fn expects() -> String {
        "path".to_owned()
    }
}

impl Value for bool {
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(value) => Ok(*value),
            Raw::Environment(text) => match text.as_str() {
                "true" | "on" | "yes" | "1" => Ok(true),
                "false" | "off" | "no" | "0" => Ok(false),
                other => Err(format!("expected true or false, found {other:?}")),
            },
            Raw::Text(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => {
                Err(format!("expected true or false, found {}", raw.kind()))
            }
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn expects() -> String {
        "true or false".to_owned()
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Value for $number {
            fn read(raw: &Raw) -> Result<Self, String> {
                let digits = digits_of(raw)?;
                digits.parse().map_err(|_| format!("expected a whole number up to {}, found {digits}", Self::MAX))
            }

            fn show(&self) -> String {
                grouped(&self.to_string())
            }

            fn expects() -> String {
                "whole number".to_owned()
            }

            fn measure(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        }
    )*};
}

whole_number!(u16, u32, u64, usize);

impl Value for Millis {
    fn read(raw: &Raw) -> Result<Self, String> {
        u64::read(raw).map(Self)
    }

    fn show(&self) -> String {
        self.0.show()
    }

    fn expects() -> String {
        "milliseconds".to_owned()
    }

    fn measure(&self) -> Option<u64> {
        Some(self.0)
    }
}

impl Value for Vec<String> {
    fn read(raw: &Raw) -> Result<Self, String> {
        raw.items()
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        format!("[{}]", items.join(", "))
    }

    fn expects() -> String {
        "list of text; in the environment separated by commas".to_owned()
    }
}

impl Value for Vec<Secret> {
    fn read(raw: &Raw) -> Result<Self, String> {
        Ok(raw.items()?.into_iter().map(Secret::new).collect())
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(Value::show).collect();
        format!("[{}]", items.join(", "))
    }

    fn expects() -> String {
        "list of text, secret; in the environment separated by commas".to_owned()
    }
}

impl<T: Value> Value for Option<T> {
    fn read(raw: &Raw) -> Result<Self, String> {
        T::read(raw).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::show)
    }

    fn expects() -> String {
        T::expects()
    }

    fn measure(&self) -> Option<u64> {
        self.as_ref().and_then(Value::measure)
    }
}

/// A setting with a closed list of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// The word that stands for it in the configuration.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl $crate::config::value::Value for $name {
            fn read(raw: &$crate::config::value::Raw) -> Result<Self, String> {
                match raw.text()? {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!("expected {}, found {other:?}", Self::expects())),
                }
            }

            fn show(&self) -> String {
                format!("\"{}\"", self.word())
            }

            fn expects() -> String {
                [$($word),*].join(" or ")
            }
        }
    };
}
pub(super) use words;

fn digits_of(raw: &Raw) -> Result<String, String> {
    let text = match raw {
        Raw::Integer(digits) => digits.clone(),
        Raw::Environment(text) => text.replace('_', ""),
        Raw::Text(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => {
            return Err(format!("expected a whole number, found {}", raw.kind()));
        }
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("expected a whole number of zero or more, found {text:?}"));
    }
    Ok(text)
}

/// `67108864` as `67_108_864`, which TOML and the environment both accept.
fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_thousands() {
        assert_eq!(grouped("7"), "7");
        assert_eq!(grouped("123"), "123");
        assert_eq!(grouped("67108864"), "67_108_864");
        assert_eq!(u32::read(&Raw::Environment("67_108_864".to_owned())), Ok(67_108_864));
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("postgres://u:hunter2@h/d");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!secret.show().contains("hunter2"));
    }
}
