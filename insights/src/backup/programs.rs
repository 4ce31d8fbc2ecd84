//! PostgreSQL's own client programs: where they are, and how they reach the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::BackupError;

/// How libpq reaches a database: its environment variables (`PGHOST`, `PGPASSWORD`, `PGSSLMODE` …).
///
/// <https://www.postgresql.org/docs/current/libpq-envars.html>
#[derive(Clone, Default)]
pub struct Libpq(pub BTreeMap<&'static str, String>);

impl Libpq {
    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut variables = self.0.clone();
        variables.insert("PGDATABASE", database.to_owned());
        Self(variables)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &str {
        self.0.get("PGDATABASE").map_or("", String::as_str)
    }
}

/// A password may be among them.
impl std::fmt::Debug for Libpq {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_set().entries(self.0.keys()).finish()
    }
}

/// The folder whose `pg_dump`, `pg_restore` and `psql` are used, and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
    /// Such as `16.4`.
    pub version: String,
    major: u32,
}

/// Where distributions put them, beside the PATH.
const PLACES: &[&str] = &["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/homebrew/opt", "/usr/pgsql"];

impl Programs {
    /// Those of `folder`, or the nearest to the server's version on the PATH and where distributions put them. A program
    /// may be newer than the server, not older.
    ///
    /// # Errors
    /// None is there, or all are older than the server.
    pub async fn find(folder: Option<&Path>, path: &str, server_major: u32) -> Result<Self, BackupError> {
        let folders: Vec<PathBuf> = match folder {
            Some(folder) => vec![folder.to_owned()],
            None => std::env::split_paths(path).chain(versioned()).collect(),
        };
        let mut found: Vec<Self> = Vec::new();
        for folder in folders {
            if let Some(programs) = Self::of(folder).await {
                found.push(programs);
            }
        }
        found.sort_by_key(|programs| programs.major);
        let Some(newest) = found.last().cloned() else { return Err(BackupError::NoProgram { program: "pg_dump" }) };
        found.into_iter().find(|programs| programs.major >= server_major).ok_or(BackupError::TooOld {
            program: "pg_dump",
            found: newest.version,
            server: server_major,
        })
    }

    async fn of(folder: PathBuf) -> Option<Self> {
        if !["pg_dump", "pg_restore", "psql"].iter().all(|program| folder.join(program).is_file()) {
            return None;
        }
        let output = Command::new(folder.join("pg_dump")).arg("--version").stdin(Stdio::null()).output().await.ok()?;
        // pg_dump (PostgreSQL) 16.4 (Debian 16.4-1)
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = said.split_once(") ")?.1.split_whitespace().next()?.to_owned();
        let major = version.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
        Some(Self { folder, version, major })
    }

    /// Their major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// A program, pointed at a database. Nothing of the caller's libpq settings gets through.
    pub(super) fn command(&self, program: &'static str, database: &Libpq) -> Command {
        let mut command = Command::new(self.folder.join(program));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_MESSAGES", "C").env_remove("LC_ALL").envs(&database.0);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// `/usr/lib/postgresql/16/bin` and the like.
fn versioned() -> Vec<PathBuf> {
    let folders = PLACES.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten();
    folders.filter_map(Result::ok).map(|entry| entry.path().join("bin")).filter(|bin| bin.is_dir()).collect()
}

/// The last lines of what a program wrote, where the reason stands.
pub(super) fn last_words(lines: &[String]) -> String {
    let told: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("error") || line.contains("ERROR") || line.contains("FATAL"))
        .collect();
    let told = if told.is_empty() { lines.iter().map(String::as_str).collect() } else { told };
    let from = told.len().saturating_sub(5);
    told.get(from..).unwrap_or_default().join("; ")
}
