//! TLS asked for and TLS outright, ALPN, channel binding, client certificates.

use std::io;

use rustls::pki_types::ServerName;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::TlsConnector;

use super::*;

const POSTGRESQL: &[&[u8]] = &[b"postgresql"];

async fn log_in(
    door: &Arc<Door>,
    user: &str,
    negotiation: SslNegotiation,
    tls: rustls::ClientConfig,
) -> Result<Seen, Box<dyn std::error::Error>> {
    let (near, served) = spawn(ABROAD, door);
    let tls = <MakeRustlsConnect as MakeTlsConnect<DuplexStream>>::make_tls_connect(
        &mut MakeRustlsConnect::new(tls),
        "localhost",
    )?;
    let mut config = Config::new();
    config.user(user).password("secret").dbname("shop").ssl_mode(SslMode::Require).ssl_negotiation(negotiation);
    let (client, connection) = config.connect_raw(near, tls).await?;
    let driver = tokio::spawn(connection);
    client.batch_execute("set x to y").await?;
    drop(client);
    driver.await??;
    Ok(served.await??.ok_or("no session")?)
}

/// What the client is told, as `code message`.
fn told_by_driver(error: &(dyn std::error::Error + 'static)) -> String {
    let error = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
    error.map(|told| format!("{} {}", told.code().code(), told.message())).unwrap_or_default()
}

#[tokio::test]
async fn tls_works_asked_for_and_outright_and_both_versions() {
    let authority = Authority::new();
    let door = tls_door(DoorRules { tls_required: true, ..development(Auth::Scram) }, &authority);
    for (negotiation, alpn) in [
        (SslNegotiation::Postgres, &[][..]),
        (SslNegotiation::Postgres, POSTGRESQL),
        (SslNegotiation::Direct, POSTGRESQL),
    ] {
        let seen = log_in(&door, "ann", negotiation, authority.client_tls(alpn, None)).await.unwrap();
        assert!(seen.is_tls && seen.user == "ann");
    }
}

#[tokio::test]
async fn every_key_kind_and_a_resumed_session_work() {
    let authority = Authority::new();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        authority.issue("server", "localhost", KeyPair::generate_for(algorithm).unwrap());
        let door = tls_door(development(Auth::Scram), &authority);
        let client = authority.client_tls(POSTGRESQL, None);
        for _ in 0..2 {
            log_in(&door, "ann", SslNegotiation::Direct, client.clone()).await.unwrap();
        }
    }
}

/// RSA keys, which rcgen cannot make with ring, in every form that openssl writes.
#[tokio::test]
async fn keys_and_certificates_of_openssl_work() {
    let authority = Authority::new();
    let [cert, key] = ["server.pem", "server.key"].map(|file| authority.path(file).display().to_string());
    let rsa = format!("openssl genrsa -traditional -out {key} 2048");
    let pkcs8 = format!("openssl genrsa -out {key} 2048");
    let sec1 = format!("openssl ecparam -name prime256v1 -genkey -noout -out {key}");
    let table = [
        (&rsa, "", "-----BEGIN RSA PRIVATE KEY", 32),
        (&pkcs8, "-sha512", "-----BEGIN PRIVATE KEY", 64),
        (&pkcs8, "-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48", "-----BEGIN PRIVATE KEY", 48),
        (&sec1, "-sha256", "-----BEGIN EC PRIVATE KEY", 32),
    ];
    for (make_key, signature, form, hash_bytes) in table {
        let make_cert =
            format!("openssl req -new -x509 -key {key} -out {cert} -days 2 -subj /CN=localhost {signature}");
        for command in [make_key, &make_cert] {
            let mut words = command.split_whitespace();
            match std::process::Command::new(words.next().unwrap()).args(words).output() {
                Ok(output) => assert!(output.status.success(), "{command}: {output:?}"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return eprintln!("NOT TESTED: there is no openssl on this machine");
                }
                Err(error) => panic!("{command}: {error}"),
            }
        }
        assert!(std::fs::read_to_string(&key).unwrap().starts_with(form), "{make_key}");
        let tls = authority.server_tls();
        assert_eq!(tls.certificate_hash().map(<[u8]>::len), Some(hash_bytes), "{signature}");
        let door = Arc::new(Door::new(development(Auth::Scram), users(), Some(tls)).unwrap());
        super::psql::assert_bound(door).await;
    }
}

