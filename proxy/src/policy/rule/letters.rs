//! Letters beyond ASCII in a database of another encoding than UTF8: PostgreSQL cuts and folds names after it has
//! converted them, so that two names which are one to the readers can be two to it, and the other way round.

use crate::policy::case::Case;
use crate::sql::{Denial, Rule, name_beyond_ascii};
use crate::wire::sqlstate::SqlState;

/// Refuses names that could be others there. Texts, numbers and comments may have any letter.
pub(in crate::policy) fn letters(case: &Case<'_>) -> Result<(), Denial> {
    if case.catalog.is_utf8() {
        return Ok(());
    }
    let refusal = |what: &str| {
        let encoding = &case.catalog.objects().encoding;
        let message = format!("{what} beyond ASCII are not supported in a database with encoding \"{encoding}\"");
        Denial::new(Rule::UnsupportedNode, SqlState::FEATURE_NOT_SUPPORTED, message)
    };
    let text = case.text.get(case.statement.span.clone()).unwrap_or(case.text);
    if let Some(position) = name_beyond_ascii(text) {
        return Err(refusal("names").at(case.statement.span.start.saturating_add(position)));
    }
    let uses = &case.statement.uses;
    let looks_up = !(uses.relations.is_empty()
        && uses.functions.is_empty()
        && uses.operators.is_empty()
        && uses.types.is_empty()
        && uses.fields.is_empty());
    if looks_up && case.path.iter().any(|entry| !entry.is_ascii()) {
        return Err(refusal("names in search_path").hint("RESET search_path"));
    }
    // The name of a type in a string.
    if uses.types_of_input && !text.is_ascii() {
        return Err(refusal("names of types"));
    }
    Ok(())
}
