//! TLS to real PostgreSQL servers, with certificates made for the occasion: who is trusted, and who is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitrine::demo::postgres::{Auth, Options, Server, ServerCertificates};
use vitrine::upstream::{ConnectError, Connection, Target, UpstreamIo, cancel, connect, sql_client};

/// An authority and a folder to put its papers in.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate, folder: TempDir::new().unwrap() }
    }

    /// A certificate for names, and its key.
    fn certify(&self, common_name: &str, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn roots(&self) -> String {
        self.file("root.crt", &self.certificate).display().to_string()
    }

    fn server(&self, names: &[&str], options: Options) -> Server {
        let (certificate, key) = self.certify("server", names);
        let client_authorities = Some(self.certificate.clone());
        let tls = Some(ServerCertificates { certificate, key, client_authorities });
        Server::start(Options { tls, ..options }).expect("a PostgreSQL server with TLS")
    }
}

async fn attempt(url: &str) -> Result<Connection, ConnectError> {
    connect(&Target::from_url(url).expect("a good URL"), &[]).await
}

async fn ask(connection: &mut Connection, sql: &str) -> String {
    let mut message = vec![b'Q'];
    message.extend(u32::try_from(sql.len() + 5).unwrap().to_be_bytes());
    message.extend(sql.as_bytes());
    message.push(0);
    connection.io.write_all(&message).await.unwrap();
    connection.io.flush().await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        assert_ne!(connection.io.read_buf(&mut answer).await.unwrap(), 0);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_encrypted(connection: &mut Connection) -> bool {
    let known = ask(connection, "SELECT 'ssl=' || ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
    let encrypted = matches!(connection.io, UpstreamIo::Tls(_));
    assert_eq!(known.contains("ssl=true"), encrypted, "{known}");
    encrypted
}

#[tokio::test]
async fn each_sslmode_trusts_as_it_says() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let server = authority.server(&["localhost", "db.example"], Options::default());
    let port = server.port();
    let (ours, theirs) = (authority.roots(), stranger.roots());
    // Host, parameters, and whether the connection comes about, encrypted or not.
    let cases = [
        ("localhost", "sslmode=disable".to_owned(), Some(false)),
        ("localhost", "sslmode=allow".to_owned(), Some(false)),
        ("localhost", "sslmode=prefer".to_owned(), Some(true)),
        ("localhost", "sslmode=require".to_owned(), Some(true)),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), Some(true)),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}"), Some(true)),
        // The name does not fit.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), None),
        // Another authority, or none that the world knows.
        ("localhost", format!("sslmode=require&sslrootcert={theirs}"), None),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={theirs}"), None),
        ("localhost", format!("sslmode=verify-full&sslrootcert={theirs}"), None),
        ("localhost", "sslmode=verify-full".to_owned(), None),
    ];
    for (host, parameters, expected) in cases {
        let url = format!("postgres://postgres@{host}:{port}/postgres?{parameters}");
        match (attempt(&url).await, expected) {
            (Ok(mut connection), Some(encrypted)) => {
                assert_eq!(is_encrypted(&mut connection).await, encrypted, "{host} {parameters}");
            }
            (Err(ConnectError::Tls(_)), None) => {}
            (outcome, _) => panic!("{host} {parameters}: {:?}", outcome.map(|connection| connection.facts)),
        }
    }
}

#[tokio::test]
async fn a_certificate_for_an_address() {
    let authority = Authority::new();
    let server = authority.server(&["127.0.0.1"], Options::default());
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", server.url("postgres", "postgres"), authority.roots());
    assert!(is_encrypted(&mut attempt(&url).await.expect("its address is named")).await);
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = Server::start(Options::default()).unwrap();
    let url = server.url("postgres", "postgres");
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = attempt(&format!("{url}?sslmode={mode}")).await.expect_err(mode);
        assert!(matches!(error, ConnectError::TlsNotOffered), "{error}");
    }
    for mode in ["disable", "allow", "prefer"] {
        attempt(&format!("{url}?sslmode={mode}")).await.expect(mode);
    }
}

#[tokio::test]
async fn a_server_that_insists() {
    let authority = Authority::new();
    let options = Options { hba: vec!["hostnossl all all all reject".to_owned()], ..Options::default() };
    let server = authority.server(&["localhost"], options);
    let url = server.url("postgres", "postgres");
    let error = attempt(&format!("{url}?sslmode=disable")).await.expect_err("not encrypted");
    assert_eq!(error.sqlstate().code(), "28000", "{error}");
    assert!(is_encrypted(&mut attempt(&format!("{url}?sslmode=allow")).await.unwrap()).await);
}

