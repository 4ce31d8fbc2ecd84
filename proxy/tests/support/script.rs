//! Conversations as text files (`*.pt`): what a client sends, `----`, what it is answered.
//!
//! A block is a run of lines; blocks are parted by blank lines. `#` starts a comment; an indented line continues the
//! one above it. `-` is the empty name. What can be sent:
//!
//! ```text
//! connect TimeZone=Asia/Tokyo            a new connection, in place of the present one
//! query SELECT 1; SELECT 2               simple query (\n is a line break)
//! parse NAME types=int4,0 SELECT $1      `types=` may be missing
//! bind PORTAL STATEMENT 1 'two words' null x'00ff' formats=0,1 results=1
//! describe statement|portal NAME         close statement|portal NAME
//! execute PORTAL 5                       at most five rows; none given: all
//! sync   flush   terminate
//! raw Q 'text' x'00' length=9            any message; `length=` lies about its length
//! bytes x'0001'                          no message at all
//! wait                                   nothing is sent; what comes unasked is shown
//! ready 1                                how many ReadyForQuery to wait for, where skipping makes it fewer
//! ```
//!
//! The answer ends with as many ReadyForQuery as were asked for, or when nothing more comes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres_types::Type;

use super::raw::{self, Raw, Values};

/// Who a script talks to.
pub struct Counterpart<'a> {
    pub address: SocketAddr,
    pub user: &'a str,
    /// Start-up parameters of every connection.
    pub parameters: Vec<(&'a str, &'a str)>,
    /// The server's major version.
    pub version: u32,
}

/// One block of a file.
struct Block {
    comments: Vec<String>,
    /// As written, for writing the file again.
    source: Vec<String>,
    /// Continuation lines joined.
    sent: Vec<String>,
    expected: Vec<String>,
}

/// Every `*.pt` of a folder beside this test.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    files
}

/// Plays a file; the answer is the file's text as it would have to be.
pub fn play(file: &Path, with: &Counterpart<'_>) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let mut connection = Raw::connect(with.address, with.user, &with.parameters).unwrap();
    let mut played = String::new();
    for block in blocks(&text) {
        for comment in &block.comments {
            played.push_str(comment);
            played.push('\n');
        }
        if !block.sent.is_empty() {
            let answers = converse(&mut connection, &block, with);
            for line in block.source.iter().chain([&"----".to_owned()]).chain(&answers) {
                played.push_str(line);
                played.push('\n');
            }
        }
        played.push('\n');
    }
    played.truncate(played.trim_end().len());
    played.push('\n');
    played
}

/// Sends some lines and returns the answer's, on a connection that is open already.
pub fn say(connection: &mut Raw, lines: &[&str], with: &Counterpart<'_>) -> Vec<String> {
    converse(connection, &block(&lines.join("\n")), with)
}

/// The blocks in which two plays of a file differ. A block under a comment that begins with `until 17:` is not looked
/// at where the server's `version` is later.
pub fn difference(file: &Path, expected: &str, actual: &str, version: u32) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut report = String::new();
    let (expected, actual) = (blocks(expected), blocks(actual));
    let differ = expected.iter().zip(&actual).filter(|(old, new)| old.expected != new.expected);
    for (old, new) in differ.filter(|(old, _)| old.is_for(version)) {
        let show =
            |sign: &str, lines: &[String]| lines.iter().map(|line| format!("  {sign} {line}\n")).collect::<String>();
        report.push_str(&format!(
            "{}{}{}\n",
            show(" ", &old.source),
            show("-", &old.expected),
            show("+", &new.expected)
        ));
    }
    (!report.is_empty()).then(|| format!("{}\n{report}", file.file_name().unwrap().to_string_lossy()))
}

impl Block {
    fn is_for(&self, version: u32) -> bool {
        let until = |comment: &String| comment.strip_prefix("# until ")?.split_once(':')?.0.parse::<u32>().ok();
        self.comments.iter().filter_map(until).all(|last| version <= last)
    }
}

fn blocks(text: &str) -> Vec<Block> {
    text.split("\n\n").filter(|part| !part.trim().is_empty()).map(block).collect()
}

fn block(part: &str) -> Block {
    let mut block = Block { comments: Vec::new(), source: Vec::new(), sent: Vec::new(), expected: Vec::new() };
    let mut answering = false;
    for line in part.lines().filter(|line| !line.is_empty()) {
        match line {
            "----" => answering = true,
            _ if answering => block.expected.push(line.to_owned()),
            _ if line.starts_with('#') => block.comments.push(line.to_owned()),
            _ => {
                block.source.push(line.to_owned());
                match block.sent.last_mut().filter(|_| line.starts_with(' ')) {
                    Some(above) => above.push_str(&format!("\n{}", line.trim_start())),
                    None => block.sent.push(line.to_owned()),
                }
            }
        }
    }
    block
}

fn converse(connection: &mut Raw, block: &Block, with: &Counterpart<'_>) -> Vec<String> {
    let mut answers = Vec::new();
    let (mut bytes, mut ready, mut told, mut closes) = (Vec::new(), 0, None, false);
    for line in &block.sent {
        if let Some(parameters) = word(line, "connect") {
            let own = parameters.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            let all: Vec<(&str, &str)> = with.parameters.iter().copied().chain(own).collect();
            match Raw::connect(with.address, with.user, &all) {
                Ok(fresh) => {
                    *connection = fresh;
                    answers.push("connected".to_owned());
                }
                Err(refusal) => answers.push(refusal),
            }
            continue;
        }
        if let Some(count) = word(line, "ready") {
            told = Some(count.parse().unwrap());
            continue;
        }
        let message = encode(line);
        ready += usize::from(matches!(message.first(), Some(b'Q' | b'S' | b'F')));
        closes |= message.first() == Some(&b'X');
        bytes.extend(message);
    }
    connection.send(&bytes);
    let ready = told.unwrap_or(ready);
    if closes {
        answers.extend(connection.lines_until_ready(usize::MAX));
    } else if ready > 0 {
        answers.extend(connection.lines_until_ready(ready));
    } else if !bytes.is_empty() || block.sent.iter().any(|line| line == "wait") {
        answers.extend(until_silence(connection, block.expected.len()));
    }
    answers
}

