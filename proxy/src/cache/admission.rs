//! Which statements may be answered from memory at all: a function of what the policy permitted.

use crate::catalog::Oid;
use crate::policy::Permitted;
use crate::sql::Kind;

use super::outcome::Bypass;

/// More relations than this are not watched for one answer.
const TABLES_MAX: usize = 256;

/// A read whose answer is the same until data or definitions change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cacheable<'p> {
    /// Every relation that it reads, views, children and partitions resolved.
    pub tables: &'p [Oid],
}

/// Whether a statement may be answered from memory.
///
/// # Errors
/// Why not.
pub fn admit(permitted: &Permitted) -> Result<Cacheable<'_>, Bypass> {
    if *permitted.kind() != Kind::Select || !permitted.statement().uses.assignments.is_empty() {
        return Err(Bypass::Kind);
    }
    let tables = permitted.steady().map_err(|unsteady| Bypass::Unsteady(unsteady.why))?;
    if tables.len() > TABLES_MAX {
        return Err(Bypass::Tables);
    }
    Ok(Cacheable { tables })
}

/// Why a statement is not answered from memory, in words; `None` where it may be.
#[must_use]
pub fn refusal(permitted: &Permitted) -> Option<String> {
    let why = admit(permitted).err()?;
    Some(match permitted.steady() {
        Err(unsteady) if matches!(why, Bypass::Unsteady(_)) => format!("{}: {}", why.word(), unsteady.what),
        Ok(_) | Err(_) => why.word().to_owned(),
    })
}
