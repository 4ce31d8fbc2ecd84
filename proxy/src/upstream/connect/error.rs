//! Why there is no connection.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::upstream::Endpoint;
use crate::wire::sqlstate::SqlState;

/// Why a connection could not be opened. The text is for the log and the operator; a client may see it too: no secrets.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The host name has no address.
    #[error("could not resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("could not connect to {endpoint}: {source}")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke while logging in.
    #[error("connection to the upstream server lost while logging in: {0}")]
    Lost(#[from] io::Error),
    /// The server took too long.
    #[error("no connection to {endpoint} within {seconds} s")]
    Timeout {
        /// Where.
        endpoint: Endpoint,
        /// The bound.
        seconds: u64,
    },
    /// TLS was asked for and the server has none.
    #[error("the upstream server does not support TLS, but sslmode asks for it")]
    TlsNotOffered,
    /// The TLS handshake failed: an untrusted certificate, another name, a refused client certificate.
    #[error("TLS with the upstream server failed: {0}")]
    Tls(io::Error),
    /// A certificate or key file cannot be used.
    #[error("{}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The secret cannot be read.
    #[error("could not read the upstream password: {0}")]
    Secret(io::Error),
    /// Authentication cannot be done, or not safely.
    #[error("authentication with the upstream server failed: {0}")]
    Authentication(String),
    /// The server's own refusal.
    #[error("{0}")]
    Server(ServerError),
    /// Something that is not the protocol.
    #[error("protocol violation by the upstream server: {0}")]
    Protocol(String),
    /// A start-up parameter that the gateway fixes itself.
    #[error("start-up parameter \"{0}\" is fixed by the gateway")]
    Reserved(String),
    /// The session is not the contained one it should be.
    #[error("upstream setting \"{name}\" is \"{found}\" instead of \"{wanted}\"")]
    NotPinned {
        /// The setting.
        name: String,
        /// What was asked for at start-up.
        wanted: String,
        /// What is in force.
        found: String,
    },
}

/// An ErrorResponse of the server.
///
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// `FATAL` and the like, not translated.
    pub severity: String,
    /// The class of the error.
    pub sqlstate: SqlState,
    /// Primary message.
    pub message: String,
    /// Secondary message.
    pub detail: Option<String>,
    /// Advice.
    pub hint: Option<String>,
}

impl ConnectError {
    /// The code a client should see: the server's own where it gave one, otherwise a connection exception.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Server(error) => error.sqlstate,
            Self::Resolve { .. } | Self::Unreachable { .. } | Self::Timeout { .. } => {
                SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION
            }
            Self::Lost(_) | Self::TlsNotOffered | Self::Tls(_) | Self::Certificate { .. } => {
                SqlState::CONNECTION_FAILURE
            }
            Self::Secret(_) | Self::Authentication(_) => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::Protocol(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Reserved(_) | Self::NotPinned { .. } => SqlState::CONNECTION_FAILURE,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.severity, self.message, self.sqlstate)
    }
}
