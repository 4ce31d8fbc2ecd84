//! Where an upstream database is and how to log in there.

mod purpose;
mod secret;
mod tls;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::sql::Access;

pub(in crate::upstream) use purpose::Purpose;
pub use purpose::STORE_ROLE;
pub use secret::Secret;
pub use tls::{ChannelBinding, Identity, Roots, SslMode, Tls};

/// The address of an upstream database, the role to log in as, and the rules of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port, or a unix socket.
    pub endpoint: Endpoint,
    /// Database to connect to.
    pub database: String,
    /// Role to log in as.
    pub user: String,
    /// What the role proves itself with.
    pub secret: Secret,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// Bound on reaching the server (per address) and, again, on logging in.
    pub connect_timeout: Duration,
    /// `application_name` of upstream sessions.
    pub application_name: String,
    /// Settings from the URL's `options`, sent as start-up parameters.
    pub settings: Vec<(String, String)>,
    /// What its connections are for. A URL is a customer's; see [`Target::into_store`].
    pub(in crate::upstream) purpose: Purpose,
}

/// A place where PostgreSQL listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host name or address, and a port.
    Tcp {
        /// Name or numeric address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A unix socket in a directory.
    Unix {
        /// Directory of the socket file.
        directory: PathBuf,
        /// Number in the socket's file name.
        port: u16,
    },
}

/// Why a URL is not the address of an upstream database. Never repeats the URL: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Neither `postgres://` nor `postgresql://`.
    #[error("the URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// A `%` that is not followed by two hexadecimal digits, or decodes to something that is not text.
    #[error("invalid percent-encoding in the {0}")]
    Encoding(&'static str),
    /// A part of the authority cannot be read.
    #[error("invalid {part}: {reason}")]
    Part {
        /// What was being read.
        part: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No user name.
    #[error("the URL names no user")]
    NoUser,
    /// A comma in the host: libpq's lists of hosts are not offered.
    #[error("several hosts in one URL are not supported")]
    SeveralHosts,
    /// A parameter that is not known, so it could not be obeyed.
    #[error("unknown parameter \"{0}\"")]
    UnknownParameter(String),
    /// A parameter that was given before.
    #[error("parameter \"{0}\" is given twice")]
    Twice(String),
    /// A known parameter with a value it cannot have.
    #[error("invalid value for parameter \"{name}\": {reason}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Target {
    /// Reads a libpq connection URL.
    ///
    /// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>
    ///
    /// Differences from libpq: `sslmode` is `verify-full` unless the server is on a unix socket or a loopback address,
    /// `sslrootcert` is `system` unless given, a parameter that is not known is refused, and nothing is taken from
    /// the environment. One parameter is our own: `password_file`, read at each connection, so that secrets can rotate.
    ///
    /// # Errors
    /// What is wrong with the URL; the message never holds a part of it that could be secret.
    pub fn from_url(url: &str) -> Result<Self, TargetError> {
        url::read(url)
    }

    /// The same address for another role: a client user's own upstream role.
    #[must_use]
    pub fn with_role(&self, user: impl Into<String>, secret: Secret) -> Self {
        Self { user: user.into(), secret, ..self.clone() }
    }

    /// The same place as one tenant of the insight store sees it: its sessions write, as [`STORE_ROLE`], under row-level
    /// security, and nothing in them can choose another tenant. There is no way back to a customer's target.
    #[must_use]
    pub fn into_store(self, tenant: &str) -> Self {
        Self { purpose: Purpose::Store { tenant: tenant.to_owned() }, ..self }
    }

    /// The same place for the gateway's own questions about the insight store: read-only, as [`STORE_ROLE`], of no tenant.
    #[must_use]
    pub fn into_store_watch(self) -> Self {
        Self { purpose: Purpose::StoreWatch, ..self }
    }

    /// What statements must have been reviewed for to be sent on its connections.
    #[must_use]
    pub fn access(&self) -> Access {
        self.purpose.access()
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: impl Into<String>) -> Self {
        Self { database: database.into(), ..self.clone() }
    }
}

impl Endpoint {
    /// Whether the bytes never leave this machine: a unix socket, `localhost`, or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// The file of a unix socket, as PostgreSQL names it.
    #[must_use]
    pub fn socket_path(&self) -> Option<PathBuf> {
        match self {
            Self::Unix { directory, port } => Some(directory.join(format!(".s.PGSQL.{port}"))),
            Self::Tcp { .. } => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { directory, port } => write!(f, "{}/.s.PGSQL.{port}", directory.display()),
        }
    }
}

/// Role, place and database; no secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.user, self.endpoint, self.database)
    }
}
