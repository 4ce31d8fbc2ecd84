//! What connections are for, and what each is born with because of it.

use crate::sql::Access;
use crate::upstream::connect::PINNED;

/// The role that SQL users of the insight store run as: `migrations/0001_roles.sql` makes it.
pub const STORE_ROLE: &str = "vitrine_sql";

/// What connections are for. It is part of the address: pools, routes and sessions take it from there, and there is no
/// setting that changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) enum Purpose {
    /// To show a customer database: read-only.
    #[default]
    Customer,
    /// To read and write the insight store as one tenant.
    Store { tenant: String },
    /// To look at the insight store's catalog and roles: read-only.
    StoreWatch,
}

/// The same for everybody: they keep the server reading text as the gateway reads it.
const LEXING: [(&str, &str); 4] = [
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("transform_null_equals", "off"),
];

impl Purpose {
    /// What its statements must have been reviewed for.
    pub(in crate::upstream) fn access(&self) -> Access {
        match self {
            Self::Customer => Access::Read,
            Self::Store { .. } | Self::StoreWatch => Access::Store,
        }
    }

    /// Settings sent as start-up parameters and proved to be in force: RESET and DISCARD return to them.
    pub(in crate::upstream) fn pinned(&self) -> Vec<(&'static str, &str)> {
        let store = [("role", STORE_ROLE), ("search_path", "public"), ("row_security", "on")];
        let (read_only, more) = match self {
            Self::Customer => return PINNED.to_vec(),
            Self::Store { tenant } => ("off", Some(("vitrine.tenant", tenant.as_str()))),
            Self::StoreWatch => ("on", None),
        };
        let first = [("default_transaction_read_only", read_only)];
        first.into_iter().chain(LEXING).chain(store).chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexing_is_pinned_everywhere_as_for_customers() {
        let customer = Purpose::Customer.pinned();
        assert_eq!(customer.first(), Some(&("default_transaction_read_only", "on")));
        assert_eq!(customer.get(1..), Some(&LEXING[..]));
        let store = Purpose::Store { tenant: "acme".to_owned() };
        assert!(LEXING.iter().all(|setting| store.pinned().contains(setting)));
        assert!(store.pinned().contains(&("vitrine.tenant", "acme")));
        assert_eq!((customer.len(), Purpose::Customer.access()), (5, Access::Read));
        assert_eq!(Purpose::StoreWatch.pinned().first(), Some(&("default_transaction_read_only", "on")));
    }
}
