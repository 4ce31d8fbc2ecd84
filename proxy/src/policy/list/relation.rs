//! System relations that hold secrets of the server or data past their tables' own privileges.

/// `schema.name` or `schema.*`; a policy can show them again. Views that PostgreSQL ships over them stay readable:
/// they mask what is secret (`pg_roles`, `pg_stats`, `pg_user_mappings`).
pub(in crate::policy) const HIDDEN: &[&str] = &[
    // Password verifiers.
    "pg_catalog.pg_authid",
    "pg_catalog.pg_shadow",
    // Passwords of foreign servers.
    "pg_catalog.pg_user_mapping",
    // Files of the server.
    "pg_catalog.pg_file_settings",
    "pg_catalog.pg_hba_file_rules",
    "pg_catalog.pg_ident_file_mappings",
    // Samples of everybody's columns; `pg_stats` shows those of columns one may read.
    "pg_catalog.pg_statistic",
    "pg_catalog.pg_statistic_ext_data",
    // Values that belong to columns.
    "pg_catalog.pg_largeobject",
    "pg_toast.*",
];
