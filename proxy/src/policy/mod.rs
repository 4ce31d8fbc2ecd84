//! What may run: a pure function from a statement, a catalog and a policy to a permit or a refusal. Deny by default.
//!
//! **Architecture invariants:** no async, no socket, no clock, no environment. Only [`review`] makes a [`Permitted`],
//! and what goes upstream takes one.

mod case;
mod compare;
mod explain;
mod file;
mod harmless;
mod infer;
mod list;
mod permitted;
mod reach;
mod rule;
mod steady;
mod store;

use crate::catalog::Catalog;
use crate::sql::{Access, Denial, SetValue, Statement};

pub use file::{DEFAULT, Mistake, Policy, SettingBounds};
pub(crate) use list::is_identity;
pub use permitted::Permitted;
pub use steady::{Unsteadiness, Unsteady};
pub(crate) use store::is_access_mode;

/// The session that the statement belongs to, as far as names depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `search_path` as set, element by element, `$user` unexpanded.
    pub search_path: &'a [String],
    /// The upstream role.
    pub role: &'a str,
    /// The database the session is connected to.
    pub database: &'a str,
    /// What the route lets its statements do at all.
    pub access: Access,
    /// Types that Parse declared for the parameters; zero for "not said".
    pub parameter_types: &'a [u32],
}

/// Decides on one statement of `text`.
///
/// # Errors
/// The first rule that refuses, with SQLSTATE, position and what to do about it.
pub fn review(
    statement: &Statement,
    text: &str,
    catalog: &Catalog,
    policy: &Policy,
    scope: &Scope<'_>,
) -> Result<Permitted, Denial> {
    let permitted = permit(case::Case::new(statement, text, catalog, policy, scope));
    match scope.access {
        Access::Read => permitted,
        // No policy file opens anything there.
        Access::Store => {
            permitted.map_err(|denial| Denial { hint: denial.hint.filter(|hint| !hint.contains("policy")), ..denial })
        }
    }
}

/// Decides on a start-up parameter that is to be a setting of the session, by the rules of SET.
///
/// # Errors
/// Why it cannot be set.
pub fn review_parameter(name: &str, value: &SetValue, policy: &Policy, access: Access) -> Result<(), Denial> {
    rule::parameter(policy, access, name, value)
}

fn permit(mut case: case::Case<'_>) -> Result<Permitted, Denial> {
    rule::kind(&case)?;
    rule::letters(&case)?;
    rule::relations(&mut case)?;
    store::writes(&case)?;
    rule::types(&mut case)?;
    rule::functions(&mut case)?;
    rule::operators(&mut case)?;
    rule::attributes(&mut case)?;
    rule::implied(&mut case)?;
    rule::bodies(&case)?;
    case.steady_text();
    Ok(Permitted::new(case))
}
