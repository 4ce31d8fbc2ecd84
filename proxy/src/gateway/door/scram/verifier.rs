//! What a server keeps in place of a password.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use super::{Hash, hmac_sha_256, sha_256, xor};

/// PostgreSQL's default of `scram_iterations`.
pub const ITERATIONS_DEFAULT: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// PostgreSQL's salt length.
pub const SALT_BYTES_DEFAULT: usize = 16;

/// A SCRAM-SHA-256 verifier as in `pg_authid.rolpassword`: it checks a password and cannot be used to log in.
/// `ServerKey` in it must still be kept secret, so `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Hash,
    pub(super) server_key: Hash,
}

/// Text that is not `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. The text is not repeated: it is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a SCRAM verifier of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")]
pub struct InvalidVerifier;

/// The verifier of a password. The password is normalized by SASLprep (RFC 4013), or taken as it is where SASLprep
/// refuses it, as PostgreSQL does on both sides.
#[must_use]
pub fn verifier(password: &str, iterations: NonZeroU32, salt: &[u8]) -> Verifier {
    let normalized = stringprep::saslprep(password).unwrap_or(password.into());
    let salted = salted_password(normalized.as_bytes(), iterations, salt);
    Verifier {
        iterations,
        salt: salt.to_vec(),
        stored_key: sha_256(&hmac_sha_256(&salted, &[b"Client Key"])),
        server_key: hmac_sha_256(&salted, &[b"Server Key"]),
    }
}

impl Verifier {
    /// The text that `pg_authid` and a users file hold. As secret as the verifier.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { iterations, salt, stored_key, server_key } = self;
        let [salt, stored, server] = [&salt[..], stored_key, server_key].map(|bytes| BASE64.encode(bytes));
        format!("{PREFIX}{iterations}:{salt}${stored}:{server}")
    }

    /// Iterations of the key derivation, which a client is told.
    #[must_use]
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// A verifier that no password fits, for users that do not exist: its salt is always the same for one name
    /// and secret, so that asking twice tells nothing.
    #[must_use]
    pub fn mock(user: &str, secret: &[u8], iterations: NonZeroU32) -> Self {
        let salt = hmac_sha_256(secret, &[b"salt", user.as_bytes()]).into_iter().take(SALT_BYTES_DEFAULT).collect();
        let key = hmac_sha_256(secret, &[b"key", user.as_bytes()]);
        Self { iterations, salt, stored_key: key, server_key: key }
    }

    /// The salt, which a client is told.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

impl FromStr for Verifier {
    type Err = InvalidVerifier;

    fn from_str(text: &str) -> Result<Self, InvalidVerifier> {
        let parse = || {
            let (cost, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
            let (iterations, salt) = cost.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            // PostgreSQL holds iterations in an int.
            let iterations = u32::try_from(iterations.parse::<i32>().ok()?).ok()?;
            let hash = |text: &str| -> Option<Hash> { BASE64.decode(text).ok()?.try_into().ok() };
            Some(Self {
                iterations: NonZeroU32::new(iterations)?,
                salt: BASE64.decode(salt).ok().filter(|salt| !salt.is_empty())?,
                stored_key: hash(stored_key)?,
                server_key: hash(server_key)?,
            })
        };
        parse().ok_or(InvalidVerifier)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(hidden)")
    }
}

/// `secret` with what only holders of `verifier` know mixed in, for [`Verifier::mock`].
pub(in crate::gateway::door) fn mixed(secret: &[u8; 32], verifier: &Verifier) -> [u8; 32] {
    hmac_sha_256(&verifier.server_key, &[secret, &verifier.stored_key])
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted_password(password: &[u8], iterations: NonZeroU32, salt: &[u8]) -> Hash {
    let mut round = hmac_sha_256(password, &[salt, &1_u32.to_be_bytes()]);
    let mut sum = round;
    for _ in 1..iterations.get() {
        round = hmac_sha_256(password, &[&round]);
        sum = xor(&sum, &round);
    }
    sum
}

const PREFIX: &str = "SCRAM-SHA-256$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_reads_back_from_its_text_and_stays_hidden() {
        let made = verifier("secret", ITERATIONS_DEFAULT, b"0123456789abcdef");
        assert_eq!(made.text().parse(), Ok(made.clone()));
        assert_eq!(format!("{made:?}"), "Verifier(hidden)");
    }

    #[test]
    fn verifiers_made_by_postgres_protocol_are_the_same() {
        for password in ["secret", "", "pä ss\u{ad}word", "\u{7}bell", "I\u{2168}"] {
            let theirs = postgres_protocol::password::scram_sha_256(password.as_bytes());
            let parsed: Verifier = theirs.parse().unwrap();
            assert_eq!(verifier(password, parsed.iterations, &parsed.salt).text(), theirs, "{password:?}");
        }
    }

    #[test]
    fn text_that_is_not_a_verifier_is_refused() {
        let good = verifier("x", ITERATIONS_DEFAULT, b"salt").text();
        let (cost, keys) = good.rsplit_once('$').unwrap();
        for text in [
            "",
            "secret",
            "md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            cost,
            &format!("{cost}$"),
            &format!("{cost}$AAAA:AAAA"),
            &format!("{good} "),
            &format!("SCRAM-SHA-256$0:c2FsdA==${keys}"),
            &format!("SCRAM-SHA-256$-1:c2FsdA==${keys}"),
            &format!("SCRAM-SHA-256$99999999999:c2FsdA==${keys}"),
            &format!("SCRAM-SHA-256$4096:${keys}"),
            &good.replace("SHA-256", "SHA-512"),
        ] {
            assert_eq!(text.parse::<Verifier>(), Err(InvalidVerifier), "{text:?}");
        }
    }

    #[test]
    fn a_mock_is_stable_for_a_user_and_differs_between_users() {
        let mock = |user| Verifier::mock(user, b"secret", ITERATIONS_DEFAULT);
        assert_eq!(mock("ann").salt, mock("ann").salt);
        assert_ne!(mock("ann").salt, mock("bob").salt);
        assert_eq!(mock("ann").salt.len(), SALT_BYTES_DEFAULT);
    }
}
