//! PostgreSQL's own stable functions whose answer, for the same arguments, hangs on nothing but data, definitions and
//! settings that a client's session is known by (TimeZone, DateStyle, IntervalStyle, extra_float_digits, bytea_output,
//! lc_*, search_path, default_text_search_config, xmlbinary …). All stable functions of versions 13 to 18 were gone
//! through; what is not here is taken for a function that tells the time, the session or the state of the server.

/// Whether a stable function answers the same until data or definitions change.
pub(in crate::policy) fn is_steady(name: &str) -> bool {
    STEADY.binary_search(&name).is_ok()
        || ["date_", "timestamp_", "timestamptz_"].iter().any(|one| {
            // Comparisons across types, as `date_lt_timestamptz`.
            let rest = name.strip_prefix(one).and_then(|rest| rest.split_once('_'));
            rest.is_some_and(|(verb, other)| {
                ["cmp", "eq", "ge", "gt", "le", "lt", "ne"].contains(&verb)
                    && ["date", "timestamp", "timestamptz"].contains(&other)
            })
        })
}

/// Tells the time, stable or volatile.
pub(in crate::policy) fn tells_the_time(name: &str) -> bool {
    matches!(
        name,
        "age" | "clock_timestamp" | "now" | "statement_timestamp" | "timeofday" | "timetz" | "transaction_timestamp"
    )
}

/// Asks about PostgreSQL itself rather than about the session.
pub(in crate::policy) fn asks_the_system(name: &str) -> bool {
    name.starts_with("pg_") || name.starts_with("has_") || name.starts_with("txid_") || name.starts_with("to_reg")
}

const STEADY: &[&str] = &[
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "date",
    "date_add",
    "date_part",
    "date_subtract",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "in_range",
    "interval_pl_timestamptz",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_object_agg_unique_strict",
    "json_to_record",
    "json_to_recordset",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "money",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "textanycat",
    "time",
    "timestamp",
    "timestamptz",
    "timestamptz_mi_interval",
    "timestamptz_pl_interval",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
    "xml",
    "xml_is_well_formed",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(STEADY.is_sorted());
    }

    #[test]
    fn comparisons_across_types_are_steady_and_clocks_are_not() {
        assert!(is_steady("date_lt_timestamptz") && is_steady("timestamptz_cmp_date") && is_steady("to_char"));
        for name in ["now", "age", "current_setting", "timetz", "date_in_future", "pg_table_is_visible"] {
            assert!(!is_steady(name), "{name}");
        }
    }
}
