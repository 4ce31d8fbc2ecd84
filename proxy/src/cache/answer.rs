//! An answer as backend messages, taken apart so that it fits whichever messages ask for it.

use bytes::{BufMut, Bytes, BytesMut};

use crate::session::Wants;
use crate::wire::frame::{self, HEADER_BYTES};

use super::outcome::Bypass;

/// The parts of an answer, each as PostgreSQL sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// ParameterDescription and RowDescription of Describe of the statement.
    pub description: Option<Bytes>,
    /// RowDescription, in the formats of the result, and behind it the rows and CommandComplete.
    whole: Bytes,
    /// Where the rows begin.
    rows_at: usize,
    has_rows: bool,
}

impl Answer {
    /// Takes apart what was sent to a client for one read.
    ///
    /// # Errors
    /// There is something in it that is no part of a plain answer.
    pub fn read(sent: &[u8]) -> Result<Self, Bypass> {
        let mut description: Option<Describing> = None;
        // RowDescription comes before rows, so what is kept of one is one run.
        let mut whole = Vec::with_capacity(sent.len());
        let (mut rows_at, mut complete) = (0, false);
        let mut rest = sent;
        while !rest.is_empty() {
            let header = frame::header(rest).ok().flatten().ok_or(Bypass::Answer)?;
            let total = HEADER_BYTES + header.body_bytes;
            let (message, behind) = rest.split_at_checked(total).ok_or(Bypass::Answer)?;
            rest = behind;
            match header.tag {
                // Said by the session, for each who asks.
                b'1' | b'2' | b'3' | b'Z' | b'S' => {}
                b't' if description.is_none() => description = Some(Describing { bytes: message.into(), open: true }),
                b'T' => match &mut description {
                    Some(describing) if describing.open => {
                        describing.bytes.put_slice(message);
                        describing.open = false;
                    }
                    Some(_) | None if whole.is_empty() => {
                        whole.extend_from_slice(message);
                        rows_at = whole.len();
                    }
                    Some(_) | None => return Err(Bypass::Answer),
                },
                b'D' | b'C' if !complete => {
                    whole.extend_from_slice(message);
                    complete = header.tag == b'C';
                }
                _ => return Err(Bypass::Answer),
            }
        }
        let has_rows = whole.len() > rows_at;
        if description.as_ref().is_some_and(|describing| describing.open) || (has_rows && !complete) {
            return Err(Bypass::Answer);
        }
        let description = description.map(|describing| Bytes::copy_from_slice(&describing.bytes));
        // Boxed, it takes what it holds and no more.
        Ok(Self { description, whole: whole.into_boxed_slice().into(), rows_at, has_rows })
    }

    fn assembled(description: Option<Bytes>, columns: &[u8], rows: &[u8]) -> Self {
        let whole = [columns, rows].concat();
        Self { description, rows_at: columns.len(), has_rows: !rows.is_empty(), whole: whole.into() }
    }

    /// Whether everything that is wanted is there.
    #[must_use]
    pub fn has(&self, wants: Wants) -> bool {
        (!wants.description || self.description.is_some())
            && (!wants.columns || self.rows_at > 0)
            && (!wants.rows || self.has_rows)
    }

    /// Everything that is there.
    #[must_use]
    pub fn parts(&self) -> Wants {
        Wants { description: self.description.is_some(), columns: self.rows_at > 0, rows: self.has_rows }
    }

    /// RowDescription; empty where nobody asked for it.
    #[must_use]
    pub fn columns(&self) -> &[u8] {
        self.whole.get(..self.rows_at).unwrap_or_default()
    }

    /// Rows and CommandComplete.
    #[must_use]
    pub fn rows(&self) -> &[u8] {
        self.whole.get(self.rows_at..).unwrap_or_default()
    }

    /// RowDescription, rows and CommandComplete: what a simple query is answered with.
    #[must_use]
    pub fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// With the parts of an older answer that this one has not.
    #[must_use]
    pub(super) fn or(self, older: &Self) -> Self {
        let description = self.description.clone().or_else(|| older.description.clone());
        if self.rows_at == 0 && older.rows_at > 0 {
            return Self::assembled(description, older.columns(), self.rows());
        }
        Self { description, ..self }
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.whole.len() + self.description.as_ref().map_or(0, Bytes::len)
    }
}

struct Describing {
    bytes: BytesMut,
    /// ParameterDescription was there, RowDescription was not.
    open: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &[u8] = b"T\0\0\0\x06\0\0";
    const D: &[u8] = b"D\0\0\0\x06\0\0";
    const C: &[u8] = b"C\0\0\0\x0dSELECT 1\0";

    fn wants(description: bool, columns: bool, rows: bool) -> Wants {
        Wants { description, columns, rows }
    }

    #[test]
    fn an_answer_fits_other_messages_than_it_was_asked_with() {
        let simple = Answer::read(&[T, D, C, b"Z\0\0\0\x05I"].concat()).unwrap();
        assert!(simple.has(wants(false, true, true)) && simple.has(wants(false, false, true)));
        assert!(!simple.has(wants(true, false, false)));
        assert_eq!((simple.columns(), simple.rows()), (T, &*[D, C].concat()));
        let bare = Answer::read(&[b"2\0\0\0\x04", D, C].concat()).unwrap();
        assert!(!bare.has(wants(false, true, true)) && bare.has(wants(false, false, true)));
        assert_eq!(bare.or(&simple).whole(), simple.whole());
        let described = Answer::read(&[b"1\0\0\0\x04t\0\0\0\x06\0\0", T].concat()).unwrap();
        assert!(described.has(wants(true, false, false)) && !described.has(wants(true, false, true)));
    }

    #[test]
    fn what_is_no_plain_answer_is_not_kept() {
        for sent in [&b"E\0\0\0\x05\0"[..], b"N\0\0\0\x05\0", b"s\0\0\0\x04", b"D\0\0\0\x06\0\0", b"T\0\0\0\x06\0"] {
            assert_eq!(Answer::read(sent), Err(Bypass::Answer), "{sent:?}");
        }
        assert_eq!(Answer::read(&[D, C, D].concat()), Err(Bypass::Answer));
    }
}
