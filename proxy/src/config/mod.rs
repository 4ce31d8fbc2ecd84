//! The configuration: from a file, from the environment, from built-in defaults; the environment beats the file.
//!
//! One run names every mistake, each with its line or its variable. The environment is a value that `main` passes in.

mod address;
mod check;
mod mistake;
mod reference;
mod resolve;
mod section;
mod settings;
mod source;
mod value;

pub use address::ListenAddress;
pub use mistake::{Mistake, Origin};
pub use reference::{markdown, reference};
pub use resolve::{Database, InlineUser, InsightsHttp, InsightsSql, UserMapping};
pub use settings::{
    Admin, Auth, Cache, CacheFreshness, Insights, Limits, LogFormat, LogLevel, Mode, Pool, Posture, Server, Timeouts,
    Tls, Watch,
};
pub use source::Environment;
pub use value::{Millis, Secret};

use section::Section;
use source::Source;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use value::Value;

/// Everything that can be set, resolved: what depends on the mode has its value.
#[derive(Debug, Clone)]
pub struct Config {
    /// How careful the defaults are.
    pub mode: Mode,
    /// What happens when the customer role could write.
    pub posture: Posture,
    /// Where PostgreSQL clients connect.
    pub listen: Vec<ListenAddress>,
    /// How clients prove who they are.
    pub auth: Auth,
    /// Users with passwords in clear; empty in production.
    pub users: Vec<InlineUser>,
    /// File of SCRAM verifiers.
    pub users_file: Option<PathBuf>,
    /// The policy file.
    pub policy: Option<PathBuf>,
    /// How logs are written.
    pub log: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Client users with their own role upstream.
    pub mappings: Vec<UserMapping>,
    /// The customer databases, by the names clients ask for.
    pub databases: Vec<Database>,
    /// URL of the insights store.
    pub insights_url: Option<Secret>,
    /// The insights store.
    pub insights: Insights,
    /// The HTTP API of the insight store.
    pub insights_http: InsightsHttp,
    /// The SQL door of the insight store.
    pub insights_sql: InsightsSql,
    /// Operations over HTTP.
    pub admin: Admin,
    /// TLS towards clients.
    pub tls: Tls,
    /// True if TCP clients must ask for TLS.
    pub tls_required: bool,
    /// The process.
    pub server: Server,
    /// The private directory of the running process.
    pub run_dir: PathBuf,
    /// Connections to the customer databases.
    pub pool: Pool,
    /// Limits.
    pub limits: Limits,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Catalog and posture.
    pub watch: Watch,
    /// Answers kept in memory.
    pub cache: Cache,
    origins: HashMap<String, Origin>,
}

impl Config {
    /// Every address of the process: clients', admin and insights.
    pub fn listens_at(&self) -> impl Iterator<Item = &ListenAddress> {
        self.listen.iter().chain(&self.admin.listen).chain(&self.insights_http.listen)
    }

    /// Every key with its value in force, secrets left out: what `SHOW CONFIG` prints.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, String)> {
        let listen = self.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        let mut shown = vec![
            ("mode".to_owned(), self.mode.word().to_owned()),
            ("posture".to_owned(), self.posture.show()),
            ("listen".to_owned(), listen),
            ("auth".to_owned(), self.auth.show()),
            ("users_file".to_owned(), path(&self.users_file)),
            ("policy".to_owned(), path(&self.policy)),
            ("tls_required".to_owned(), self.tls_required.to_string()),
            ("run_dir".to_owned(), self.run_dir.display().to_string()),
        ];
        for section in [
            self.insights.shown(),
            self.admin.shown(),
            self.tls.shown(),
            self.server.shown(),
            self.pool.shown(),
            self.limits.shown(),
            self.timeouts.shown(),
            self.watch.shown(),
            self.cache.shown(),
        ] {
            shown.extend(section);
        }
        shown
    }

    /// Whether a user may ask the virtual database `vitrine`, which shows who is connected and how the gateway is set up.
    #[must_use]
    pub fn may_administer(&self, user: &str) -> bool {
        match &self.admin.users {
            Some(users) => users.iter().any(|listed| listed == user),
            None => self.mode == Mode::Development,
        }
    }

    /// A mistake about the value of `key`, placed where the value was given: for what shows only when a file is read.
    #[must_use]
    pub fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        Mistake { origin, key: key.to_owned(), message: message.into() }
    }
}

