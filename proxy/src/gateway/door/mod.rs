//! The door: everything between accepting a connection and knowing who the client is.
//!
//! Start-up packets, TLS and authentication end in a [`Greeted`] client; AuthenticationOk lies in its `output`, so that
//! the session sends it together with ParameterStatus … ReadyForQuery in one write.
//!
//! **Architecture invariant:** nothing behind the door sees a client that has not been authenticated, and no password,
//! verifier or cancel secret appears in `Debug` output, in a log or in an error.

mod arrival;
mod client_io;
mod login;
mod refusal;
pub mod scram;
mod throttle;
pub mod tls;
pub mod users;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::BytesMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

pub use client_io::ClientIo;
pub use refusal::{DoorError, Refusal};
pub use tls::{ServerTls, TlsError};
pub use users::{User, Users};

pub use crate::wire::startup::CancelKey;
use crate::wire::startup::POSTGRES_STARTUP_BYTES_MAX;

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// A password, by SCRAM-SHA-256 (-PLUS over TLS).
    Scram,
    /// A password and a client certificate whose common name is the user's.
    ScramAndCertificate,
    /// A client certificate whose common name is the user's.
    Certificate,
    /// Loopback and unix socket clients are believed, others need a password. In development mode only.
    Trust,
}

/// What the door demands.
#[derive(Debug, Clone)]
pub struct DoorRules {
    /// How clients are authenticated.
    pub auth: Auth,
    /// Development mode: permits `Auth::Trust`.
    pub is_development: bool,
    /// Refuse TCP clients that do not use TLS, before they are asked for a password.
    pub tls_required: bool,
    /// Time for everything from accept to authentication; PostgreSQL's `authentication_timeout`.
    pub startup_timeout: Duration,
    /// Longest start-up packet, without its length word.
    pub startup_bytes_max: usize,
}

impl Default for DoorRules {
    /// Production: SCRAM, TLS required, PostgreSQL's time and size limits.
    fn default() -> Self {
        Self {
            auth: Auth::Scram,
            is_development: false,
            tls_required: true,
            startup_timeout: Duration::from_secs(60),
            startup_bytes_max: POSTGRES_STARTUP_BYTES_MAX,
        }
    }
}

/// Rules that contradict each other or what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DoorRulesError {
    /// `Auth::Trust` outside development mode.
    #[error("authentication \"trust\" is for development mode only")]
    TrustOutsideDevelopment,
    /// TLS is required, and there is no certificate to offer it with.
    #[error("TLS is required, but no certificate is configured")]
    TlsWithoutCertificate,
    /// Client certificates are demanded, and there is no authority to verify them against.
    #[error("client certificates are required, but no client certificate authority is configured")]
    NoClientAuthority,
    /// The start-up limit is shorter than the smallest useful packet or above PostgreSQL's.
    #[error("the limit for start-up packets must be between 64 and {POSTGRES_STARTUP_BYTES_MAX} bytes")]
    StartupLimit,
}

/// Rules, certificate and users of the door; the latter two can be replaced while clients come in.
pub struct Door {
    rules: DoorRules,
    tls: ArcSwapOption<ServerTls>,
    users: ArcSwap<Users>,
    throttle: throttle::Throttle,
}

impl Door {
    /// A door with these rules, unless they contradict each other.
    pub fn new(rules: DoorRules, users: Users, tls: Option<ServerTls>) -> Result<Self, DoorRulesError> {
        if rules.auth == Auth::Trust && !rules.is_development {
            return Err(DoorRulesError::TrustOutsideDevelopment);
        }
        if !(64..=POSTGRES_STARTUP_BYTES_MAX).contains(&rules.startup_bytes_max) {
            return Err(DoorRulesError::StartupLimit);
        }
        check_tls(&rules, tls.as_ref())?;
        Ok(Self {
            rules,
            tls: ArcSwapOption::new(tls.map(Arc::new)),
            users: ArcSwap::from_pointee(users),
            throttle: throttle::Throttle::default(),
        })
    }

