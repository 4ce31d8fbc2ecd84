//! A private PostgreSQL server: own data directory, own port on loopback, own socket directory; gone when dropped.
//!
//! The binaries come from the machine (see [`binaries`]). PostgreSQL refuses to run as root, so a root process runs
//! it under another account. A small watchdog stops the server and removes its directory when this process dies
//! without dropping it.

mod account;
pub mod binaries;
mod files;
mod process;
mod template;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use binaries::Binaries;
use files::ServerFiles;
use process::{Running, Signal, Watchdog};

/// Name of the superuser of every server started here.
pub const SUPERUSER: &str = "postgres";

/// Why a server did not start or did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No PostgreSQL server programs on this machine.
    #[error(
        "no PostgreSQL server programs found (looked at: {looked}); install the package `postgresql` or set VITRINE_PG_BIN"
    )]
    NotFound {
        /// The places that were tried.
        looked: String,
    },
    /// Root needs another account to run the server under.
    #[error("PostgreSQL does not run as root, and neither `postgres` nor `nobody` exists as an account here")]
    NoAccount,
    /// A program ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// The program that was run.
        program: String,
        /// What it wrote.
        output: String,
    },
    /// The server did not become ready.
    #[error("the server did not become ready: {reason}\n{log}")]
    NotReady {
        /// What was seen.
        reason: String,
        /// The server's own log.
        log: String,
    },
    /// A file or a process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl PostgresError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// How clients that come over TCP prove who they are. The socket directory is private and always trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Nobody is asked for a password.
    #[default]
    Trust,
    /// SCRAM-SHA-256.
    Scram,
    /// MD5 (and passwords are stored so).
    Md5,
    /// The password in clear text.
    Password,
}

impl Auth {
    fn method(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Scram => "scram-sha-256",
            Self::Md5 => "md5",
            Self::Password => "password",
        }
    }
}

/// Certificates for the server, in PEM.
#[derive(Debug, Clone)]
pub struct ServerCertificates {
    /// Certificate chain.
    pub certificate: String,
    /// Private key.
    pub key: String,
    /// Authorities that client certificates are checked against.
    pub client_authorities: Option<String>,
}

/// What kind of server to start. `Options::default()` is a trusting, unsynced server on a free port.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Method of the TCP lines of `pg_hba.conf`.
    pub auth: Auth,
    /// Password of the superuser, for TCP connections under a method that asks.
    pub superuser_password: Option<String>,
    /// Lines for the end of `postgresql.conf`, such as `max_connections = 20`.
    pub config: Vec<String>,
    /// Lines for the start of `pg_hba.conf`: the first line that matches decides.
    pub hba: Vec<String>,
    /// Turns TLS on.
    pub tls: Option<ServerCertificates>,
    /// A given TCP port instead of a free one.
    pub port: Option<u16>,
    /// The folder of the server programs, instead of looking for them.
    pub binaries: Option<PathBuf>,
    /// Keeps fsync on: slower, and an operating system crash loses nothing.
    pub durable: bool,
}

/// A running (or stopped, see [`Server::stop`]) private server. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    files: ServerFiles,
    options: Options,
    port: u16,
    running: Mutex<Option<Running>>,
    // Dropped after `running`: it removes the directory should the server still be there.
    watchdog: Watchdog,
}

impl Server {
    /// Initialises a data directory (from a template kept between starts), starts the server and waits until it
    /// takes connections: about 0.3 s with the template, 1.5 s without.
    ///
    /// # Errors
    /// No programs, no account to run under, or the server's own log when it does not start.
    pub fn start(options: Options) -> Result<Self, PostgresError> {
        let binaries = Binaries::find(options.binaries.as_deref())?;
        let files = ServerFiles::create()?;
        template::copy_into(&binaries, &files)?;
        files.write_config(&options)?;
        let watchdog = Watchdog::start(&files)?;
        let (port, running) = start_on_port(&binaries, &files, &options)?;
        let server = Self { binaries, files, options, port, running: Mutex::new(Some(running)), watchdog };
        server.set_superuser_password()?;
        Ok(server)
    }

