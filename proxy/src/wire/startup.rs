//! Start-up packets: the untyped, length-prefixed packets before the first typed frame.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP> and
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::fmt;

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;

use super::backend::Report;
use super::frontend::{put_frame, put_string};
use super::options::{self, UnknownSwitch};
use super::reader::{Malformed, Reader};
use super::sqlstate::SqlState;

/// PostgreSQL's own bound for a start-up packet, without its length word (`MAX_STARTUP_PACKET_LENGTH`).
pub const POSTGRES_STARTUP_BYTES_MAX: usize = 10_000;

/// The first byte of a TLS record that carries a handshake: a client that starts TLS without asking.
pub const TLS_HANDSHAKE_BYTE: u8 = 0x16;

/// A cancel key of protocol 3.2 is at most this long; one of 3.0 has four bytes.
pub const CANCEL_SECRET_BYTES_MAX: usize = 256;

/// What a client may say before the session starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupPacket {
    /// SSLRequest: answered with one byte, `S` or `N`.
    Ssl,
    /// GSSENCRequest: answered with one byte, `N`.
    GssEncryption,
    /// CancelRequest: never answered.
    Cancel(CancelKey),
    /// StartupMessage of major version 3.
    Startup(StartupMessage),
}

/// The key of a CancelRequest, as BackendKeyData gave it out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The process id of BackendKeyData.
    pub process_id: u32,
    /// The secret: 4 bytes in protocol 3.0, up to 256 in 3.2. A secret like a password: not shown by `Debug`.
    pub secret: Vec<u8>,
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

/// A StartupMessage, names as the client spelled them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupMessage {
    /// The minor protocol version asked for; above 0 it is negotiated down.
    pub minor_version: u16,
    /// `user`, empty when the client named none.
    pub user: String,
    /// `database`; `user` where the client named none.
    pub database: String,
    /// All other parameters in the order in which PostgreSQL applies them: those of `options` first.
    pub parameters: Vec<(String, String)>,
    /// Names of protocol options (`_pq_.…`), none of which is known here.
    pub protocol_options: Vec<String>,
}

impl StartupMessage {
    /// Whether a NegotiateProtocolVersion has to go out.
    #[must_use]
    pub fn needs_negotiation(&self) -> bool {
        self.minor_version > 0 || !self.protocol_options.is_empty()
    }
}

/// Why a start-up packet is refused. All of these end the connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StartupError {
    /// The length word is below 8 or above the limit: most often something that is not PostgreSQL's protocol.
    #[error("invalid length of startup packet")]
    InvalidLength,
    /// A CancelRequest without a key, or with one that is too long.
    #[error("invalid length of cancel request packet")]
    InvalidCancelLength,
    /// A protocol version other than 3, or a second request for encryption.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0")]
    UnsupportedProtocol {
        /// Major version as sent.
        major: u16,
        /// Minor version as sent.
        minor: u16,
    },
    /// The list of parameters does not end where the packet ends.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    MissingTerminator,
    /// A name or value is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    InvalidUtf8,
    /// `replication` asks for a walsender, or is not a boolean.
    #[error("replication connections are not supported")]
    Replication,
    /// A switch in `options` that is not `-c name=value` or `--name=value`.
    #[error(transparent)]
    Switch(#[from] UnknownSwitch),
}

impl StartupError {
    /// What the client is told.
    #[must_use]
    pub fn report(&self) -> Report {
        let sqlstate = match self {
            Self::InvalidLength | Self::InvalidCancelLength | Self::MissingTerminator => SqlState::PROTOCOL_VIOLATION,
            Self::UnsupportedProtocol { .. } | Self::Replication => SqlState::FEATURE_NOT_SUPPORTED,
            Self::InvalidUtf8 => SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            Self::Switch(switch) => switch.sqlstate(),
        };
        let report = Report::fatal(sqlstate, self.to_string());
        match self {
            Self::Switch(_) => report.hint("Only \"-c name=value\" and \"--name=value\" are accepted in options."),
            Self::InvalidLength
            | Self::InvalidCancelLength
            | Self::UnsupportedProtocol { .. }
            | Self::MissingTerminator
            | Self::InvalidUtf8
            | Self::Replication => report,
        }
    }
}

