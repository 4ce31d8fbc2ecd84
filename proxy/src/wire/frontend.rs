//! Frontend messages: decoded from a client, encoded for an upstream.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::Frame;
use super::reader::{Malformed, Reader};

/// A message from a client after start-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontendMessage<'a> {
    /// Simple query.
    Query { sql: &'a str },
    /// Parse: prepare `sql` under `name` (empty: the unnamed statement).
    Parse { name: &'a str, sql: &'a str, parameter_types: Vec<u32> },
    /// Bind: `values` is the rest of the body after the two names (formats, values, result formats), its counts checked.
    Bind { portal: &'a str, statement: &'a str, values: Bytes },
    /// Describe of a prepared statement.
    DescribeStatement { name: &'a str },
    /// Describe of a portal.
    DescribePortal { name: &'a str },
    /// Execute a portal for at most `rows_max` rows; zero or less is no limit.
    Execute { portal: &'a str, rows_max: i32 },
    /// Close of a prepared statement.
    CloseStatement { name: &'a str },
    /// Close of a portal.
    ClosePortal { name: &'a str },
    /// End of a batch.
    Sync,
    /// Ask for what is outstanding.
    Flush,
    /// Goodbye.
    Terminate,
    /// The fast path: never permitted.
    FunctionCall,
    /// COPY data from the client, outside of a COPY FROM STDIN: ignored as PostgreSQL ignores it.
    CopyFromClient,
    /// A password or SASL message after start-up: out of place.
    Password,
    /// A tag the protocol does not know.
    Unknown { tag: u8 },
}

impl<'a> FrontendMessage<'a> {
    /// Decodes one frame. Every count is checked against the body, and nothing may be left over.
    pub fn decode(frame: &'a Frame) -> Result<Self, Malformed> {
        let mut body = Reader::new(&frame.body);
        let message = match frame.tag {
            b'Q' => Self::Query { sql: body.string()? },
            b'P' => decode_parse(&mut body)?,
            b'B' => return decode_bind(frame, body),
            b'D' => match body.u8()? {
                b'S' => Self::DescribeStatement { name: body.string()? },
                b'P' => Self::DescribePortal { name: body.string()? },
                other => return Err(Malformed::UnknownSubtype(other)),
            },
            b'E' => Self::Execute { portal: body.string()?, rows_max: body.i32()? },
            b'C' => match body.u8()? {
                b'S' => Self::CloseStatement { name: body.string()? },
                b'P' => Self::ClosePortal { name: body.string()? },
                other => return Err(Malformed::UnknownSubtype(other)),
            },
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'X' => Self::Terminate,
            b'F' => return Ok(Self::FunctionCall),
            b'd' | b'c' | b'f' => return Ok(Self::CopyFromClient),
            b'p' => return Ok(Self::Password),
            tag => return Ok(Self::Unknown { tag }),
        };
        body.finish()?;
        Ok(message)
    }
}

fn decode_parse<'a>(body: &mut Reader<'a>) -> Result<FrontendMessage<'a>, Malformed> {
    let name = body.string()?;
    let sql = body.string()?;
    let count = body.count()?;
    if body.rest().len() != count.saturating_mul(4) {
        return Err(if body.rest().len() < count.saturating_mul(4) {
            Malformed::TooShort
        } else {
            Malformed::TrailingBytes
        });
    }
    let parameter_types = (0..count).map(|_| body.u32()).collect::<Result<_, _>>()?;
    Ok(FrontendMessage::Parse { name, sql, parameter_types })
}

fn decode_bind<'a>(frame: &'a Frame, mut body: Reader<'a>) -> Result<FrontendMessage<'a>, Malformed> {
    let portal = body.string()?;
    let statement = body.string()?;
    let values = frame.body.slice_ref(body.rest());
    let formats = body.count()?;
    body.bytes(formats.saturating_mul(2))?;
    let parameters = body.count()?;
    for _ in 0..parameters {
        if let Some(length) = body.length()? {
            body.bytes(length)?;
        }
    }
    let result_formats = body.count()?;
    body.bytes(result_formats.saturating_mul(2))?;
    body.finish()?;
    Ok(FrontendMessage::Bind { portal, statement, values })
}

/// Whether a message of this type may be long: SQL, values, data. PostgreSQL's own bound for the others is 10,000 bytes.
#[must_use]
pub fn may_be_long(tag: u8) -> bool {
    matches!(tag, b'Q' | b'P' | b'B' | b'F' | b'd')
}

/// Appends a frame: tag, length, and what `body` writes.
pub(crate) fn put_frame(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a zero-terminated string.
pub(crate) fn put_string(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.put_u8(0);
}

/// Parse.
pub fn put_parse(out: &mut BytesMut, name: &str, sql: &str, parameter_types: &[u32]) {
    put_frame(out, b'P', |out| {
        put_string(out, name);
        put_string(out, sql);
        out.put_i16(i16::try_from(parameter_types.len()).unwrap_or(i16::MAX));
        for oid in parameter_types {
            out.put_u32(*oid);
        }
    });
}

/// CopyData: rows of a COPY FROM STDIN.
pub fn put_copy_data(out: &mut BytesMut, rows: &[u8]) {
    put_frame(out, b'd', |out| out.extend_from_slice(rows));
}

/// CopyDone.
pub fn put_copy_done(out: &mut BytesMut) {
    put_frame(out, b'c', |_| {});
}

/// CopyFail, with the reason that the server's error repeats.
pub fn put_copy_fail(out: &mut BytesMut, reason: &str) {
    put_frame(out, b'f', |out| put_string(out, reason));
}

/// Bind, with `values` as decoded by [`FrontendMessage::Bind`].
pub fn put_bind(out: &mut BytesMut, portal: &str, statement: &str, values: &[u8]) {
    if portal.is_empty() && statement.is_empty() && values == NO_VALUES_TEXT_RESULTS {
        // Every simple query.
        out.extend_from_slice(b"B\0\0\0\x0c\0\0\0\0\0\0\0\0");
        return;
    }
    put_frame(out, b'B', |out| {
        put_string(out, portal);
        put_string(out, statement);
        out.extend_from_slice(values);
    });
}

/// The `values` of a Bind without parameters whose results come as text: what a simple query asks for.
pub const NO_VALUES_TEXT_RESULTS: &[u8] = &[0, 0, 0, 0, 0, 0];

/// Describe of a portal (`b'P'`) or a statement (`b'S'`).
pub fn put_describe(out: &mut BytesMut, kind: u8, name: &str) {
    if name.is_empty() {
        out.extend_from_slice(&[b'D', 0, 0, 0, 6, kind, 0]);
        return;
    }
    put_frame(out, b'D', |out| {
        out.put_u8(kind);
        put_string(out, name);
    });
}

/// Execute.
pub fn put_execute(out: &mut BytesMut, portal: &str, rows_max: i32) {
    if portal.is_empty() {
        let [a, b, c, d] = rows_max.to_be_bytes();
        out.extend_from_slice(&[b'E', 0, 0, 0, 9, 0, a, b, c, d]);
        return;
    }
    put_frame(out, b'E', |out| {
        put_string(out, portal);
        out.put_i32(rows_max);
    });
}

/// Close of a portal (`b'P'`) or a statement (`b'S'`).
pub fn put_close(out: &mut BytesMut, kind: u8, name: &str) {
    put_frame(out, b'C', |out| {
        out.put_u8(kind);
        put_string(out, name);
    });
}

/// Sync.
pub fn put_sync(out: &mut BytesMut) {
    out.extend_from_slice(b"S\0\0\0\x04");
}

/// Flush.
pub fn put_flush(out: &mut BytesMut) {
    out.extend_from_slice(b"H\0\0\0\x04");
}

/// Terminate.
pub fn put_terminate(out: &mut BytesMut) {
    out.extend_from_slice(b"X\0\0\0\x04");
}

/// Simple query: only for the gateway's own text, never for a client's (wall 3).
pub fn put_query(out: &mut BytesMut, sql: &str) {
    put_frame(out, b'Q', |out| put_string(out, sql));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Frame {
        Frame { tag, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn what_is_put_decodes_to_the_same() {
        let mut out = BytesMut::new();
        put_parse(&mut out, "s1", "SELECT $1", &[23, 0]);
        let header = super::super::frame::header(&out).unwrap().unwrap();
        let parsed = super::super::frame::take(&mut out, header).unwrap();
        assert_eq!(
            FrontendMessage::decode(&parsed),
            Ok(FrontendMessage::Parse { name: "s1", sql: "SELECT $1", parameter_types: vec![23, 0] })
        );
    }

    /// Messages of the unnamed portal and statement are spelled out: they are the same as the others.
    #[test]
    fn messages_without_names_are_put_as_those_with_names() {
        let mut out = BytesMut::new();
        put_bind(&mut out, "", "", NO_VALUES_TEXT_RESULTS);
        put_describe(&mut out, b'P', "");
        put_execute(&mut out, "", -7);
        let mut decoded = Vec::new();
        while let Some(header) = super::super::frame::header(&out).unwrap() {
            let frame = super::super::frame::take(&mut out, header).unwrap();
            decoded.push(format!("{:?}", FrontendMessage::decode(&frame).unwrap()));
        }
        let values = Bytes::from_static(NO_VALUES_TEXT_RESULTS);
        let expected = [
            FrontendMessage::Bind { portal: "", statement: "", values },
            FrontendMessage::DescribePortal { name: "" },
            FrontendMessage::Execute { portal: "", rows_max: -7 },
        ];
        assert_eq!(decoded, expected.map(|message| format!("{message:?}")));
        assert!(out.is_empty());
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let cases: &[(u8, &[u8], Malformed)] = &[
            (b'Q', b"SELECT 1", Malformed::UnterminatedString),
            (b'Q', b"SELECT 1\0; DROP TABLE t\0", Malformed::TrailingBytes),
            (b'Q', b"\xff\xfe\0", Malformed::InvalidUtf8),
            (b'P', b"\0SELECT 1\0", Malformed::TooShort),
            (b'P', b"\0SELECT 1\0\xff\xff", Malformed::BadCount),
            (b'P', b"\0SELECT 1\0\0\x02\0\0\0\x17", Malformed::TooShort),
            (b'P', b"\0SELECT 1\0\0\0\0", Malformed::TrailingBytes),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", Malformed::BadCount),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x09ab\0\0", Malformed::TooShort),
            (b'B', b"\0\0\0\0\0\0\0\0x", Malformed::TrailingBytes),
            (b'D', b"Xa\0", Malformed::UnknownSubtype(b'X')),
            (b'E', b"\0\0\0", Malformed::TooShort),
            (b'S', b"x", Malformed::TrailingBytes),
            (b'H', b"x", Malformed::TrailingBytes),
            (b'X', b"x", Malformed::TrailingBytes),
        ];
        for (tag, body, expected) in cases {
            let frame = frame(*tag, body);
            assert_eq!(FrontendMessage::decode(&frame), Err(*expected), "{} {body:?}", char::from(*tag));
        }
    }
}
