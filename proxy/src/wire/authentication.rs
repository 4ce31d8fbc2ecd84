//! Authentication messages between a client and the gateway.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> and
//! <https://www.postgresql.org/docs/current/sasl-authentication.html>

use bytes::{BufMut, BytesMut};

use super::frontend::{put_frame, put_string};
use super::reader::{Malformed, Reader};

/// The tag of SASLInitialResponse and SASLResponse (and of PasswordMessage, which is never asked for).
pub const RESPONSE_TAG: u8 = b'p';

/// PostgreSQL's bound for one SASL message (`PG_MAX_SASL_MESSAGE_LENGTH`), without tag and length.
pub const SASL_BYTES_MAX: usize = 1024;

/// AuthenticationOk.
pub const AUTHENTICATION_OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";

/// AuthenticationSASL: the mechanisms on offer, the preferred one first.
pub fn put_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    put_frame(out, b'R', |out| {
        out.put_i32(10);
        for mechanism in mechanisms {
            put_string(out, mechanism);
        }
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue: the server's challenge.
pub fn put_sasl_continue(out: &mut BytesMut, challenge: &str) {
    put_sasl_text(out, 11, challenge);
}

/// AuthenticationSASLFinal: the server's own proof.
pub fn put_sasl_final(out: &mut BytesMut, outcome: &str) {
    put_sasl_text(out, 12, outcome);
}

/// SASLInitialResponse: the mechanism that the client chose, and its first message where it sent one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// Name of the mechanism.
    pub mechanism: &'a str,
    /// The client's first message.
    pub message: Option<&'a [u8]>,
}

impl<'a> SaslInitialResponse<'a> {
    /// Decodes the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mechanism = reader.string()?;
        let message = reader.length()?.map(|bytes| reader.bytes(bytes)).transpose()?;
        reader.finish()?;
        Ok(Self { mechanism, message })
    }
}

fn put_sasl_text(out: &mut BytesMut, code: i32, text: &str) {
    put_frame(out, b'R', |out| {
        out.put_i32(code);
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sasl_messages_have_the_manual_s_layout() {
        let mut out = BytesMut::new();
        put_sasl(&mut out, &["SCRAM-SHA-256"]);
        assert_eq!(&out[..], b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");
        out.clear();
        put_sasl_continue(&mut out, "r=x");
        put_sasl_final(&mut out, "v=y");
        assert_eq!(&out[..], b"R\0\0\0\x0b\0\0\0\x0br=xR\0\0\0\x0b\0\0\0\x0cv=y");
    }

    #[test]
    fn an_initial_response_must_add_up() {
        let whole = SaslInitialResponse::decode(b"M\0\0\0\0\x02ab").unwrap();
        assert_eq!((whole.mechanism, whole.message), ("M", Some(&b"ab"[..])));
        let none = SaslInitialResponse::decode(b"M\0\xff\xff\xff\xff").unwrap();
        assert_eq!(none.message, None);
        for body in
            [&b"M\0\0\0\0\x02abc"[..], b"M\0\0\0\0\x03ab", b"M", b"M\0", b"M\0\xff\xff\xff\xfeab", b"\xff\0\0\0\0\0"]
        {
            assert!(SaslInitialResponse::decode(body).is_err(), "{body:?}");
        }
    }
}
