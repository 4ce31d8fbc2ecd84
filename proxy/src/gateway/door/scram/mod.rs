//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side. No I/O, no clock, no randomness of its own.
//!
//! RFC 5802, RFC 7677, RFC 5929, and
//! <https://www.postgresql.org/docs/current/sasl-authentication.html#SASL-SCRAM-SHA-256>

mod exchange;
mod verifier;

pub use exchange::{Challenge, MECHANISM, MECHANISM_PLUS, Offer, ScramError};
pub(super) use verifier::mixed;
pub use verifier::{ITERATIONS_DEFAULT, InvalidVerifier, SALT_BYTES_DEFAULT, Verifier, verifier};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

fn hmac_sha_256(key: &[u8], parts: &[&[u8]]) -> Hash {
    // HMAC takes keys of any length; the error case of this constructor does not exist for it.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Hash::default() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn sha_256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn xor(left: &Hash, right: &Hash) -> Hash {
    let mut out = *left;
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}
