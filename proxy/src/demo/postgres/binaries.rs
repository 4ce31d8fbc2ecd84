//! Where the PostgreSQL programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PostgresError, process};

/// The folder with `postgres` and `initdb`, its version, and a psql.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    version: String,
    version_major: u32,
}

impl Binaries {
    /// Looks, in this order, at `given`, the environment variable `VITRINE_PG_BIN`, PATH, `pg_config --bindir`,
    /// Debian's `/usr/lib/postgresql/*/bin` (newest first), Red Hat's `/usr/pgsql-*/bin`, and Homebrew's places.
    ///
    /// # Errors
    /// [`PostgresError::NotFound`], or a program that cannot say its version. A folder that was named and holds no
    /// server is an error, never a reason to look elsewhere.
    pub fn find(given: Option<&Path>) -> Result<Self, PostgresError> {
        let named = given.map(Path::to_path_buf).or_else(|| std::env::var_os("VITRINE_PG_BIN").map(PathBuf::from));
        let candidates = match named {
            Some(folder) => vec![folder],
            None => candidates(),
        };
        let Some(folder) = candidates.iter().find_map(|folder| server_folder(folder)) else {
            let looked = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(PostgresError::NotFound { looked });
        };
        let mut binaries = Self { folder, version: String::new(), version_major: 0 };
        let mut command = binaries.command("postgres");
        command.arg("--version");
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "postgres (PostgreSQL) 19beta1"
        let said = process::output(command, None)?;
        let version =
            said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("0");
        let major: String = version.chars().take_while(char::is_ascii_digit).collect();
        binaries.version_major = major.parse().unwrap_or(0);
        binaries.version = version.to_owned();
        Ok(binaries)
    }

    /// A command for a program of this folder.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        self.prepare(&mut command);
        command
    }

    /// Gives a command the environment these programs need.
    fn prepare(&self, command: &mut Command) {
        command.env("LC_ALL", "C").env_remove("PGDATA");
        // Relocated builds bring their libraries along.
        let libraries = self.folder.parent().map(|root| root.join("lib")).filter(|lib| lib.is_dir());
        if let Some(libraries) = libraries.filter(|_| !self.folder.starts_with("/usr")) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }

    /// A command for psql: of this folder, or the one on PATH, which brings its own libraries.
    #[must_use]
    pub fn psql(&self) -> Command {
        if self.folder.join("psql").is_file() { self.command("psql") } else { Command::new("psql") }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Full version, such as `15.14`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Major version, such as 15.
    #[must_use]
    pub fn version_major(&self) -> u32 {
        self.version_major
    }
}

fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut pg_config = Command::new("pg_config");
    pg_config.arg("--bindir");
    if let Ok(folder) = process::output(pg_config, None) {
        found.push(PathBuf::from(folder.trim()));
    }
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        found.extend(versions_newest_first(Path::new(parent), prefix));
    }
    found.push(PathBuf::from("/usr/local/pgsql/bin"));
    found
}

fn versions_newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// The folder the server really lives in. A wrapper script on PATH is passed by: its folder does not hold `initdb`
/// and `postgres` as programs; a symbolic link is followed.
fn server_folder(folder: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(folder.join("postgres")).ok()?;
    let home = real.parent()?;
    let complete = is_program(&real) && home.join("initdb").is_file();
    complete.then(|| home.to_path_buf())
}

/// Tells a program from a wrapper script by its first bytes.
fn is_program(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0_u8; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start != *b"#!"
}
