//! From what was given to what holds: defaults that depend on the mode, databases by name, users by name.

mod insights;
mod insights_http;

pub use insights_http::InsightsHttp;

use super::address::ListenAddress;
use super::settings::{
    Admin, Auth, Cache, Customer, DatabaseEntry, Insights, Limits, LogFormat, Mode, Pool, Posture, Server, TenantEntry,
    Timeouts, Tls, Top, UserEntry, Watch,
};
use super::value::Secret;
use super::{Config, Environment};
use crate::upstream::Target;
use std::collections::HashMap;
use std::path::PathBuf;

pub use self::insights::InsightsSql;

/// A database that clients can ask for.
#[derive(Debug, Clone)]
pub struct Database {
    /// The name clients ask for.
    pub name: String,
    /// Where it is, with the read-only role.
    pub target: Target,
    /// Connections in each of its pools.
    pub pool_size: usize,
    /// The key of the URL in the configuration, to place mistakes about it.
    pub key: String,
}

/// A user with a password in clear: development only.
#[derive(Debug, Clone, PartialEq)]
pub struct InlineUser {
    /// The user.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// What a client user may use, and as whom.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMapping {
    /// The client user.
    pub name: String,
    /// The databases it may use; empty means all.
    pub databases: Vec<String>,
    /// The role upstream; `None` means the role of the database's URL.
    pub upstream_user: Option<String>,
    /// File with that role's password.
    pub upstream_password_file: Option<PathBuf>,
    /// The entry in the configuration, `user[1]`, to place mistakes about it.
    pub key: String,
}

/// The sections that need no resolving, and the arrays.
pub(super) struct Sections {
    pub(super) admin: Admin,
    pub(super) tls: Tls,
    pub(super) server: Server,
    pub(super) pool: Pool,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) watch: Watch,
    pub(super) cache: Cache,
    pub(super) databases: Vec<DatabaseEntry>,
    pub(super) users: Vec<UserEntry>,
    pub(super) tenants: Vec<TenantEntry>,
}

/// What a value is wrong about: key and message.
type Found = Vec<(String, String)>;

/// Puts everything together. The mistakes are placed by the caller.
pub(super) fn resolve(
    top: Top,
    customer: Customer,
    store: Insights,
    sections: Sections,
    environment: &Environment,
) -> (Config, Found) {
    let mut found = Found::new();
    let production = top.mode == Mode::Production;
    let listen = top.listen.unwrap_or_else(|| default_listen(production));
    let users = inline_users(&top.users, &mut found);
    let someone = !users.is_empty() || top.users_file.is_some();
    let open = !production && !someone && listen.iter().all(ListenAddress::is_local);
    let config = Config {
        mode: top.mode,
        posture: top.posture.unwrap_or(if production { Posture::Strict } else { Posture::Warn }),
        auth: top.auth.unwrap_or(if open { Auth::Trust } else { Auth::Scram }),
        users,
        users_file: top.users_file,
        policy: top.policy,
        log: top.log.unwrap_or(if production { LogFormat::Json } else { LogFormat::Pretty }),
        log_level: top.log_level,
        mappings: mappings(sections.users, &mut found),
        databases: databases(customer, sections.databases, sections.pool.size, &mut found),
        insights_http: InsightsHttp::of(&store),
        insights_sql: insights::resolve(&store, sections.tenants, &mut found),
        insights_url: store.url.clone(),
        insights: store,
        admin: sections.admin,
        tls_required: sections.tls.required.unwrap_or(production),
        tls: sections.tls,
        run_dir: sections.server.run_dir.clone().unwrap_or_else(|| default_run_dir(&listen, environment)),
        server: sections.server,
        pool: sections.pool,
        limits: sections.limits,
        timeouts: sections.timeouts,
        watch: sections.watch,
        cache: sections.cache,
        listen,
        origins: HashMap::new(),
    };
    (config, found)
}

fn default_listen(production: bool) -> Vec<ListenAddress> {
    let host = if production { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
    vec![ListenAddress::Tcp((host, 6432).into())]
}

/// Two gateways on one machine need two directories: the port tells them apart.
fn default_run_dir(listen: &[ListenAddress], environment: &Environment) -> PathBuf {
    let port = listen.iter().find_map(|address| match address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    });
    let port = port.map_or_else(|| "local".to_owned(), |port| port.to_string());
    match environment.get("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory).join(format!("vitrine-{port}")),
        None => PathBuf::from(format!("/tmp/vitrine-{}-{port}", rustix::process::geteuid().as_raw())),
    }
}

fn inline_users(given: &[Secret], found: &mut Found) -> Vec<InlineUser> {
    let mut users: Vec<InlineUser> = Vec::new();
    for (index, pair) in given.iter().enumerate() {
        let number = index + 1;
        match pair.expose().split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                if users.iter().any(|user| user.name == name) {
                    found.push(("users".to_owned(), format!("the user {name:?} is there twice")));
                }
                users.push(InlineUser { name: name.to_owned(), password: Secret::new(password) });
            }
            Some(_) | None => found.push(("users".to_owned(), format!("entry {number} is not name:password"))),
        }
    }
    users
}

fn databases(customer: Customer, entries: Vec<DatabaseEntry>, pool_size: usize, found: &mut Found) -> Vec<Database> {
    let mut databases: Vec<Database> = Vec::new();
    let first = customer
        .url
        .map(|url| ("customer.url".to_owned(), DatabaseEntry { name: None, url: Some(url), pool_size: None }));
    let more = entries.into_iter().enumerate().map(|(index, entry)| (format!("database[{}].url", index + 1), entry));
    for (key, entry) in first.into_iter().chain(more) {
        let Some(url) = entry.url else {
            found.push((key, "is missing".to_owned()));
            continue;
        };
        match Target::from_url(url.expose()) {
            Ok(target) => {
                let name = entry.name.unwrap_or_else(|| target.database.clone());
                if name.is_empty() {
                    found.push((key.clone(), "the database's name is empty".to_owned()));
                }
                if databases.iter().any(|other| other.name == name) {
                    found.push((key.clone(), format!("another database is called {name:?} too")));
                }
                databases.push(Database { name, target, pool_size: entry.pool_size.unwrap_or(pool_size), key });
            }
            Err(error) => found.push((key, error.to_string())),
        }
    }
    databases
}

fn mappings(entries: Vec<UserEntry>, found: &mut Found) -> Vec<UserMapping> {
    let mut mappings: Vec<UserMapping> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let key = format!("user[{}]", index + 1);
        match entry.name {
            None => found.push((format!("{key}.name"), "is missing".to_owned())),
            Some(name) if mappings.iter().any(|other| other.name == name) => {
                found.push((format!("{key}.name"), format!("the user {name:?} is there twice")));
            }
            Some(name) => mappings.push(UserMapping {
                name,
                databases: entry.databases,
                upstream_user: entry.upstream_user,
                upstream_password_file: entry.upstream_password_file,
                key,
            }),
        }
    }
    mappings
}
