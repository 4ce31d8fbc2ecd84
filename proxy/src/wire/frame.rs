//! Splitting a byte stream into frames: one tag byte, a 32 bit length that counts itself, a body.
//!
//! **Architecture invariant:** a frame is bounded and split before anything in it is decoded, and decoding sees
//! exactly that frame's bytes.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// Tag and length, five bytes.
pub const HEADER_BYTES: usize = 5;

/// PostgreSQL's own bound for one message (`PQ_LARGE_MESSAGE_LIMIT` is `MaxAllocSize - 1`).
pub const POSTGRES_FRAME_BYTES_MAX: usize = 0x3fff_ffff;

/// Tag of a frame and the size of its body, read but not consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message type.
    pub tag: u8,
    /// Bytes of the body, without tag and length.
    pub body_bytes: usize,
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The message type.
    pub tag: u8,
    /// The body, without tag and length.
    pub body: Bytes,
}

/// A length that no PostgreSQL would accept: the stream cannot be followed any further (FATAL 08P01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("invalid message length")]
pub struct InvalidLength;

/// Reads the header at the front of `buffer`; `None` when fewer than five bytes are there.
pub fn header(buffer: &[u8]) -> Result<Option<Header>, InvalidLength> {
    let Some((tag_and_length, _)) = buffer.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [tag, a, b, c, d] = *tag_and_length;
    let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).map_err(|_| InvalidLength)?;
    let body_bytes = length.checked_sub(4).ok_or(InvalidLength)?;
    if body_bytes > POSTGRES_FRAME_BYTES_MAX {
        return Err(InvalidLength);
    }
    Ok(Some(Header { tag, body_bytes }))
}

/// Takes one whole frame off the front of `buffer`; `None` when it has not all arrived.
/// The caller has bounded `header.body_bytes` before waiting for the body.
pub fn take(buffer: &mut BytesMut, header: Header) -> Option<Frame> {
    if buffer.len() < HEADER_BYTES + header.body_bytes {
        return None;
    }
    buffer.advance(HEADER_BYTES);
    Some(Frame { tag: header.tag, body: buffer.split_to(header.body_bytes).freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_below_four_and_above_postgresql_s_bound_are_refused() {
        for length in [i32::MIN, -1, 0, 3, i32::MAX] {
            let mut bytes = vec![b'Q'];
            bytes.extend(length.to_be_bytes());
            assert_eq!(header(&bytes), Err(InvalidLength), "{length}");
        }
    }

    #[test]
    fn a_frame_ends_where_its_length_says() {
        let mut buffer = BytesMut::from(&b"Q\0\0\0\x06a\0X\0\0\0\x04"[..]);
        let first = header(&buffer).unwrap().unwrap();
        let frame = take(&mut buffer, first).unwrap();
        assert_eq!((frame.tag, &frame.body[..]), (b'Q', &b"a\0"[..]));
        assert_eq!(&buffer[..], b"X\0\0\0\x04");
    }

    #[test]
    fn half_a_header_and_half_a_body_wait() {
        assert_eq!(header(b"Q\0\0\0"), Ok(None));
        let mut buffer = BytesMut::from(&b"Q\0\0\0\x06a"[..]);
        let first = header(&buffer).unwrap().unwrap();
        assert!(take(&mut buffer, first).is_none());
    }
}
