//! Rows in the binary format of COPY.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::model::{NewEvidence, NewInsight};
use crate::service::{Error, Result};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// PostgreSQL counts microseconds from here: 2000-01-01.
const EPOCH_UNIX_MICROS: i64 = 946_684_800_000_000;

/// OID of `text`, as an element of `text[]`.
const TEXT: i32 = 25;
/// OID of `float4`.
const FLOAT4: i32 = 700;

/// The bytes of one COPY.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    count: usize,
}

impl Rows {
    /// Columns `place, id, kind, key, title, body, payload, confidence, valid_from, valid_to, expires_at`.
    pub(super) fn insight(&mut self, place: i64, id: Uuid, insight: &NewInsight) -> Result<()> {
        self.begin(11);
        self.value(&place.to_be_bytes())?;
        self.value(id.as_bytes())?;
        self.value(insight.kind.as_bytes())?;
        self.option(insight.key.as_deref().map(str::as_bytes))?;
        self.value(insight.title.as_bytes())?;
        self.option(insight.body.as_deref().map(str::as_bytes))?;
        self.json(&insight.payload)?;
        self.option(insight.confidence.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))?;
        for time in [insight.valid_from, insight.valid_to, insight.expires_at] {
            self.time(time)?;
        }
        Ok(())
    }

    /// Columns `insight_id, query_shape, relations, data_as_of, database, receipt, note`.
    pub(super) fn evidence(&mut self, id: Uuid, evidence: &NewEvidence) -> Result<()> {
        self.begin(7);
        self.value(id.as_bytes())?;
        self.value(evidence.query_shape.as_bytes())?;
        self.array(TEXT, evidence.relations.iter().map(String::as_bytes))?;
        self.time(Some(evidence.data_as_of))?;
        for text in [&evidence.database, &evidence.receipt, &evidence.note] {
            self.option(text.as_deref().map(str::as_bytes))?;
        }
        Ok(())
    }

    /// Columns `insight_id, kind, embedding`.
    pub(super) fn embedding(&mut self, id: Uuid, kind: &str, embedding: &[f32]) -> Result<()> {
        self.begin(3);
        self.value(id.as_bytes())?;
        self.value(kind.as_bytes())?;
        self.array(FLOAT4, embedding.iter().map(|number| number.to_be_bytes()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// All of it, with the trailer.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }

    fn begin(&mut self, columns: i16) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(SIGNATURE);
            // Flags, and the length of the header's extension: none of either.
            self.bytes.extend_from_slice(&[0; 8]);
        }
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        self.count += 1;
    }

    fn value(&mut self, value: &[u8]) -> Result<()> {
        self.length(value.len())?;
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn option(&mut self, value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => self.value(value),
            None => {
                self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
                Ok(())
            }
        }
    }

    fn time(&mut self, time: Option<DateTime<Utc>>) -> Result<()> {
        let micros = time.map(|time| time.timestamp_micros().saturating_sub(EPOCH_UNIX_MICROS).to_be_bytes());
        self.option(micros.as_ref().map(<[u8; 8]>::as_slice))
    }

    /// `jsonb`: version 1, then text.
    fn json(&mut self, value: &serde_json::Value) -> Result<()> {
        self.measured(|bytes| {
            bytes.push(1);
            serde_json::to_writer(bytes, value).map_err(|error| Error::Internal(error.to_string()))
        })
    }

    /// One dimension without NULLs: dimensions, flags, element type, length, lower bound, elements.
    fn array<T: AsRef<[u8]>>(&mut self, element: i32, values: impl ExactSizeIterator<Item = T>) -> Result<()> {
        self.measured(|bytes| {
            let length = width(values.len())?;
            let dimensions = i32::from(length > 0);
            for number in [dimensions, 0, element] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            if length > 0 {
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(&1_i32.to_be_bytes());
            }
            for value in values {
                bytes.extend_from_slice(&width(value.as_ref().len())?.to_be_bytes());
                bytes.extend_from_slice(value.as_ref());
            }
            Ok(())
        })
    }

    /// A value whose length is known when it is written.
    fn measured(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let at = self.bytes.len();
        self.length(0)?;
        write(&mut self.bytes)?;
        let length = width(self.bytes.len() - at - 4)?;
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    fn length(&mut self, length: usize) -> Result<()> {
        self.bytes.extend_from_slice(&width(length)?.to_be_bytes());
        Ok(())
    }
}

fn width(length: usize) -> Result<i32> {
    i32::try_from(length).map_err(|_| Error::Invalid("a value is too long".to_owned()))
}