    /// The same as [`Server::start`], off the async runtime's own threads, and shared.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn launch(options: Options) -> Result<Arc<Self>, PostgresError> {
        match tokio::task::spawn_blocking(move || Self::start(options)).await {
            Ok(started) => started.map(Arc::new),
            Err(join) => Err(PostgresError::NotReady { reason: join.to_string(), log: String::new() }),
        }
    }

    /// TCP port on 127.0.0.1, also the number in the socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Directory of the unix socket, short enough for every system's limit.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.files.root()
    }

    /// Major version, such as 15.
    #[must_use]
    pub fn version_major(&self) -> u32 {
        self.binaries.version_major()
    }

    /// `postgres://user@127.0.0.1:port/database`.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same with a password (percent-encoded as needed).
    #[must_use]
    pub fn url_with_password(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{}@127.0.0.1:{}/{database}", percent_encoded(password), self.port)
    }

    /// Through the unix socket: `postgres://user@%2Ftmp%2Fdir:port/database`. Always trusted.
    #[must_use]
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        let host = percent_encoded(&self.files.root().to_string_lossy());
        format!("postgres://{user}@{host}:{}/{database}", self.port)
    }

    /// The superuser on database `postgres`, over TCP, with its password where one is set.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.superuser_url_of("postgres")
    }

    /// The superuser on any database, over TCP.
    #[must_use]
    pub fn superuser_url_of(&self, database: &str) -> String {
        match &self.options.superuser_password {
            Some(password) => self.url_with_password(SUPERUSER, password, database),
            None => self.url(SUPERUSER, database),
        }
    }

    /// Runs SQL as the superuser in database `postgres`, through psql: unaligned tuples, one line each.
    ///
    /// # Errors
    /// psql is missing, or what it wrote when a statement failed (the rest is not run).
    pub fn psql(&self, sql: &str) -> Result<String, PostgresError> {
        self.psql_in("postgres", sql)
    }

    /// Runs SQL as the superuser in a database, through psql. `sql` may hold several statements and `\` commands.
    ///
    /// # Errors
    /// As [`Server::psql`].
    pub fn psql_in(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        let mut command = self.binaries.psql();
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database, "-f", "-"]);
        command.arg("-h").arg(self.files.root()).args(["-p", &self.port.to_string()]);
        for name in ["PGOPTIONS", "PGSERVICE", "PGHOSTADDR", "PGSSLMODE"] {
            command.env_remove(name);
        }
        process::output(command, Some(sql.as_bytes()))
    }

    /// Full version, such as `15.14`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.binaries.version()
    }

    /// Has the watchdog end one more process, started by us, when this process dies without dropping the server.
    pub fn watch(&self, pid: u32) {
        self.watchdog.watch(pid);
    }

    /// Process id of the postmaster, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.lock().as_ref().and_then(Running::pid)
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.files.log()
    }

    /// Where the server's log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.files.log_path()
    }

    /// Stops the server in an orderly way, disconnecting its clients (57P01). Does nothing if it does not run.
    pub fn stop(&self) {
        self.stop_by(Signal::Fast);
    }

    /// Stops the server at once, as after a crash: clients see 57P02, the next start recovers.
    pub fn stop_immediate(&self) {
        self.stop_by(Signal::Immediate);
    }

    /// Starts a stopped server again, on the same port and data.
    ///
    /// # Errors
    /// As [`Server::start`]. A server that runs is left alone.
    pub fn start_again(&self) -> Result<(), PostgresError> {
        let mut running = self.running.lock();
        if running.as_ref().and_then(Running::pid).is_none() {
            *running = Some(Running::start(&self.binaries, &self.files, self.port)?);
        }
        Ok(())
    }

    /// Stops and starts the server.
    ///
    /// # Errors
    /// As [`Server::start_again`].
    pub fn restart(&self) -> Result<(), PostgresError> {
        self.stop();
        self.start_again()
    }

    /// Freezes the postmaster (SIGSTOP): connections are accepted by the kernel and never answered.
    pub fn freeze(&self) {
        self.signal(Signal::Freeze);
    }

    /// Ends [`Server::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::Thaw);
    }

    /// Makes the server read `pg_hba.conf` and `postgresql.conf` again.
    pub fn reload(&self) {
        self.signal(Signal::Reload);
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = self.running.lock().as_ref() {
            running.signal(signal);
        }
    }

    fn stop_by(&self, signal: Signal) {
        if let Some(running) = self.running.lock().take() {
            running.stop(signal);
        }
    }

    fn set_superuser_password(&self) -> Result<(), PostgresError> {
        let Some(password) = &self.options.superuser_password else { return Ok(()) };
        self.psql(&format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'", password.replace('\'', "''"))).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data are about to be removed: nothing is worth a checkpoint.
        self.stop_by(Signal::Immediate);
    }
}

/// Another process may take the port between finding and using it: then the next one.
fn start_on_port(binaries: &Binaries, files: &ServerFiles, options: &Options) -> Result<(u16, Running), PostgresError> {
    const ATTEMPTS: u32 = 5;
    let mut attempt = 1;
    loop {
        let port = match options.port {
            Some(port) => port,
            None => free_port()?,
        };
        match Running::start(binaries, files, port) {
            Ok(running) => return Ok((port, running)),
            Err(_) if options.port.is_none() && attempt < ATTEMPTS && files.log().contains("could not bind") => {
                attempt += 1
            }
            Err(error) => return Err(error),
        }
    }
}

/// A TCP port on loopback that nobody listens on at this moment.
///
/// # Errors
/// The system has no port to give.
pub fn free_port() -> Result<u16, PostgresError> {
    let address = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(PostgresError::io("no free TCP port on loopback"))
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
