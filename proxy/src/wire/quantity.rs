//! Values of settings as PostgreSQL reads and shows them: `parse_int`, `parse_bool` and `ShowGUCOption` of its `guc.c`.
//!
//! <https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES>

use thiserror::Error;

/// Units of time in milliseconds, from the largest; each is rounded to the next.
const UNITS: &[(&str, f64)] =
    &[("d", 86_400_000.0), ("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0), ("ms", 1.0), ("us", 0.001)];
/// The same as they are shown.
const SHOWN: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum NoTime {
    /// It does not begin with a number.
    #[error("it is no number")]
    Number,
    /// What follows the number is no unit of time.
    #[error("it has no unit of time")]
    Unit,
    /// It is more milliseconds than an integer holds.
    #[error("it is too long")]
    Long,
    /// It is less than nothing: these milliseconds.
    #[error("it is less than nothing")]
    Negative(f64),
}

/// The milliseconds that a text says: a number and a unit, or milliseconds without one. Numbers may be hexadecimal, octal
/// and fractions.
///
/// # Errors
/// It is none that PostgreSQL would take for a setting that cannot be negative.
pub fn milliseconds(text: &str) -> Result<u32, NoTime> {
    let (number, rest) = number(text).ok_or(NoTime::Number)?;
    let value = match rest.trim_matches(is_space) {
        "" => number,
        unit => {
            let at = UNITS.iter().position(|(name, _)| *name == unit).ok_or(NoTime::Unit)?;
            let mut units = UNITS.iter().skip(at).map(|(_, factor)| factor);
            let value = number * units.next().unwrap_or(&1.0);
            units.next().map_or(value, |smaller| (value / smaller).round_ties_even() * smaller)
        }
    };
    let value = value.round_ties_even();
    if value > f64::from(i32::MAX) || value < f64::from(i32::MIN) {
        return Err(NoTime::Long);
    }
    if value < 0.0 {
        return Err(NoTime::Negative(value));
    }
    format!("{:.0}", value.abs()).parse().map_err(|_| NoTime::Long)
}

/// Milliseconds as SHOW has them: in the largest unit of which they are a whole number.
#[must_use]
pub fn spelled(milliseconds: u64) -> String {
    let fits = SHOWN.iter().find(|(_, factor)| milliseconds > 0 && milliseconds.is_multiple_of(*factor));
    fits.map_or_else(|| "0".to_owned(), |(unit, factor)| format!("{}{unit}", milliseconds / factor))
}

/// What a text says to a setting that is on or off: any clear beginning of a word, in any case.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, bytes_min: usize| text.len() >= bytes_min && word.starts_with(&text);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || text == "1" {
        return Some(true);
    }
    (begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0").then_some(false)
}

/// The number that a text begins with, as `strtol` and then `strtod` find it, and the rest.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start_matches(is_space);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, body) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_hexdigit()) => (16, rest),
        _ if digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let end = body.find(|letter: char| !letter.is_digit(radix)).unwrap_or(body.len());
    let (whole, rest) = body.split_at_checked(end)?;
    if radix != 16 && rest.starts_with(['.', 'e', 'E']) {
        let (fraction, rest) = digits.split_at_checked(fraction_bytes(digits))?;
        return Some((sign * fraction.parse::<f64>().ok()?, rest));
    }
    if whole.is_empty() {
        return None;
    }
    let value = whole.chars().filter_map(|digit| digit.to_digit(radix));
    Some((sign * value.fold(0.0, |value, digit| value * f64::from(radix) + f64::from(digit)), rest))
}

/// How much of a text is a decimal fraction with an exponent.
fn fraction_bytes(text: &str) -> usize {
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let after = |at: usize| text.get(at..).unwrap_or_default();
    let mut end = digits(text);
    if after(end).starts_with('.') {
        end += 1 + digits(after(end + 1));
    }
    if after(end).starts_with(['e', 'E']) {
        let sign = usize::from(after(end + 1).starts_with(['+', '-']));
        let exponent = digits(after(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

/// `isspace` of C.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_postgresql_reads_them() {
        for (text, expected) in [
            ("2s", 2_000),
            (" 1.5 min ", 90_000),
            ("250", 250),
            ("0x10", 16),
            ("010", 8),
            ("1e3", 1_000),
            (".5s", 500),
            ("0.5", 0),
            ("1.5", 2),
            ("1500us", 2),
            ("1.02d", 86_400_000),
            ("-0.4", 0),
            ("24d", 2_073_600_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        for text in ["", "s", ".", "NaN", "infinity", "-"] {
            assert_eq!(milliseconds(text), Err(NoTime::Number), "{text}");
        }
        for text in ["2 weeks", "1S", "08", "1e", "1.2.3", "1\u{a0}s"] {
            assert_eq!(milliseconds(text), Err(NoTime::Unit), "{text}");
        }
        assert_eq!((milliseconds("25d"), milliseconds("-1")), (Err(NoTime::Long), Err(NoTime::Negative(-1.0))));
    }

    #[test]
    fn times_are_shown_in_the_largest_unit() {
        let shown = [0, 500, 2_000, 90_000, 120_000, 86_400_000].map(spelled);
        assert_eq!(shown, ["0", "500ms", "2s", "90s", "2min", "1d"]);
    }

    #[test]
    fn booleans_are_any_clear_beginning() {
        assert_eq!(["on", "TRUE", "t", "ye", "1"].map(boolean), [Some(true); 5]);
        assert_eq!(["off", "of", "F", "n", "0"].map(boolean), [Some(false); 5]);
        assert_eq!(["o", "", "2", "truest"].map(boolean), [None; 4]);
    }
}
