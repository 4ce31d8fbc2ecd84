//! The encryption rules of a target, in libpq's words.

use std::path::PathBuf;

use crate::upstream::connect::TlsCache;

/// Encryption of the connection to an upstream server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// How much is asked of the server.
    pub mode: SslMode,
    /// Whom to trust.
    pub roots: Roots,
    /// Client certificate.
    pub identity: Option<Identity>,
    /// TLS at once, without asking first (PostgreSQL 17 and later).
    pub direct: bool,
    /// Whether authentication must be bound to this TLS connection.
    pub channel_binding: ChannelBinding,
    pub(in crate::upstream) cache: TlsCache,
}

/// `sslmode`. <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server insists.
    Allow,
    /// When the server offers it.
    Prefer,
    /// Always, with any certificate (any that `sslrootcert` signed, where that is given).
    Require,
    /// Always, with a certificate that a trusted authority signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate names the host.
    VerifyFull,
}

/// `sslrootcert`: who may sign the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that browsers trust.
    System,
    /// The certificates of a PEM file.
    File(PathBuf),
}

/// `sslcert` and `sslkey`: PEM files, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and intermediates after it.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// `channel_binding`: SCRAM-SHA-256-PLUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Not used.
    Disable,
    /// Used where the server offers it.
    Prefer,
    /// Nothing else is accepted.
    Require,
}

impl SslMode {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// As libpq writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl ChannelBinding {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            _ => return None,
        })
    }
}
