//! TLS to the upstream server, with libpq's rules of trust.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>, RFC 5929 (tls-server-end-point).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};

use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ConnectError;
use crate::upstream::{Roots, SslMode, Tls, UpstreamIo};

mod verify;

/// RFC 7301 name of PostgreSQL's protocol.
const ALPN: &[u8] = b"postgresql";

/// SSLRequest: length 8, code 1234.5679.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The configuration made of a target's certificate files, kept until one of the files changes.
#[derive(Clone, Debug, Default)]
pub(in crate::upstream) struct TlsCache(Arc<Mutex<Option<Made>>>);

impl PartialEq for TlsCache {
    /// What has been made of the files does not tell two targets apart: the files do.
    fn eq(&self, Self(_): &Self) -> bool {
        true
    }
}

impl Eq for TlsCache {}

#[derive(Debug)]
struct Made {
    mode: SslMode,
    files: Vec<(PathBuf, Option<SystemTime>)>,
    config: Arc<ClientConfig>,
}

/// Encrypts, or leaves the connection plain where `prefer` meets a server without TLS. Also says what SCRAM can bind to.
pub(super) async fn encrypt(
    mut stream: TcpStream,
    host: &str,
    tls: &Tls,
    mode: SslMode,
) -> Result<(UpstreamIo, Option<Vec<u8>>), ConnectError> {
    if !tls.direct && !offered(&mut stream).await? {
        return match mode {
            SslMode::Disable | SslMode::Allow | SslMode::Prefer => Ok((UpstreamIo::Tcp(stream), None)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Err(ConnectError::TlsNotOffered),
        };
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let stream = TlsConnector::from(config(tls, mode)?).connect(name, stream).await.map_err(ConnectError::Tls)?;
    let session = stream.get_ref().1;
    if tls.direct && session.alpn_protocol() != Some(ALPN) {
        return Err(ConnectError::Tls(io::Error::other("the server did not agree to speak PostgreSQL (ALPN)")));
    }
    let end_point = session.peer_certificates().and_then(|chain| chain.first()).and_then(end_point);
    Ok((UpstreamIo::Tls(Box::new(stream)), end_point))
}

/// Asks for TLS. One byte is read and not one more: what follows in plain text is no answer (CVE-2021-23222).
async fn offered(stream: &mut TcpStream) -> Result<bool, ConnectError> {
    stream.write_all(&SSL_REQUEST).await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // An ErrorResponse here comes before anybody has proved anything: not shown.
        _ => Err(ConnectError::Protocol("an unexpected answer to the request for TLS".to_owned())),
    }
}

fn config(tls: &Tls, mode: SslMode) -> Result<Arc<ClientConfig>, ConnectError> {
    let mut files: Vec<&Path> = Vec::new();
    if let Roots::File(path) = &tls.roots {
        files.push(path);
    }
    if let Some(identity) = &tls.identity {
        files.extend([identity.certificate.as_path(), identity.key.as_path()]);
    }
    let files: Vec<_> = files
        .into_iter()
        .map(|path| (path.to_owned(), fs::metadata(path).and_then(|file| file.modified()).ok()))
        .collect();
    let mut cache = tls.cache.0.lock();
    if let Some(made) = cache.as_ref().filter(|made| made.mode == mode && made.files == files) {
        return Ok(Arc::clone(&made.config));
    }
    let config = Arc::new(make(tls, mode)?);
    *cache = Some(Made { mode, files, config: Arc::clone(&config) });
    Ok(config)
}

fn make(tls: &Tls, mode: SslMode) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| ConnectError::Tls(io::Error::other(error));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match mode {
        SslMode::VerifyFull => builder.with_root_certificates(roots(&tls.roots)?),
        SslMode::VerifyCa => {
            let verifier = verify::ChainOnly { roots: roots(&tls.roots)?, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verify::Anyone { provider }))
        }
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.certificate)?;
            let key = private_key(&identity.key)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(&identity.certificate, &error.to_string()))?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn roots(roots: &Roots) -> Result<RootCertStore, ConnectError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::File(path) => {
            for certificate in certificates(path)? {
                store.add(certificate).map_err(|error| unusable(path, &error.to_string()))?;
            }
        }
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let pem = fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    let certificates: Vec<_> = rustls_pemfile::certs(&mut pem.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable(path, "no certificate in PEM form"));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConnectError> {
    let pem = fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    rustls_pemfile::private_key(&mut pem.as_slice())
        .map_err(|error| unusable(path, &error.to_string()))?
        .ok_or_else(|| unusable(path, "no private key in PEM form"))
}

fn unusable(path: &Path, reason: &str) -> ConnectError {
    ConnectError::Certificate { path: path.to_owned(), reason: reason.to_owned() }
}

/// RFC 5929, section 4.1: the hash of the server's certificate, by the hash function of its signature, SHA-256 in place
/// of MD5 and SHA-1. `None` where the RFC leaves it undefined (RSA-PSS with parameters, Ed25519).
fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // md5WithRSA, sha1WithRSA, sha256WithRSA, ecdsa-with-SHA1, ecdsa-with-SHA256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(sha2::Sha256::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(sha2::Sha384::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(sha2::Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The signature schemes of a provider, for the verifiers.
fn signature_algorithms(provider: &CryptoProvider) -> &rustls::crypto::WebPkiSupportedAlgorithms {
    &provider.signature_verification_algorithms
}
