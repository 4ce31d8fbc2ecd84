//! `DateStyle`: one setting with two halves, of which a SET may give one and leave the other.
//!
//! <https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-DATESTYLE>

/// The right side of a SET that gives what `before` and then `after` gave (both right sides of SET).
#[must_use]
pub(super) fn merged(before: Option<&str>, after: &str) -> String {
    let (mut style, mut order) = halves(before.unwrap_or_default());
    let (new_style, new_order) = halves(after);
    if new_style.is_none() && new_order.is_none() {
        return after.to_owned();
    }
    order = new_order.or(order);
    style = new_style.or(style);
    let halves: Vec<&str> = [style, order].into_iter().flatten().collect();
    format!("'{}'", halves.join(", "))
}

/// Output style and order of day and month, as far as a value names them. GERMAN means DMY where it stands alone.
fn halves(value: &str) -> (Option<&'static str>, Option<&'static str>) {
    let (mut style, mut order) = (None, None);
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_uppercase) {
        match word.as_str() {
            "ISO" => style = Some("ISO"),
            "SQL" => style = Some("SQL"),
            "GERMAN" => {
                style = Some("German");
                order = order.or(Some("DMY"));
            }
            "YMD" => order = Some("YMD"),
            "DMY" => order = Some("DMY"),
            "MDY" | "US" => order = Some("MDY"),
            word if word.starts_with("POSTGRES") => style = Some("Postgres"),
            word if word.starts_with("EURO") => order = Some("DMY"),
            word if word.starts_with("NONEURO") => order = Some("MDY"),
            _ => {}
        }
    }
    (style, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_leaves_the_other() {
        assert_eq!(merged(None, "'ISO'"), "'ISO'");
        assert_eq!(merged(Some("'SQL', 'DMY'"), "'iso'"), "'ISO, DMY'");
        assert_eq!(merged(Some("'ISO, DMY'"), "'mdy'"), "'ISO, MDY'");
        assert_eq!(merged(Some("'ISO, MDY'"), "'German'"), "'German, DMY'");
        assert_eq!(merged(Some("'ISO'"), "'PostgreSQL', 'European'"), "'Postgres, DMY'");
        assert_eq!(merged(Some("'ISO, DMY'"), "'nonsense'"), "'nonsense'");
    }
}
