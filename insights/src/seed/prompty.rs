//! `.prompty` files: front matter in YAML between two lines of `---`, then the body of the prompt.
//!
//! <https://prompty.ai/docs/prompty-file-format>. A line of the body with nothing but a role and a colon begins a message.
//! Placeholders (`{{name}}`, `${env:NAME}`) are kept as they are: nothing is looked up when a prompt is planted.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};
use serde_saphyr::{Budget, Options};

/// One message of a chat prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user`, `assistant`, `developer`, `function` or `tool`.
    pub role: String,
    /// Its text, without the line breaks around it.
    pub content: String,
}

/// A prompt, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompty {
    /// What a person calls it.
    pub name: String,
    /// All of the front matter.
    pub front_matter: Map<String, Value>,
    /// Everything after it.
    pub body: String,
    /// The body cut into messages; one of role `system` where no line names a role. None for `api: completion`.
    pub messages: Vec<Message>,
}

const ROLES: &[&str] = &["system", "user", "assistant", "developer", "function", "tool"];

/// What the keys that Prompty gives a meaning must hold. Others are kept as they are.
#[derive(Deserialize)]
struct Known {
    name: String,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default, rename = "version")]
    _version: Option<String>,
    #[serde(default, rename = "authors")]
    _authors: Option<Vec<String>>,
    #[serde(default, rename = "tags")]
    _tags: Option<Vec<String>>,
    #[serde(default)]
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    api: Option<Api>,
    #[serde(default, rename = "configuration")]
    _configuration: Option<std::collections::BTreeMap<String, IgnoredAny>>,
    #[serde(default, rename = "parameters")]
    _parameters: Option<std::collections::BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Api {
    Chat,
    Completion,
}

impl Prompty {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let (front, body) = split(&text)?;
        // The line of `---` comes before the YAML's first.
        let misread = |error: serde_saphyr::Error| {
            let line = error.location().map_or(1, |place| usize::try_from(place.line()).unwrap_or(1));
            (line + 1, message(&error))
        };
        let known: Known = serde_saphyr::from_str_with_options(front, options()).map_err(misread)?;
        let front_matter: Map<String, Value> =
            serde_saphyr::from_str_with_options(front, options()).map_err(misread)?;
        if known.name.trim().is_empty() {
            return Err((2, "the name is empty".to_owned()));
        }
        if body.trim().is_empty() {
            return Err((text.lines().count().max(1), "there is no body after the front matter".to_owned()));
        }
        let completion = known.model.and_then(|model| model.api) == Some(Api::Completion);
        let messages = if completion { Vec::new() } else { messages(body) };
        Ok(Self { name: known.name, front_matter, body: body.to_owned(), messages })
    }

    /// As the content of a document.
    #[must_use]
    pub fn content(&self) -> Value {
        let messages: Vec<Value> =
            self.messages.iter().map(|said| json!({ "role": said.role, "content": said.content })).collect();
        json!({ "front_matter": self.front_matter, "body": self.body, "messages": messages })
    }
}

/// A prompt needs little: what needs more is an attack or a mistake.
fn options() -> Options {
    let mut options = Options::default();
    let mut budget = Budget::default();
    budget.max_depth = 32;
    budget.max_nodes = 10_000;
    budget.max_events = 40_000;
    budget.max_aliases = 100;
    budget.max_anchors = 100;
    budget.max_documents = 1;
    budget.max_total_scalar_bytes = 1 << 20;
    options.budget = Some(budget);
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = 10_000;
    aliases.max_replay_stack_depth = 8;
    aliases.max_alias_expansions_per_anchor = 100;
    options.alias_limits = aliases;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.reject_non_finite_typeless_float = true;
    options.with_snippet = false;
    options
}

/// The message in one line, without the place, which is said in front of it.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or("invalid YAML").trim().to_owned()
}

/// Front matter and body.
fn split(text: &str) -> Result<(&str, &str), (usize, String)> {
    let Some(rest) = text.strip_prefix("---\n") else {
        return Err((1, "expected a first line \"---\" before the front matter".to_owned()));
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            let (front, body) = rest.split_at(at);
            return Ok((front, body.get(line.len()..).unwrap_or_default()));
        }
        at += line.len();
    }
    Err((text.lines().count().max(1), "the front matter has no end: expected a line \"---\"".to_owned()))
}

