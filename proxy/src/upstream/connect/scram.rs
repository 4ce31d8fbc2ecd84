//! SASL with the server: SCRAM-SHA-256, bound to the TLS connection where possible.
//!
//! <https://www.postgresql.org/docs/current/sasl-authentication.html>, RFC 5802, RFC 7677, RFC 5929.

use bytes::{Bytes, BytesMut};
use postgres_protocol::authentication::sasl::{
    ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;

use super::ConnectError;
use super::packet::text;
use crate::upstream::ChannelBinding;

/// The client's side of one SCRAM exchange.
pub(super) struct Scram {
    exchange: ScramSha256,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    First,
    Proof,
    Verified,
}

impl Scram {
    /// Answers AuthenticationSASL. `end_point` is the tls-server-end-point of the connection, if it has one.
    pub(super) fn start(
        mut mechanisms: Bytes,
        password: &str,
        end_point: Option<Vec<u8>>,
        rule: ChannelBinding,
        out: &mut BytesMut,
    ) -> Result<Self, ConnectError> {
        let mut offered = Vec::new();
        while mechanisms.first().is_some_and(|byte| *byte != 0) {
            offered.push(text(&mut mechanisms)?);
        }
        let offers = |name: &str| offered.iter().any(|mechanism| mechanism == name);
        let end_point = end_point.filter(|_| rule != ChannelBinding::Disable);
        let (name, binding) = match end_point {
            Some(end_point) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, Binding::tls_server_end_point(end_point))
            }
            _ if rule == ChannelBinding::Require => {
                return Err(refusal("channel binding is required, but not possible on this connection"));
            }
            _ if !offers(SCRAM_SHA_256) => return Err(refusal("the server offers no known SASL mechanism")),
            // Telling the server that we could have bound lets it notice that somebody took -PLUS off its list.
            Some(_) => (SCRAM_SHA_256, Binding::unrequested()),
            None => (SCRAM_SHA_256, Binding::unsupported()),
        };
        let exchange = ScramSha256::new(password.as_bytes(), binding);
        frontend::sasl_initial_response(name, exchange.message(), out).map_err(ConnectError::Lost)?;
        Ok(Self { exchange, stage: Stage::First })
    }

    /// Answers AuthenticationSASLContinue with the proof.
    pub(super) fn prove(&mut self, challenge: &[u8], out: &mut BytesMut) -> Result<(), ConnectError> {
        if self.stage != Stage::First {
            return Err(refusal("SCRAM messages out of order"));
        }
        self.exchange.update(challenge).map_err(|error| refusal(&error.to_string()))?;
        self.stage = Stage::Proof;
        frontend::sasl_response(self.exchange.message(), out).map_err(ConnectError::Lost)
    }

    /// Checks AuthenticationSASLFinal: that the server knows the password too.
    pub(super) fn verify(&mut self, signature: &[u8]) -> Result<(), ConnectError> {
        if self.stage != Stage::Proof {
            return Err(refusal("SCRAM messages out of order"));
        }
        self.exchange.finish(signature).map_err(|error| refusal(&error.to_string()))?;
        self.stage = Stage::Verified;
        Ok(())
    }

    /// Whether the server has proved itself.
    pub(super) fn is_verified(&self) -> bool {
        self.stage == Stage::Verified
    }
}

pub(super) fn refusal(reason: &str) -> ConnectError {
    ConnectError::Authentication(reason.to_owned())
}
