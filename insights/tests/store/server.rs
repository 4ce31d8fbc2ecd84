//! A PostgreSQL server of a test's own. (`vitrine::demo::postgres` has a finer one, which this crate must not know.)

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use deadpool_postgres::ConfigConnectImpl;
use tokio_postgres::{Client, Config, NoTls};
use vitrine_insights::migrate::{Migrations, up};
use vitrine_insights::model::{Identity, NewKind, Scope, Tenant};
use vitrine_insights::service::{Idempotency, Kinds as _, Writer};
use vitrine_insights::store::{Settings, Store};

/// A server with one migrated database, `tools`.
pub(crate) struct Server {
    bin: PathBuf,
    folder: PathBuf,
    // Removed last; None where the folder is somebody else's.
    _folder: Option<tempfile::TempDir>,
    port: u16,
    running: Mutex<Option<Child>>,
    /// Ends the server when this process dies without dropping it.
    _watchdog: Child,
}

impl Server {
    /// The machine's PostgreSQL, whatever its version.
    pub(crate) async fn start() -> Self {
        Self::start_with(&machine_bin(), None, &[]).await
    }

    pub(crate) async fn start_with(bin: &Path, folder: Option<&Path>, config: &[&str]) -> Self {
        let own = folder.is_none().then(|| tempfile::Builder::new().prefix("vitrine-ins-").tempdir().unwrap());
        let folder = folder.map_or_else(|| own.as_ref().unwrap().path().to_owned(), Path::to_path_buf);
        if let Some((uid, gid)) = account() {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let server = Self {
            bin: bin.to_owned(),
            port: std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port(),
            running: Mutex::new(None),
            _watchdog: watchdog(&folder),
            folder,
            _folder: own,
        };
        let data = server.folder.join("data");
        let mut initdb = server.command("initdb");
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=postgres", "-D"]);
        let said = initdb.arg(&data).output().unwrap();
        assert!(said.status.success(), "initdb: {}", String::from_utf8_lossy(&said.stderr));
        let mut text = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        // A kill of the server loses nothing that the system was given; only a test of the machine would need fsync.
        for line in [&["fsync = off", "listen_addresses = '127.0.0.1'", "max_wal_size = 4GB"], config].concat() {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!("unix_socket_directories = '{}'\n", server.folder.display()));
        std::fs::write(data.join("postgresql.conf"), text).unwrap();
        server.run().await;
        server.client("postgres").await.batch_execute("CREATE DATABASE tools").await.unwrap();
        let owner = server.client("tools").await;
        up(&owner, &Migrations::embedded().unwrap(), Duration::from_secs(30), &mut |_| {}).await.unwrap();
        server
    }

    /// Starts the postmaster and waits until it takes connections.
    pub(crate) async fn run(&self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.join("data")).args(["-p", &self.port.to_string()]);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        *self.running.lock().unwrap() = Some(command.spawn().unwrap());
        for _ in 0..1_200 {
            if self.config("postgres").connect(NoTls).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not start: {}", std::fs::read_to_string(self.folder.join("log")).unwrap());
    }

    /// SIGKILL to the postmaster and to all of its children, as when the machine's memory is gone.
    pub(crate) fn kill(&self) {
        let mut child = self.running.lock().unwrap().take().unwrap();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &child.id().to_string()]).output().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let _ = Command::new("kill").arg("-9").args(children.split_whitespace()).stderr(Stdio::null()).status();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").dbname(database);
        config.connect_timeout(Duration::from_secs(5));
        config
    }

    /// The owner, a superuser.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let (client, connection) = self.config(database).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(crate) fn store(&self) -> Store {
        self.store_at(self.port, &Settings::default())
    }

    /// A store that reaches the server at another port (a proxy's).
    pub(crate) fn store_at(&self, port: u16, settings: &Settings) -> Store {
        let mut config = self.config("tools");
        config.options("-c role=vitrine_app -c search_path=public");
        let mut elsewhere = Config::new();
        elsewhere.host("127.0.0.1").port(port).user("postgres").dbname("tools");
        elsewhere.options("-c role=vitrine_app -c search_path=public").connect_timeout(Duration::from_secs(5));
        let config = if port == self.port { config } else { elsewhere };
        Store::open(config, ConfigConnectImpl { tls: NoTls }, settings).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env("LC_ALL", "C").env_remove("PGDATA").current_dir("/");
        let lib = self.bin.parent().unwrap().join("lib");
        if lib.is_dir() && !self.bin.starts_with("/usr") {
            command.env("LD_LIBRARY_PATH", lib);
        }
        if let Some((uid, gid)) = account() {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.lock().unwrap().take() {
            let _ = Command::new("kill").args(["-s", "QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// The machine's server programs.
pub(crate) fn machine_bin() -> PathBuf {
    if let Some(named) = std::env::var_os("VITRINE_PG_BIN") {
        return named.into();
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    found.pop().expect("no PostgreSQL server programs: install the package postgresql or set VITRINE_PG_BIN")
}

/// Server programs with pgvector, fetched once.
pub(crate) fn vector_bin() -> PathBuf {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proxy/tests/matrix/fetch");
    let said = Command::new(fetch).arg("16-vector").output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().trim().into()
}

/// PostgreSQL does not run as root: then as `postgres`, or as `nobody`.
fn account() -> Option<(u32, u32)> {
    let number = |option: &str, name: &str| -> Option<u32> {
        let said = Command::new("id").args([option, name]).output().ok()?;
        String::from_utf8(said.stdout).ok()?.trim().parse().ok()
    };
    (number("-u", "") == Some(0)
        || std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0))
    .then(|| ["postgres", "nobody"].into_iter().find_map(|name| number("-u", name).zip(number("-g", name))))
    .flatten()
}

fn watchdog(folder: &Path) -> Child {
    // Its input ends when this process does.
    let script = r#"trap '' INT TERM HUP; cat >/dev/null
        pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -s QUIT "$pid" 2>/dev/null && sleep 2
        case $1 in */vitrine-ins-*) rm -rf "$1" ;; esac"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

pub(crate) fn identity(tenant: &str) -> Identity {
    Identity { tenant: Tenant::parse(tenant).unwrap(), scopes: vec![Scope::Write], actor: "ada".to_owned() }
}

pub(crate) fn writer(tenant: &str) -> Writer {
    Writer { identity: identity(tenant), idempotency: None }
}

/// A writer whose request is named `key` and has the content `request`.
pub(crate) fn writer_with_key(tenant: &str, key: &str, request: u8) -> Writer {
    Writer {
        identity: identity(tenant),
        idempotency: Some(Idempotency { key: key.to_owned(), request: [request; 32] }),
    }
}

pub(crate) fn kind(name: &str, schema: serde_json::Value) -> NewKind {
    NewKind { name: name.to_owned(), description: None, schema, embedding: None, retention_days: None }
}

/// Tenant `acme` has kind `trend`, whose payload has a number `change`.
pub(crate) async fn with_trend(store: &Store) {
    let schema = serde_json::json!({"type": "object", "properties": {"change": {"type": "number"}}});
    store.put_kind(&writer("acme"), kind("trend", schema), None).await.unwrap();
}
