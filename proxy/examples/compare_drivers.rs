//! Asks PostgreSQL and the gateway the same by real drivers: what their programs in `tests/drivers` print is equal, but
//! for what `tests/drivers/differences.toml` lists with reasons. `make test-drivers` installs the drivers and runs this
//! with their names; the variable VITRINE names the program. An example, since tests that need registries would have
//! to be skipped by default.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::Deserialize;
use tempfile::TempDir;
use vitrine::demo::postgres::{Auth, Options, Server, ServerCertificates, free_port};

const LONGEST_RUN: Duration = Duration::from_secs(600);
const DATABASE: &str = "shop";
const USER: &str = "reader";
const PASSWORD: &str = "look";
/// Drivers at a time: each streams a million rows.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let drivers: Mutex<VecDeque<String>> = Mutex::new(std::env::args().skip(1).collect());
    assert!(!drivers.lock().is_empty(), "name the drivers to compare");
    let stage = Stage::start();
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(driver) = drivers.lock().pop_front() {
                    match stage.compare(&driver) {
                        Ok(figures) => println!("ok      {driver}: {figures}"),
                        Err(reason) => {
                            println!("FAILED  {driver}: {reason}");
                            failed.lock().push(driver);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{}\nFAILED: {}", stage.gateway_log(), failed.join(", "));
    ExitCode::FAILURE
}

/// A line that the gateway prints differently, and why that is wanted.
#[derive(Deserialize)]
struct Difference {
    drivers: Vec<String>,
    postgresql: String,
    vitrine: String,
    reason: String,
}

#[derive(Deserialize)]
struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// What PostgreSQL answered, with the listed differences of this driver in place. A listed difference that is not
/// there any more fails, so that the list stays true.
fn expected(driver: &str, direct: &[String]) -> Result<Vec<String>, String> {
    let listed: Differences = toml::from_str(&fs::read_to_string(folder().join("differences.toml")).unwrap()).unwrap();
    let mut by_line = BTreeMap::new();
    for difference in listed.difference.iter().filter(|difference| difference.drivers.iter().any(|name| name == driver))
    {
        assert!(difference.reason.len() > 20, "a difference needs its reason: {}", difference.postgresql);
        by_line.insert(difference.postgresql.as_str(), difference.vitrine.clone());
    }
    if let Some(line) = by_line.keys().find(|line| !direct.iter().any(|found| found == *line)) {
        return Err(format!("PostgreSQL does not print the line listed as different: {line}"));
    }
    Ok(direct.iter().map(|line| by_line.get(line.as_str()).unwrap_or(line).clone()).collect())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers")
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(".cache/drivers")
}

/// PostgreSQL with the fixtures, and a gateway in front of it: same names, same password, same authority.
struct Stage {
    server: Server,
    gateway: Mutex<Child>,
    gateway_port: u16,
    files: TempDir,
}

impl Stage {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (certificate, key) = certify(files.path());
        let tls = ServerCertificates {
            certificate: fs::read_to_string(&certificate).unwrap(),
            key: fs::read_to_string(&key).unwrap(),
            client_authorities: None,
        };
        let server = Server::start(Options {
            auth: Auth::Scram,
            tls: Some(tls),
            config: vec!["synchronize_seqscans = off".to_owned()],
            ..Options::default()
        })
        .unwrap();
        server.psql(&format!("CREATE DATABASE {DATABASE}")).unwrap();
        server.psql_in(DATABASE, &fs::read_to_string(folder().join("fixtures.sql")).unwrap()).unwrap();
        let gateway_port = free_port().unwrap();
        let log = File::create(files.path().join("gateway.log")).unwrap();
        let gateway = Command::new(std::env::var_os("VITRINE").unwrap())
            .arg("serve")
            .env_clear()
            .env("NO_COLOR", "1")
            .env("VITRINE_POSTURE", "strict")
            .env("VITRINE_LISTEN", format!("127.0.0.1:{gateway_port}"))
            .env("VITRINE_ADMIN_LISTEN", format!("127.0.0.1:{}", free_port().unwrap()))
            .env("VITRINE_CUSTOMER_URL", server.url_with_password(USER, PASSWORD, DATABASE))
            .env("VITRINE_USERS", format!("{USER}:{PASSWORD}"))
            .env("VITRINE_TLS_CERT", certificate)
            .env("VITRINE_TLS_KEY", key)
            .env("VITRINE_SERVER_RUN_DIR", files.path().join("run"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        server.watch(gateway.id());
        let stage = Self { server, gateway: Mutex::new(gateway), gateway_port, files };
        stage.wait_until_ready();
        stage
    }

    fn wait_until_ready(&self) {
        let since = Instant::now();
        while !self.psql_answers() {
            assert!(self.gateway.lock().try_wait().unwrap().is_none(), "ended: {}", self.gateway_log());
            assert!(since.elapsed() < Duration::from_secs(60), "not ready: {}", self.gateway_log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn psql_answers(&self) -> bool {
        let mut psql = Command::new("psql");
        self.point(&mut psql, self.gateway_port);
        psql.args(["-XAtc", "SELECT 1 FROM sales.customer LIMIT 1"]).output().unwrap().status.success()
    }

    /// libpq's environment, which every driver's program reads. Plain unless the program asks for TLS.
    fn point(&self, command: &mut Command, port: u16) {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
            command.env_remove(name);
        }
        command
            .env("PGHOST", "localhost")
            .env("PGPORT", port.to_string())
            .env("PGUSER", USER)
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", DATABASE)
            .env("PGSSLMODE", "disable")
            .env("AUTHORITY", self.files.path().join("authority.pem"))
            .env("STRANGER", self.files.path().join("stranger.pem"));
    }

    /// Runs a driver's program against both. `Ok` has figures, `Err` what differs.
    fn compare(&self, driver: &str) -> Result<String, String> {
        let direct = self.transcript(driver, self.server.port())?;
        let through = self.transcript(driver, self.gateway_port)?;
        let kept = [("expected", expected(driver, &direct.lines)?), ("vitrine", through.lines)].map(|(kind, lines)| {
            let path = cache().join(format!("{driver}.{kind}"));
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            path
        });
        let diff = Command::new("diff").arg("-U2").args(kept).output().unwrap();
        if !diff.status.success() {
            return Err(format!("what it prints differs\n{}", String::from_utf8_lossy(&diff.stdout)));
        }
        let [direct_s, through_s] = [direct.took, through.took].map(|took| took.as_secs_f64());
        Ok(format!(
            "{} equal lines; {direct_s:.1} s from PostgreSQL, {through_s:.1} s through Vitrine",
            direct.lines.len()
        ))
    }

    fn transcript(&self, driver: &str, port: u16) -> Result<Transcript, String> {
        let place = if port == self.gateway_port { "Vitrine" } else { "PostgreSQL" };
        let [out, err] = ["out", "err"].map(|kind| self.files.path().join(format!("{driver}.{port}.{kind}")));
        let mut command = Command::new(folder().join(driver).join("run"));
        self.point(&mut command, port);
        command.env("CACHE", cache()).process_group(0);
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let since = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("its program did not start: {error}"))?;
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.to_string();
            }
            if since.elapsed() > LONGEST_RUN {
                // The whole group: a program may have started others.
                Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status().unwrap();
                child.wait().unwrap();
                break format!("stopped after {LONGEST_RUN:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let printed = String::from_utf8_lossy(&fs::read(&out).unwrap()).into_owned();
        if ended != "exit status: 0" {
            let errors = fs::read_to_string(&err).unwrap();
            return Err(format!("on {place} its program ended with {ended}\n{printed}\n{errors}"));
        }
        Ok(Transcript { lines: printed.lines().map(str::to_owned).collect(), took: since.elapsed() })
    }

    /// The last lines the gateway logged.
    fn gateway_log(&self) -> String {
        let log = fs::read_to_string(self.files.path().join("gateway.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the gateway's log ends with\n{}", lines.split_at(lines.len().saturating_sub(30)).1.join("\n"))
    }
}

/// What a driver's program printed.
struct Transcript {
    lines: Vec<String>,
    took: Duration,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut gateway = self.gateway.lock();
        let _ended = gateway.kill();
        let _ended = gateway.wait();
    }
}

/// Writes an authority, one that signed nothing, and a certificate for this machine; returns its paths.
fn certify(folder: &Path) -> (PathBuf, PathBuf) {
    let [issuer, _] = ["authority", "stranger"].map(|name| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    });
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let (certificate, key_file) = (folder.join("server.crt"), folder.join("server.key"));
    fs::write(&certificate, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate, key_file)
}
