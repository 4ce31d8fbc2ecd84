//! Relations between values: each value may be right and the whole still wrong.

use super::settings::{Auth, LogFormat, Mode, Posture};
use super::{Config, ListenAddress, Mistake};
use crate::upstream::Target;
use vitrine_insights::model::Tenant;

/// Every relation that does not hold.
pub(super) fn relations(config: &Config) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut refuse = |key: &str, message: &str| mistakes.push(config.mistake(key, message));
    if config.mode == Mode::Production {
        production(config, &mut refuse);
    }
    authentication(config, &mut refuse);
    numbers(config, &mut refuse);
    names(config, &mut refuse);
    insights(config, &mut refuse);
    mistakes
}

fn production(config: &Config, refuse: &mut impl FnMut(&str, &str)) {
    let reachable = config.listen.iter().any(|address| matches!(address, ListenAddress::Tcp(_)));
    if reachable && config.tls.cert.is_none() {
        refuse("tls.cert", "production needs a certificate");
    }
    if reachable && !config.tls_required {
        refuse("tls.required", "production requires TLS");
    }
    let insights = &config.insights_http.listen;
    if insights.iter().any(|address| matches!(address, ListenAddress::Tcp(_))) && config.tls.cert.is_none() {
        refuse("insights.listen", "production needs a certificate (tls.cert), or a unix socket");
    }
    if config.auth == Auth::Trust {
        refuse("auth", "production does not trust: scram, cert or scram+cert");
    }
    if !config.users.is_empty() {
        refuse("users", "production takes users from users_file, as SCRAM verifiers");
    }
    if config.users_file.is_none() {
        refuse("users_file", "production needs a file of users with their SCRAM verifiers");
    }
    if config.posture != Posture::Strict {
        refuse("posture", "production refuses to serve with a role that could write: strict");
    }
    if config.log != LogFormat::Json {
        refuse("log", "production logs json");
    }
}

fn authentication(config: &Config, refuse: &mut impl FnMut(&str, &str)) {
    match (&config.tls.cert, &config.tls.key) {
        (Some(_), None) => refuse("tls.key", "a certificate needs its key"),
        (None, Some(_)) => refuse("tls.cert", "a key needs its certificate"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if config.tls_required && config.tls.cert.is_none() && config.mode != Mode::Production {
        refuse("tls.required", "TLS cannot be required without tls.cert and tls.key");
    }
    let all_local = config.listen.iter().all(ListenAddress::is_local);
    let by_certificate = matches!(config.auth, Auth::Certificate | Auth::ScramAndCertificate);
    if by_certificate && config.tls.client_ca.is_none() {
        refuse("tls.client_ca", "client certificates need the authorities that they come from");
    }
    if config.auth == Auth::Trust && !all_local {
        refuse("auth", "trust is for loopback: set users or listen on 127.0.0.1");
    }
    let nobody = config.users.is_empty() && config.users_file.is_none();
    if config.auth != Auth::Trust && nobody && config.mode != Mode::Production {
        refuse("users", "nobody may come in: set users or users_file, or listen on 127.0.0.1 alone");
    }
}

fn numbers(config: &Config, refuse: &mut impl FnMut(&str, &str)) {
    if config.limits.statement_bytes_max > config.limits.frame_bytes_max {
        refuse("limits.statement_bytes_max", "is more than limits.frame_bytes_max, so that it cannot be reached");
    }
    if config.watch.catalog_age_max_ms < config.watch.catalog_refresh_ms {
        refuse("watch.catalog_age_max_ms", "is less than watch.catalog_refresh_ms: the catalog would always be stale");
    }
    if config.cache.watch_interval_ms > config.cache.staleness_max_ms {
        refuse("cache.watch_interval_ms", "is more than cache.staleness_max_ms: nothing would ever be fresh enough");
    }
    if config.pool.lifetime_ms.0 > 0 && config.pool.idle_timeout_ms > config.pool.lifetime_ms {
        refuse("pool.idle_timeout_ms", "is more than pool.lifetime_ms");
    }
    let insights = &config.insights_http.listen;
    if insights.iter().any(|address| config.listen.contains(address) || config.admin.listen.contains(address)) {
        refuse("insights.listen", "is an address of listen or admin.listen too");
    }
    if config.listen.iter().any(|address| config.admin.listen.contains(address)) {
        refuse("admin.listen", "is an address of listen too");
    }
}

fn insights(config: &Config, refuse: &mut impl FnMut(&str, &str)) {
    if let Some(Err(error)) = config.insights_url.as_ref().map(|url| Target::from_url(url.expose())) {
        refuse("insights.url", &error.to_string());
    }
    if let Err(error) = Tenant::parse(&config.insights.seed_tenant) {
        refuse("insights.seed_tenant", &error.to_string());
    }
}

fn names(config: &Config, refuse: &mut impl FnMut(&str, &str)) {
    for (index, database) in config.databases.iter().enumerate() {
        if matches!(database.name.as_str(), "vitrine" | "insights") {
            let message = format!(
                "a customer database cannot be offered as {:?}: the gateway's own database has that name",
                database.name
            );
            refuse(&config.databases.get(index).map_or_else(String::new, |database| database.key.clone()), &message);
        }
    }
    if let Some(store) = &config.insights_sql.owner {
        let same = |database: &super::Database| {
            database.target.endpoint == store.endpoint && database.target.database == store.database
        };
        if config.databases.iter().any(same) {
            refuse("insights.url", "is a customer database: the insight store is written, and needs one of its own");
        }
    }
    for mapping in &config.mappings {
        for name in &mapping.databases {
            let is_store = name == "insights" && config.insights_url.is_some();
            if !is_store && !config.databases.iter().any(|database| database.name == *name) {
                refuse(&format!("{}.databases", mapping.key), &format!("no database is called {name:?}"));
            }
        }
        if mapping.upstream_password_file.is_some() && mapping.upstream_user.is_none() {
            refuse(&format!("{}.upstream_password_file", mapping.key), "needs upstream_user");
        }
    }
}
