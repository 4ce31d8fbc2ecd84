//! The same settings as tables of `docs/configure.md`, with the defaults of both modes as they come out of resolving.

use super::super::settings::Mode;
use super::super::value::Value;
use super::super::{Config, Environment, parse};
use super::{SectionReference, sections, variable};
use crate::config::section::Described;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Every setting in Markdown: a table for each section.
#[must_use]
pub fn markdown() -> String {
    let development = Defaults::of(Mode::Development);
    let production = Defaults::of(Mode::Production);
    let mut out = String::new();
    for section in sections() {
        write_heading(&mut out, &section);
        out.push_str("| Key | What it does | Takes | Unit | In development | In production | Variable |\n");
        out.push_str("|---|---|---|---|---|---|---|\n");
        for setting in &section.settings {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} | `{}` |",
                setting.key,
                cell(setting.meaning),
                cell(&setting.expects),
                unit(setting.key),
                development.cell(&section, setting),
                production.cell(&section, setting),
                variable_of(&section, setting.key),
            );
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The defaults of one mode.
struct Defaults {
    config: Config,
    /// Keys without which the configuration is refused.
    needed: BTreeSet<String>,
}

impl Defaults {
    /// Begins with nothing but the mode and gives what is asked for, until nothing more is.
    fn of(mode: Mode) -> Self {
        let mut environment = Environment::new();
        environment.insert("VITRINE_MODE".to_owned(), mode.word().to_owned());
        let mut needed = BTreeSet::new();
        loop {
            let (config, mistakes) = parse(None, &environment);
            let before = needed.len();
            for mistake in mistakes {
                if let Some((name, example)) = example_of(&mistake.key) {
                    environment.insert(name, example);
                    needed.insert(mistake.key);
                }
            }
            if needed.len() == before {
                return Self { config, needed };
            }
        }
    }

    fn cell(&self, section: &SectionReference, setting: &Described) -> String {
        let key =
            if section.name.is_empty() { setting.key.to_owned() } else { format!("{}.{}", section.name, setting.key) };
        if self.needed.contains(&key) {
            return "must be set".to_owned();
        }
        match self.resolved(&key) {
            Some(text) => text,
            None if setting.default.is_empty() => "none".to_owned(),
            None => format!("`{}`", setting.default),
        }
    }

    /// What resolving makes of a setting that depends on the mode or on other settings.
    fn resolved(&self, key: &str) -> Option<String> {
        let config = &self.config;
        let text = match key {
            "posture" => config.posture.show(),
            "listen" => config.listen.show(),
            "auth" => config.auth.show(),
            "log" => config.log.show(),
            "tls.required" => config.tls_required.show(),
            "admin.users" if config.may_administer("anybody") => return Some("everybody".to_owned()),
            "admin.users" => return Some("nobody".to_owned()),
            "server.run_dir" => return Some("see left".to_owned()),
            "database.name" => return Some("the URL's".to_owned()),
            "database.pool_size" => return Some("`pool.size`".to_owned()),
            "user.upstream_user" => return Some("the URL's".to_owned()),
            _ => return None,
        };
        Some(format!("`{text}`"))
    }
}

/// The variable of a key, and its example as the environment gives it.
fn example_of(key: &str) -> Option<(String, String)> {
    sections().iter().filter(|section| !section.repeated).find_map(|section| {
        let name = match section.name {
            "" => key,
            name => key.strip_prefix(name)?.strip_prefix('.')?,
        };
        let setting = section.settings.iter().find(|setting| setting.key == name)?;
        Some((variable(section.name, setting.key), setting.example.trim_matches('"').to_owned()))
    })
}

fn write_heading(out: &mut String, section: &SectionReference) {
    let _ = match (section.name, section.repeated) {
        ("", _) => writeln!(out, "### Above the first section\n"),
        (name, false) => writeln!(out, "### `[{name}]`\n"),
        (name, true) => writeln!(out, "### `[[{name}]]`\n"),
    };
    let _ = writeln!(out, "{}\n", words(section.meaning));
}

/// The variable of a setting; entries of a repeated section are numbered.
fn variable_of(section: &SectionReference, key: &str) -> String {
    match section.repeated {
        true => variable(&format!("{}_1", section.name), key).replacen("_1_", "_n_", 1),
        false => variable(section.name, key),
    }
}

/// The unit that a key's name ends with; a plain number counts what the text says.
fn unit(key: &str) -> &'static str {
    match key {
        key if key.ends_with("_ms") => "ms",
        key if key.ends_with("_per_s") => "a second",
        key if key.ends_with("_per_min") => "a minute",
        key if key.contains("bytes_max") => "bytes",
        key if key.contains("depth_max") => "levels",
        _ => "",
    }
}

/// Text within one cell.
fn cell(text: &str) -> String {
    words(text).replace('|', "\\|")
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
