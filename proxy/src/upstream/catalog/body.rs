//! The words of a function's body, read without knowing its language: too many rather than too few.

use std::collections::BTreeSet;

/// Longer runs of operator characters are no operators of anybody's.
const OPERATOR_BYTES_MAX: usize = 8;

/// Every word of `body` in lower case and as it stands, and everything in it that could be an operator, strings and
/// comments included: what stands in a string may be run. What is qualified with `pg_catalog` comes as `pg_catalog.name`.
pub(super) fn words(body: &str) -> Vec<String> {
    let mut words = BTreeSet::new();
    let mut qualifier = false;
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
        let length = if of_word(first) {
            rest.find(|letter| !of_word(letter)).unwrap_or(rest.len())
        } else if is_operator(first) {
            rest.find(|letter| !is_operator(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        if of_word(first) {
            if qualifier {
                words.insert(format!("pg_catalog.{}", token.to_lowercase()));
            } else {
                words.insert(token.to_lowercase());
                words.insert(token.to_owned());
            }
            qualifier = token.eq_ignore_ascii_case("pg_catalog") && rest.starts_with('.');
        } else if is_operator(first) {
            if !qualifier {
                operators(token, &mut words);
            }
            qualifier = false;
        } else if first != '.' {
            qualifier = false;
        }
    }
    words.into_iter().collect()
}

fn is_operator(letter: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(letter)
}

/// Where one operator ends and a sign begins is the lexer's to say: all pieces count.
fn operators(run: &str, words: &mut BTreeSet<String>) {
    for start in 0..run.len() {
        for end in start + 1..=run.len().min(start + OPERATOR_BYTES_MAX) {
            words.extend(run.get(start..end).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_and_operators_come_apart_and_qualified_ones_are_marked() {
        let found = words("SELECT pg_catalog.log(10, $1) + Abs(x)::\"Geo\" operator(pg_catalog.=) 'ran'");
        for word in ["abs", "Geo", "+", "ran", "$1", "x", "pg_catalog.log"] {
            assert!(found.iter().any(|found| found == word), "{word}");
        }
        for word in ["log", "="] {
            assert!(!found.iter().any(|found| found == word), "{word}");
        }
        assert_eq!(words("=-"), ["-", "=", "=-"]);
        assert!(words("").is_empty());
    }
}
