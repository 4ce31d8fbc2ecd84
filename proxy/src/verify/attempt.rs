//! One attack over one protocol, and what became of it.

use std::fmt;

use bytes::BytesMut;
use serde::Serialize;

use super::corpus::{Attack, Move};
use super::line::{Answer, Line, LineError, put_bind, put_parse, put_statement, question};
use super::way::Way;
use crate::wire::frontend;
use crate::wire::sqlstate::SqlState;

/// How the statements of an attack are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A simple query.
    Simple,
    /// Parse, Bind, Describe, Execute of the unnamed statement.
    Extended,
    /// A named statement, executed after the Sync that follows its Parse.
    Prepared,
    /// Parse and Bind of the last step, without Execute: planning alone runs some functions.
    BindOnly,
    /// Messages of the attack's own.
    Raw,
}

/// Who refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The gateway.
    Gateway,
    /// PostgreSQL: the gateway let the statement pass.
    Database,
}

/// A refusal as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Who refused.
    pub by: By,
    /// The code.
    pub sqlstate: String,
    /// The gateway's rule, where a rule spoke.
    pub rule: Option<String>,
    /// The primary message.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)
    }
}

/// What became of an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The gateway refused.
    RefusedByGateway(Refusal),
    /// The gateway passed it on, and a later wall held: the read-only session, the role, or PostgreSQL's own grammar.
    RefusedByDatabase(Refusal),
    /// Nothing was refused, and the session is as it was.
    WithoutEffect {
        /// What was asked afterwards, and answered as it must be.
        answer: String,
    },
    /// It was permitted, or stopped by nothing but the absence of what it aimed at.
    GotThrough {
        /// What was seen.
        why: String,
    },
    /// It could not be tried in this way.
    NotRun {
        /// Why.
        why: String,
    },
}

/// Tries an attack over one protocol, in a session of its own.
pub async fn attempt(way: &Way, attack: &Attack, protocol: Protocol) -> Outcome {
    let tried = match &attack.moves {
        Move::Steps(steps) => in_steps(way, steps, protocol).await.map(|(_, answer)| answer),
        Move::Mode(steps) => return moded(way, steps, protocol).await.unwrap_or_else(broken),
        Move::Probe { expected, steps, elsewhere } => {
            return probed(way, steps, *elsewhere, protocol).await.map_or_else(broken, |answer| held(expected, answer));
        }
        Move::Startup { name, value } => return startup(way, name, value).await,
        Move::Pipeline(steps) => pipeline(way, steps).await,
        Move::Types(types, sql) => {
            return typed(way, types, sql).await.map_or_else(broken, nothing_ran);
        }
        Move::Frames(bytes) => return raw(way, bytes).await.map_or_else(broken, nothing_ran),
    };
    tried.map_or_else(broken, |answer| judged(&answer))
}

/// The steps of one session; the first refusal ends it.
async fn in_steps(way: &Way, steps: &[String], protocol: Protocol) -> Result<(Line, Answer), LineError> {
    let mut line = way.open(&[]).await?;
    let mut answer = Answer::default();
    for (index, step) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        answer = say(&mut line, step, protocol, last).await?;
        if answer.refusal.is_some() || answer.copy_in || answer.closed {
            break;
        }
    }
    Ok((line, answer))
}

/// What the session says of itself after steps that ask to write, where none was refused.
async fn moded(way: &Way, steps: &[String], protocol: Protocol) -> Result<Outcome, LineError> {
    let (mut line, answer) = in_steps(way, steps, protocol).await?;
    if answer.refusal.is_some() || answer.copy_in || answer.closed {
        return Ok(judged(&answer));
    }
    for question in ["SHOW transaction_read_only", "SHOW default_transaction_read_only"] {
        let said = say(&mut line, question, Protocol::Simple, true).await?;
        if said.value.as_deref() != Some("on") || said.refusal.is_some() {
            return Ok(Outcome::GotThrough { why: format!("{question} answers {:?}", said.value) });
        }
    }
    Ok(Outcome::WithoutEffect { answer: "the words passed, and the session is read-only".to_owned() })
}

/// Sends one statement; `last` of its session.
async fn say(line: &mut Line, sql: &str, protocol: Protocol, last: bool) -> Result<Answer, LineError> {
    let mut out = BytesMut::new();
    match protocol {
        Protocol::Simple | Protocol::Raw => return line.ask(&question(sql)).await,
        Protocol::BindOnly if !last => return line.ask(&question(sql)).await,
        Protocol::BindOnly => {
            put_parse(&mut out, "", sql, &[]);
            put_bind(&mut out, "", 0);
        }
        Protocol::Extended => put_statement(&mut out, "", sql, &[]),
        Protocol::Prepared => {
            put_parse(&mut out, "vitrine_verify", sql, &[]);
            frontend::put_sync(&mut out);
            let parsed = line.ask(&out).await?;
            if parsed.refusal.is_some() {
                return Ok(parsed);
            }
            out.clear();
            put_bind(&mut out, "vitrine_verify", 0);
            frontend::put_execute(&mut out, "", 0);
            frontend::put_close(&mut out, b'S', "vitrine_verify");
        }
    }
    frontend::put_sync(&mut out);
    line.ask(&out).await
}

