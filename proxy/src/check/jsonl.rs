//! One line in, one line out.

use serde::{Deserialize, Serialize};

use super::{Reviewer, position};

#[derive(Debug, Deserialize)]
struct Question {
    id: serde_json::Value,
    sql: String,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: serde_json::Value,
    verdict: &'static str,
    rule: Option<&'static str>,
    sqlstate: Option<&'a str>,
    /// PostgreSQL's: characters, from 1.
    position: Option<usize>,
    statements: usize,
    relations: Vec<&'a str>,
    functions: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// Only where it passes: whether it may be answered from memory, and if not why.
    #[serde(skip_serializing_if = "Option::is_none")]
    cacheable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_cacheable: Option<String>,
}

/// Answers a line `{"id": …, "sql": "…"}`; other keys are ignored. Also tells whether it passed.
///
/// # Errors
/// When the line is not such an object.
pub fn answer(reviewer: &Reviewer, line: &str) -> Result<(String, bool), serde_json::Error> {
    let question: Question = serde_json::from_str(line)?;
    let verdict = reviewer.verdict(&question.sql);
    let denial = verdict.denial.as_ref();
    let answer = Answer {
        id: question.id,
        verdict: if denial.is_none() { "permit" } else { "deny" },
        rule: denial.map(|denial| denial.rule.name()),
        sqlstate: denial.map(|denial| denial.sqlstate.code()),
        position: denial.and_then(|denial| denial.position).map(|offset| position(&question.sql, offset)),
        statements: verdict.statements,
        relations: verdict.relations(),
        functions: verdict.functions(),
        message: denial.map(|denial| denial.message.as_str()),
        cacheable: denial.is_none().then(|| verdict.not_kept().is_none()),
        not_cacheable: verdict.not_kept().filter(|_| denial.is_none()),
    };
    Ok((serde_json::to_string(&answer)?, denial.is_none()))
}
