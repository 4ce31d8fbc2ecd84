//! The tables of the insight store that its SQL door shows, and what of PostgreSQL's own would show other tenants there.
//!
//! Row-level security, forced, tells the tenants' rows apart; this list says which relations are meant at all. Internals
//! (schema `vitrine`: keys, tenants, migrations) are not on it.

use crate::sql::Modification;

/// The schema that all of them lie in.
pub(in crate::policy) const SCHEMA: &str = "public";

const NONE: &[Modification] = &[];
const ALL: &[Modification] = &[Modification::Insert, Modification::Update, Modification::Delete];
/// Nothing that was said is unsaid: a version is superseded or retracted, or expires.
const KEPT: &[Modification] = &[Modification::Insert, Modification::Update];
const ADDED_TO: &[Modification] = &[Modification::Insert];

/// Tables by name, with what may be done to their rows: `migrations/README.md`. History and the change feed are written
/// by triggers. Which columns is for PostgreSQL's column privileges to say.
const TABLES: &[(&str, &[Modification])] = &[
    ("changes", NONE),
    ("document_history", NONE),
    ("documents", ALL),
    ("evidence", ADDED_TO),
    ("insight_embeddings", NONE),
    ("insights", KEPT),
    ("kinds", NONE),
    ("memory", ALL),
    ("profile_history", NONE),
    ("profiles", ALL),
    ("service_health", NONE),
    ("user_configuration", ALL),
];

/// What may be done to the rows of a table; `None` where it may not even be read.
pub(in crate::policy) fn modifications(name: &str) -> Option<&'static [Modification]> {
    let at = TABLES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    TABLES.get(at).map(|(_, allowed)| *allowed)
}

/// Whether one of PostgreSQL's own relations shows what other sessions do, or counts and values of all tenants together.
pub(in crate::policy) fn shows_others(relation: &str) -> bool {
    const MORE: [&str; 5] = ["pg_buffercache", "pg_locks", "pg_prepared_xacts", "pg_sequences", "pg_shmem_allocations"];
    (relation.starts_with("pg_stat") && relation != "pg_statistic_ext") || MORE.contains(&relation)
}

/// The same for functions.
pub(in crate::policy) fn function_shows_others(function: &str) -> bool {
    const MORE: [&str; 4] =
        ["pg_blocking_pids", "pg_lock_status", "pg_prepared_xact", "pg_safe_snapshot_blocking_pids"];
    function.starts_with("pg_stat_") || MORE.contains(&function)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_sorted() {
        assert!(super::TABLES.is_sorted_by_key(|(name, _)| *name));
    }
}