    /// Puts other users in force for clients that come from now on.
    pub fn replace_users(&self, users: Users) {
        self.users.store(Arc::new(users));
    }

    /// Puts another certificate in force for clients that come from now on; on an error the old one stays.
    pub fn replace_tls(&self, tls: Option<ServerTls>) -> Result<(), DoorRulesError> {
        check_tls(&self.rules, tls.as_ref())?;
        self.tls.store(tls.map(Arc::new));
        Ok(())
    }

    /// TLS for HTTP with the certificate in force.
    #[must_use]
    pub fn https(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.load().as_ref().map(|tls| tls.https())
    }

    /// The users in force.
    #[must_use]
    pub fn users(&self) -> Arc<Users> {
        self.users.load_full()
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &DoorRules {
        &self.rules
    }
}

fn check_tls(rules: &DoorRules, tls: Option<&ServerTls>) -> Result<(), DoorRulesError> {
    if rules.tls_required && tls.is_none() {
        return Err(DoorRulesError::TlsWithoutCertificate);
    }
    let demands_certificate = matches!(rules.auth, Auth::Certificate | Auth::ScramAndCertificate);
    if demands_certificate && !tls.is_some_and(ServerTls::verifies_clients) {
        return Err(DoorRulesError::NoClientAuthority);
    }
    Ok(())
}

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a unix socket of this machine.
    Unix,
}

impl Peer {
    /// From this very machine, as far as the address tells: what `trust` is for.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }

    fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("[local]"),
        }
    }
}

/// What came in at the door.
pub enum Welcome<S> {
    /// A client that wants a session and has shown who it is.
    Session(Box<Greeted<S>>),
    /// A client that wants a query cancelled. It gets no answer: its connection is closed when that is done, and not
    /// before, because the client takes the end of it for the end of the request.
    Cancel(CancelKey, ClientIo<S>),
    /// Somebody looked in and left without a word, as health checks do.
    Closed,
}

impl<S> fmt::Debug for Welcome<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(greeted) => f.debug_tuple("Session").field(greeted).finish(),
            Self::Cancel(key, _) => f.debug_tuple("Cancel").field(key).finish(),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// An authenticated client.
pub struct Greeted<S> {
    /// The connection, TLS included.
    pub io: ClientIo<S>,
    /// Bytes read behind the last message of the door; no allocation when there are none.
    pub input: BytesMut,
    /// Not yet written: NegotiateProtocolVersion, AuthenticationSASLFinal, AuthenticationOk, as they apply.
    pub output: BytesMut,
    /// The authenticated user.
    pub user: String,
    /// The database asked for; the user's name where none was.
    pub database: String,
    /// All other start-up parameters in the order in which they apply, `options` split into its settings.
    pub parameters: Vec<(String, String)>,
    /// The entry of the users file or configuration; `None` for a trusted client that has none.
    pub account: Option<Arc<User>>,
}

impl<S> fmt::Debug for Greeted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { io, input: _, output: _, user, database, parameters, account } = self;
        f.debug_struct("Greeted")
            .field("is_tls", &io.is_tls())
            .field("user", user)
            .field("database", database)
            .field("parameters", parameters)
            .field("account", account)
            .finish_non_exhaustive()
    }
}

/// Takes one accepted connection to the point where its user is known, within the door's time limit.
///
/// A client that is refused, or too slow, has been told so in a FATAL ErrorResponse when this returns, except after a
/// TLS handshake that failed or did not end, or on a broken connection; the error is for the log.
pub async fn welcome<S>(io: S, peer: Peer, door: &Door) -> Result<Welcome<S>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Boxed: the room that a handshake needs is given back before the session, which may live for days, begins.
    Box::pin(arrival::admit(io, peer, door)).await
}

#[cfg(test)]
mod tests;