#[tokio::test]
async fn plaintext_is_refused_before_a_password_is_asked_for() {
    let authority = Authority::new();
    let door = tls_door(DoorRules { tls_required: true, ..development(Auth::Scram) }, &authority);
    let told = told(&exchange(&door, &startup(b"user\0ann\0\0")).await);
    assert_eq!(
        told,
        "FATAL 28000 connection is not encrypted, and this server requires TLS / Connect with sslmode=require, or better sslmode=verify-full."
    );
    let (near, served) = spawn(Peer::Unix, &door);
    let (client, _connection) = Config::new().user("ann").password("secret").connect_raw(near, NoTls).await.unwrap();
    drop((client, _connection));
    assert!(served.await.unwrap().is_ok(), "a unix socket needs no TLS");
}

#[tokio::test]
async fn direct_tls_without_alpn_is_refused() {
    let authority = Authority::new();
    let door = tls_door(development(Auth::Scram), &authority);
    let error = log_in(&door, "ann", SslNegotiation::Direct, authority.client_tls(&[], None)).await.unwrap_err();
    assert_eq!(
        told_by_driver(&*error),
        "08P01 received direct SSL connection request without ALPN protocol negotiation extension"
    );
}

#[tokio::test]
async fn another_protocol_s_name_in_alpn_fails_the_handshake() {
    let authority = Authority::new();
    let door = tls_door(development(Auth::Scram), &authority);
    for negotiation in [SslNegotiation::Postgres, SslNegotiation::Direct] {
        let (mut near, served) = spawn(ABROAD, &door);
        if negotiation == SslNegotiation::Postgres {
            near.write_all(&ssl_request()).await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), b'S');
        }
        let error = handshake(near, authority.client_tls(&[b"h2", b"http/1.1"], None)).await.unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
        assert!(matches!(served.await.unwrap(), Err(DoorError::Handshake(_))));
    }
}

async fn handshake(
    near: DuplexStream,
    config: rustls::ClientConfig,
) -> io::Result<tokio_rustls::client::TlsStream<DuplexStream>> {
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), near).await
}

#[tokio::test]
async fn nothing_may_be_asked_for_twice_inside_tls() {
    let authority = Authority::new();
    let door = tls_door(development(Auth::Scram), &authority);
    for (request, minor) in [(80_877_103, 5679), (80_877_104, 5680)] {
        let (mut near, _served) = spawn(ABROAD, &door);
        near.write_all(&ssl_request()).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'S');
        let mut stream = handshake(near, authority.client_tls(POSTGRESQL, None)).await.unwrap();
        stream.write_all(&packet(request, b"")).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        let wanted = format!("FATAL 0A000 unsupported frontend protocol 1234.{minor}: server supports 3.0 to 3.0");
        assert_eq!(told(&heard), wanted);
    }
}

#[tokio::test]
async fn plaintext_smuggled_behind_the_request_for_tls_is_refused() {
    let authority = Authority::new();
    let door = tls_door(development(Auth::Scram), &authority);
    let heard = exchange(&door, &[ssl_request(), startup(b"user\0ann\0\0")].concat()).await;
    assert!(told(&heard).starts_with("FATAL 08P01 received unencrypted data after SSL request"), "no S before it");
}

#[tokio::test]
async fn a_broken_hello_and_half_a_hello_end() {
    let authority = Authority::new();
    let rules = DoorRules { startup_timeout: Duration::from_millis(400), ..development(Auth::Scram) };
    let door = tls_door(rules, &authority);
    let (mut near, served) = spawn(ABROAD, &door);
    near.write_all(b"\x16\x03\x01\0\x08\x01\0\0\x04junk").await.unwrap();
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    let outcome = served.await.unwrap();
    assert_eq!(heard.first(), Some(&0x15), "a TLS alert: {heard:?} {outcome:?}");
    assert!(matches!(outcome, Err(DoorError::Handshake(_))));

    let (mut near, served) = spawn(ABROAD, &door);
    near.write_all(b"\x16\x03\x01\x02\0\x01").await.unwrap();
    assert!(matches!(served.await.unwrap(), Err(DoorError::Timeout)));
}