/// What comes when nothing says how much will: as much as expected in its time, more if it comes at once.
fn until_silence(connection: &mut Raw, expected: usize) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let patience = if lines.len() < expected { Duration::from_secs(5) } else { Duration::from_millis(300) };
        match connection.message_within(patience) {
            Ok(Some(message)) => lines.push(connection.line(&message)),
            Ok(None) => return lines,
            Err(()) => {
                lines.push("closed".to_owned());
                return lines;
            }
        }
    }
}

fn word<'a>(line: &'a str, first: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(first)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

fn encode(line: &str) -> Vec<u8> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "query" => raw::query(&unescaped(rest)),
        "parse" => encode_parse(rest),
        "bind" => encode_bind(rest),
        "describe" => raw::about(b'D', kind(rest), name(rest.split_once(' ').unwrap().1)),
        "close" => raw::about(b'C', kind(rest), name(rest.split_once(' ').unwrap().1)),
        "execute" => {
            let (portal, rows) = rest.split_once(' ').unwrap_or((rest, "0"));
            raw::execute(name(portal), rows.parse().unwrap())
        }
        "sync" => raw::sync(),
        "flush" => raw::frame(b'H', &[]),
        "terminate" => raw::frame(b'X', &[]),
        "raw" => encode_raw(rest),
        "bytes" => tokens(rest).concat(),
        "wait" => Vec::new(),
        _ => panic!("cannot send {line:?}"),
    }
}

fn encode_parse(rest: &str) -> Vec<u8> {
    let (statement, mut sql) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut types = Vec::new();
    if let Some(after) = sql.strip_prefix("types=") {
        let (list, text) = after.split_once(' ').unwrap_or((after, ""));
        types = list.split(',').map(oid).collect();
        sql = text;
    }
    raw::parse(name(statement), &unescaped(sql), &types)
}

fn encode_bind(rest: &str) -> Vec<u8> {
    let mut words = rest.splitn(3, ' ');
    let (portal, statement) = (words.next().unwrap(), words.next().unwrap());
    let mut values = Values::default();
    for token in split_tokens(words.next().unwrap_or_default()) {
        let numbers = |list: &str| list.split(',').map(|one| one.parse().unwrap()).collect();
        if let Some(list) = token.strip_prefix("formats=") {
            values.formats = numbers(list);
        } else if let Some(list) = token.strip_prefix("results=") {
            values.results = numbers(list);
        } else {
            values.values.push((token != "null").then(|| token_bytes(&token)));
        }
    }
    raw::bind(name(portal), name(statement), &values)
}

fn encode_raw(rest: &str) -> Vec<u8> {
    let (tag, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let tag = if tag.len() == 1 { tag.as_bytes()[0] } else { token_bytes(tag)[0] };
    let all = split_tokens(rest);
    let body: Vec<u8> = all.iter().filter(|t| !t.starts_with("length=")).flat_map(|t| token_bytes(t)).collect();
    let mut bytes = raw::frame(tag, &body);
    if let Some(length) = all.iter().find_map(|token| token.strip_prefix("length=")) {
        let length: i64 = length.parse().unwrap();
        bytes[1..5].copy_from_slice(&length.to_be_bytes()[4..]);
    }
    bytes
}

fn tokens(text: &str) -> Vec<Vec<u8>> {
    split_tokens(text).iter().map(|token| token_bytes(token)).collect()
}

/// Splits at blanks outside of quotes; the quotes stay.
fn split_tokens(text: &str) -> Vec<String> {
    let (mut all, mut token, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '\'';
        if c.is_whitespace() && !quoted {
            all.extend((!token.is_empty()).then(|| std::mem::take(&mut token)));
        } else {
            token.push(c);
        }
    }
    all.extend((!token.is_empty()).then_some(token));
    all
}

fn token_bytes(token: &str) -> Vec<u8> {
    let inner = |prefix: &str| token.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('\''));
    if let Some(digits) = inner("x'") {
        let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        return (0..digits.len()).step_by(2).map(digit).collect();
    }
    unescaped(inner("'").unwrap_or(token)).into_bytes()
}

fn kind(rest: &str) -> u8 {
    match rest.split_once(' ').unwrap().0 {
        "statement" => b'S',
        "portal" => b'P',
        other => panic!("neither statement nor portal: {other}"),
    }
}

fn name(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

fn oid(word: &str) -> u32 {
    let known = [
        Type::BOOL,
        Type::BYTEA,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::TEXT,
        Type::VARCHAR,
        Type::FLOAT8,
        Type::NUMERIC,
        Type::DATE,
        Type::TIMESTAMPTZ,
        Type::JSONB,
        Type::UUID,
        Type::INT4_ARRAY,
        Type::VOID,
    ];
    let by_name = known.iter().find(|one| one.name() == word).map(Type::oid);
    by_name.unwrap_or_else(|| word.parse().unwrap_or_else(|_| panic!("unknown type {word}")))
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}
