//! The two round trips of SCRAM as a machine: client-first to challenge, client-final to the server's signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::{Hash, Verifier, hmac_sha_256, sha_256, xor};

/// SCRAM without channel binding.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// SCRAM bound to the TLS channel it runs in.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What the server offers: mechanisms, and the hash of its certificate when it can bind to the channel
/// (`tls-server-end-point`, RFC 5929).
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    certificate_hash: Option<&'a [u8]>,
}

/// Why an exchange failed. None of it says whether the user exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScramError {
    /// The client chose a mechanism that was not offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    UnknownMechanism,
    /// A message that RFC 5802's grammar does not allow; the text is PostgreSQL's DETAIL.
    #[error("malformed SCRAM message")]
    Malformed(&'static str),
    /// The client's nonce is empty or has bytes that RFC 5802 does not allow in it.
    #[error("non-printable characters in SCRAM nonce")]
    BadNonce,
    /// Something RFC 5802 allows and PostgreSQL does not have.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The client thinks the server cannot bind to the channel, although that was offered: somebody in between took it out.
    #[error("SCRAM channel binding negotiation error")]
    Downgrade,
    /// The client sees another certificate than the server's: somebody in between terminates TLS.
    #[error("SCRAM channel binding check failed")]
    ChannelBinding,
    /// The proof does not fit the verifier: wrong password, or no such user.
    #[error("password does not match")]
    WrongProof,
}

impl<'a> Offer<'a> {
    /// With `None` for a connection without TLS, or a certificate whose signature has no hash to bind to.
    #[must_use]
    pub fn new(certificate_hash: Option<&'a [u8]>) -> Self {
        Self { certificate_hash }
    }

    /// Names for AuthenticationSASL, the preferred one first.
    #[must_use]
    pub fn mechanisms(&self) -> &'static [&'static str] {
        if self.certificate_hash.is_some() { &[MECHANISM_PLUS, MECHANISM] } else { &[MECHANISM] }
    }

    /// Reads client-first-message and makes the challenge. `nonce` is the server's own: random, printable, no comma.
    pub fn begin(
        &self,
        mechanism: &str,
        client_first: &[u8],
        verifier: &Verifier,
        nonce: &str,
    ) -> Result<Challenge, ScramError> {
        let bound_to = match mechanism {
            MECHANISM => None,
            MECHANISM_PLUS => Some(self.certificate_hash.ok_or(ScramError::UnknownMechanism)?),
            _ => return Err(ScramError::UnknownMechanism),
        };
        let text = printable(client_first)?;
        let (header_flag, rest) = text.split_once(',').ok_or(ScramError::Malformed(FLAG))?;
        self.check_flag(header_flag, bound_to.is_some())?;
        let (authorization, bare) = rest.split_once(',').ok_or(ScramError::Malformed("Comma expected."))?;
        match authorization {
            "" => {}
            _ if authorization.starts_with("a=") => {
                return Err(ScramError::Unsupported("client uses authorization identity, but it is not supported"));
            }
            _ => return Err(ScramError::Malformed("Unexpected attribute in client-first-message.")),
        }
        let client_nonce = read_bare(bare)?;
        let mut channel_binding = format!("{header_flag},,").into_bytes();
        channel_binding.extend_from_slice(bound_to.unwrap_or_default());
        let nonce = format!("{client_nonce}{nonce}");
        let message = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        Ok(Challenge {
            client_first_bare: bare.to_owned(),
            message,
            nonce,
            channel_binding: BASE64.encode(channel_binding),
            is_bound: bound_to.is_some(),
            stored_key: verifier.stored_key,
            server_key: verifier.server_key,
        })
    }

    /// The channel binding flag of the GS2 header against what was offered and chosen.
    fn check_flag(&self, flag: &str, plus_chosen: bool) -> Result<(), ScramError> {
        match flag {
            "n" | "y" if plus_chosen => Err(ScramError::Malformed(
                "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
            )),
            "n" => Ok(()),
            "y" if self.certificate_hash.is_some() => Err(ScramError::Downgrade),
            "y" => Ok(()),
            _ if flag.starts_with("p=") && !plus_chosen => Err(ScramError::Malformed(
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
            )),
            "p=tls-server-end-point" => Ok(()),
            _ if flag.starts_with("p=") => Err(ScramError::Unsupported("unsupported SCRAM channel-binding type")),
            _ => Err(ScramError::Malformed(FLAG)),
        }
    }
}

