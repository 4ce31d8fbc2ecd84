//! Settings that a client may change, and to what.
//!
//! <https://www.postgresql.org/docs/current/runtime-config.html>

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Check {
    /// Anything: it changes how answers look or how they are planned, never what a statement may do.
    Any,
    /// On, in any spelling.
    On,
    /// UTF8, in any spelling.
    Utf8,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Milliseconds, up to the policy's bound of that name; zero means no limit.
    Time,
    /// Kilobytes, up to the policy's bound of that name.
    Memory,
    /// A time of any length, zero included: one of the gateway's own.
    Age,
    /// On or off, in any spelling: one of the gateway's own.
    Switch,
    /// A count, up to the policy's bound of that name.
    Count,
}

/// Whether a setting says whose rights the session has. No client moves it; going back to what it is anyway passes.
pub(crate) fn is_identity(name: &str) -> bool {
    matches!(name, "role" | "session_authorization")
}

/// The check of a setting; `None` when it is not on the list. Names are compared in lower case.
pub(in crate::policy) fn check_of(name: &str) -> Option<Check> {
    if name.starts_with("enable_") {
        return Some(Check::Any);
    }
    let at = SETTINGS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    SETTINGS.get(at).map(|(_, check)| *check)
}

const SETTINGS: &[(&str, Check)] = &[
    ("application_name", Check::Any),
    ("array_nulls", Check::Any),
    // `on` would let a backslash end a quote in encodings that embed it; UTF8 is pinned, `safe_encoding` is the default.
    ("backslash_quote", Check::OneOf(&["safe_encoding", "off", "false", "no", "0"])),
    ("bytea_output", Check::Any),
    ("check_function_bodies", Check::Any),
    ("client_encoding", Check::Utf8),
    ("client_min_messages", Check::Any),
    ("constraint_exclusion", Check::Any),
    ("cpu_index_tuple_cost", Check::Any),
    ("cpu_operator_cost", Check::Any),
    ("cpu_tuple_cost", Check::Any),
    ("cursor_tuple_fraction", Check::Any),
    ("datestyle", Check::Any),
    ("default_statistics_target", Check::Any),
    ("default_text_search_config", Check::Any),
    ("default_transaction_deferrable", Check::Any),
    ("default_transaction_isolation", Check::Any),
    ("default_transaction_read_only", Check::On),
    ("effective_cache_size", Check::Any),
    ("effective_io_concurrency", Check::Any),
    ("escape_string_warning", Check::Any),
    ("extra_float_digits", Check::Any),
    ("from_collapse_limit", Check::Any),
    ("geqo", Check::Any),
    ("geqo_effort", Check::Any),
    ("geqo_generations", Check::Any),
    ("geqo_pool_size", Check::Any),
    ("geqo_seed", Check::Any),
    ("geqo_selection_bias", Check::Any),
    ("geqo_threshold", Check::Any),
    ("gin_fuzzy_search_limit", Check::Any),
    ("hash_mem_multiplier", Check::OneOf(&["1", "1.0", "1.5", "2", "2.0"])),
    // How far an index search of pgvector looks; its memory (`hnsw.scan_mem_multiplier`) is the policy's to allow.
    ("hnsw.ef_search", Check::Any),
    ("hnsw.iterative_scan", Check::Any),
    ("hnsw.max_scan_tuples", Check::Any),
    ("icu_validation_level", Check::Any),
    ("idle_in_transaction_session_timeout", Check::Time),
    ("idle_session_timeout", Check::Time),
    ("intervalstyle", Check::Any),
    ("ivfflat.iterative_scan", Check::Any),
    ("ivfflat.max_probes", Check::Any),
    ("ivfflat.probes", Check::Any),
    // The other ones of that name write files for whoever debugs the server.
    ("jit", Check::Any),
    ("jit_above_cost", Check::Any),
    ("jit_expressions", Check::Any),
    ("jit_inline_above_cost", Check::Any),
    ("jit_optimize_above_cost", Check::Any),
    ("jit_tuple_deforming", Check::Any),
    ("join_collapse_limit", Check::Any),
    ("lc_messages", Check::Any),
    ("lc_monetary", Check::Any),
    ("lc_numeric", Check::Any),
    ("lc_time", Check::Any),
    ("lock_timeout", Check::Time),
    ("max_parallel_workers_per_gather", Check::Count),
    ("min_parallel_index_scan_size", Check::Any),
    ("min_parallel_table_scan_size", Check::Any),
    ("parallel_leader_participation", Check::Any),
    ("parallel_setup_cost", Check::Any),
    ("parallel_tuple_cost", Check::Any),
    ("pg_trgm.similarity_threshold", Check::Any),
    ("pg_trgm.strict_word_similarity_threshold", Check::Any),
    ("pg_trgm.word_similarity_threshold", Check::Any),
    ("plan_cache_mode", Check::Any),
    ("quote_all_identifiers", Check::Any),
    ("random_page_cost", Check::Any),
    ("recursive_worktable_factor", Check::Any),
    // With `off` a table under row security is an error instead of a filtered answer: never more rows.
    ("row_security", Check::Any),
    ("search_path", Check::Any),
    ("seq_page_cost", Check::Any),
    ("standard_conforming_strings", Check::On),
    ("statement_timeout", Check::Time),
    ("stats_fetch_consistency", Check::Any),
    // pg_dump asks for `off`, which is the server's default in every session of its kind.
    ("synchronize_seqscans", Check::Any),
    ("synchronous_commit", Check::Any),
    ("timezone", Check::Any),
    ("timezone_abbreviations", Check::OneOf(&["default", "australia", "india"])),
    ("transaction_deferrable", Check::Any),
    ("transaction_isolation", Check::Any),
    ("transaction_read_only", Check::On),
    ("transaction_timeout", Check::Time),
    ("transform_null_equals", Check::Any),
    // The gateway's own.
    ("vitrine.max_staleness", Check::Age),
    ("vitrine.report_cache", Check::Switch),
    ("work_mem", Check::Memory),
    ("xmlbinary", Check::Any),
    ("xmloption", Check::Any),
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_sorted() {
        assert!(super::SETTINGS.is_sorted_by_key(|(name, _)| *name));
    }
}
