//! What to do about a refused function of PostgreSQL's own: which ones no line of a policy can allow, and why.

use super::function::runs_text;

/// What a client or a reviewer can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Remedy {
    /// A line of the policy allows it.
    Line,
    /// A line would not help, or something else serves better.
    Instead(&'static str),
    /// No line allows it: it would open a wall.
    Never(&'static str),
}

/// The remedy for a built-in function that is refused; `arguments` tells two of one name apart.
pub(in crate::policy) fn remedy(name: &str, arguments: usize) -> Remedy {
    match name {
        "ts_rewrite" if arguments == 2 => {
            Remedy::Never("write the query itself, or use ts_rewrite with three arguments")
        }
        "domain_in" | "record_in" | "array_in" | "range_in" | "multirange_in" => {
            Remedy::Never("use a cast: 'text'::type")
        }
        "pg_input_is_valid" | "pg_input_error_info" => {
            Remedy::Never("name the type as a constant that stands in the text")
        }
        _ if runs_text(name) => Remedy::Never("write the query itself"),
        "set_config" => {
            Remedy::Never("use SET or SET LOCAL; pg_dump, which takes locks too, is for the database itself")
        }
        "pg_read_file" | "pg_read_file_old" | "pg_read_binary_file" | "pg_ls_dir" | "pg_stat_file" => {
            Remedy::Never("files of the server cannot be read through the gateway: load what is needed into a table")
        }
        "lo_import" | "lo_export" => Remedy::Never("files of the server cannot be reached through the gateway"),
        "lo_creat" | "lo_create" | "lo_from_bytea" | "lo_put" | "lo_truncate" | "lo_truncate64" | "lo_unlink"
        | "lowrite" => Remedy::Never("it writes large objects: connect to the database itself to change them"),
        "pg_advisory_lock"
        | "pg_advisory_lock_shared"
        | "pg_try_advisory_lock"
        | "pg_try_advisory_lock_shared"
        | "pg_advisory_unlock"
        | "pg_advisory_unlock_shared" => Remedy::Never(
            "connections to the database are shared, and the lock would stay behind: pg_advisory_xact_lock can be \
             allowed by a line of the policy, functions = [\"pg_catalog.pg_advisory_xact_lock\"]",
        ),
        _ if name.starts_with("binary_upgrade_") => Remedy::Never("it is for pg_upgrade alone"),
        "nextval" | "setval" => Remedy::Instead(
            "it writes: connect to the database itself to draw from a sequence; SELECT last_value FROM the sequence \
             reads it",
        ),
        "txid_current" | "pg_current_xact_id" => Remedy::Instead(
            "use pg_current_xact_id_if_assigned(); for DataGrip, which cannot, add to the policy: functions = \
             [\"pg_catalog.txid_current\"]",
        ),
        _ => Remedy::Line,
    }
}

/// Why no policy can allow the built-in function of that signature, types in their catalog spelling.
pub(in crate::policy) fn never(signature: &str) -> Option<&'static str> {
    let (name, arguments) = match signature.split_once('(') {
        Some((name, arguments)) => (name, arguments.trim_end_matches(')').split(',').count()),
        None => (signature, 0),
    };
    match remedy(name.strip_prefix("pg_catalog.")?, arguments) {
        Remedy::Never(why) => Some(why),
        Remedy::Line | Remedy::Instead(_) => None,
    }
}
