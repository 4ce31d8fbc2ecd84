//! Which candidates PostgreSQL can choose at all.
//!
//! <https://www.postgresql.org/docs/current/typeconv.html>

use crate::catalog::Oid;
use crate::policy::case::Case;

/// Argument types of a candidate, as many as the call has, and the schema it lives in.
pub(super) struct Candidate<'c> {
    pub(super) schema: &'c str,
    pub(super) arguments: Vec<Oid>,
    pub(super) builtin: bool,
}

/// Whether PostgreSQL cannot choose `candidate` in this statement, whatever the arguments are: it is hidden by, or
/// loses against, one of the built-in `others`.
///
/// Hidden: a candidate with the same argument types stands earlier in the path.
///
/// Loses: it has arguments that no value within reach can fill, so only untyped literals could. A built-in candidate
/// that agrees in all other arguments survives every step of the resolution that this one survives; literals go to the
/// string category or to a category that all candidates share, never to a type that is neither; and when both are left,
/// the call is ambiguous, or the last step gives the literals a type that occurs. It is never this one.
pub(super) fn cannot_be_chosen(case: &Case<'_>, candidate: &Candidate<'_>, others: &[Candidate<'_>]) -> bool {
    if candidate.builtin {
        return false;
    }
    let cannot_fill: Vec<bool> =
        candidate.arguments.iter().map(|oid| case.occurs.cannot_fill(case.catalog, *oid)).collect();
    let loses_somewhere = cannot_fill.contains(&true);
    let rank = |schema: &str| case.path.iter().position(|entry| *entry == schema);
    others.iter().filter(|other| other.builtin).any(|other| {
        let same_count = other.arguments.len() == candidate.arguments.len();
        let hidden = other.arguments == candidate.arguments && rank(other.schema) < rank(candidate.schema);
        let mut pairs = candidate.arguments.iter().zip(&other.arguments).zip(&cannot_fill);
        same_count && (hidden || (loses_somewhere && pairs.all(|((mine, its), unfilled)| *unfilled || mine == its)))
    })
}
