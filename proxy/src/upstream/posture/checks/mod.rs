//! The checks, each one query over the system catalogs that a plain role may run on PostgreSQL 13 to 18.

mod grants;
mod reach;
mod role;

use super::Severity;

/// One check. Its query selects `(place, fix)`, both text, and may use `acting`.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) what: &'static str,
    /// First `server_version_num` whose catalogs the query fits.
    pub(super) since: u32,
    /// Whether it says something that being a superuser does not say already.
    pub(super) of_superusers: bool,
    pub(super) sql: &'static str,
}

impl Check {
    pub(super) const fn new(name: &'static str, severity: Severity, what: &'static str, sql: &'static str) -> Self {
        Self { name, severity, what, since: 0, of_superusers: false, sql }
    }

    const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    pub(super) fn applies(&self, server_version: u32) -> bool {
        server_version >= self.since
    }
}

/// Every check, in the order of reading.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    role::CHECKS.iter().chain(grants::CHECKS).chain(reach::CHECKS)
}

/// The roles whose rights are the session's: its own, those it is a member of, and PUBLIC (oid 0, as in an ACL).
pub(super) const ACTING: &str = "WITH acting(oid, name) AS MATERIALIZED (\
    SELECT r.oid, pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles r \
    WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') \
    UNION ALL SELECT 0, 'PUBLIC')";

/// Count, the first places, the fixes.
pub(super) const SUMMARY: &str = "SELECT pg_catalog.count(*), \
    (pg_catalog.array_agg(place ORDER BY place))[1:8], \
    (pg_catalog.array_agg(DISTINCT fix ORDER BY fix))[1:40] FROM found";
