//! Backend messages: encoded for a client, and the few an upstream's stream must be understood by.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use bytes::{BufMut, BytesMut};

use super::frontend::{put_frame, put_string};
use super::reader::{Malformed, Reader};
use super::sqlstate::SqlState;

/// Where a session stands, as ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    /// Not in a transaction block.
    #[default]
    Idle,
    /// In a transaction block.
    InTransaction,
    /// In a transaction block that failed: only its end is accepted.
    Failed,
}

impl TransactionStatus {
    /// The byte of ReadyForQuery.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }

    /// From the body of ReadyForQuery.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Malformed::TrailingBytes),
        }
    }
}

/// How bad it is: ERROR ends the statement, FATAL the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement is over, the session goes on.
    Error,
    /// The session is over.
    Fatal,
    /// A WARNING in a NoticeResponse.
    Warning,
    /// A NOTICE in a NoticeResponse.
    Notice,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// The fields of an ErrorResponse or NoticeResponse that Vitrine itself sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// ERROR or FATAL; WARNING and NOTICE make a NoticeResponse.
    pub severity: Severity,
    /// The SQLSTATE.
    pub sqlstate: SqlState,
    /// Primary message: lower case, no full stop.
    pub message: String,
    /// DETAIL line.
    pub detail: Option<String>,
    /// HINT line.
    pub hint: Option<String>,
    /// One-based character position in the query.
    pub position: Option<usize>,
    /// The rule that refused; sent as the routine, where PostgreSQL names a function of its own, so that a client can
    /// tell who refused and why.
    pub rule: Option<&'static str>,
}

impl Report {
    /// An ERROR.
    #[must_use]
    pub fn error(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            rule: None,
        }
    }

    /// A FATAL: the connection is closed after it.
    #[must_use]
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::error(sqlstate, message) }
    }

    /// With a HINT.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a DETAIL.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Appends the ErrorResponse or NoticeResponse.
    pub fn put(&self, out: &mut BytesMut) {
        let tag = match self.severity {
            Severity::Error | Severity::Fatal => b'E',
            Severity::Warning | Severity::Notice => b'N',
        };
        put_frame(out, tag, |out| {
            put_field(out, b'S', self.severity.word());
            put_field(out, b'V', self.severity.word());
            put_field(out, b'C', self.sqlstate.code());
            put_field(out, b'M', &self.message);
            for (key, value) in [(b'D', &self.detail), (b'H', &self.hint)] {
                if let Some(value) = value {
                    put_field(out, key, value);
                }
            }
            if let Some(position) = self.position {
                put_field(out, b'P', &position.to_string());
            }
            if let Some(rule) = self.rule {
                put_field(out, b'R', &format!("vitrine_{rule}"));
            }
            out.put_u8(0);
        });
    }
}

fn put_field(out: &mut BytesMut, key: u8, value: &str) {
    out.put_u8(key);
    // A zero byte would end the field early and start another one.
    let clean = value.split('\0').next().unwrap_or_default();
    put_string(out, clean);
}

/// An ErrorResponse or NoticeResponse as received: its fields in order, borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a>(pub Vec<(u8, &'a str)>);

impl<'a> Fields<'a> {
    /// Decodes the body; text that is not UTF-8 becomes an empty field rather than an error, since this is for reading only.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mut fields = Vec::with_capacity(10);
        loop {
            let key = reader.u8()?;
            if key == 0 {
                reader.finish()?;
                return Ok(Self(fields));
            }
            let end = reader.rest().iter().position(|byte| *byte == 0).ok_or(Malformed::UnterminatedString)?;
            let value = reader.bytes(end)?;
            reader.u8()?;
            fields.push((key, std::str::from_utf8(value).unwrap_or_default()));
        }
    }

    /// The value of one field.
    #[must_use]
    pub fn field(&self, key: u8) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// The SQLSTATE, where there is a proper one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.field(b'C').and_then(SqlState::from_code)
    }

    /// FATAL or PANIC: the server closes the connection after this.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        matches!(self.field(b'V').or_else(|| self.field(b'S')), Some("FATAL" | "PANIC"))
    }

    /// Appends an ErrorResponse with these fields, `shift` characters added to the position.
    pub fn put_shifted(&self, out: &mut BytesMut, shift: usize) {
        put_frame(out, b'E', |out| {
            for (key, value) in &self.0 {
                let moved = (*key == b'P').then(|| value.parse::<usize>().ok()).flatten();
                match moved {
                    Some(position) => put_field(out, b'P', &(position + shift).to_string()),
                    None => put_field(out, *key, value),
                }
            }
            out.put_u8(0);
        });
    }
}

/// ReadyForQuery.
pub fn put_ready(out: &mut BytesMut, status: TransactionStatus) {
    out.extend_from_slice(b"Z\0\0\0\x05");
    out.put_u8(status.byte());
}

/// CommandComplete.
pub fn put_command_complete(out: &mut BytesMut, tag: &str) {
    put_frame(out, b'C', |out| put_string(out, tag));
}

/// ParameterStatus.
pub fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put_frame(out, b'S', |out| {
        put_string(out, name);
        put_string(out, value);
    });
}

/// BackendKeyData of protocol 3.0: four bytes of secret.
pub fn put_backend_key(out: &mut BytesMut, process_id: u32, secret: u32) {
    put_frame(out, b'K', |out| {
        out.put_u32(process_id);
        out.put_u32(secret);
    });
}

/// ParseComplete.
pub const PARSE_COMPLETE: &[u8] = b"1\0\0\0\x04";
/// BindComplete.
pub const BIND_COMPLETE: &[u8] = b"2\0\0\0\x04";
/// CloseComplete.
pub const CLOSE_COMPLETE: &[u8] = b"3\0\0\0\x04";
/// NoData.
pub const NO_DATA: &[u8] = b"n\0\0\0\x04";
/// EmptyQueryResponse.
pub const EMPTY_QUERY: &[u8] = b"I\0\0\0\x04";

/// RowDescription of text columns, for answers the gateway makes itself.
pub fn put_text_row_description(out: &mut BytesMut, columns: &[&str]) {
    const TEXT_OID: u32 = 25;
    put_frame(out, b'T', |out| {
        out.put_i16(i16::try_from(columns.len()).unwrap_or(i16::MAX));
        for column in columns {
            put_string(out, column);
            out.put_u32(0);
            out.put_i16(0);
            out.put_u32(TEXT_OID);
            out.put_i16(-1);
            out.put_i32(-1);
            out.put_i16(0);
        }
    });
}

/// DataRow of text values; `None` is NULL.
pub fn put_text_row(out: &mut BytesMut, values: &[Option<&str>]) {
    put_frame(out, b'D', |out| {
        out.put_i16(i16::try_from(values.len()).unwrap_or(i16::MAX));
        for value in values {
            match value {
                Some(text) => {
                    out.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
                    out.extend_from_slice(text.as_bytes());
                }
                None => out.put_i32(-1),
            }
        }
    });
}

/// Name and value of a ParameterStatus.
pub fn decode_parameter_status(body: &[u8]) -> Result<(&str, &str), Malformed> {
    let mut reader = Reader::new(body);
    let name = reader.string()?;
    let value = reader.string()?;
    reader.finish()?;
    Ok((name, value))
}

/// The tag of a CommandComplete.
pub fn decode_command_complete(body: &[u8]) -> Result<&str, Malformed> {
    let mut reader = Reader::new(body);
    let tag = reader.string()?;
    reader.finish()?;
    Ok(tag)
}
