//! Transaction modes. To a customer database READ WRITE never goes, whatever is said here: `session::statement` writes
//! READ ONLY in its place.

use super::setting::Rules;
use crate::policy::store::is_access_mode;
use crate::sql::{Access, Denial, Rule, SetValue, TransactionModes};
use crate::wire::sqlstate::SqlState;

/// What becomes of a transaction that asks for READ WRITE. It is read-only in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::policy) enum ReadWrite {
    /// An error (25006): nobody takes a transaction for what it is not.
    #[default]
    Refuse,
    /// The words are accepted, and READ ONLY goes upstream in their place.
    ReadOnly,
}

/// READ WRITE is for the policy to refuse or to understate. A snapshot's identifier is hexadecimal and dashes;
/// PostgreSQL reads a file of that name.
pub(super) fn modes(rules: Rules<'_>, modes: &TransactionModes) -> Result<(), Denial> {
    if let Some(position) = modes.read_write.filter(|_| rules.access == Access::Read)
        && rules.policy.read_write() == ReadWrite::Refuse
    {
        let message = "cannot set transaction read-write mode through a read-only gateway";
        let denial = Denial::new(Rule::ReadWriteTransaction, SqlState::READ_ONLY_SQL_TRANSACTION, message);
        return Err(denial.hint(READ_WRITE_HINT).at(position));
    }
    let well_formed = |id: &str| id.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
    match &modes.snapshot {
        Some(id) if !well_formed(id) => {
            Err(Denial::new(Rule::Setting, SqlState::INVALID_PARAMETER_VALUE, "invalid snapshot identifier"))
        }
        _ => Ok(()),
    }
}

const READ_WRITE_HINT: &str = "leave READ WRITE out, as every transaction here is read-only; or let the words pass without \
                               their meaning, by the policy: read_write_transactions = \"read_only\"";

/// `SET transaction_read_only = off` and its like, where the policy lets the words pass. Not so for `set_config`, whose
/// text goes to PostgreSQL as it is.
pub(super) fn passes_without_meaning(rules: Rules<'_>, name: &str, value: &SetValue) -> bool {
    let SetValue::List(values) = value else { return false };
    rules.access == Access::Read
        && rules.policy.read_write() == ReadWrite::ReadOnly
        && is_access_mode(name)
        && matches!(values.as_slice(), [value] if is_off(value))
}

/// `parse_bool` of PostgreSQL takes any prefix that is clear.
fn is_off(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let prefix = |word: &str| !value.is_empty() && word.starts_with(&value);
    value == "0" || value == "off" || value == "of" || prefix("false") || prefix("no")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_in_any_spelling() {
        assert!(["off", "of", "FALSE", "f", "no", "N", "0"].iter().all(|value| is_off(value)));
        assert!(["", "o", "on", "1", "true", "banana", "offf"].iter().all(|value| !is_off(value)));
    }
}
