//! The door from outside: real clients on an in-memory stream or a loopback port, certificates made on the spot.

mod oracle;
mod psql;
mod scram_login;
mod start_up;
mod tls_login;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::BufMut;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::wire::backend::{Fields, TransactionStatus, put_backend_key, put_command_complete, put_ready};
use crate::wire::frame;

/// What the client at the door came out as.
#[derive(Debug)]
struct Seen {
    user: String,
    database: String,
    parameters: Vec<(String, String)>,
    is_tls: bool,
    upstream: Option<String>,
}

const HOME: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000));
const ABROAD: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 50_000));

fn development(auth: Auth) -> DoorRules {
    DoorRules { auth, is_development: true, tls_required: false, ..DoorRules::default() }
}

fn with_passwords(pairs: &[(&str, &str)]) -> BTreeMap<String, User> {
    pairs.iter().map(|(name, password)| ((*name).to_owned(), User::with_password(password))).collect()
}

fn users() -> Users {
    let mut users = with_passwords(&[("ann", "secret"), ("bob", "pä ss")]);
    users.get_mut("bob").unwrap().upstream = Some("reader".to_owned());
    users.get_mut("bob").unwrap().databases = Some(vec!["shop".to_owned()]);
    users.insert("cert only".to_owned(), User::default());
    users.insert("mapped".to_owned(), User { certificate_name: Some("robot".to_owned()), ..User::default() });
    Users::new(users)
}

fn door(auth: Auth) -> Arc<Door> {
    Arc::new(Door::new(development(auth), users(), None).unwrap())
}

fn tls_door(rules: DoorRules, authority: &Authority) -> Arc<Door> {
    Arc::new(Door::new(rules, users(), Some(authority.server_tls())).unwrap())
}

/// Serves one client: what the session would do, as little of it as a driver needs.
async fn serve<S>(io: S, peer: Peer, door: Arc<Door>) -> Result<Option<Seen>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut greeted = match welcome(io, peer, &door).await? {
        Welcome::Session(greeted) => *greeted,
        Welcome::Cancel(..) | Welcome::Closed => return Ok(None),
    };
    put_backend_key(&mut greeted.output, 1, 2);
    put_ready(&mut greeted.output, TransactionStatus::Idle);
    loop {
        greeted.io.write_all(&greeted.output).await?;
        greeted.io.flush().await?;
        greeted.output.clear();
        while let Some(frame) =
            frame::header(&greeted.input).unwrap().and_then(|header| frame::take(&mut greeted.input, header))
        {
            if frame.tag == b'Q' {
                put_command_complete(&mut greeted.output, "SET");
                put_ready(&mut greeted.output, TransactionStatus::Idle);
            }
        }
        if greeted.output.is_empty() && greeted.io.read_buf(&mut greeted.input).await? == 0 {
            break;
        }
    }
    let Greeted { io, user, database, parameters, account, .. } = greeted;
    let upstream = account.and_then(|account| account.upstream.clone());
    Ok(Some(Seen { user, database, parameters, is_tls: io.is_tls(), upstream }))
}

fn spawn(peer: Peer, door: &Arc<Door>) -> (DuplexStream, JoinHandle<Result<Option<Seen>, DoorError>>) {
    let (near, far) = tokio::io::duplex(4096);
    (near, tokio::spawn(serve(far, peer, Arc::clone(door))))
}

/// A start-up packet with its length.
fn packet(version: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(u32::try_from(rest.len() + 8).unwrap());
    bytes.put_u32(version);
    bytes.extend(rest);
    bytes
}

fn startup(rest: &[u8]) -> Vec<u8> {
    packet(0x0003_0000, rest)
}

fn ssl_request() -> Vec<u8> {
    packet(80_877_103, b"")
}

/// Sends bytes, hears everything until the other side closes.
async fn exchange(door: &Arc<Door>, bytes: &[u8]) -> Vec<u8> {
    let (mut client, served) = spawn(HOME, door);
    client.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    drop(client);
    let _outcome = served.await.unwrap();
    heard
}

/// The ErrorResponse at the front, as `FATAL 08P01 message / detail / hint`.
fn told(heard: &[u8]) -> String {
    let mut heard = BytesMut::from(heard);
    let header = frame::header(&heard).unwrap().expect("a frame");
    let frame = frame::take(&mut heard, header).expect("a whole frame");
    assert_eq!(frame.tag, b'E', "not an ErrorResponse: {frame:?}");
    assert!(heard.is_empty(), "nothing comes after a FATAL");
    let fields = Fields::decode(&frame.body).unwrap();
    let mut text = [b'S', b'C', b'M'].map(|key| fields.field(key).unwrap()).join(" ");
    for key in [b'D', b'H'] {
        if let Some(value) = fields.field(key) {
            text = format!("{text} / {value}");
        }
    }
    text
}

/// A certificate authority and the files of a server certificate it signed.
struct Authority {
    folder: TempDir,
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let authority = Self { folder: tempfile::tempdir().unwrap(), params, key, pem };
        authority.write("ca.pem", &authority.pem);
        authority.issue("server", "localhost", KeyPair::generate().unwrap());
        authority
    }

    /// Writes `file.pem` and `file.key` for this name.
    fn issue(&self, file: &str, name: &str, key: KeyPair) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = Issuer::from_params(&self.params, &self.key);
        self.write(&format!("{file}.pem"), &params.signed_by(&key, &issuer).unwrap().pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn server_tls(&self) -> ServerTls {
        ServerTls::load(&self.path("server.pem"), &self.path("server.key"), None).unwrap()
    }

    fn server_tls_asking_for_certificates(&self) -> ServerTls {
        let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|file| self.path(file));
        ServerTls::load(&cert, &key, Some(&ca)).unwrap()
    }

    /// A client's side of TLS that trusts this authority; with the certificate in `identity`.pem when one is named.
    fn client_tls(&self, alpn: &[&[u8]], identity: Option<&str>) -> rustls::ClientConfig {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

#[test]
fn rules_that_contradict_each_other_are_refused() {
    let production = DoorRules::default();
    let refused = |rules: DoorRules, tls| Door::new(rules, Users::new(BTreeMap::new()), tls).err().unwrap();
    let trust = DoorRules { auth: Auth::Trust, tls_required: false, ..production.clone() };
    assert_eq!(refused(trust, None), DoorRulesError::TrustOutsideDevelopment);
    assert_eq!(refused(production.clone(), None), DoorRulesError::TlsWithoutCertificate);
    let authority = Authority::new();
    for auth in [Auth::Certificate, Auth::ScramAndCertificate] {
        let rules = DoorRules { auth, ..production.clone() };
        assert_eq!(refused(rules, Some(authority.server_tls())), DoorRulesError::NoClientAuthority);
    }
    let endless = DoorRules { startup_bytes_max: usize::MAX, ..production.clone() };
    assert_eq!(refused(endless, Some(authority.server_tls())), DoorRulesError::StartupLimit);
    let door = Door::new(production, users(), Some(authority.server_tls())).unwrap();
    assert_eq!(door.replace_tls(None), Err(DoorRulesError::TlsWithoutCertificate));
}
