//! The sections of the file: each setting is declared once, with its type, default, bounds and meaning, and from that
//! one line come the field, the reader, the environment variable and the reference.

use super::source::Source;

/// One setting, for the reference and for the list of keys that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// Key within its section.
    pub(super) key: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What may stand there.
    pub(super) expects: String,
    /// The default as TOML; empty if there is none.
    pub(super) default: String,
    /// An example for a setting without a default.
    pub(super) example: &'static str,
}

/// A group of settings: a section of the file, or the keys above the first section.
pub(super) trait Section: Sized {
    /// The section's name; empty for the keys above the first section.
    const NAME: &'static str;
    /// What the section is about.
    const MEANING: &'static str;

    /// Reads the section under `prefix` (its name, or `database[1]` for an entry of an array) and takes the keys out of the source.
    fn read(source: &mut Source, prefix: &str) -> Self;

    /// Every key with its value in force, secrets hidden.
    fn shown(&self) -> Vec<(String, String)>;

    /// Every setting, in order.
    fn describe() -> Vec<Described>;
}

macro_rules! section {
    (
        $(#[doc = $section_doc:literal])+
        $vis:vis $name:ident at $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(, in $range:expr)? $(, such as $example:literal)?;
            )*
        }
    ) => {
        $(#[doc = $section_doc])+
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),* }
            }
        }

        impl $crate::config::section::Section for $name {
            const NAME: &'static str = $section;
            const MEANING: &'static str = concat!($($section_doc, "\n"),+);

            fn read(source: &mut $crate::config::source::Source, prefix: &str) -> Self {
                let mut section = Self::default();
                $(
                    #[allow(unused_mut, unused_assignments, reason = "not every setting has a range")]
                    let mut range: Option<std::ops::RangeInclusive<u64>> = None;
                    $(range = Some($range);)?
                    if let Some(value) = source.take(prefix, stringify!($key), range) {
                        section.$key = value;
                    }
                )*
                section
            }

            fn shown(&self) -> Vec<(String, String)> {
                vec![$((
                    if $section.is_empty() { stringify!($key).to_owned() } else { format!("{}.{}", $section, stringify!($key)) },
                    $crate::config::value::Value::show(&self.$key),
                )),*]
            }

            fn describe() -> Vec<$crate::config::section::Described> {
                let defaults = Self::default();
                vec![$(
                    $crate::config::section::Described {
                        key: stringify!($key),
                        meaning: concat!($($doc, "\n"),+),
                        expects: {
                            #[allow(unused_mut, reason = "not every setting has a range")]
                            let mut expects = <$type as $crate::config::value::Value>::expects();
                            $({
                                let range: std::ops::RangeInclusive<u64> = $range;
                                expects.push_str(&format!(", {} to {}",
                                    $crate::config::value::Value::show(range.start()), $crate::config::value::Value::show(range.end())));
                            })?
                            expects
                        },
                        default: $crate::config::value::Value::show(&defaults.$key),
                        example: concat!($($example)?),
                    },
                )*]
            }
        }
    };
}
pub(super) use section;
