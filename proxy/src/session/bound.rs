//! Values of Bind, where the session itself must know one: `set_config('jit', $1, false)`.

use std::sync::Arc;

use super::dispatch::StatementKey;
use super::op::{Change, Effect};
use super::settings::of_text;
use super::statement::{Plan, Prepared};
use crate::wire::reader::{Malformed, Reader};

/// The statement with what its effect takes from the bound values filled in.
pub(super) fn with_values(statement: &Arc<Prepared>, values: &[u8]) -> Arc<Prepared> {
    let Effect::Set(changes) = &statement.effect else { return Arc::clone(statement) };
    if changes.iter().all(|change| change.parameter.is_none()) {
        return Arc::clone(statement);
    }
    let filled = changes.iter().map(|change| fill(change, values)).collect();
    let Prepared {
        access,
        may_be_repeated,
        key,
        plan,
        effect: _,
        shift,
        ends_transaction,
        returns_rows,
        keep,
        reviewed,
        executes,
        cursor,
        tag,
        client_name,
    } = &**statement;
    Arc::new(Prepared {
        access: *access,
        may_be_repeated: *may_be_repeated,
        key: Arc::<StatementKey>::clone(key),
        plan: Plan::clone(plan),
        effect: Effect::Set(filled),
        shift: *shift,
        ends_transaction: *ends_transaction,
        returns_rows: *returns_rows,
        keep: *keep,
        reviewed: reviewed.clone(),
        executes: executes.clone(),
        cursor: cursor.clone(),
        tag: *tag,
        client_name: client_name.clone(),
    })
}

/// NULL resets, as it does in `set_config`. Text is the same bytes in both formats.
fn fill(change: &Change, values: &[u8]) -> Change {
    let Some(number) = change.parameter else { return change.clone() };
    let text = value(values, number).ok().flatten().and_then(|bytes| std::str::from_utf8(bytes).ok());
    Change { value: text.map(|text| of_text(&change.name, text)), parameter: None, ..change.clone() }
}

/// The bytes bound to `$number`; `None` for NULL.
fn value(values: &[u8], number: u16) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader::new(values);
    let formats = reader.count()?;
    reader.bytes(formats.saturating_mul(2))?;
    let count = reader.count()?;
    for index in 1..=count {
        let length = reader.length()?;
        let bytes = length.map(|length| reader.bytes(length)).transpose()?;
        if index == usize::from(number) {
            return Ok(bytes);
        }
    }
    Err(Malformed::BadCount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_number() {
        let values = b"\0\x01\0\0\0\x02\xff\xff\xff\xff\0\0\0\x03off\0\0";
        assert_eq!(value(values, 1), Ok(None));
        assert_eq!(value(values, 2), Ok(Some(&b"off"[..])));
        assert_eq!(value(values, 3), Err(Malformed::BadCount));
    }
}