/// Reads `file` (if any) and `environment`. Bad values count as not given, so that the rest can be checked too:
/// the configuration may be used only if there is no mistake.
#[must_use]
pub fn read(file: Option<&Path>, environment: &Environment) -> (Config, Vec<Mistake>) {
    match file.map(|path| (path, std::fs::read_to_string(path))) {
        None => parse(None, environment),
        Some((path, Ok(text))) => parse(Some((path, &text)), environment),
        Some((path, Err(error))) => {
            let (config, mut mistakes) = parse(None, environment);
            mistakes.insert(0, Mistake::of_file(path, 0, format!("cannot be read: {error}")));
            (config, mistakes)
        }
    }
}

/// As [`read`], from text.
#[must_use]
pub fn parse(file: Option<(&Path, &str)>, environment: &Environment) -> (Config, Vec<Mistake>) {
    let mut source = Source::default();
    if let Some((path, text)) = file {
        source.add_file(path, text);
    }
    source.add_environment(environment, key_of);
    let top = settings::Top::read(&mut source, settings::Top::NAME);
    let customer = settings::Customer::read(&mut source, settings::Customer::NAME);
    let insights = settings::Insights::read(&mut source, settings::Insights::NAME);
    let sections = resolve::Sections {
        admin: Admin::read(&mut source, Admin::NAME),
        tls: Tls::read(&mut source, Tls::NAME),
        server: Server::read(&mut source, Server::NAME),
        pool: Pool::read(&mut source, Pool::NAME),
        limits: Limits::read(&mut source, Limits::NAME),
        timeouts: Timeouts::read(&mut source, Timeouts::NAME),
        watch: Watch::read(&mut source, Watch::NAME),
        cache: Cache::read(&mut source, Cache::NAME),
        databases: entries(&mut source),
        users: entries(&mut source),
        tenants: entries(&mut source),
    };
    let (mut mistakes, origins) = source.finish();
    let mut config = resolve::resolve(top, customer, insights, sections, environment);
    config.0.origins = origins;
    let (config, found) = config;
    mistakes.extend(found.into_iter().map(|(key, message)| config.mistake(&key, message)));
    // A URL that is there but wrong is one mistake, not also a missing database.
    if config.databases.is_empty() && !mistakes.iter().any(|mistake| mistake.key.ends_with(".url")) {
        let message = "no customer database: set customer.url, VITRINE_CUSTOMER_URL or a [[database]]";
        mistakes.push(config.mistake("customer.url", message));
    }
    mistakes.extend(check::relations(&config));
    Mistake::order(&mut mistakes);
    (config, mistakes)
}

fn entries<T: Section>(source: &mut Source) -> Vec<T> {
    let count = source.entries(T::NAME);
    (1..=count).map(|index| T::read(source, &format!("{}[{index}]", T::NAME))).collect()
}

/// `VITRINE_LIMITS_CLIENTS_MAX` is `limits.clients_max`, `VITRINE_DATABASE_2_URL` is `database[2].url`.
fn key_of(variable: &str) -> Option<String> {
    if variable == "USE_SEED_DATA_MODE" {
        return Some("insights.seed".to_owned());
    }
    let name = variable.strip_prefix("VITRINE_")?;
    for section in reference::sections() {
        if section.repeated {
            let entry = name
                .strip_prefix(&section.name.replace('.', "_").to_uppercase())
                .and_then(|rest| rest.strip_prefix('_'));
            if let Some((number, key)) = entry.and_then(|rest| rest.split_once('_'))
                && let Ok(index @ 1..=1000) = number.parse::<usize>()
                && let Some(setting) = section.settings.iter().find(|setting| setting.key.to_uppercase() == key)
            {
                return Some(format!("{}[{index}].{}", section.name, setting.key));
            }
            continue;
        }
        for setting in &section.settings {
            if reference::variable(section.name, setting.key) == variable {
                return Some(if section.name.is_empty() {
                    setting.key.to_owned()
                } else {
                    format!("{}.{}", section.name, setting.key)
                });
            }
        }
    }
    None
}