/// The challenge went out, the client's proof is awaited. `Debug` is left out: it holds keys.
pub struct Challenge {
    client_first_bare: String,
    message: String,
    nonce: String,
    channel_binding: String,
    is_bound: bool,
    stored_key: Hash,
    server_key: Hash,
}

impl Challenge {
    /// server-first-message, for AuthenticationSASLContinue.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Checks client-final-message and answers server-final-message, for AuthenticationSASLFinal.
    pub fn finish(self, client_final: &[u8]) -> Result<String, ScramError> {
        let text = printable(client_final)?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or(ScramError::Malformed("Malformed proof in client-final-message."))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|attribute| attribute.strip_prefix("c="));
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r="));
        let binding = binding.ok_or(ScramError::Malformed("Expected attribute \"c\" in client-final-message."))?;
        let nonce = nonce.ok_or(ScramError::Malformed("Expected attribute \"r\" in client-final-message."))?;
        check_extensions(attributes)?;
        if !same(binding.as_bytes(), self.channel_binding.as_bytes()) {
            return Err(if self.is_bound {
                ScramError::ChannelBinding
            } else {
                ScramError::Malformed("Unexpected channel-binding attribute in client-final-message.")
            });
        }
        if !same(nonce.as_bytes(), self.nonce.as_bytes()) {
            return Err(ScramError::Malformed("Nonce does not match."));
        }
        let proof: Hash = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(ScramError::Malformed("Malformed proof in client-final-message."))?;
        let signed = [self.client_first_bare.as_bytes(), b",", self.message.as_bytes(), b",", without_proof.as_bytes()];
        let client_key = xor(&proof, &hmac_sha_256(&self.stored_key, &signed));
        if !same(&sha_256(&client_key), &self.stored_key) {
            return Err(ScramError::WrongProof);
        }
        Ok(format!("v={}", BASE64.encode(hmac_sha_256(&self.server_key, &signed))))
    }
}

/// The client's nonce out of client-first-message-bare. The name in it is not used: the start-up packet has the user.
fn read_bare(bare: &str) -> Result<&str, ScramError> {
    let mut attributes = bare.split(',');
    let first = attributes.next().unwrap_or_default();
    if first.starts_with("m=") {
        return Err(ScramError::Unsupported("client requires an unsupported SCRAM extension"));
    }
    if !first.starts_with("n=") {
        return Err(ScramError::Malformed("Expected attribute \"n\" in client-first-message."));
    }
    let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r="));
    let nonce = nonce.ok_or(ScramError::Malformed("Expected attribute \"r\" in client-first-message."))?;
    // RFC 5802: printable ASCII but the comma.
    if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ScramError::BadNonce);
    }
    check_extensions(attributes)?;
    Ok(nonce)
}

/// Optional extensions are ignored, but must look like attributes.
fn check_extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), ScramError> {
    let is_attribute = |text: &str| {
        let mut characters = text.chars();
        characters.next().is_some_and(|c| c.is_ascii_alphabetic()) && characters.next() == Some('=')
    };
    if attributes.all(is_attribute) { Ok(()) } else { Err(ScramError::Malformed("Attribute expected.")) }
}

fn printable(message: &[u8]) -> Result<&str, ScramError> {
    let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("The message is not valid UTF-8."))?;
    if text.is_empty() {
        return Err(ScramError::Malformed("The message is empty."));
    }
    if text.contains('\0') {
        return Err(ScramError::Malformed("Message length does not match input length."));
    }
    Ok(text)
}

fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

const FLAG: &str = "Unexpected channel-binding flag.";

#[cfg(test)]
mod tests;
