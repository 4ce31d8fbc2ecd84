//! The files: embedded in the program, or of a folder.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{MigrateError, Misfit};

/// Every `*.sql` of `migrations/` when the program was built, by name.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The number in front of its name.
    pub version: i64,
    /// Name with number and `.sql`.
    pub name: String,
    /// Its text.
    pub sql: Cow<'static, str>,
    /// SHA-256 of the text.
    pub checksum: [u8; 32],
}

/// Files that follow each other: numbers 1, 2, 3 … without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrations(Vec<Migration>);

impl Migrations {
    /// Those that the program was built with.
    ///
    /// # Errors
    /// They are misnamed or do not follow each other; a test keeps that from being shipped.
    pub fn embedded() -> Result<Self, MigrateError> {
        Self::new(EMBEDDED.iter().map(|(name, sql)| ((*name).to_owned(), Cow::Borrowed(*sql))))
    }

    /// The `*.sql` of a folder. Other files there are passed by.
    ///
    /// # Errors
    /// The folder cannot be read; files are misnamed, not UTF-8 or do not follow each other.
    pub fn from_dir(folder: &Path) -> Result<Self, MigrateError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| MigrateError::Files { path, source }
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                files.push((name, Cow::Owned(fs::read_to_string(&path).map_err(failed(&path))?)));
            }
        }
        Self::new(files)
    }

    fn new(files: impl IntoIterator<Item = (String, Cow<'static, str>)>) -> Result<Self, MigrateError> {
        let (mut migrations, mut misfits) = (Vec::new(), Vec::new());
        for (name, sql) in files {
            match version(&name) {
                Some(version) => {
                    let checksum = Sha256::digest(sql.as_bytes()).into();
                    migrations.push(Migration { version, name, sql, checksum });
                }
                None => misfits.push(Misfit::Name { file: name }),
            }
        }
        migrations.sort_by(|left, right| (left.version, &left.name).cmp(&(right.version, &right.name)));
        misfits.extend(gaps(&migrations));
        if misfits.is_empty() { Ok(Self(migrations)) } else { Err(MigrateError::Misfit(misfits)) }
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Migration> {
        self.0.iter()
    }

    /// The last one's number; 0 where there is none.
    #[must_use]
    pub fn latest(&self) -> i64 {
        self.0.last().map_or(0, |migration| migration.version)
    }

    pub(super) fn by_version(&self, version: i64) -> Option<&Migration> {
        self.0.iter().find(|migration| migration.version == version)
    }
}

/// The number of `0001_name.sql`.
fn version(name: &str) -> Option<i64> {
    let (digits, words) = name.strip_suffix(".sql")?.split_once('_')?;
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let well_formed = digits.len() >= 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !words.is_empty()
        && words.bytes().all(inside);
    digits.parse().ok().filter(|version| well_formed && *version > 0)
}

/// What keeps the numbers from being 1, 2, 3 …
fn gaps(sorted: &[Migration]) -> Vec<Misfit> {
    let mut found = Vec::new();
    let mut before: Option<&Migration> = None;
    for migration in sorted {
        let expected = before.map_or(1, |before| before.version.saturating_add(1));
        match before {
            Some(other) if other.version == migration.version => {
                found.push(Misfit::SameNumber { file: migration.name.clone(), other: other.name.clone() });
            }
            Some(_) | None if migration.version != expected => {
                found.push(Misfit::Gap { file: migration.name.clone(), expected });
            }
            Some(_) | None => {}
        }
        before = Some(migration);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Migrations, String> {
        let files = names.iter().map(|name| ((*name).to_owned(), Cow::Borrowed("SELECT 1")));
        Migrations::new(files).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_embedded_is_what_lies_in_the_folder() {
        let embedded = Migrations::embedded().unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        if folder.is_dir() {
            assert_eq!(embedded, Migrations::from_dir(&folder).unwrap());
        }
    }

    #[test]
    fn numbers_follow_each_other() {
        assert_eq!(of(&["0002_b.sql", "0001_a.sql"]).unwrap().latest(), 2);
        assert_eq!(of(&[]).unwrap().latest(), 0);
        let gap = of(&["0001_a.sql", "0003_c.sql", "0003_d.sql", "0004_e.sql"]).unwrap_err();
        assert!(gap.contains("0003_c.sql does not follow: number 0002 is missing before it"), "{gap}");
        assert!(gap.contains("0003_d.sql has the number of 0003_c.sql"), "{gap}");
        assert!(!gap.contains("0004_e"), "{gap}");
        assert!(of(&["0002_b.sql"]).unwrap_err().contains("number 0001"));
    }

    #[test]
    fn names_are_of_one_form() {
        for name in
            ["1_a.sql", "0001a.sql", "0001_.sql", "0001_A.sql", "0001_a b.sql", "0000_a.sql", "_a.sql", "00x1_a.sql"]
        {
            assert!(of(&[name]).unwrap_err().contains("is not named as a migration"), "{name}");
        }
        assert_eq!(version("00012_a_2.sql"), Some(12));
    }
}
