//! Who the client is: trust, certificate, SCRAM, and whether it may open the database it names.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;

use super::arrival::read_more;
use super::refusal::scram_refusal;
use super::scram::Offer;
use super::{Auth, Door, DoorError, Peer, ServerTls, User, tls};
use crate::wire::authentication::{
    AUTHENTICATION_OK, RESPONSE_TAG, SASL_BYTES_MAX, SaslInitialResponse, put_sasl, put_sasl_continue, put_sasl_final,
};
use crate::wire::backend::Report;
use crate::wire::frame;
use crate::wire::sqlstate::SqlState;
use crate::wire::startup::StartupMessage;

/// What protects the bytes between client and gateway.
pub(super) struct Channel {
    tls: Option<Arc<ServerTls>>,
    certificate: Certificate,
}

/// The client certificate, verified by the handshake.
enum Certificate {
    None,
    /// Without a usable common name.
    Nameless,
    Named(String),
}

impl Channel {
    pub(super) fn plain() -> Self {
        Self { tls: None, certificate: Certificate::None }
    }

    pub(super) fn over_tls<S>(stream: &TlsStream<S>, tls: Arc<ServerTls>) -> Self {
        let first = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = match first {
            None => Certificate::None,
            Some(certificate) => tls::common_name(certificate).map_or(Certificate::Nameless, Certificate::Named),
        };
        Self { tls: Some(tls), certificate }
    }
}

/// One client at the desk. What is put into `output` goes out with the next message that has to be answered.
pub(super) struct Login<'a, T> {
    pub(super) io: &'a mut T,
    pub(super) input: &'a mut BytesMut,
    pub(super) output: &'a mut BytesMut,
    pub(super) peer: Peer,
    pub(super) door: &'a Door,
    pub(super) channel: &'a Channel,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Login<'_, T> {
    /// Authenticates; on success AuthenticationOk lies in the output.
    pub(super) async fn run(mut self, message: &StartupMessage) -> Result<Option<Arc<User>>, DoorError> {
        let user = message.user.as_str();
        if user.is_empty() {
            let sqlstate = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
            return Err(DoorError::fatal(sqlstate, "no PostgreSQL user name specified in startup packet"));
        }
        self.check_encryption()?;
        let account = self.door.users().find(user).cloned();
        match self.door.rules.auth {
            Auth::Trust if self.peer.is_local() => {}
            Auth::Trust | Auth::Scram => self.scram(user, account.as_deref()).await?,
            Auth::Certificate => self.check_certificate(user, account.as_deref())?,
            Auth::ScramAndCertificate => {
                self.require_certificate()?;
                self.scram(user, account.as_deref()).await?;
                self.check_certificate(user, account.as_deref())?;
            }
        }
        check_database(message, account.as_deref())?;
        self.output.extend_from_slice(AUTHENTICATION_OK);
        Ok(account)
    }

    /// Before any password is asked for, so that none crosses the network in the open.
    fn check_encryption(&self) -> Result<(), DoorError> {
        if !self.door.rules.tls_required || self.channel.tls.is_some() || self.peer == Peer::Unix {
            return Ok(());
        }
        let sqlstate = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
        Err(DoorError::fatal(sqlstate, "connection is not encrypted, and this server requires TLS")
            .hint("Connect with sslmode=require, or better sslmode=verify-full."))
    }

    fn require_certificate(&self) -> Result<(), DoorError> {
        match self.channel.certificate {
            Certificate::Named(_) | Certificate::Nameless => Ok(()),
            Certificate::None => {
                let sqlstate = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
                Err(DoorError::fatal(sqlstate, "connection requires a valid client certificate"))
            }
        }
    }

    fn check_certificate(&self, user: &str, account: Option<&User>) -> Result<(), DoorError> {
        self.require_certificate()?;
        let cause = match (&self.channel.certificate, account) {
            (_, None) => "no such user",
            (Certificate::None | Certificate::Nameless, Some(_)) => "certificate has no usable common name",
            (Certificate::Named(name), Some(account)) => {
                if name == account.certificate_name.as_deref().unwrap_or(user) {
                    return Ok(());
                }
                "certificate is of another name"
            }
        };
        let message = format!("certificate authentication failed for user \"{user}\"");
        let report = Report::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, message);
        Err(DoorError::failed_login(report, cause))
    }

    /// A user that is not there goes through the same motions and fails at the same point as a wrong password.
    async fn scram(&mut self, user: &str, account: Option<&User>) -> Result<(), DoorError> {
        let (verifier, cause) = match account.map(|account| &account.verifier) {
            Some(Some(verifier)) => (verifier.clone(), "password does not match"),
            Some(None) => (self.door.users().mock_verifier(user), "user has no password"),
            None => (self.door.users().mock_verifier(user), "no such user"),
        };
        let tls = self.channel.tls.clone();
        let offer = Offer::new(tls.as_ref().and_then(|tls| tls.certificate_hash()));
        put_sasl(self.output, offer.mechanisms());
        let body = self.response().await?;
        let initial = SaslInitialResponse::decode(&body)?;
        let late: Bytes;
        let first = match initial.message {
            Some(first) => first,
            None => {
                // RFC 4422: a client that starts without a message is asked for one by an empty challenge.
                put_sasl_continue(self.output, "");
                late = self.response().await?;
                &late
            }
        };
        let nonce = BASE64.encode(rand::random::<[u8; 18]>());
        let refused = |error| scram_refusal(error, user, cause);
        let challenge = offer.begin(initial.mechanism, first, &verifier, &nonce).map_err(refused)?;
        put_sasl_continue(self.output, challenge.message());
        let proof = self.response().await?;
        put_sasl_final(self.output, &challenge.finish(&proof).map_err(refused)?);
        Ok(())
    }

    /// Sends the output and reads one SASL response.
    async fn response(&mut self) -> Result<Bytes, DoorError> {
        self.io.write_all(self.output).await?;
        self.io.flush().await?;
        self.output.clear();
        loop {
            let header = frame::header(self.input).map_err(|error| DoorError::protocol(error.to_string()))?;
            if let Some(header) = header {
                match header.tag {
                    RESPONSE_TAG => {}
                    b'X' => return Err(DoorError::Disconnected("authentication")),
                    tag => return Err(DoorError::protocol(format!("expected SASL response, got message type {tag}"))),
                }
                if header.body_bytes > SASL_BYTES_MAX {
                    return Err(DoorError::protocol("invalid message length"));
                }
                if let Some(frame) = frame::take(self.input, header) {
                    return Ok(frame.body);
                }
            }
            if read_more(self.io, self.input).await? == 0 {
                return Err(DoorError::Disconnected("authentication"));
            }
        }
    }
}

fn check_database(message: &StartupMessage, account: Option<&User>) -> Result<(), DoorError> {
    let allowed = account.and_then(|account| account.databases.as_ref());
    if allowed.is_none_or(|databases| databases.contains(&message.database)) {
        return Ok(());
    }
    let text = format!("permission denied for database \"{}\"", message.database);
    Err(DoorError::fatal(SqlState::INSUFFICIENT_PRIVILEGE, text)
        .detail("The gateway's configuration does not list this database for the user."))
}