/// All steps but the last, whatever becomes of them; then the last, which asks.
async fn probed(way: &Way, steps: &[String], elsewhere: bool, protocol: Protocol) -> Result<Answer, LineError> {
    let mut line = way.open(&[]).await?;
    let (last, before) = steps.split_last().ok_or(LineError::Protocol)?;
    for step in before {
        say(&mut line, step, protocol, false).await?;
    }
    if elsewhere {
        drop(line);
        line = way.open(&[]).await?;
    }
    say(&mut line, last, protocol, true).await
}

async fn startup(way: &Way, name: &str, value: &str) -> Outcome {
    match way.open(&[(name, value)]).await {
        Ok(_) => Outcome::GotThrough { why: "the login was accepted".to_owned() },
        Err(error) => broken(error),
    }
}

async fn pipeline(way: &Way, steps: &[String]) -> Result<Answer, LineError> {
    let mut out = BytesMut::new();
    for step in steps {
        put_statement(&mut out, "", step, &[]);
    }
    frontend::put_sync(&mut out);
    way.open(&[]).await?.ask(&out).await
}

async fn typed(way: &Way, types: &[u32], sql: &str) -> Result<Answer, LineError> {
    let mut out = BytesMut::new();
    put_statement(&mut out, "", sql, types);
    frontend::put_sync(&mut out);
    way.open(&[]).await?.ask(&out).await
}

async fn raw(way: &Way, bytes: &[u8]) -> Result<Answer, LineError> {
    way.open(&[]).await?.say_last(bytes).await
}

/// Messages that break the protocol may be answered by silence and a closed connection, or by any error; nothing may
/// complete.
fn nothing_ran(answer: Answer) -> Outcome {
    if !answer.completed_after.is_empty() || !answer.completed.is_empty() || answer.copy_in {
        return through(&answer);
    }
    match answer.refusal {
        Some(refusal) => refused(refusal),
        None if answer.closed => {
            Outcome::WithoutEffect { answer: "the connection was closed, nothing had run".to_owned() }
        }
        None => through(&answer),
    }
}

fn refused(refusal: Refusal) -> Outcome {
    match refusal.by {
        By::Gateway => Outcome::RefusedByGateway(refusal),
        By::Database => Outcome::RefusedByDatabase(refusal),
    }
}

fn held(expected: &str, answer: Answer) -> Outcome {
    match (answer.refusal, answer.value) {
        (None, Some(value)) if value == expected => Outcome::WithoutEffect { answer: value },
        (None, value) => {
            Outcome::GotThrough { why: format!("the answer is {value:?}, and must be {expected:?} in every session") }
        }
        (Some(refusal), _) => refused(refusal),
    }
}

fn judged(answer: &Answer) -> Outcome {
    match &answer.refusal {
        Some(refusal) if answer.completed_after.is_empty() && !answer.copy_in => match refusal.by {
            By::Gateway => Outcome::RefusedByGateway(refusal.clone()),
            By::Database if is_a_wall(&refusal.sqlstate) => Outcome::RefusedByDatabase(refusal.clone()),
            By::Database => Outcome::GotThrough { why: format!("nothing but its target was missing: {refusal}") },
        },
        Some(_) | None => through(answer),
    }
}

/// What PostgreSQL says when it refuses the statement itself, whatever it aims at.
fn is_a_wall(sqlstate: &str) -> bool {
    let walls = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::SYNTAX_ERROR,
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::INVALID_CURSOR_NAME,
    ];
    walls.iter().any(|wall| wall.code() == sqlstate)
}

fn through(answer: &Answer) -> Outcome {
    let mut seen = answer.completed.clone();
    seen.extend(answer.completed_after.iter().map(|tag| format!("{tag} after the refusal")));
    if answer.copy_in {
        seen.push("data was asked for".to_owned());
    }
    let why = if seen.is_empty() { "nothing was refused".to_owned() } else { seen.join(", ") };
    Outcome::GotThrough { why }
}

fn broken(error: LineError) -> Outcome {
    match error {
        LineError::Refused(refusal) => Outcome::RefusedByGateway(refusal),
        LineError::NotPossible(why) => Outcome::NotRun { why },
        // Whether it had an effect is not known, and so it counts.
        LineError::Io(_) | LineError::Timeout | LineError::Protocol => Outcome::GotThrough { why: error.to_string() },
    }
}
