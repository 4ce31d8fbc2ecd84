//! Names of PostgreSQL's configuration parameters: what is not among them does not exist.

use std::collections::HashSet;
use std::sync::OnceLock;

const NAMES: &str = include_str!("parameters.txt");

/// Whether a parameter of that name, lower case, may exist in some version. Any name with a prefix may.
pub(in crate::policy) fn is_parameter(name: &str) -> bool {
    static KNOWN: OnceLock<HashSet<&str>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| NAMES.lines().filter(|line| !line.starts_with('#')).collect());
    name.contains('.') || known.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_every_version() {
        assert!(
            ["work_mem", "vacuum_mem", "io_method", "operator_precedence_warning", "app.x"]
                .iter()
                .all(|name| is_parameter(name))
        );
        assert!(!is_parameter("nosuch") && !is_parameter(""));
    }
}
