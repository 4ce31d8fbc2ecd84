//! Why a client does not come in: what it is told, and what the log is told.

use std::io;

use thiserror::Error;

use super::scram::ScramError;
use crate::wire::backend::Report;
use crate::wire::reader::Malformed;
use crate::wire::sqlstate::SqlState;
use crate::wire::startup::StartupError;

/// Why the door did not let a client in.
#[derive(Debug, Error)]
pub enum DoorError {
    /// The client broke a rule and was told.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The client left in the middle. Ordinary: psql does so when it has to ask for a password first.
    #[error("client disconnected during {0}")]
    Disconnected(&'static str),
    /// The door's time limit passed within the TLS handshake, where nothing can be said.
    #[error("TLS handshake was not completed in time")]
    Timeout,
    /// The TLS handshake failed; the client got a TLS alert.
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// The connection broke.
    #[error("could not talk to client: {0}")]
    Io(#[from] io::Error),
}

/// A refusal, with its two audiences.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}", report.message, cause.map(|cause| format!(" ({cause})")).unwrap_or_default())]
pub struct Refusal {
    /// The FATAL error that the client was sent.
    pub report: Report,
    /// What the client is not told: whether a user exists, what does not fit.
    pub cause: Option<&'static str>,
    /// A failed attempt to log in, which slows this client's next failure down.
    pub is_failed_login: bool,
}

impl DoorError {
    /// The SQLSTATE under which this is counted.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Refused(refusal) => refusal.report.sqlstate,
            Self::Timeout => SqlState::QUERY_CANCELED,
            Self::Disconnected(_) | Self::Io(_) => SqlState::CONNECTION_FAILURE,
            Self::Handshake(_) => SqlState::PROTOCOL_VIOLATION,
        }
    }

    pub(super) fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Refusal { report: Report::fatal(sqlstate, message), cause: None, is_failed_login: false }.into()
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::fatal(SqlState::PROTOCOL_VIOLATION, message)
    }

    /// The door's time limit passed.
    pub(super) fn too_slow() -> Self {
        Self::fatal(SqlState::QUERY_CANCELED, "canceling authentication due to timeout")
    }

    pub(super) fn failed_login(report: Report, cause: &'static str) -> Self {
        Refusal { report, cause: Some(cause), is_failed_login: true }.into()
    }

    pub(super) fn hint(self, hint: &str) -> Self {
        self.reported(|report| report.hint(hint))
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        self.reported(|report| report.detail(detail))
    }

    fn reported(self, change: impl FnOnce(Report) -> Report) -> Self {
        match self {
            Self::Refused(mut refusal) => {
                refusal.report = change(refusal.report);
                Self::Refused(refusal)
            }
            other @ (Self::Disconnected(_) | Self::Timeout | Self::Handshake(_) | Self::Io(_)) => other,
        }
    }
}

impl From<Refusal> for DoorError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<StartupError> for DoorError {
    fn from(error: StartupError) -> Self {
        Refusal { report: error.report(), cause: None, is_failed_login: false }.into()
    }
}

impl From<Malformed> for DoorError {
    fn from(malformed: Malformed) -> Self {
        Self::protocol(malformed.to_string())
    }
}

/// A wrong proof reads like an unknown user; only faults of the protocol are named.
pub(super) fn scram_refusal(error: ScramError, user: &str, cause: &'static str) -> DoorError {
    match error {
        ScramError::WrongProof => DoorError::failed_login(
            Report::fatal(SqlState::INVALID_PASSWORD, format!("password authentication failed for user \"{user}\"")),
            cause,
        ),
        ScramError::UnknownMechanism | ScramError::BadNonce => DoorError::protocol(error.to_string()),
        ScramError::Malformed(detail) => DoorError::protocol(error.to_string()).detail(detail),
        ScramError::Unsupported(_) => DoorError::fatal(SqlState::FEATURE_NOT_SUPPORTED, error.to_string()),
        ScramError::Downgrade => DoorError::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, error.to_string())
            .detail("The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding."),
        ScramError::ChannelBinding => {
            DoorError::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, error.to_string())
        }
    }
}
