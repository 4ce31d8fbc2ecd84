//! Transaction modes. READ WRITE never gets here: the readers refuse it in every spelling.

use crate::sql::{Denial, Rule, TransactionModes};
use crate::wire::sqlstate::SqlState;

/// A snapshot's identifier is hexadecimal and dashes; PostgreSQL reads a file of that name.
pub(super) fn modes(modes: &TransactionModes) -> Result<(), Denial> {
    let well_formed = |id: &str| id.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
    match &modes.snapshot {
        Some(id) if !well_formed(id) => {
            Err(Denial::new(Rule::Setting, SqlState::INVALID_PARAMETER_VALUE, "invalid snapshot identifier"))
        }
        _ => Ok(()),
    }
}
