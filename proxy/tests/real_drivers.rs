//! Real drivers from their registries, each asked the same of PostgreSQL itself and of the gateway: their transcripts
//! are equal, but for what `drivers/differences.toml` lists with reasons. `make test-drivers` installs them and runs this.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde::Deserialize;
use tempfile::TempDir;
use vitrine::demo::postgres::{Auth, Options, Server, ServerCertificates, free_port};

const LONGEST_RUN: Duration = Duration::from_secs(600);
const DATABASE: &str = "shop";
const USER: &str = "reader";
const PASSWORD: &str = "look";

macro_rules! drivers {
    ($($name:ident)*) => { $(
        #[test]
        #[ignore = "needs drivers from their registries: make test-drivers"]
        fn $name() {
            compare(stringify!($name));
        }
    )* };
}

drivers!(psql psycopg);

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

fn compare(driver: &str) {
    let stage = Stage::shared();
    let (direct, direct_took) = stage.transcript(driver, stage.server.port());
    let (through, through_took) = stage.transcript(driver, stage.gateway_port);
    println!(
        "{driver}: {} lines; PostgreSQL {:.1} s, gateway {:.1} s",
        direct.len(),
        direct_took.as_secs_f64(),
        through_took.as_secs_f64()
    );
    let kept = [("expected", expected(driver, &direct)), ("vitrine", through)].map(|(kind, lines)| {
        let path = cache().join(format!("{driver}.{kind}"));
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    });
    let diff = Command::new("diff").arg("-U2").args(kept).output().unwrap();
    let shown = String::from_utf8_lossy(&diff.stdout);
    assert!(diff.status.success(), "{driver} differs through the gateway:\n{shown}\n{}", stage.gateway_log());
}

/// What PostgreSQL answered, with the listed differences of this driver in place. A listed difference that is not
/// there any more fails, so that the list stays true.
fn expected(driver: &str, direct: &[String]) -> Vec<String> {
    let listed: Differences = toml::from_str(&fs::read_to_string(folder().join("differences.toml")).unwrap()).unwrap();
    let mut by_line = BTreeMap::new();
    for difference in listed.difference.iter().filter(|difference| difference.drivers.iter().any(|name| name == driver))
    {
        assert!(difference.reason.len() > 20, "a difference needs its reason: {}", difference.postgresql);
        by_line.insert(difference.postgresql.as_str(), difference.vitrine.clone());
    }
    for line in by_line.keys() {
        assert!(direct.iter().any(|found| found == line), "{driver}: PostgreSQL does not print the listed line {line}");
    }
    direct.iter().map(|line| by_line.get(line.as_str()).unwrap_or(line).clone()).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers")
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/drivers")
}

/// PostgreSQL with the fixtures, and a gateway in front of it: same names, same password, same authority.
struct Stage {
    server: Server,
    gateway: Mutex<Child>,
    gateway_port: u16,
    files: TempDir,
}

impl Stage {
    /// The stage of the tests that run at the same time.
    fn shared() -> Arc<Self> {
        static STAGE: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
        let mut shared = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let stage = Arc::new(Self::start());
            *shared = Arc::downgrade(&stage);
            stage
        })
    }

    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (certificate, key) = certify(files.path());
        let tls = ServerCertificates {
            certificate: fs::read_to_string(&certificate).unwrap(),
            key: fs::read_to_string(&key).unwrap(),
            client_authorities: None,
        };
        let server = Server::start(Options { auth: Auth::Scram, tls: Some(tls), ..Options::default() }).unwrap();
        server.psql(&format!("CREATE DATABASE {DATABASE}")).unwrap();
        server.psql_in(DATABASE, &fs::read_to_string(folder().join("fixtures.sql")).unwrap()).unwrap();
        let gateway_port = free_port().unwrap();
        let log = File::create(files.path().join("gateway.log")).unwrap();
        let gateway = Command::new(env!("CARGO_BIN_EXE_vitrine"))
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
            assert!(self.gateway.lock().unwrap().try_wait().unwrap().is_none(), "ended: {}", self.gateway_log());
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

    fn transcript(&self, driver: &str, port: u16) -> (Vec<String>, Duration) {
        let program = folder().join(driver).join("run");
        let [out, err] = ["out", "err"].map(|kind| self.files.path().join(format!("{driver}.{port}.{kind}")));
        let mut command = Command::new(&program);
        self.point(&mut command, port);
        command.env("CACHE", cache());
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let since = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if since.elapsed() > LONGEST_RUN {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let lines = String::from_utf8_lossy(&fs::read(&out).unwrap()).lines().map(str::to_owned).collect::<Vec<_>>();
        let place = if port == self.gateway_port { "Vitrine" } else { "PostgreSQL" };
        assert!(
            status.is_some_and(|status| status.success()),
            "{driver} on {place}: {status:?} after {:?}\n{}\n{}\n{}",
            since.elapsed(),
            lines.join("\n"),
            fs::read_to_string(&err).unwrap(),
            self.gateway_log()
        );
        (lines, since.elapsed())
    }

    /// The last lines the gateway logged.
    fn gateway_log(&self) -> String {
        let log = fs::read_to_string(self.files.path().join("gateway.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the gateway's log ends with\n{}", lines.split_at(lines.len().saturating_sub(30)).1.join("\n"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut gateway = self.gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ended = gateway.kill();
        let _ended = gateway.wait();
    }
}

/// Writes an authority, one that signed nothing, and a certificate for this machine; returns its paths.
fn certify(folder: &Path) -> (PathBuf, PathBuf) {
    let [issuer, _] = ["authority", "stranger"].map(|name| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.key_usages.push(rcgen::KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    });
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let (certificate, key_file) = (folder.join("server.crt"), folder.join("server.key"));
    fs::write(&certificate, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate, key_file)
}