#[tokio::test]
async fn scram_is_bound_to_the_channel() {
    let authority = Authority::new();
    let password = Some("secret".to_owned());
    let server = authority.server(
        &["localhost"],
        Options { auth: Auth::Scram, superuser_password: password.clone(), ..Options::default() },
    );
    let url = server.superuser_url();
    for binding in ["require", "prefer", "disable"] {
        let mut connection = attempt(&format!("{url}?sslmode=require&channel_binding={binding}")).await.expect(binding);
        assert!(is_encrypted(&mut connection).await);
    }
    // Which mechanism was used, in the server's own words, stands in no view before PostgreSQL 18: take the binding away
    // and see it missed.
    let error = attempt(&format!("{url}?sslmode=disable&channel_binding=require")).await.expect_err("no channel");
    assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
    let wrong = server.url_with_password("postgres", "wrong", "postgres");
    let error = attempt(&format!("{wrong}?sslmode=require&channel_binding=require")).await.expect_err("wrong");
    assert_eq!(error.sqlstate().code(), "28P01", "{error}");

    for (auth, reason) in
        [(Auth::Trust, "asked for no proof"), (Auth::Password, "without it"), (Auth::Md5, "without it")]
    {
        let options = Options { auth, superuser_password: password.clone(), ..Options::default() };
        let server = authority.server(&["localhost"], options);
        let url = format!("{}?sslmode=require&channel_binding=require", server.superuser_url());
        let error = attempt(&url).await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn clear_text_passwords_pass_inside_tls() {
    let authority = Authority::new();
    let options = Options { auth: Auth::Password, superuser_password: Some("a b".to_owned()), ..Options::default() };
    let server = authority.server(&["localhost"], options);
    let mut connection = attempt(&format!("{}?sslmode=require", server.superuser_url())).await.expect("inside TLS");
    assert!(is_encrypted(&mut connection).await);
    attempt(&format!("{}?sslmode=disable", server.superuser_url())).await.expect_err("outside TLS");
}

#[tokio::test]
async fn a_client_certificate_is_a_login_and_is_read_again_when_it_changes() {
    let authority = Authority::new();
    let options = Options { hba: vec!["hostssl all all all cert".to_owned()], ..Options::default() };
    let server = authority.server(&["localhost"], options);
    let (certificate, key) = authority.certify("nobody", &[]);
    let (certificate, key) = (authority.file("client.crt", &certificate), authority.file("client.key", &key));
    let url = format!(
        "{}?sslmode=require&sslcert={}&sslkey={}",
        server.url("postgres", "postgres"),
        certificate.display(),
        key.display()
    );
    let target = Target::from_url(&url).unwrap();
    let error = connect(&target, &[]).await.expect_err("another's certificate");
    assert_eq!(error.sqlstate().code(), "28000", "{error}");

    // The clock of file systems is coarse.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (new_certificate, new_key) = authority.certify("postgres", &[]);
    std::fs::write(&certificate, new_certificate).unwrap();
    std::fs::write(&key, new_key).unwrap();
    assert!(is_encrypted(&mut connect(&target, &[]).await.expect("the right certificate")).await);

    std::fs::write(&key, "not a key").unwrap();
    let error = connect(&target, &[]).await.expect_err("no key");
    assert!(matches!(&error, ConnectError::Certificate { path, .. } if *path == key), "{error}");
    let none = attempt(&format!("{}?sslmode=require", server.url("postgres", "postgres"))).await;
    assert!(none.is_err(), "without a certificate nobody enters");
}

#[tokio::test]
async fn cancel_and_tokio_postgres_work_inside_tls() {
    let authority = Authority::new();
    let server = authority.server(
        &["localhost"],
        Options { auth: Auth::Scram, superuser_password: Some("secret".to_owned()), ..Options::default() },
    );
    let url = format!(
        "postgres://postgres:secret@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}&channel_binding=require",
        server.port(),
        authority.roots()
    );
    let target = Target::from_url(&url).unwrap();
    let mut connection = connect(&target, &[]).await.unwrap();
    let key = connection.key;
    let before = Instant::now();
    let (answer, cancelled) = tokio::join!(ask(&mut connection, "SELECT pg_sleep(30)"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel(&target, key).await
    });
    cancelled.unwrap();
    assert!(answer.contains("57014") && before.elapsed() < Duration::from_secs(10), "{answer}");

    let (client, _task) = sql_client(&target).await.unwrap();
    let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test]
async fn a_pooled_tls_connection_is_looked_at_too() {
    let authority = Authority::new();
    let server = authority.server(&["localhost"], Options::default());
    let url = format!("{}?sslmode=require", server.url("postgres", "postgres"));
    let mut connection = attempt(&url).await.unwrap();
    assert_eq!(connection.look(), vitrine::upstream::Health::Alive);
    ask(&mut connection, "SELECT 1").await;
    assert_eq!(connection.look(), vitrine::upstream::Health::Alive);
    server.psql(&format!("SELECT pg_terminate_backend({})", connection.key.process_id)).unwrap();
    let before = Instant::now();
    while connection.look() == vitrine::upstream::Health::Alive {
        assert!(before.elapsed() < Duration::from_secs(10), "not noticed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn direct_tls() {
    let authority = Authority::new();
    let server = authority.server(&["localhost"], Options::default());
    let url = format!("{}?sslmode=require&sslnegotiation=direct", server.url("postgres", "postgres"));
    let outcome = attempt(&url).await;
    if server.version_major() >= 17 {
        assert!(is_encrypted(&mut outcome.expect("direct TLS")).await);
    } else {
        assert!(matches!(outcome, Err(ConnectError::Tls(_) | ConnectError::Lost(_))), "an older server cannot");
    }
}
