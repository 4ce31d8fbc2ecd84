//! A real `vitrine serve` process for tests: own directory, own ports, own log; killed when dropped.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrine::demo::postgres::{Options, Server, free_port};

/// A running gateway.
pub(crate) struct GatewayProcess {
    /// Where PostgreSQL clients connect.
    pub(crate) listen: String,
    /// Where the admin port is.
    pub(crate) admin: String,
    /// The customer database behind it.
    pub(crate) postgres: Arc<Server>,
    folder: Arc<tempfile::TempDir>,
    environment: Vec<(String, String)>,
    child: Child,
    log: PathBuf,
}

impl GatewayProcess {
    /// Starts a PostgreSQL and a gateway in front of it, and waits until it is ready.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with_file("", environment)
    }

    /// The same with a configuration file.
    pub(crate) fn start_with_file(file: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_before(Arc::new(Server::start(Options::default()).unwrap()), file, environment)
    }

    /// The same in front of a given server.
    pub(crate) fn start_before(postgres: Arc<Server>, file: &str, environment: &[(&str, &str)]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("vitrine.toml"), file).unwrap();
        let (listen, admin) =
            (format!("127.0.0.1:{}", free_port().unwrap()), format!("127.0.0.1:{}", free_port().unwrap()));
        let mut all: Vec<(String, String)> = [
            ("VITRINE_CONFIG", folder.path().join("vitrine.toml").display().to_string()),
            ("VITRINE_SERVER_RUN_DIR", folder.path().join("run").display().to_string()),
            ("VITRINE_LISTEN", listen.clone()),
            ("VITRINE_ADMIN_LISTEN", admin.clone()),
            ("VITRINE_CUSTOMER_URL", postgres.url("postgres", "postgres")),
            ("VITRINE_LOG_LEVEL", "debug".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (child, log) = launch(&folder, &all, &["serve"], "first.log");
        let mut gateway = Self { listen, admin, postgres, folder, environment: all, child, log };
        gateway.wait_until_ready();
        gateway
    }

    /// Starts a new process with `--upgrade` that takes this one's sockets, and returns it once it serves.
    pub(crate) fn upgrade(&self, log: &str) -> Self {
        let (child, log) = launch(&self.folder, &self.environment, &["serve", "--upgrade"], log);
        let mut gateway = Self {
            listen: self.listen.clone(),
            admin: self.admin.clone(),
            postgres: Arc::clone(&self.postgres),
            folder: Arc::clone(&self.folder),
            environment: self.environment.clone(),
            child,
            log,
        };
        let since = Instant::now();
        while !gateway.log().contains("vitrine serves") {
            gateway.fail_if_ended();
            assert!(since.elapsed() < Duration::from_secs(30), "no takeover: {}", gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway.wait_until_ready();
        gateway
    }

    /// The program with this gateway's environment.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
        command.arg(subcommand).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Its private directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Replaces its configuration file.
    pub(crate) fn write_file(&self, text: &str) {
        std::fs::write(self.folder.path().join("vitrine.toml"), text).unwrap();
    }

    /// Sends a signal by its short name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < at_most, "still running: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process, as the operating system knows it.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory now, and the highest so far, bytes.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// True while the process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let since = Instant::now();
        while !self.log().contains(text) {
            assert!(since.elapsed() < Duration::from_secs(20), "{text:?} is not in the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_until_ready(&mut self) {
        let since = Instant::now();
        loop {
            self.fail_if_ended();
            // The admin port and the others are opened side by side: the one may answer before the other listens.
            let elsewhere = self.environment.iter().rfind(|(name, _)| name == "VITRINE_LISTEN");
            let listens = elsewhere.is_some_and(|(_, address)| *address != self.listen)
                || std::net::TcpStream::connect(&self.listen).is_ok();
            if listens && try_http(&self.admin, "/readyz").is_ok_and(|(status, _)| status == 200) {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn fail_if_ended(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the gateway ended with {status}: {}", self.log());
        }
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Asks over HTTP: status and body.
pub(crate) fn http(address: &str, path: &str) -> (u16, String) {
    try_http(address, path).unwrap()
}

fn try_http(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: vitrine\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| std::io::Error::other(answer.clone()))?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    Ok((status.ok_or_else(|| std::io::Error::other(head))?, body.to_owned()))
}

fn launch(
    folder: &tempfile::TempDir,
    environment: &[(String, String)],
    arguments: &[&str],
    log: &str,
) -> (Child, PathBuf) {
    let log = folder.path().join(log);
    let file = std::fs::File::create(&log).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    (child, log)
}
