//! From the configuration to the gateway's shared state, and the parts of it that SIGHUP builds again.

use super::bell::Sessions;
use super::door::users::{self, User, Users};
use super::door::{self, Door, DoorRules, ServerTls};
use super::insights::Store;
use super::offer;
use super::state::Gateway;
use crate::cache::Cache;
use crate::config::{Auth, Config, Mistake, Mode, Origin, UserMapping};
use crate::observe::Metrics;
use crate::policy::Policy;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Builds the shared state of what [`crate::config::read`] gives. Certificates, users and policy are read here, and what
/// is wrong with them joins what was wrong with the configuration itself: one list.
///
/// # Errors
/// Every mistake of the configuration and of the files that it names.
pub fn build((config, mistakes): (Config, Vec<Mistake>)) -> Result<Gateway, Vec<Mistake>> {
    let files = read_files(&config, mistakes)?;
    let door = Door::new(door_rules(&config), files.users, files.tls)
        .map_err(|error| vec![config.mistake("auth", error.to_string())])?;
    let databases = offer::databases(&config, &files.policy, &HashMap::new())
        .map_err(|error| vec![config.mistake("customer.url", error)])?;
    let insights = Store::of(&config, None).map_err(|error| vec![config.mistake("insights.url", error)])?;
    Ok(Gateway {
        limits: offer::limits(&config),
        cache: Cache::new(offer::store_limits(&config)),
        hottest: Default::default(),
        config,
        metrics: Metrics::default(),
        door,
        databases: ArcSwap::from_pointee(databases),
        insights: ArcSwapOption::from_pointee(insights),
        sessions: Arc::new(Sessions::default()),
        board: Default::default(),
        preparation: Default::default(),
    })
}

/// The same gateway with a door that believes every client by its word. Only for one that does not listen: its clients
/// are this process.
///
/// # Errors
/// The rules of such a door contradict each other.
pub fn trusting(mut gateway: Gateway) -> Result<Gateway, Vec<Mistake>> {
    let rules =
        DoorRules { auth: door::Auth::Trust, is_development: true, tls_required: false, ..door_rules(&gateway.config) };
    gateway.door = Door::new(rules, Users::new(BTreeMap::new()), None)
        .map_err(|error| vec![gateway.config.mistake("auth", error.to_string())])?;
    Ok(gateway)
}

/// Reads users, policy, certificates, databases and the bounds of pools again. Policy and bounds hold at once and for
/// every session; the rest holds for clients that come from now on. All or nothing.
///
/// # Errors
/// Every mistake; then nothing has changed.
pub fn reload(gateway: &Gateway, (config, mistakes): (Config, Vec<Mistake>)) -> Result<(), Vec<Mistake>> {
    let files = read_files(&config, mistakes)?;
    let databases = offer::databases(&config, &files.policy, &gateway.databases.load())
        .map_err(|error| vec![config.mistake("customer.url", error)])?;
    let insights = Store::of(&config, gateway.insights.load().as_deref())
        .map_err(|error| vec![config.mistake("insights.url", error)])?;
    // Here something can still be refused, from here on nothing can.
    let refused = |error: door::DoorRulesError| vec![config.mistake("tls.cert", error.to_string())];
    gateway.door.replace_tls(files.tls).map_err(refused)?;
    for database in databases.values() {
        database.policy.store(Arc::clone(&files.policy));
    }
    // Routes before users: a user that is new has its own role from the first moment.
    gateway.databases.store(Arc::new(databases));
    gateway.insights.store(insights.map(Arc::new));
    gateway.door.replace_users(files.users);
    Ok(())
}

/// What the files of a configuration hold.
struct Files {
    users: Users,
    tls: Option<ServerTls>,
    policy: Arc<Policy>,
}

fn read_files(config: &Config, mut mistakes: Vec<Mistake>) -> Result<Files, Vec<Mistake>> {
    let users = read_users(config, &mut mistakes);
    let policy = Arc::new(read_policy(config, &mut mistakes));
    let unreadable = unreadable_certificates(config);
    let tls = match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => match ServerTls::load(cert, key, config.tls.client_ca.as_deref()) {
            Ok(tls) => Some(tls),
            Err(error) => {
                if !matches!(error, door::TlsError::Unreadable { .. }) {
                    mistakes.push(config.mistake(key_of(&error), error.to_string()));
                }
                None
            }
        },
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    mistakes.extend(unreadable);
    for mapping in &config.mappings {
        if let Some(path) = &mapping.upstream_password_file
            && let Err(error) = std::fs::metadata(path)
        {
            let key = format!("{}.upstream_password_file", mapping.key);
            mistakes.push(config.mistake(&key, format!("{}: {error}", path.display())));
        }
    }
    if mistakes.is_empty() {
        return Ok(Files { users, tls, policy });
    }
    Mistake::order(&mut mistakes);
    Err(mistakes)
}

