//! TLS towards clients: certificate, key, client certificates, channel binding.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer as _;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The name of PostgreSQL's protocol in ALPN.
pub const ALPN: &[u8] = b"postgresql";

/// A certificate with its key, ready to answer TLS handshakes (1.2 and 1.3).
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    https: Arc<ServerConfig>,
    certificate_hash: Option<Vec<u8>>,
    verifies_clients: bool,
}

/// Why certificate and key cannot be used. Every message names the file.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or may not be read.
    #[error("could not read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No PEM block of a certificate.
    #[error("no certificate found in {0}: it must hold a PEM block \"BEGIN CERTIFICATE\"")]
    NoCertificate(PathBuf),
    /// A PEM block that is not one, or a certificate that is not one.
    #[error("could not understand the certificate in {0}")]
    BadCertificate(PathBuf),
    /// No PEM block of an unencrypted private key.
    #[error(
        "no private key found in {0}: it must hold an unencrypted PEM block \"BEGIN PRIVATE KEY\" (PKCS#8, PKCS#1 or SEC1)"
    )]
    NoKey(PathBuf),
    /// The key is of a kind that TLS cannot use.
    #[error("the private key in {path} cannot be used: {source}")]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Key and certificate do not belong together.
    #[error("the private key in {key_path} does not match the certificate in {cert_path}")]
    Mismatch {
        /// The file of the key.
        key_path: PathBuf,
        /// The file of the certificate.
        cert_path: PathBuf,
    },
    /// The client authorities cannot be used.
    #[error("the client certificate authorities in {path} cannot be used: {source}")]
    BadAuthority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// The TLS library has none of the protocol versions asked for.
    #[error("TLS cannot be set up: {0}")]
    Versions(rustls::Error),
}

impl ServerTls {
    /// Reads a PEM certificate chain (the server's own first), its key, and, to verify client certificates, their
    /// authorities. A client without a certificate still gets through the handshake: the door's rules decide about it.
    pub fn load(cert_path: &Path, key_path: &Path, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let chain = certificates(cert_path)?;
        let key = private_key(key_path)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let bad_authority = |source| TlsError::BadAuthority { path: path.to_owned(), source };
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), Arc::clone(&provider))
                        .allow_unauthenticated()
                        .build()
                        .map_err(bad_authority)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificate_hash = chain.first().and_then(|certificate| end_point_hash(certificate));
        let mut config =
            builder.with_single_cert(chain, key).map_err(|source| unusable(cert_path, key_path, source))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        if let Some(ticketer) = stateless_tickets() {
            config.ticketer = ticketer;
        }
        let mut https = config.clone();
        https.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (config, https) = (Arc::new(config), Arc::new(https));
        Ok(Self { config, https, certificate_hash, verifies_clients: client_ca.is_some() })
    }

    /// Whether client certificates are asked for and verified.
    #[must_use]
    pub fn verifies_clients(&self) -> bool {
        self.verifies_clients
    }

    /// What SCRAM binds to (`tls-server-end-point`, RFC 5929); `None` where the certificate's signature has no hash.
    #[must_use]
    pub fn certificate_hash(&self) -> Option<&[u8]> {
        self.certificate_hash.as_deref()
    }

    /// The same certificate for HTTP.
    pub(super) fn https(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.https)
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("verifies_clients", &self.verifies_clients).finish_non_exhaustive()
    }
}

/// The common name in a client certificate's subject; `None` unless there is exactly one and it is clean text.
/// PostgreSQL refuses a name with a zero byte in it (CVE-2009-4034) and takes the last of several; here several are none.
#[must_use]
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    (names.next().is_none() && !name.is_empty() && !name.contains('\0')).then(|| name.to_owned())
}

/// The certificate hashed by the hash of its own signature, SHA-256 in place of MD5 and SHA-1.
/// <https://www.rfc-editor.org/rfc/rfc5929#section-4.1>
fn end_point_hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm;
    let signature = &algorithm.algorithm;
    if *signature == oid::OID_PKCS1_RSASSAPSS {
        let SignatureAlgorithm::RSASSA_PSS(parameters) = SignatureAlgorithm::try_from(algorithm).ok()? else {
            return None;
        };
        return hash_named(parameters.hash_algorithm_oid(), certificate);
    }
    let (_, hash) = SIGNATURE_HASHES.iter().find(|(known, _)| known == signature)?;
    hash_named(hash, certificate)
}

fn hash_named(hash: &Oid<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    if *hash == oid::OID_NIST_HASH_SHA256 || *hash == oid::OID_HASH_SHA1 {
        Some(Sha256::digest(bytes).to_vec())
    } else if *hash == oid::OID_NIST_HASH_SHA384 {
        Some(Sha384::digest(bytes).to_vec())
    } else if *hash == oid::OID_NIST_HASH_SHA512 {
        Some(Sha512::digest(bytes).to_vec())
    } else {
        None
    }
}

fn unusable(cert_path: &Path, key_path: &Path, source: rustls::Error) -> TlsError {
    if matches!(source, rustls::Error::InconsistentKeys(_)) {
        TlsError::Mismatch { key_path: key_path.to_owned(), cert_path: cert_path.to_owned() }
    } else if matches!(source, rustls::Error::InvalidCertificate(_)) {
        TlsError::BadCertificate(cert_path.to_owned())
    } else {
        TlsError::BadKey { path: key_path.to_owned(), source }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| TlsError::BadCertificate(path.to_owned()))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| TlsError::NoKey(path.to_owned()))
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| TlsError::BadCertificate(path.to_owned()))?;
    }
    Ok(roots)
}

/// Session tickets instead of a table of sessions: resumption costs the gateway no memory.
fn stateless_tickets() -> Option<Arc<dyn rustls::server::ProducesTickets>> {
    ring::Ticketer::new().ok()
}

/// Signature algorithms and the hash in each; Ed25519 has none to speak of.
const SIGNATURE_HASHES: &[(Oid<'static>, Oid<'static>)] = &[
    (oid::OID_PKCS1_MD5WITHRSAENC, oid::OID_HASH_SHA1),
    (oid::OID_PKCS1_SHA1WITHRSA, oid::OID_HASH_SHA1),
    (oid::OID_PKCS1_SHA256WITHRSA, oid::OID_NIST_HASH_SHA256),
    (oid::OID_PKCS1_SHA384WITHRSA, oid::OID_NIST_HASH_SHA384),
    (oid::OID_PKCS1_SHA512WITHRSA, oid::OID_NIST_HASH_SHA512),
    (oid::OID_SIG_ECDSA_WITH_SHA256, oid::OID_NIST_HASH_SHA256),
    (oid::OID_SIG_ECDSA_WITH_SHA384, oid::OID_NIST_HASH_SHA384),
    (oid::OID_SIG_ECDSA_WITH_SHA512, oid::OID_NIST_HASH_SHA512),
];

#[cfg(test)]
mod tests;
