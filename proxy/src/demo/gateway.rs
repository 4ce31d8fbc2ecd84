//! The gateway of the demo: `vitrine serve`, this same program, as a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::postgres::free_port;
use super::{DemoError, PASSWORD, USER, connect, sample};

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// A gateway that answered a query when this was made.
#[derive(Debug)]
pub(super) struct GatewayProcess {
    child: Mutex<Child>,
    pid: u32,
    port: u16,
    insights_port: u16,
    files: TempDir,
}

impl GatewayProcess {
    /// Starts the gateway in front of a customer database and a tool database, and waits until it answers.
    pub(super) async fn start(port: u16, customer_url: &str, insights_url: &str) -> Result<Self, DemoError> {
        // Another gateway on this port would answer in the place of ours.
        drop(
            std::net::TcpListener::bind(("127.0.0.1", port))
                .map_err(DemoError::io(format!("port {port} is not free, choose another with --port")))?,
        );
        let files = tempfile::Builder::new().prefix("vitrine-demo-").tempdir();
        let files = files.map_err(DemoError::io("cannot make a temporary directory"))?;
        let policy = files.path().join("policy.toml");
        fs::write(&policy, sample::POLICY).map_err(DemoError::io("cannot write the policy"))?;
        let log = fs::File::create(files.path().join("log")).map_err(DemoError::io("cannot open the gateway's log"))?;
        let program = std::env::current_exe().map_err(DemoError::io("cannot find this program"))?;
        let mut command = Command::new(program);
        command.arg("serve").stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(log.try_clone().map_err(DemoError::io("cannot open the gateway's log"))?).stderr(log);
        // Ctrl-C at the terminal is for the demo, which stops the gateway in order.
        command.process_group(0);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VITRINE_")) {
            command.env_remove(name);
        }
        let insights_port = free_port()?;
        command
            .env("VITRINE_INSIGHTS_URL", insights_url)
            .env("VITRINE_INSIGHTS_LISTEN", format!("127.0.0.1:{insights_port}"))
            .env("VITRINE_MODE", "development")
            .env("VITRINE_POSTURE", "strict")
            .env("VITRINE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VITRINE_ADMIN_LISTEN", format!("127.0.0.1:{}", free_port()?))
            .env("VITRINE_CUSTOMER_URL", customer_url)
            .env("VITRINE_USERS", format!("{USER}:{PASSWORD}"))
            .env("VITRINE_POLICY", policy)
            .env("VITRINE_SERVER_RUN_DIR", files.path().join("run"));
        let child = command.spawn().map_err(DemoError::io("cannot start the gateway"))?;
        let Some(pid) = child.id() else {
            return Err(DemoError::Gateway { reason: "the gateway ended at once".to_owned(), log: String::new() });
        };
        let gateway = Self { child: Mutex::new(child), pid, port, insights_port, files };
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    /// Where a client connects.
    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{}", self.port, sample::DATABASE)
    }

    /// Where the HTTP API of the insight store is.
    pub(super) fn insights(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.insights_port))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// What it wrote so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.files.path().join("log")
    }

    /// Returns when the process is gone.
    pub(super) async fn ended(&self) {
        while self.is_alive() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops it as an operator would, and if it does not follow, by force.
    pub(super) async fn stop(&self) {
        let terminate =
            std::process::Command::new("sh").args(["-c", "kill -s TERM \"$1\"", "sh", &self.pid.to_string()]).status();
        if terminate.is_err() || tokio::time::timeout(STOPPED_WITHIN, self.ended()).await.is_err() {
            let _ = self.child.lock().start_kill();
            self.ended().await;
        }
    }

    fn is_alive(&self) -> bool {
        matches!(self.child.lock().try_wait(), Ok(None))
    }

    async fn wait_until_ready(&self) -> Result<(), DemoError> {
        let since = Instant::now();
        let mut last = String::new();
        while since.elapsed() < READY_WITHIN && self.is_alive() {
            match connect(&self.url()).await {
                Ok(client) => match client.simple_query("SELECT 1").await {
                    Ok(_) => return Ok(()),
                    Err(error) => last = super::error::told(&error),
                },
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(POLL).await;
        }
        Err(DemoError::Gateway { reason: format!("the gateway did not become ready: {last}"), log: self.log() })
    }
}