/// The files of `[tls]` that cannot be read, every one of them.
fn unreadable_certificates(config: &Config) -> Vec<Mistake> {
    let files =
        [("tls.cert", &config.tls.cert), ("tls.key", &config.tls.key), ("tls.client_ca", &config.tls.client_ca)];
    let fault = |key, path: &std::path::PathBuf| {
        let error = std::fs::read(path).err()?;
        Some(config.mistake(key, format!("{}: {error}", path.display())))
    };
    files.into_iter().filter_map(|(key, path)| fault(key, path.as_ref()?)).collect()
}

/// The setting that a fault of the certificates is about.
fn key_of(error: &door::TlsError) -> &'static str {
    match error {
        door::TlsError::NoKey(_) | door::TlsError::BadKey { .. } | door::TlsError::Mismatch { .. } => "tls.key",
        door::TlsError::BadAuthority { .. } => "tls.client_ca",
        door::TlsError::Unreadable { .. }
        | door::TlsError::NoCertificate(_)
        | door::TlsError::BadCertificate(_)
        | door::TlsError::Versions(_) => "tls.cert",
    }
}

fn read_policy(config: &Config, mistakes: &mut Vec<Mistake>) -> Policy {
    let Some(path) = &config.policy else { return Policy::built_in() };
    match std::fs::read_to_string(path) {
        Err(error) => mistakes.push(config.mistake("policy", format!("{}: {error}", path.display()))),
        Ok(text) => match Policy::from_toml(&text) {
            Ok(policy) => return policy,
            Err(found) => mistakes.extend(found.into_iter().map(|found| Mistake {
                origin: Origin::File { path: path.clone(), line: found.line },
                key: found.key,
                message: found.message,
            })),
        },
    }
    Policy::built_in()
}

fn read_users(config: &Config, mistakes: &mut Vec<Mistake>) -> Users {
    let mut all: BTreeMap<String, User> = BTreeMap::new();
    let found_before = mistakes.len();
    if let Some(path) = &config.users_file {
        match std::fs::read_to_string(path) {
            Err(error) => mistakes.push(config.mistake("users_file", format!("{}: {error}", path.display()))),
            Ok(text) => match users::parse(&text, config.mode == Mode::Development) {
                Ok(users) => all = users,
                Err(faults) => mistakes.extend(
                    faults.iter().map(|fault| config.mistake("users_file", format!("{}: {fault}", path.display()))),
                ),
            },
        }
    }
    for user in &config.users {
        all.insert(user.name.clone(), User::with_password(user.password.expose()));
    }
    // Without all users, a mapping that names one of the missing would be blamed for it.
    if mistakes.len() == found_before {
        for mapping in &config.mappings {
            apply(mapping, &mut all, config, mistakes);
        }
    }
    Users::new(all)
}

/// Gives a user its databases and its role.
fn apply(mapping: &UserMapping, all: &mut BTreeMap<String, User>, config: &Config, mistakes: &mut Vec<Mistake>) {
    if config.auth == Auth::Trust {
        all.entry(mapping.name.clone()).or_default();
    }
    let Some(user) = all.get_mut(&mapping.name) else {
        let message = format!("neither users nor users_file has a user {:?}", mapping.name);
        mistakes.push(config.mistake(&format!("{}.name", mapping.key), message));
        return;
    };
    if !mapping.databases.is_empty() {
        user.databases = Some(mapping.databases.clone());
    }
    user.upstream.clone_from(&mapping.upstream_user);
}

fn door_rules(config: &Config) -> DoorRules {
    DoorRules {
        auth: match config.auth {
            Auth::Scram => door::Auth::Scram,
            Auth::Certificate => door::Auth::Certificate,
            Auth::ScramAndCertificate => door::Auth::ScramAndCertificate,
            Auth::Trust => door::Auth::Trust,
        },
        is_development: config.mode == Mode::Development,
        tls_required: config.tls_required,
        startup_timeout: config.timeouts.startup_ms.duration(),
        ..DoorRules::default()
    }
}
