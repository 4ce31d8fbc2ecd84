//! The report, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::attempt::{Outcome, Protocol};
use super::corpus::Attack;

/// What `vitrine verify` found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this program.
    pub gateway_version: String,
    /// Which gateway was attacked.
    pub gateway: String,
    /// Of the policy in force; `None` when the gateway runs elsewhere.
    pub policy_version: Option<String>,
    /// Of the catalog snapshot; `None` when the gateway runs elsewhere.
    pub catalog_version: Option<String>,
    /// The customer database.
    pub database: String,
    /// The upstream role.
    pub role: String,
    /// Of PostgreSQL.
    pub server_version: String,
    /// By the database's clock.
    pub began: String,
    /// By the database's clock.
    pub ended: String,
    /// Attacks in the corpus.
    pub attacks: usize,
    /// Every attempt: an attack over a protocol.
    pub runs: Vec<Run>,
}

/// One attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// File and line in the corpus.
    pub id: String,
    /// Its family.
    pub family: String,
    /// The attack as written in the corpus.
    pub attack: String,
    /// How it was sent.
    pub protocol: Protocol,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Attempts of one family, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Family {
    /// All attempts.
    pub attempts: usize,
    /// Refused by the gateway.
    pub by_gateway: usize,
    /// Refused by the database.
    pub by_database: usize,
    /// Without effect.
    pub without_effect: usize,
    /// Not run.
    pub not_run: usize,
    /// Got through.
    pub got_through: usize,
}

impl Run {
    pub(super) fn new(attack: &Attack, protocol: Protocol, outcome: Outcome) -> Self {
        Self { id: attack.id.clone(), family: attack.family.clone(), attack: attack.text.clone(), protocol, outcome }
    }
}

impl Family {
    fn count(&mut self, outcome: &Outcome) {
        self.attempts += 1;
        match outcome {
            Outcome::RefusedByGateway(_) => self.by_gateway += 1,
            Outcome::RefusedByDatabase(_) => self.by_database += 1,
            Outcome::WithoutEffect { .. } => self.without_effect += 1,
            Outcome::GotThrough { .. } => self.got_through += 1,
            Outcome::NotRun { .. } => self.not_run += 1,
        }
    }
}

impl Report {
    /// All attempts together.
    #[must_use]
    pub fn totals(&self) -> Family {
        let mut totals = Family::default();
        self.runs.iter().for_each(|run| totals.count(&run.outcome));
        totals
    }

    /// Families in the order of the corpus.
    #[must_use]
    pub fn families(&self) -> Vec<(&str, Family)> {
        let mut families: Vec<(&str, Family)> = Vec::new();
        for run in &self.runs {
            match families.iter_mut().find(|(name, _)| *name == run.family) {
                Some((_, family)) => family.count(&run.outcome),
                None => {
                    let mut family = Family::default();
                    family.count(&run.outcome);
                    families.push((&run.family, family));
                }
            }
        }
        families
    }

    /// Nothing got through.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.totals().got_through == 0
    }

    /// As one JSON object.
    ///
    /// # Errors
    /// serde_json's own.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            clean: bool,
            totals: Family,
            #[serde(flatten)]
            report: &'a Report,
        }
        serde_json::to_string_pretty(&Whole { clean: self.is_clean(), totals: self.totals(), report: self })
    }

    /// As Markdown: the verdict, the families, what did not end at the gateway, then every attempt.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let totals = self.totals();
        writeln!(out, "# vitrine verify\n")?;
        match totals.got_through {
            0 => writeln!(out, "**Nothing got through**: {} attempts, {} attacks.\n", totals.attempts, self.attacks)?,
            some => writeln!(out, "**{some} of {} attempts got through.**\n", totals.attempts)?,
        }
        let unseen = || "not visible from outside".to_owned();
        for (name, value) in [
            ("gateway version", self.gateway_version.clone()),
            ("gateway", self.gateway.clone()),
            ("policy version", self.policy_version.clone().unwrap_or_else(unseen)),
            ("catalog version", self.catalog_version.clone().unwrap_or_else(unseen)),
            ("database", self.database.clone()),
            ("role", self.role.clone()),
            ("PostgreSQL", self.server_version.clone()),
            ("began", self.began.clone()),
            ("ended", self.ended.clone()),
        ] {
            writeln!(out, "- {name}: {value}")?;
        }
        writeln!(
            out,
            "\n| family | attempts | refused by the gateway | by the database | without effect | not run | got through |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
        for (name, family) in self.families().into_iter().chain([("all", totals)]) {
            let Family { attempts, by_gateway, by_database, without_effect, not_run, got_through } = family;
            writeln!(
                out,
                "| {name} | {attempts} | {by_gateway} | {by_database} | {without_effect} | {not_run} | {got_through} |"
            )?;
        }
        self.section(out, "Got through", |outcome| matches!(outcome, Outcome::GotThrough { .. }))?;
        self.section(out, "Refused by the database alone", |outcome| matches!(outcome, Outcome::RefusedByDatabase(_)))?;
        self.section(out, "Not run", |outcome| matches!(outcome, Outcome::NotRun { .. }))?;
        self.section(out, "Every attempt", |_| true)
    }

    fn section(&self, out: &mut String, title: &str, wanted: impl Fn(&Outcome) -> bool) -> std::fmt::Result {
        let mut runs = self.runs.iter().filter(|run| wanted(&run.outcome)).peekable();
        if runs.peek().is_none() {
            return Ok(());
        }
        writeln!(out, "\n## {title}\n\n| attack | protocol | text | outcome |\n|---|---|---|---|")?;
        for run in runs {
            let (text, outcome) = (cell(&run.attack), cell(&run.outcome.to_string()));
            writeln!(out, "| {} | {} | `{text}` | {outcome} |", run.id, run.protocol)?;
        }
        Ok(())
    }
}

/// One line of a table: no bars, no backticks, no breaks.
fn cell(text: &str) -> String {
    text.replace('|', "\u{2223}").replace('`', "\u{2019}").replace(['\n', '\r'], " ")
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
            Self::BindOnly => "bind only",
            Self::Raw => "raw",
        })
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RefusedByGateway(refusal) => match &refusal.rule {
                Some(rule) => write!(f, "gateway, rule {rule}, {refusal}"),
                None => write!(f, "gateway, {refusal}"),
            },
            Self::RefusedByDatabase(refusal) => write!(f, "database, {refusal}"),
            Self::WithoutEffect { answer } => write!(f, "without effect: {answer}"),
            Self::GotThrough { why } => write!(f, "GOT THROUGH: {why}"),
            Self::NotRun { why } => write!(f, "not run: {why}"),
        }
    }
}
