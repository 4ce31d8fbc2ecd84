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

/// What is answered to a line that asks nothing: its place stands for its id.
#[derive(Debug, Serialize)]
struct Fault {
    id: Option<serde_json::Value>,
    line: usize,
    verdict: &'static str,
    message: String,
}

/// Answers line `number` (from 1), `{"id": …, "sql": "…"}`; other keys are ignored. Also tells whether it passed. A line
/// that is not such an object has the verdict `error`.
///
/// # Errors
/// When the answer cannot be written as JSON.
pub fn answer(reviewer: &Reviewer, number: usize, line: &str) -> Result<(String, bool), serde_json::Error> {
    let question: Question = match serde_json::from_str(line) {
        Ok(question) => question,
        Err(error) => {
            let read: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let id = read.and_then(|mut object| object.get_mut("id").map(serde_json::Value::take));
            let fault = Fault { id, line: number, verdict: "error", message: error.to_string() };
            return Ok((serde_json::to_string(&fault)?, false));
        }
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn a_line_that_asks_nothing_is_answered_too() {
        let reviewer = Reviewer::offline(Policy::built_in());
        for (line, id, passes) in [
            ("SELECT 1", serde_json::Value::Null, false),
            (r#"{"id": 7, "sq": "SELECT 1"}"#, 7.into(), false),
            (r#"{"id": "a", "sql": "SELECT 1"}"#, "a".into(), true),
        ] {
            let (said, passed) = answer(&reviewer, 3, line).unwrap();
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert_eq!((&said["id"], passed), (&id, passes), "{said}");
            assert_eq!(said["verdict"], if passes { "permit" } else { "error" });
        }
    }
}
