//! The attacks as text: one a line, in families.
//!
//! | line | meaning |
//! |---|---|
//! | `# …` | a comment |
//! | `== name` | the family of what follows |
//! | `SQL` | must be refused, in a simple query and over the extended protocol in three ways |
//! | `SQL ==> SQL` | steps of one session, of which one must be refused |
//! | `@mode SQL ==> SQL` | must be refused, or leave the session as read-only as it was: a policy may let the words pass |
//! | `@probe VALUE SQL ==> SQL` | whatever becomes of the other steps, the last must answer `VALUE` |
//! | `@leak VALUE SQL ==> SQL` | the same, the last step in another session |
//! | `@startup name=value` | a start-up parameter; the login must be refused |
//! | `@pipeline SQL ==> SQL` | all in one batch: what follows the refused step must not run |
//! | `@types OID,OID SQL` | declared parameter types |
//! | `@call OID ARG \| ARG` | a fast-path FunctionCall |
//! | `@frames …` | raw messages, see [`super::frames`] |
//!
//! In SQL, `<NL>`, `<TAB>`, `<CR>`, `<FF>`, `<VT>`, `<NUL>` and `<U+00E9>` stand for characters, `<3*ab>` for `ababab`.

use std::fmt;

use super::attempt::Protocol;
use super::frames;

/// One attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// File and line: stable enough to talk about.
    pub id: String,
    /// The family it belongs to.
    pub family: String,
    /// The line as written.
    pub text: String,
    /// What to do.
    pub moves: Move,
}

/// What an attack does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Statements, one after the other.
    Steps(Vec<String>),
    /// The same, of READ WRITE: the words may pass where they have no meaning.
    Mode(Vec<String>),
    /// Statements, and what the last must answer.
    Probe {
        /// The answer of a session that the attack did not change.
        expected: String,
        /// Statements; the last asks.
        steps: Vec<String>,
        /// The last asks in another session.
        elsewhere: bool,
    },
    /// A start-up parameter.
    Startup {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Statements in one batch.
    Pipeline(Vec<String>),
    /// A statement with declared parameter types.
    Types(Vec<u32>, String),
    /// Bytes after the login.
    Frames(Vec<u8>),
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// File and line.
    pub id: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)
    }
}

const FILES: &[(&str, &str)] = &[
    ("writes", include_str!("attacks/writes.txt")),
    ("transactions", include_str!("attacks/transactions.txt")),
    ("functions", include_str!("attacks/functions.txt")),
    ("protocol", include_str!("attacks/protocol.txt")),
    ("readers", include_str!("attacks/readers.txt")),
];

/// The shipped corpus.
///
/// # Errors
/// The first line that cannot be read; a test holds that there is none.
pub fn attacks() -> Result<Vec<Attack>, Mistake> {
    let mut all = Vec::new();
    for (name, text) in FILES {
        all.extend(parse(name, text)?);
    }
    Ok(all)
}

/// The attacks in a text of the same form; `name` makes their ids.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(name: &str, text: &str) -> Result<Vec<Attack>, Mistake> {
    let mut all = Vec::new();
    let mut family = String::new();
    for (index, line) in text.lines().enumerate() {
        let id = format!("{name}:{}", index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            family = title.to_owned();
            continue;
        }
        match moves(line) {
            Ok(moves) => all.push(Attack { id, family: family.clone(), text: line.to_owned(), moves }),
            Err(message) => return Err(Mistake { id, message }),
        }
    }
    Ok(all)
}

fn moves(line: &str) -> Result<Move, String> {
    let Some((directive, rest)) = line.strip_prefix('@').map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) else {
        return Ok(Move::Steps(steps(line)?));
    };
    match directive {
        "probe" | "leak" => {
            let (expected, rest) = rest.split_once(' ').ok_or("no expected value")?;
            Ok(Move::Probe { expected: expected.to_owned(), steps: steps(rest)?, elsewhere: directive == "leak" })
        }
        "startup" => {
            let (name, value) = rest.split_once('=').ok_or("no value")?;
            Ok(Move::Startup { name: name.to_owned(), value: value.to_owned() })
        }
        "mode" => Ok(Move::Mode(steps(rest)?)),
        "pipeline" => Ok(Move::Pipeline(steps(rest)?)),
        "types" => {
            let (types, sql) = rest.split_once(' ').ok_or("no statement")?;
            let types = types.split(',').map(|oid| oid.parse().map_err(|_| format!("no OID: {oid}")));
            Ok(Move::Types(types.collect::<Result<_, String>>()?, unescaped(sql)?))
        }
        "call" => {
            let (function, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
            let function = function.parse().map_err(|_| format!("no OID: {function}"))?;
            let arguments: Vec<&str> = arguments.split(" | ").filter(|argument| !argument.is_empty()).collect();
            Ok(Move::Frames(frames::function_call(function, &arguments)))
        }
        "frames" => Ok(Move::Frames(frames::read(rest)?)),
        _ => Err(format!("no such directive: @{directive}")),
    }
}

