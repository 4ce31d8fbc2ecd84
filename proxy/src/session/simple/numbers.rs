//! Numbers of simple queries bound as parameters, where `pool.bind_numbers` asks for it: PostgreSQL then reads a text once
//! for each connection, and texts that differ in such numbers alone are one to it.
//!
//! Deliberately narrow. Only a number of two digits or more that stands alone behind a comparison gives way, to a
//! parameter of the type it had, padded to its length, so that positions in errors stay where they were. A number of one
//! digit stays in the text: such are the ones that plans hang on (`status = 1`). What goes upstream is reviewed as what
//! came was.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::session::verdict::{Asked, Reviewed, Verdicts};
use crate::session::{Session, Stall};
use crate::sql::Kind;

/// A text with parameters in the place of numbers.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    text: String,
    types: Vec<u32>,
    /// The body of Bind behind its names.
    values: Bytes,
}

/// `$1` to `$9` are two bytes long.
const PARAMETERS_MAX: usize = 9;
/// OIDs of `integer` and `bigint`.
const INT4: u32 = 23;
const INT8: u32 = 20;

impl Session {
    /// What runs in place of a simple query, and with which values; `None` where the text itself does.
    pub(in crate::session) fn with_numbers_bound(
        &self,
        sql: &str,
        reviewed: &Reviewed,
        verdicts: &dyn Verdicts,
    ) -> Result<Option<(Arc<Reviewed>, Bytes)>, Stall> {
        // What comes for the first time is reviewed once, not twice.
        let is_new = self.offered.iter().any(|offered| *offered.text == *sql);
        if !self.origin.seed.binds_numbers || is_new || !is_plain(reviewed) {
            return Ok(None);
        }
        let Some(Bound { text, types, values }) = bound(sql) else { return Ok(None) };
        let like = self.judged(&Asked { text: &text, parameter_types: &types, scope: &self.scope }, verdicts)?.0;
        let is_permitted = matches!(like.outcome.as_deref(), Ok([_]));
        Ok(is_permitted.then_some((like, values)))
    }
}

/// One SELECT that only reads, without parameters of its own.
fn is_plain(reviewed: &Reviewed) -> bool {
    let Ok([one]) = reviewed.outcome.as_deref() else { return false };
    matches!(one.kind(), Kind::Select) && one.only_reads() && one.statement().uses.parameter_max == 0
}

fn bound(sql: &str) -> Option<Bound> {
    // Where a number could be a part of something else; and where an expression must be the same in two places, which it
    // would not be with a parameter in each.
    let in_doubt = sql.bytes().any(|byte| matches!(byte, b'\'' | b'"' | b'$' | b'\\'))
        || ["--", "/*", "group", "distinct"].iter().any(|word| contains(sql, word));
    if in_doubt {
        return None;
    }
    let mut text = String::with_capacity(sql.len());
    let mut numbers = Vec::new();
    let (mut copied, mut seen) = (0, 0);
    while let Some(found) = sql.get(seen..)?.find(|letter: char| letter.is_ascii_digit()) {
        let start = seen + found;
        let digits = sql.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
        seen = start + digits;
        let number = sql.get(start..seen)?;
        if digits > 1 && numbers.len() < PARAMETERS_MAX && is_compared(sql.get(..start)?, sql.get(seen..)?) {
            let oid = if number.parse::<i32>().is_ok() { INT4 } else { INT8 };
            // Beyond these it is `numeric`, whose rules are others.
            number.parse::<i64>().ok()?;
            numbers.push((oid, number));
            text.push_str(sql.get(copied..start)?);
            text.push_str(&format!("${:<width$}", numbers.len(), width = digits - 1));
            copied = seen;
        }
    }
    text.push_str(sql.get(copied..)?);
    let types = numbers.iter().map(|(oid, _)| *oid).collect();
    (!numbers.is_empty()).then(|| Bound { text, types, values: values(&numbers) })
}

/// Whether what stands between these two is all of the right side of a comparison.
fn is_compared(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let left = before.trim_end_matches(['=', '<', '>', '!']);
    let operator = before.get(left.len()..).unwrap_or_default();
    let stands_alone = after.chars().next().is_none_or(|letter| letter.is_ascii_whitespace() || ");".contains(letter));
    matches!(operator, "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=")
        && left.ends_with(|letter: char| letter.is_ascii_alphanumeric() || "_) ".contains(letter))
        && stands_alone
        && after.trim_start().chars().next().is_none_or(|next| next.is_ascii_alphabetic() || ");".contains(next))
}

fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// All as text, and the result as text.
fn values(numbers: &[(u32, &str)]) -> Bytes {
    let mut values = BytesMut::new();
    values.put_i16(0);
    values.put_i16(i16::try_from(numbers.len()).unwrap_or(i16::MAX));
    for (_, number) in numbers {
        values.put_i32(i32::try_from(number.len()).unwrap_or(i32::MAX));
        values.put_slice(number.as_bytes());
    }
    values.put_i16(0);
    values.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_a_comparison_gives_way_and_nothing_moves() {
        let sql = "SELECT a FROM t WHERE id = 4711 AND b>=3000000000 AND c < 12;";
        let Bound { text, types, values } = bound(sql).unwrap();
        assert_eq!(text, "SELECT a FROM t WHERE id = $1   AND b>=$2         AND c < $3;");
        assert_eq!((text.len(), types), (sql.len(), vec![INT4, INT8, INT4]));
        assert_eq!(&values[..], b"\0\0\0\x03\0\0\0\x044711\0\0\0\x0a3000000000\0\0\0\x0212\0\0");
    }

    #[test]
    fn every_other_number_stays() {
        for sql in [
            "SELECT 12",
            "SELECT a FROM t WHERE id = 7",
            "SELECT a FROM t WHERE id = 12.5",
            "SELECT a FROM t WHERE id = 12e3",
            "SELECT a FROM t WHERE id = -12",
            "SELECT a FROM t WHERE id = 12 + b",
            "SELECT a FROM t WHERE id = 12::text",
            "SELECT a FROM t WHERE id IN (12, 13)",
            "SELECT a FROM t WHERE id -> 12",
            "SELECT a FROM t WHERE f(id => 12)",
            "SELECT a FROM t WHERE a @> 12",
            "SELECT a FROM t LIMIT 12",
            "SELECT a FROM t ORDER BY 12",
            "SELECT a = 12 FROM t GROUP BY a = 12",
            "SELECT DISTINCT a = 12 FROM t ORDER BY a = 12",
            "SELECT a FROM t WHERE id = 12 -- comment",
            "SELECT a FROM t WHERE id = 12 AND b = 'x'",
            "SELECT a FROM t WHERE id = 99999999999999999999",
        ] {
            assert_eq!(bound(sql), None, "{sql}");
        }
    }
}
