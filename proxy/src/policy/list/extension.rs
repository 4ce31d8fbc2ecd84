//! Extensions: their non-volatile functions are harmless unless the extension is of the kind that leaves the database,
//! runs text as SQL, or looks at pages past all privileges.

/// Nothing of these extensions runs unless the policy names it.
pub(in crate::policy) fn leaves_database(extension: &str) -> bool {
    LEAVES.binary_search(&extension).is_ok() || LEAVES_PREFIX.iter().any(|prefix| extension.starts_with(prefix))
}

/// Single functions that run text, of extensions that are harmless otherwise.
pub(in crate::policy) fn extension_runs_text(extension: &str, function: &str) -> bool {
    match extension {
        // postgis_extensions_upgrade, postgis_addbbox … write; these run text.
        "postgis" | "postgis_raster" | "postgis_topology" => {
            function.contains("drop") || function.contains("upgrade") || function.contains("populate_geometry")
        }
        _ => false,
    }
}

/// Declared immutable, and sets a switch of the session, which the next client of the connection would find.
pub(in crate::policy) fn changes_session(extension: &str, function: &str, arguments: usize) -> bool {
    extension == "isn" && function == "isn_weak" && arguments > 0
}

/// Volatile functions of extensions that are harmless.
pub(in crate::policy) fn is_harmless_of_extension(extension: &str, function: &str) -> bool {
    match extension {
        "uuid-ossp" => function.starts_with("uuid_generate_"),
        // Random numbers are in what it makes: its functions compute, and nothing else.
        "pgcrypto" => {
            matches!(function, "gen_random_bytes" | "gen_random_uuid" | "gen_salt")
                || function.starts_with("pgp_sym_encrypt")
                || function.starts_with("pgp_pub_encrypt")
        }
        "pg_stat_statements" => matches!(function, "pg_stat_statements" | "pg_stat_statements_info"),
        "tsm_system_rows" => function == "system_rows",
        "tsm_system_time" => function == "system_time",
        "pg_buffercache" => function == "pg_buffercache_pages" || function == "pg_buffercache_summary",
        "pg_trgm" => matches!(function, "show_limit" | "show_trgm"),
        "sslinfo" => function.starts_with("ssl_"),
        "timescaledb" => function.starts_with("time_bucket") || function == "last" || function == "first",
        // Sequences of 3D renderings and such are computed, the declarations are old.
        "postgis" => matches!(function, "st_asmvtgeom" | "st_generatepoints" | "st_estimatedextent"),
        _ => false,
    }
}

/// Keeps rows of what looks like a plain table on other servers, or in storage that PostgreSQL's counters do not see.
pub(in crate::policy) fn spreads_tables(extension: &str) -> bool {
    matches!(extension, "citus" | "citus_columnar" | "pg_duckdb" | "pg_mooncake" | "pg_shard" | "spqr")
}

const LEAVES: &[&str] = &[
    "adminpack",
    "age",
    "amcheck",
    "auto_explain",
    "citus",
    "clickhouse_fdw",
    "dblink",
    "duckdb_fdw",
    "file_fdw",
    "hypopg",
    "jdbc_fdw",
    "lo",
    "mongo_fdw",
    "multicorn",
    "mysql_fdw",
    "odbc_fdw",
    "ogr_fdw",
    "old_snapshot",
    "oracle_fdw",
    "orafce",
    "pageinspect",
    "parquet_s3_fdw",
    "pg_background",
    "pg_cron",
    "pg_duckdb",
    "pg_freespacemap",
    "pg_hint_plan",
    "pg_ivm",
    "pg_net",
    "pg_partman",
    "pg_prewarm",
    "pg_repack",
    "pg_squeeze",
    "pg_surgery",
    "pg_visibility",
    "pg_walinspect",
    "pgaudit",
    "pgl_ddl_deploy",
    "pglogical",
    "pgmq",
    "pgrouting",
    "pgrowlocks",
    "pgstattuple",
    "plperl",
    "plperlu",
    "plr",
    "plrust",
    "pltcl",
    "pltclu",
    "plv8",
    "postgis_tiger_geocoder",
    "postgres_fdw",
    "redis_fdw",
    "set_user",
    "spi",
    "sqlite_fdw",
    "tablefunc",
    "tcn",
    "tds_fdw",
    "wrappers",
    "xml2",
];

const LEAVES_PREFIX: &[&str] =
    &["aws_", "azure_", "http", "google_", "plpython", "pljava", "plsh", "steampipe", "supabase_"];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_sorted() {
        assert!(super::LEAVES.is_sorted());
    }
}