fn steps(text: &str) -> Result<Vec<String>, String> {
    text.split(" ==> ").map(unescaped).collect()
}

/// Replaces `<NL>` and its like.
fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        // `*/` may stand in what is repeated, `>` may not.
        let known = after.split_once('>').and_then(|(token, after)| Some((replacement(token)?, after)));
        match known {
            Some((replacement, after)) => {
                out.push_str(&replacement);
                rest = after;
            }
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    if out.len() > LINE_BYTES_MAX { Err("too long".to_owned()) } else { Ok(out) }
}

const LINE_BYTES_MAX: usize = 4 << 20;

fn replacement(token: &str) -> Option<String> {
    if let Some(code) = token.strip_prefix("U+") {
        return u32::from_str_radix(code, 16).ok().and_then(char::from_u32).map(String::from);
    }
    if let Some((count, what)) = token.split_once('*') {
        return count.parse().ok().map(|count| what.repeat(count));
    }
    let character = match token {
        "NL" => '\n',
        "TAB" => '\t',
        "CR" => '\r',
        "FF" => '\u{c}',
        "VT" => '\u{b}',
        "NUL" => '\0',
        _ => return None,
    };
    Some(character.to_string())
}

impl Attack {
    /// The protocols it is tried over.
    #[must_use]
    pub fn protocols(&self) -> &'static [Protocol] {
        match &self.moves {
            // Of EXECUTE nothing is looked at before it runs.
            Move::Steps(steps) if steps.last().is_some_and(|step| step.contains("EXECUTE ")) => {
                &[Protocol::Simple, Protocol::Extended, Protocol::Prepared]
            }
            Move::Steps(_) | Move::Mode(_) => {
                &[Protocol::Simple, Protocol::Extended, Protocol::Prepared, Protocol::BindOnly]
            }
            Move::Probe { .. } => &[Protocol::Simple, Protocol::Extended],
            Move::Startup { .. } | Move::Frames(_) => &[Protocol::Raw],
            Move::Pipeline(_) | Move::Types(..) => &[Protocol::Extended],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_reads_and_is_large() {
        let attacks = attacks().unwrap();
        assert!(attacks.len() >= 1_000, "{}", attacks.len());
        let mut texts: Vec<&str> = attacks.iter().map(|attack| attack.text.as_str()).collect();
        texts.sort_unstable();
        let repeated: Vec<_> = texts.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert_eq!(repeated, [""; 0]);
        assert!(attacks.iter().all(|attack| !attack.family.is_empty()));
    }

    #[test]
    fn every_attack_aims_at_nothing() {
        // Words that say what is aimed at; a line with none of them must be one of the kinds the module allows.
        for attack in attacks().unwrap() {
            let text = attack.text.to_lowercase();
            let writes = ["insert into ", "update ", "delete from ", "truncate ", "drop ", "alter "];
            let named = ["vitrine_verify", "where false", "rename table", "large object 0"];
            let aims = writes.iter().any(|word| text.starts_with(word));
            assert!(!aims || named.iter().any(|name| text.contains(name)), "{}: {}", attack.id, attack.text);
        }
    }

    #[test]
    fn characters_are_written_out() {
        assert_eq!(unescaped("a<NL>b<U+00E9><3*(> 1 <2> < x").unwrap(), "a\nbé((( 1 <2> < x");
        assert_eq!(
            moves("@probe on A ==> B").unwrap(),
            Move::Probe { expected: "on".into(), steps: vec!["A".into(), "B".into()], elsewhere: false }
        );
        assert!(moves("@nosuch x").is_err());
    }
}
