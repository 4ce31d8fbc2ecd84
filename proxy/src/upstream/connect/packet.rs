//! The few backend messages that arrive before a session exists. Rows of a client's query are not read here.

use bytes::{Buf, Bytes, BytesMut};

use super::{ConnectError, ServerError};
use crate::wire::sqlstate::SqlState;

/// Nothing that a server says during start-up, or unasked on an idle connection, comes near this many bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// One message: its type byte and its body.
pub(in crate::upstream) struct Packet {
    pub(in crate::upstream) tag: u8,
    pub(in crate::upstream) body: Bytes,
}

/// Splits one whole message off the front; `None` when more bytes are needed.
pub(in crate::upstream) fn next_packet(rx: &mut BytesMut) -> Result<Option<Packet>, ConnectError> {
    let Some((&tag, after)) = rx.split_first() else { return Ok(None) };
    let Some(length) = after.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) else { return Ok(None) };
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (4..=PACKET_BYTES_MAX).contains(length))
        .ok_or_else(|| protocol("a message of impossible length"))?;
    if after.len() < length {
        return Ok(None);
    }
    let mut body = rx.split_to(length + 1).freeze();
    body.advance(5);
    Ok(Some(Packet { tag, body }))
}

/// Reads a number of four bytes off the front.
pub(super) fn number(body: &mut Bytes) -> Result<i32, ConnectError> {
    body.try_get_i32().map_err(|_| protocol("a message is too short"))
}

/// Reads a text up to its NUL off the front.
pub(super) fn text(body: &mut Bytes) -> Result<String, ConnectError> {
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(|| protocol("a text without an end"))?;
    let bytes = body.split_to(end);
    body.advance(1);
    // Messages before the encoding is settled may be in any: they are shown as well as they can be.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// ParameterStatus: name and value.
pub(in crate::upstream) fn text_pair(mut body: Bytes) -> Result<(String, String), ConnectError> {
    let pair = (text(&mut body)?, text(&mut body)?);
    finished(&body)?;
    Ok(pair)
}

/// The fields of an ErrorResponse.
pub(in crate::upstream) fn server_error(mut body: Bytes) -> Result<ServerError, ConnectError> {
    let mut error = ServerError {
        severity: "FATAL".to_owned(),
        sqlstate: SqlState::INTERNAL_ERROR,
        message: String::new(),
        detail: None,
        hint: None,
    };
    loop {
        let field = body.try_get_u8().map_err(|_| protocol("an error without an end"))?;
        if field == 0 {
            finished(&body)?;
            return Ok(error);
        }
        let value = text(&mut body)?;
        match field {
            b'V' => error.severity = value,
            b'C' => error.sqlstate = SqlState::from_code(&value).unwrap_or(SqlState::INTERNAL_ERROR),
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            _ => {}
        }
    }
}

pub(super) fn finished(body: &Bytes) -> Result<(), ConnectError> {
    if body.is_empty() { Ok(()) } else { Err(protocol("bytes after the end of a message")) }
}

pub(super) fn protocol(what: &str) -> ConnectError {
    ConnectError::Protocol(what.to_owned())
}
