//! A cursor over exactly one message body.
//!
//! Every operation answers an error rather than panicking: the bytes come from strangers.

use std::ffi::CStr;

use thiserror::Error;

/// What is wrong with a message body. PostgreSQL answers all of these with SQLSTATE 08P01, except invalid UTF-8 (22021).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The body ends before a field does.
    #[error("insufficient data left in message")]
    TooShort,
    /// Bytes are left over after the last field.
    #[error("invalid message format")]
    TrailingBytes,
    /// A string has no terminating zero byte.
    #[error("invalid string in message")]
    UnterminatedString,
    /// A string is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    InvalidUtf8,
    /// A count or length is below zero or does not fit the body.
    #[error("invalid count in message")]
    BadCount,
    /// A sub-type byte the protocol does not know.
    #[error("invalid message subtype {0}")]
    UnknownSubtype(u8),
}

/// Reads fields off the front of a body.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over one body, without tag and length.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::TooShort)?;
        self.rest = rest;
        Ok(taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed::TooShort)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A 16 bit integer in network order.
    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    /// A 32 bit integer in network order.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 32 bit unsigned integer in network order (OIDs).
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A 16 bit count: PostgreSQL reads it signed, and below zero is a protocol violation.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.i16()?).map_err(|_| Malformed::BadCount)
    }

    /// A 32 bit length, `None` for -1 (NULL); anything else below zero is a protocol violation.
    pub fn length(&mut self) -> Result<Option<usize>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| Malformed::BadCount),
        }
    }

    /// A zero-terminated string that must be UTF-8.
    pub fn string(&mut self) -> Result<&'a str, Malformed> {
        let text = CStr::from_bytes_until_nul(self.rest).map_err(|_| Malformed::UnterminatedString)?;
        self.bytes(text.count_bytes() + 1)?;
        text.to_str().map_err(|_| Malformed::InvalidUtf8)
    }

    /// Demands that nothing is left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed::TooShort)
    }
}
