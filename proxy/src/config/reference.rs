//! The reference: `config/vitrine.toml` and the tables of `docs/configure.md`, written from the settings themselves so that
//! they cannot lag behind them.

mod markdown;

pub use markdown::markdown;

use super::section::{Described, Section};
use super::settings::{
    Admin, Cache, Customer, DatabaseEntry, Insights, Limits, Pool, Server, TenantEntry, Timeouts, Tls, Top, UserEntry,
    Watch,
};
use std::fmt::Write;

/// One section and its settings.
pub(super) struct SectionReference {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) repeated: bool,
    pub(super) settings: Vec<Described>,
}

/// The complete file with every default, its meaning and its environment variable.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# Vitrine's configuration, complete. Every value here is the built-in default; what has none is commented out.\n\
         # Each value can be given by the environment variable in brackets instead, and the environment beats this file.\n\
         # A variable with _FILE added to its name is the path of a file that holds the value, as secrets are mounted.\n\
         # This file is what `vitrine config reference --toml` prints; a test holds them equal.\n",
    );
    for section in sections() {
        write_section(&mut out, &section);
    }
    out
}

/// Every section, in the order of the file.
pub(super) fn sections() -> Vec<SectionReference> {
    vec![
        once::<Top>(),
        once::<Customer>(),
        once::<Insights>(),
        once::<Admin>(),
        once::<Tls>(),
        once::<Server>(),
        once::<Pool>(),
        once::<Limits>(),
        once::<Timeouts>(),
        once::<Watch>(),
        once::<Cache>(),
        SectionReference { repeated: true, ..once::<DatabaseEntry>() },
        SectionReference { repeated: true, ..once::<UserEntry>() },
        SectionReference { repeated: true, ..once::<TenantEntry>() },
    ]
}

/// The environment variable of a setting.
pub(super) fn variable(section: &str, key: &str) -> String {
    if section.is_empty() {
        format!("VITRINE_{}", key.to_uppercase())
    } else {
        format!("VITRINE_{}_{}", section.replace('.', "_").to_uppercase(), key.to_uppercase())
    }
}

fn once<T: Section>() -> SectionReference {
    SectionReference { name: T::NAME, meaning: T::MEANING, repeated: false, settings: T::describe() }
}

fn write_section(out: &mut String, section: &SectionReference) {
    out.push('\n');
    for line in section.meaning.lines() {
        let _ = writeln!(out, "#{line}");
    }
    match (section.name, section.repeated) {
        ("", _) => {}
        (name, false) => {
            let _ = writeln!(out, "[{name}]");
        }
        (name, true) => {
            let _ = writeln!(out, "# [[{name}]]");
        }
    }
    for setting in &section.settings {
        let variable = match section.repeated {
            true => variable(&format!("{}_1", section.name), setting.key),
            false => variable(section.name, setting.key),
        };
        out.push('\n');
        for line in setting.meaning.lines() {
            let _ = writeln!(out, "#{line}");
        }
        let _ = writeln!(out, "# [{variable}: {}]", setting.expects);
        let (value, commented) = match setting.default.as_str() {
            "" => (setting.example, true),
            default => (default, section.repeated),
        };
        let _ = writeln!(out, "{}{} = {value}", if commented { "# " } else { "" }, setting.key);
    }
}
