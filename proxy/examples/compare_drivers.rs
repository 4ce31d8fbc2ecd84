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
/// Behind a driver's name: its program says READ WRITE, and the gateway's policy lets that pass.
const READ_WRITE: &str = ":read_write";

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
    /// As it comes, and with `read_write_transactions = "read_only"`.
    gateways: [Gateway; 2],
    files: TempDir,
}

struct Gateway {
    process: Mutex<Child>,
    port: u16,
    log: PathBuf,
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
        let policy = files.path().join("policy.toml");
        fs::write(&policy, "read_write_transactions = \"read_only\"\n").unwrap();
        let gateways = [None, Some(policy.as_path())].map(|policy| {
            let name = if policy.is_some() { "read_write" } else { "gateway" };
            Gateway::start(&server, files.path(), (&certificate, &key), name, policy)
        });
        let stage = Self { server, gateways, files };
        stage.gateways.iter().for_each(|gateway| stage.wait_until_ready(gateway));
        stage
    }

    fn wait_until_ready(&self, gateway: &Gateway) {
        let since = Instant::now();
        while !self.psql_answers(gateway.port) {
            assert!(gateway.process.lock().try_wait().unwrap().is_none(), "ended: {}", self.gateway_log());
            assert!(since.elapsed() < Duration::from_secs(60), "not ready: {}", self.gateway_log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn psql_answers(&self, port: u16) -> bool {
        let mut psql = Command::new("psql");
        self.point(&mut psql, port);
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
        let [plain, read_write] = &self.gateways;
        let gateway = if driver.ends_with(READ_WRITE) { read_write } else { plain };
        let direct = self.transcript(driver, self.server.port())?;
        let through = self.transcript(driver, gateway.port)?;
        let kept = [("expected", expected(driver, &direct.lines)?), ("vitrine", through.lines)].map(|(kind, lines)| {
            let path = cache().join(format!("{}.{kind}", driver.replace(':', ".")));
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
        let place = if port == self.server.port() { "PostgreSQL" } else { "Vitrine" };
        let [out, err] = ["out", "err"].map(|kind| self.files.path().join(format!("{driver}.{port}.{kind}")));
        let program = driver.strip_suffix(READ_WRITE).unwrap_or(driver);
        let mut command = Command::new(folder().join(program).join("run"));
        self.point(&mut command, port);
        if program != driver {
            command.env("READ_WRITE", "1");
        }
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

    /// The last lines the gateways logged.
    fn gateway_log(&self) -> String {
        let ends = self.gateways.iter().map(|gateway| {
            let log = fs::read_to_string(&gateway.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!(
                "{} ends with\n{}",
                gateway.log.display(),
                lines.split_at(lines.len().saturating_sub(30)).1.join("\n")
            )
        });
        ends.collect::<Vec<_>>().join("\n")
    }
}

impl Gateway {
    fn start(
        server: &Server,
        files: &Path,
        (certificate, key): (&Path, &Path),
        name: &str,
        policy: Option<&Path>,
    ) -> Self {
        let port = free_port().unwrap();
        let log = files.join(format!("{name}.log"));
        let out = File::create(&log).unwrap();
        let process = Command::new(std::env::var_os("VITRINE").unwrap())
            .arg("serve")
            .env_clear()
            .env("NO_COLOR", "1")
            .env("VITRINE_POSTURE", "strict")
            .env("VITRINE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VITRINE_ADMIN_LISTEN", format!("127.0.0.1:{}", free_port().unwrap()))
            .env("VITRINE_CUSTOMER_URL", server.url_with_password(USER, PASSWORD, DATABASE))
            .env("VITRINE_USERS", format!("{USER}:{PASSWORD}"))
            .env("VITRINE_TLS_CERT", certificate)
            .env("VITRINE_TLS_KEY", key)
            .env("VITRINE_SERVER_RUN_DIR", files.join(format!("{name}.run")))
            .envs(policy.map(|policy| ("VITRINE_POLICY", policy)))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        server.watch(process.id());
        Self { process: Mutex::new(process), port, log }
    }
}

/// What a driver's program printed.
struct Transcript {
    lines: Vec<String>,
    took: Duration,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let mut process = self.process.lock();
        let _ended = process.kill();
        let _ended = process.wait();
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
