//! The program with a tool database of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use vitrine::demo::postgres::{Options, Server};

/// A server, an empty database on it, and the program pointed at it.
pub(crate) struct Tools {
    pub(crate) server: Server,
    pub(crate) database: String,
    /// Who owns the tool database, where that is not the superuser.
    pub(crate) owner: Option<String>,
    /// Where PostgreSQL's programs are, before those of the machine.
    pub(crate) programs: Option<PathBuf>,
    folder: tempfile::TempDir,
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Tools {
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let server = Server::start(options).unwrap();
        server.psql("CREATE DATABASE tools").unwrap();
        Self { server, database: "tools".to_owned(), owner: None, programs: None, folder: tempfile::tempdir().unwrap() }
    }

    /// PostgreSQL 16 with pgvector. Its programs do not find their libraries by themselves.
    pub(crate) fn with_pgvector() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix/fetch");
        let fetched = said(Command::new(fetch).arg("16-vector").output().unwrap()).fine();
        let binaries = Path::new(fetched.trim());
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        for program in ["psql", "pg_dump", "pg_restore"] {
            let real = binaries.join(program);
            let lib = binaries.parent().unwrap().join("lib");
            let script = format!("#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n", lib.display(), real.display());
            std::fs::write(programs.join(program), script).unwrap();
            std::fs::set_permissions(programs.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let options = Options { binaries: Some(binaries.to_owned()), ..Options::default() };
        let tools = Self::start_with(options);
        Self { programs: Some(programs), folder, ..tools }
    }

    /// A file or folder of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        match &self.owner {
            Some(owner) => self.server.url(owner, &self.database),
            None => self.server.superuser_url_of(&self.database),
        }
    }

    /// The owner is no superuser: it may make databases and roles, and owns the tool database.
    pub(crate) fn with_plain_owner(mut self) -> Self {
        self.server.psql("CREATE ROLE keeper LOGIN CREATEDB CREATEROLE; ALTER DATABASE tools OWNER TO keeper").unwrap();
        self.owner = Some("keeper".to_owned());
        self
    }

    /// The same server, another database, which is made.
    pub(crate) fn beside(&mut self, database: &str) {
        let owner = self.owner.as_ref().map(|owner| format!(" OWNER {owner}")).unwrap_or_default();
        self.server.psql(&format!("CREATE DATABASE {database}{owner}")).unwrap();
        self.database = database.to_owned();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = self.programs.iter().cloned().chain(std::env::split_paths(&path));
        command.args(arguments).env_clear().env("PATH", std::env::join_paths(places).unwrap());
        command.env("VITRINE_INSIGHTS_URL", self.url()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().unwrap())
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.psql_in(&self.database, sql).unwrap().trim().to_owned()
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Said {
    /// The output of a command that went well.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The complaint of a command that ended with `code`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// As an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
