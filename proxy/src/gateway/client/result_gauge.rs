//! How much of one result has passed, and how much may.

use crate::config::Limits;
use crate::session::ResultBound;

/// Rows and bytes of the result that is being answered.
pub(super) struct ResultGauge {
    rows: u64,
    bytes: u64,
    rows_max: u64,
    bytes_max: u64,
}

impl ResultGauge {
    /// With the bounds of the configuration; 0 is none.
    pub(super) fn new(limits: &Limits) -> Self {
        let bound = |max: u64| if max == 0 { u64::MAX } else { max };
        Self { rows: 0, bytes: 0, rows_max: bound(limits.result_rows_max), bytes_max: bound(limits.result_bytes_max) }
    }

    /// One more row of `bytes`, or the bound that it would break.
    pub(super) fn row(&mut self, bytes: usize) -> Result<(), ResultBound> {
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.rows > self.rows_max {
            Err(ResultBound::Rows(self.rows_max))
        } else if self.bytes > self.bytes_max {
            Err(ResultBound::Bytes(self.bytes_max))
        } else {
            Ok(())
        }
    }

    /// Another message than a row: where it ends a result, the next one begins at zero.
    pub(super) fn message(&mut self, tag: u8) {
        if matches!(tag, b'C' | b's' | b'E') {
            (self.rows, self.bytes) = (0, 0);
        }
    }
}
