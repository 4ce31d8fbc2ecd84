//! What a text is read under: database, role and every setting that changes what names and literals mean.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use ahash::RandomState;

use super::Seed;
use super::settings::{Ledger, Settings, meaningful};
use crate::sql::Access;

/// The surroundings of a text. A verdict, a prepared statement and a cached answer hold only in the scope they were
/// made in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsScope {
    access: Access,
    database: Arc<str>,
    role: Arc<str>,
    search_path: Vec<String>,
    /// What RESET search_path returns to.
    reset_path: Vec<String>,
    /// What `set_config` with NULL returns to: that of the role.
    born_path: Vec<String>,
    /// Whether the end of the transaction, however it ends, leaves the search_path as it is.
    is_settled: bool,
    settings: Settings,
    /// Made once: every statement that comes is looked up under its scope.
    hash: u64,
}

const SEARCH_PATH: &str = "search_path";

impl Hash for SettingsScope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl SettingsScope {
    /// The scope of a session whose settings stand like this.
    #[must_use]
    pub fn new(seed: &Seed, ledger: &Ledger) -> Self {
        let Seed { access, database, role, default_search_path: default_path, .. } = seed;
        let path = |settings: &Settings| match settings.get(SEARCH_PATH) {
            Some(right_side) => split_literals(right_side),
            None => split_names(default_path),
        };
        let settings = ledger.effective();
        let search_path = path(&settings);
        // Equality looks at everything; for the hash the path is telling enough.
        let hash = hasher().hash_one((role, &search_path));
        Self {
            access: *access,
            database: Arc::clone(database),
            role: Arc::clone(role),
            search_path,
            hash,
            reset_path: path(ledger.startup()),
            born_path: split_names(default_path),
            is_settled: ledger.is_settled(SEARCH_PATH),
            settings: meaningful(&settings),
        }
    }

    /// What the route lets statements do at all.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// What RESET search_path returns to.
    #[must_use]
    pub fn reset_path(&self) -> &[String] {
        &self.reset_path
    }

    /// What `set_config` with NULL returns to.
    #[must_use]
    pub fn born_path(&self) -> &[String] {
        &self.born_path
    }

    /// Whether the end of the transaction, however it ends, leaves the search_path as it is.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// About how many bytes it takes: a client chooses them, and what is remembered under a scope holds it.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        let settings = self.settings.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let paths = self
            .search_path
            .iter()
            .chain(&self.reset_path)
            .chain(&self.born_path)
            .map(|name| name.len() + size_of::<String>());
        settings + paths.sum::<usize>()
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The upstream role: what `"$user"` stands for.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The search_path, `"$user"` as it stands.
    #[must_use]
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }
}

/// Keyed at random, once for the process: a client chooses its search_path, its texts and its values.
#[must_use]
pub fn hasher() -> &'static RandomState {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    &HASHER
}

/// Splits the value of search_path, `"$user", public`, into names: bare ones are folded to lower case, quoted ones are
/// not. Follows `SplitIdentifierString` of PostgreSQL to the letter: what it takes for a name is a name, and a single
/// quote is a letter. What it refuses as a value is split somehow.
#[must_use]
pub fn split_names(list: &str) -> Vec<String> {
    split(list, '"')
}

/// Splits the right side of a SET as the ledger keeps it, `'a', 'B'`, into names.
fn split_literals(right_side: &str) -> Vec<String> {
    split(right_side, '\'')
}

fn split(list: &str, quote: char) -> Vec<String> {
    let mut names = Vec::new();
    let mut chars = list.chars().peekable();
    loop {
        while chars.peek().is_some_and(|c| is_space(*c) || *c == ',') {
            chars.next();
        }
        match chars.peek() {
            None => return names,
            Some(first) if *first == quote => {
                chars.next();
                names.push(quoted(&mut chars, quote));
            }
            Some(_) => names.push(bare(&mut chars)),
        }
    }
}

/// `scanner_isspace` of PostgreSQL; the vertical tab is one since version 16, and no letter of a bare name before.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next() {
        if c == quote && chars.next_if_eq(&quote).is_none() {
            break;
        }
        name.push(c);
    }
    name
}

/// Letters beyond ASCII keep their case in a UTF8 database.
fn bare(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| *c != ',' && !is_space(*c)) {
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_postgresql_splits_them() {
        assert_eq!(split_names("\"$user\", public"), ["$user", "public"]);
        assert_eq!(split_literals("'a', 'B''c' ,'public'"), ["a", "B'c", "public"]);
        assert_eq!(split_literals("''"), [""]);
        assert_eq!(split_names("'a, b'"), ["'a", "b'"]);
        assert_eq!(split_names("\u{c9}A\u{a0}b, x"), ["\u{c9}a\u{a0}b", "x"]);
        assert_eq!(split_names(""), Vec::<String>::new());
        assert_eq!(split_names("\"a\"\"b\",c"), ["a\"b", "c"]);
    }
}