#[tokio::test]
async fn a_reloaded_certificate_serves_the_next_client() {
    let (old, new) = (Authority::new(), Authority::new());
    let door = tls_door(development(Auth::Scram), &old);
    log_in(&door, "ann", SslNegotiation::Postgres, old.client_tls(&[], None)).await.unwrap();
    door.replace_tls(Some(new.server_tls())).unwrap();
    log_in(&door, "ann", SslNegotiation::Postgres, new.client_tls(&[], None)).await.unwrap();
    assert!(log_in(&door, "ann", SslNegotiation::Postgres, old.client_tls(&[], None)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn client_certificates_speak_for_the_user_of_their_name() {
    let authority = Authority::new();
    for name in ["ann", "cert only", "robot", "zoe"] {
        authority.issue(name, name, KeyPair::generate().unwrap());
    }
    let rules = DoorRules { auth: Auth::Certificate, ..development(Auth::Certificate) };
    let door = Arc::new(Door::new(rules, users(), Some(authority.server_tls_asking_for_certificates())).unwrap());
    let table = [
        ("ann", Some("ann"), ""),
        ("cert only", Some("cert only"), ""),
        ("mapped", Some("robot"), ""),
        ("mapped", Some("ann"), "28000 certificate authentication failed for user \"mapped\""),
        ("ann", Some("robot"), "28000 certificate authentication failed for user \"ann\""),
        ("zoe", Some("zoe"), "28000 certificate authentication failed for user \"zoe\""),
        ("ann", None, "28000 connection requires a valid client certificate"),
    ];
    for (user, identity, wanted) in table {
        let tls = authority.client_tls(POSTGRESQL, identity);
        let outcome = log_in(&door, user, SslNegotiation::Direct, tls).await;
        let told = outcome.as_ref().err().map(|error| told_by_driver(&**error)).unwrap_or_default();
        assert_eq!((told.as_str(), outcome.is_ok()), (wanted, wanted.is_empty()), "{user} {identity:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails_the_handshake() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    theirs.issue("ann", "ann", KeyPair::generate().unwrap());
    for file in ["ann.pem", "ann.key"] {
        std::fs::copy(theirs.path(file), ours.path(file)).unwrap();
    }
    let tls = ours.server_tls_asking_for_certificates();
    let door = Arc::new(Door::new(development(Auth::Certificate), users(), Some(tls)).unwrap());
    let (mut near, served) = spawn(ABROAD, &door);
    near.write_all(&ssl_request()).await.unwrap();
    near.read_u8().await.unwrap();
    let _client = handshake(near, ours.client_tls(&[], Some("ann"))).await;
    assert!(matches!(served.await.unwrap(), Err(DoorError::Handshake(_))));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_may_be_demanded_beside_the_password() {
    let authority = Authority::new();
    for name in ["ann", "robot"] {
        authority.issue(name, name, KeyPair::generate().unwrap());
    }
    let tls = authority.server_tls_asking_for_certificates();
    let door = Arc::new(Door::new(development(Auth::ScramAndCertificate), users(), Some(tls)).unwrap());
    let attempt = async |identity| {
        let tls = authority.client_tls(POSTGRESQL, identity);
        log_in(&door, "ann", SslNegotiation::Direct, tls).await.map_err(|error| told_by_driver(&*error)).map(|_| ())
    };
    assert_eq!(attempt(Some("ann")).await, Ok(()));
    assert_eq!(attempt(None).await, Err("28000 connection requires a valid client certificate".to_owned()));
    let other = attempt(Some("robot")).await;
    assert_eq!(other, Err("28000 certificate authentication failed for user \"ann\"".to_owned()));
}