/// Takes one whole start-up packet off the front of `input`; `None` when it has not all arrived.
/// `bytes_max` bounds the packet without its length word.
pub fn take(input: &mut BytesMut, bytes_max: usize) -> Result<Option<StartupPacket>, StartupError> {
    let Some((length, _)) = input.split_first_chunk::<4>() else { return Ok(None) };
    // Read unsigned as PostgreSQL's length checks come to: what is below zero to it is above any limit here.
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| StartupError::InvalidLength)?;
    let body_bytes = length.checked_sub(4).ok_or(StartupError::InvalidLength)?;
    if body_bytes < 4 || body_bytes > bytes_max {
        return Err(StartupError::InvalidLength);
    }
    if input.len() < length {
        return Ok(None);
    }
    input.advance(4);
    decode(&input.split_to(body_bytes)).map(Some)
}

/// NegotiateProtocolVersion: 3.0 is spoken, and these protocol options are not known.
pub fn put_negotiate_protocol_version(out: &mut BytesMut, message: &StartupMessage) {
    put_frame(out, b'v', |out| {
        // PostgreSQL and libpq take the whole version word here, not the minor version alone.
        out.put_u32(VERSION_3_0);
        out.put_i32(i32::try_from(message.protocol_options.len()).unwrap_or(i32::MAX));
        for name in &message.protocol_options {
            put_string(out, name);
        }
    });
}

fn decode(body: &[u8]) -> Result<StartupPacket, StartupError> {
    let mut reader = Reader::new(body);
    let version = reader.u32().map_err(|_| StartupError::InvalidLength)?;
    match version {
        SSL_REQUEST if reader.rest().is_empty() => Ok(StartupPacket::Ssl),
        GSS_ENCRYPTION_REQUEST if reader.rest().is_empty() => Ok(StartupPacket::GssEncryption),
        SSL_REQUEST | GSS_ENCRYPTION_REQUEST => Err(StartupError::InvalidLength),
        CANCEL_REQUEST => decode_cancel(reader).map(StartupPacket::Cancel),
        _ => {
            let [a, b, c, d] = version.to_be_bytes();
            let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            if major != 3 {
                return Err(StartupError::UnsupportedProtocol { major, minor });
            }
            decode_startup(reader, minor).map(StartupPacket::Startup)
        }
    }
}

fn decode_cancel(mut reader: Reader<'_>) -> Result<CancelKey, StartupError> {
    let process_id = reader.u32().map_err(|_| StartupError::InvalidCancelLength)?;
    let secret = reader.rest().to_vec();
    if secret.len() < 4 || secret.len() > CANCEL_SECRET_BYTES_MAX {
        return Err(StartupError::InvalidCancelLength);
    }
    Ok(CancelKey { process_id, secret })
}

fn decode_startup(mut reader: Reader<'_>, minor_version: u16) -> Result<StartupMessage, StartupError> {
    let (mut user, mut database, mut switches) = ("", "", "");
    let mut direct = Vec::new();
    let mut protocol_options = Vec::new();
    loop {
        let name = reader.string()?;
        if name.is_empty() {
            break;
        }
        let value = reader.string()?;
        // A name that comes twice: the last one counts, as in PostgreSQL, which applies them in order.
        match name {
            "user" => user = value,
            "database" => database = value,
            "options" => switches = value,
            "replication" => refuse_replication(value)?,
            _ if name.starts_with("_pq_.") => protocol_options.push(name.to_owned()),
            _ => direct.push((name.to_owned(), value.to_owned())),
        }
    }
    reader.finish()?;
    let mut parameters = options::split(switches)?;
    parameters.append(&mut direct);
    let database = if database.is_empty() { user } else { database };
    Ok(StartupMessage {
        minor_version,
        user: user.to_owned(),
        database: database.to_owned(),
        parameters,
        protocol_options,
    })
}

/// Accepts only what PostgreSQL's `parse_bool` takes for false; everything else would be, or might be, a walsender.
fn refuse_replication(value: &str) -> Result<(), StartupError> {
    let word = value.to_ascii_lowercase();
    let no = word == "0"
        || (!word.is_empty() && ("false".starts_with(&word) || "no".starts_with(&word)))
        || matches!(word.as_str(), "of" | "off");
    if no { Ok(()) } else { Err(StartupError::Replication) }
}

impl From<Malformed> for StartupError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::InvalidUtf8 => Self::InvalidUtf8,
            Malformed::TooShort
            | Malformed::TrailingBytes
            | Malformed::UnterminatedString
            | Malformed::BadCount
            | Malformed::UnknownSubtype(_) => Self::MissingTerminator,
        }
    }
}

const VERSION_3_0: u32 = 0x0003_0000;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;

#[cfg(test)]
mod tests;
