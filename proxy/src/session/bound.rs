//! Values of Bind, where the session itself must know one: `set_config('search_path', $1, false)`.

use std::sync::Arc;

use super::dispatch::StatementKey;
use super::op::{Change, Effect};
use super::settings::{of_text, quote_literal};
use super::statement::{Plan, Prepared};
use super::verdict::Verdicts;
use super::{Session, Stall, failure};
use crate::sql::{Assigned, Assignment, SetScope};
use crate::wire::backend::Report;
use crate::wire::reader::{Malformed, Reader};

impl Session {
    /// Reviews what a statement assigns to settings from bound values, each as if it stood in the text. `false` where it
    /// was refused.
    pub(super) fn may_assign(
        &mut self,
        statement: &Prepared,
        values: &[u8],
        verdicts: &dyn Verdicts,
    ) -> Result<bool, Stall> {
        let Some(reviewed) = &statement.reviewed else { return Ok(true) };
        let permitted = reviewed.outcome.iter().flat_map(|permitted| permitted.iter());
        for permitted in permitted.filter(|permitted| permitted.reviews_values()) {
            for assignment in &permitted.statement().uses.assignments {
                let text = match as_literal(assignment, values) {
                    Ok(Some(text)) => text,
                    Ok(None) => continue,
                    Err(report) => {
                        self.refuse(&report);
                        return Ok(false);
                    }
                };
                let judged = self.verdict(&text, &[], verdicts)?;
                if let Err(denial) = &judged.outcome {
                    // Where it stands in that text says nothing about the client's.
                    let report = Report { position: None, ..failure::denied(denial, &judged.text) };
                    self.denied.push(Arc::clone(&judged));
                    self.refuse(&report);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The assignment of a bound value as a statement of its own; `None` where its value stands in the text. NULL is refused:
/// nobody who means the default binds it.
fn as_literal(assignment: &Assignment, values: &[u8]) -> Result<Option<String>, Report> {
    let Assigned::Parameter(number) = assignment.value else { return Ok(None) };
    let bytes = value(values, number).map_err(failure::malformed)?;
    let bytes = bytes.ok_or_else(|| failure::null_setting(&assignment.name))?;
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| failure::malformed(Malformed::InvalidUtf8))?;
    let (name, text, local) =
        (quote_literal(&assignment.name), quote_literal(text), assignment.scope == SetScope::Local);
    Ok(Some(format!("SELECT pg_catalog.set_config({name}, {text}, {local})")))
}

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
    Change {
        value: text.map(|text| of_text(&change.name, text)),
        parameter: None,
        beyond_startup: true,
        ..change.clone()
    }
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
