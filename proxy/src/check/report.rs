//! The verdict for a person to read.

use std::fmt::Write;

use super::Verdict;
use crate::catalog::Volatility;

/// PostgreSQL's position for a byte offset: characters, from 1.
#[must_use]
pub fn position(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).count() + 1
}

/// Verdict, rule, message, a caret under the place, and what is read and called.
#[must_use]
pub fn report(text: &str, verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, text, verdict);
    out
}

fn write(out: &mut String, text: &str, verdict: &Verdict) -> std::fmt::Result {
    match &verdict.denial {
        None => {
            let plural = if verdict.statements == 1 { "statement" } else { "statements" };
            writeln!(out, "permit: {} {plural}", verdict.statements)?;
        }
        Some(denial) => {
            writeln!(out, "deny: {} (rule {}, SQLSTATE {})", denial.message, denial.rule.name(), denial.sqlstate)?;
            if let Some(offset) = denial.position {
                caret(out, text, offset)?;
            }
            for (title, line) in [("detail", &denial.detail), ("hint", &denial.hint)] {
                if let Some(line) = line {
                    writeln!(out, "  {title}: {line}")?;
                }
            }
        }
    }
    list(out, "reads", &verdict.relations())?;
    list(out, "calls", &verdict.functions())?;
    if verdict.denial.is_none() && !verdict.permitted.is_empty() {
        let worst = verdict.permitted.iter().map(crate::policy::Permitted::volatility).max();
        let same = match worst {
            Some(Volatility::Immutable) | None => "until the data change",
            Some(Volatility::Stable) => "within one transaction and session",
            Some(Volatility::Volatile) => "never",
        };
        writeln!(out, "  same answer again: {same}")?;
        match verdict.not_kept() {
            None => writeln!(out, "  answered from memory: yes, until what it reads changes")?,
            Some(why) => writeln!(out, "  answered from memory: no ({why})")?,
        }
    }
    Ok(())
}

fn list(out: &mut String, title: &str, names: &[&str]) -> std::fmt::Result {
    if names.is_empty() { Ok(()) } else { writeln!(out, "  {title}: {}", names.join(", ")) }
}

/// The line that the offset is in, and a caret below.
fn caret(out: &mut String, text: &str, offset: usize) -> std::fmt::Result {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = before.get(start..).map_or(0, |part| part.chars().count());
    let number = before.matches('\n').count() + 1;
    // A long line is cut around the place.
    let first = column.saturating_sub(60);
    let shown: String = line.chars().skip(first).take(100).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let title = format!("  line {number}: ");
    writeln!(out, "{title}{shown}")?;
    writeln!(out, "{}^", " ".repeat(title.len() + column - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("SELECT 'ü', f()", 0), 1);
        assert_eq!(position("SELECT 'ü', f()", "SELECT 'ü', ".len()), 13);
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let mut out = String::new();
        caret(&mut out, "SELECT 1,\n  f(2)", 12).unwrap();
        assert_eq!(out, "  line 2:   f(2)\n            ^\n");
    }
}