fn messages(body: &str) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    let mut open = Message { role: "system".to_owned(), content: String::new() };
    for line in body.split_inclusive('\n') {
        let role = line.trim().strip_suffix(':').map(|role| role.trim().to_ascii_lowercase());
        match role.filter(|role| ROLES.contains(&role.as_str())) {
            Some(role) => found.push(std::mem::replace(&mut open, Message { role, content: String::new() })),
            None => open.content.push_str(line),
        }
    }
    found.push(open);
    for message in &mut found {
        message.content = message.content.trim_matches('\n').trim_end().to_owned();
    }
    // Before the first role there is usually nothing.
    found.retain(|message| !message.content.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\r\nname: Explain a trend\ndescription: |\n  Two\n  lines\nauthors: [\"Ada\"]\nmodel:\n  api: chat\n  \
        configuration:\n    key: ${env:KEY}\n  parameters: {temperature: 0.2, max_tokens: 800}\nsample:\n  rows: [1, 2]\nextra: yes\n---\n\
        system:\nYou read numbers.\n\nuser:\n{{rows}}\nNot a role: this.\n";

    #[test]
    fn front_matter_body_and_messages() {
        let prompty = Prompty::parse(GOOD).unwrap();
        assert_eq!(prompty.name, "Explain a trend");
        assert_eq!(prompty.front_matter["description"], "Two\nlines\n");
        assert_eq!(prompty.front_matter["model"]["parameters"], json!({"temperature": 0.2, "max_tokens": 800}));
        assert_eq!(prompty.front_matter["model"]["configuration"]["key"], "${env:KEY}");
        assert_eq!(prompty.front_matter["extra"], "yes", "only true and false are booleans");
        let messages: Vec<_> =
            prompty.messages.iter().map(|said| (said.role.as_str(), said.content.as_str())).collect();
        assert_eq!(messages, [("system", "You read numbers."), ("user", "{{rows}}\nNot a role: this.")]);
        let plain = Prompty::parse("---\nname: n\n---\nOnly this.").unwrap();
        assert_eq!(plain.messages, [Message { role: "system".to_owned(), content: "Only this.".to_owned() }]);
        assert!(Prompty::parse("---\nname: n\nmodel: {api: completion}\n---\nuser:\nx").unwrap().messages.is_empty());
        // A rule inside the body is the body's.
        assert_eq!(Prompty::parse("---\nname: n\n---\na\n---\nb\n").unwrap().body, "a\n---\nb\n");
    }

    #[test]
    fn mistakes_say_their_line() {
        for (text, line, part) in [
            ("name: x\n", 1, "expected a first line"),
            ("---\nname: x\nbody", 3, "has no end"),
            ("---\nname: x\n---\n\n", 4, "no body"),
            ("---\nname: ''\n---\nx", 2, "name is empty"),
            ("---\ndescription: x\n---\nx", 2, "name"),
            ("---\nname: x\nname: y\n---\nx", 3, "uplicate"),
            ("---\nname: x\nauthors: Ada\n---\nx", 3, ""),
            ("---\nname: x\nmodel:\n  api: shout\n---\nx", 5, ""),
            ("---\nname: x\nbad: [1,\n---\nx", 0, ""),
        ] {
            let (found, message) = Prompty::parse(text).unwrap_err();
            assert!(message.contains(part), "{text:?}: {message}");
            // Where the line is 0 or far, any within the file will do.
            assert!(found >= 1 && found <= text.lines().count() + 1, "{text:?}: line {found}");
            if !part.is_empty() && part != "name" {
                assert_eq!(found, line, "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn bombs_are_refused_before_they_cost_anything() {
        let mut bomb = String::from("---\nname: x\na0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..30 {
            let before = level - 1;
            bomb.push_str(&format!(
                "a{level}: &a{level} [*a{before},*a{before},*a{before},*a{before},*a{before},*a{before}]\n"
            ));
        }
        bomb.push_str("---\nbody");
        assert!(Prompty::parse(&bomb).is_err());
        for open in ["[", "{a: ", "- "] {
            let deep = format!("---\nname: x\ndeep: {}\n---\nbody", open.repeat(100_000));
            assert!(Prompty::parse(&deep).is_err(), "{open}");
        }
        assert!(Prompty::parse("---\nname: x\nn: .nan\n---\nbody").is_err(), "JSON has no NaN");
    }
}
