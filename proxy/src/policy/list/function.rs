//! PostgreSQL's own functions. All volatile ones of versions 13 to 18 were gone through for the first list, all others
//! for the second and third; `tests/policy` holds the snapshot against them.

/// Takes text and runs it as SQL, or takes the name or OID of a type or relation and runs what hangs on it: the text
/// never passed a review.
pub(in crate::policy) fn runs_text(name: &str) -> bool {
    matches!(
        name,
        // https://www.postgresql.org/docs/current/functions-xml.html#FUNCTIONS-XML-MAPPING
        "query_to_xml" | "query_to_xmlschema" | "query_to_xml_and_xmlschema"
            | "table_to_xml" | "table_to_xmlschema" | "table_to_xml_and_xmlschema"
            | "cursor_to_xml" | "cursor_to_xmlschema"
            | "schema_to_xml" | "schema_to_xmlschema" | "schema_to_xml_and_xmlschema"
            | "database_to_xml" | "database_to_xmlschema" | "database_to_xml_and_xmlschema"
            | "ts_stat"
            // Input by type name or OID: a domain's CHECK, a type's input function.
            | "pg_input_is_valid" | "pg_input_error_info"
            | "array_in" | "domain_in" | "record_in" | "range_in" | "multirange_in"
    )
    // `ts_rewrite(tsquery, text)` is volatile and not on the list below; the one with three arguments is harmless.
}

/// Non-volatile by their own account, and yet more than a read.
pub(in crate::policy) fn is_denied(name: &str) -> bool {
    // They assign a transaction ID, which is a write of its own.
    matches!(name, "txid_current" | "pg_current_xact_id")
        // They read a function's body as code.
        || name.starts_with("fmgr_") && name.ends_with("_validator")
}

/// Takes the OID of a partitioned table or a partition and computes with its bounds, by the functions of the operator
/// classes of its key.
pub(in crate::policy) fn computes_partitions(name: &str) -> bool {
    matches!(name, "satisfies_hash_partition" | "pg_get_partition_constraintdef")
}

/// Shows what is prepared on the connection, or the memory that it takes, which is named after its text.
pub(in crate::policy) fn sees_statements(name: &str) -> bool {
    matches!(name, "pg_prepared_statement" | "pg_get_backend_memory_contexts")
}

/// Builds rows of a type that stands nowhere in the text: their columns' input functions and domain checks run.
pub(in crate::policy) fn fills_rows(name: &str) -> bool {
    name.contains("populate_record")
}

/// Volatile, and harmless: they tell a time, a random number, a size or a state, and change nothing that others see.
pub(in crate::policy) fn is_harmless_volatile(name: &str) -> bool {
    HARMLESS_VOLATILE.binary_search(&name).is_ok()
}

const HARMLESS_VOLATILE: &[&str] = &[
    // Table sampling methods, behind TABLESAMPLE.
    "array_sample",
    "array_shuffle",
    "bernoulli",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    // A pooled session holds no lock of its own that it could give back: asyncpg asks for it at every reset.
    "pg_advisory_unlock_all",
    "pg_available_wal_summaries",
    "pg_blocking_pids",
    "pg_collation_actual_version",
    "pg_control_checkpoint",
    "pg_control_init",
    "pg_control_recovery",
    "pg_control_system",
    "pg_current_logfile",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_collation_actual_version",
    "pg_database_size",
    "pg_get_aios",
    "pg_get_backend_memory_contexts",
    "pg_get_loaded_modules",
    "pg_get_multixact_members",
    "pg_get_sequence_data",
    "pg_get_shmem_allocations",
    "pg_get_shmem_allocations_numa",
    "pg_get_wait_events",
    "pg_get_wal_replay_pause_state",
    "pg_get_wal_resource_managers",
    "pg_get_wal_summarizer_state",
    "pg_indexes_size",
    "pg_is_in_backup",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_jit_available",
    "pg_last_committed_xact",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_notification_queue_usage",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_prepared_xact",
    "pg_relation_size",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value",
    "pg_show_replication_origin_status",
    // Forgets what this session saw of the statistics, nothing else.
    "pg_stat_clear_snapshot",
    "pg_stat_get_backend_io",
    "pg_stat_get_backend_wal",
    "pg_stat_get_io",
    "pg_stat_get_recovery_prefetch",
    "pg_stat_get_xact_blocks_fetched",
    "pg_stat_get_xact_blocks_hit",
    "pg_stat_get_xact_function_calls",
    "pg_stat_get_xact_function_self_time",
    "pg_stat_get_xact_function_total_time",
    "pg_stat_get_xact_numscans",
    "pg_stat_get_xact_tuples_deleted",
    "pg_stat_get_xact_tuples_fetched",
    "pg_stat_get_xact_tuples_hot_updated",
    "pg_stat_get_xact_tuples_inserted",
    "pg_stat_get_xact_tuples_newpage_updated",
    "pg_stat_get_xact_tuples_returned",
    "pg_stat_get_xact_tuples_updated",
    "pg_stat_have_stats",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_commit_timestamp",
    "pg_xact_commit_timestamp_origin",
    "pg_xact_status",
    "random",
    "random_normal",
    // Only what random() gives in this session follows from it.
    "setseed",
    "system",
    "timeofday",
    // AT TIME ZONE on a time of day with zone.
    "timezone",
    "txid_status",
    "uuidv4",
    "uuidv7",
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_sorted() {
        assert!(super::HARMLESS_VOLATILE.is_sorted());
    }
}
