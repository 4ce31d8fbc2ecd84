//! How large a value may become that a statement builds out of constants: PostgreSQL folds such values while it
//! plans, and `repeat(repeat(repeat('x',1000),1000),1000)` asks it for a gigabyte in 49 bytes.
//!
//! An estimate: what it does not know is as large as its arguments together, and columns of tables weigh nothing.

/// An upper bound, roughly, on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql::grammar) struct Size {
    /// Bytes of the value that stem from constants.
    pub(in crate::sql::grammar) bytes: u64,
    /// The number it is, where it is one and known.
    pub(in crate::sql::grammar) number: Option<i128>,
}

impl Size {
    pub(in crate::sql::grammar) const NOTHING: Self = Self { bytes: 0, number: None };

    pub(in crate::sql::grammar) fn bytes(bytes: u64) -> Self {
        Self { bytes, number: None }
    }

    /// A constant's text, which may spell a number.
    pub(in crate::sql::grammar) fn text(text: &str) -> Self {
        Self { bytes: length(text), number: number(text) }
    }

    pub(in crate::sql::grammar) fn number(number: i128) -> Self {
        Self { bytes: 8, number: Some(number) }
    }

    /// Both together.
    pub(in crate::sql::grammar) fn plus(self, other: Self) -> Self {
        Self::bytes(self.bytes.saturating_add(other.bytes))
    }

    /// Either.
    pub(in crate::sql::grammar) fn or(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), number: self.number.max(other.number) }
    }

    /// What a binary or prefix operator makes of its sides.
    pub(in crate::sql::grammar) fn operate(operator: &str, left: Option<Self>, right: Self) -> Self {
        let Some(left) = left else {
            let number = right.number.map(|number| if operator == "-" { number.saturating_neg() } else { number });
            return Self { number, ..right };
        };
        let together = left.plus(right);
        let (Some(a), Some(b)) = (left.number, right.number) else { return together };
        let exponent = || u32::try_from(b.clamp(0, 1 << 16)).unwrap_or(0);
        let number = match operator {
            "+" => a.saturating_add(b),
            "-" => a.saturating_sub(b),
            "*" => a.saturating_mul(b),
            "/" => a.checked_div(b).unwrap_or(a),
            "^" => a.saturating_pow(exponent()),
            "<<" => a.saturating_mul(2_i128.saturating_pow(exponent())),
            "||" => return together,
            _ => a.saturating_abs().max(b.saturating_abs()),
        };
        // numeric keeps all digits of a power; other results are as wide as their sides.
        let digits = u64::from(a.checked_ilog10().unwrap_or(0).saturating_add(1).saturating_mul(exponent()));
        let bytes = if operator == "^" { together.bytes.max(digits) } else { together.bytes };
        Self { bytes, number: Some(number) }
    }

    /// What a function makes of its arguments.
    pub(in crate::sql::grammar) fn call(name: &str, arguments: &[Self]) -> Self {
        let sum = arguments.iter().fold(Self::NOTHING, |sum, argument| sum.plus(*argument));
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(Self::NOTHING);
        let count =
            |at: usize| argument(at).number.map_or(1, |number| u64::try_from(number.max(0)).unwrap_or(u64::MAX));
        let times = |size: Self, factor: u64| Self::bytes(size.bytes.max(1).saturating_mul(factor));
        match name {
            "repeat" => times(argument(0), count(1)),
            "lpad" | "rpad" => Self::bytes(count(1)).or(sum.unnumbered()),
            "array_fill" => times(argument(0), count(1)),
            "replace" => times(argument(0), argument(2).bytes.max(1)).or(sum.unnumbered()),
            "regexp_replace" => times(argument(0), argument(2).bytes.max(1)).or(sum.unnumbered()),
            "power" | "pow" => Self::operate("^", Some(argument(0)), argument(1)),
            "length" | "char_length" | "character_length" | "octet_length" | "bit_length" => {
                Self::number(i128::from(sum.bytes.saturating_mul(8)))
            }
            "exp" => Self::operate("^", Some(Self::number(3)), argument(0)),
            "factorial" => Self::operate("^", Some(argument(0)), argument(0)),
            "chr" | "random" | "now" => Self::bytes(8),
            "xmlelement" | "quote_literal" | "quote_nullable" | "to_json" | "to_jsonb" | "encode" => times(sum, 2),
            "any" | "all" | "exists" => Self::bytes(1),
            _ => Self { number: arguments.iter().filter_map(|argument| argument.number).max(), ..sum },
        }
    }

    /// `format`'s widths: `%1000000000s`.
    pub(in crate::sql::grammar) fn widths(template: &str) -> Self {
        let mut bytes = 0_u64;
        for part in template.split('%').skip(1) {
            let digits: String =
                part.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            bytes = bytes.saturating_add(digits.parse().unwrap_or(if digits.is_empty() { 0 } else { u64::MAX }));
        }
        Self::bytes(bytes)
    }

    fn unnumbered(self) -> Self {
        Self { number: None, ..self }
    }
}

/// Bytes of a text.
pub(in crate::sql::grammar) fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// The number a constant spells: decimal with fraction and exponent, hexadecimal, octal, binary.
pub(in crate::sql::grammar) fn number(text: &str) -> Option<i128> {
    if text.len() > 64 {
        return None;
    }
    let text: String = text.trim().chars().filter(|&c| c != '_').collect::<String>().to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return Some(i128::from_str_radix(digits, radix).unwrap_or(i128::MAX)).filter(|_| !digits.is_empty());
        }
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let value: i128 = digits.parse().ok()?;
    let shift = exponent.saturating_sub(i32::try_from(fraction.len()).unwrap_or(0));
    let scale = 10_i128.saturating_pow(shift.unsigned_abs());
    Some(if shift < 0 { value.checked_div(scale).unwrap_or(0) } else { value.saturating_mul(scale) })
}

/// The number a bit string spells, as the grammar gives it: `b101`, `x1F`.
pub(in crate::sql::grammar) fn bits(text: &str) -> Option<i128> {
    let radix = if text.starts_with(['x', 'X']) { 16 } else { 2 };
    i128::from_str_radix(text.get(1..)?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_spelling() {
        assert_eq!(number("1e9"), Some(1_000_000_000));
        assert_eq!(number("1.5e3"), Some(1_500));
        assert_eq!(number(" -12 "), Some(-12));
        assert_eq!(number("0x3B9ACA00"), Some(1_000_000_000));
        assert_eq!(number("1_000"), Some(1_000));
        assert_eq!(number("1e999999"), Some(i128::MAX));
        assert_eq!(number("x"), None);
        assert_eq!(number(""), None);
    }
}
