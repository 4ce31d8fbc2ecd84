//! Reading a libpq connection URL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ChannelBinding, Endpoint, Identity, Purpose, Roots, Secret, SslMode, Target, TargetError, Tls};
use crate::upstream::connect::PINNED;

const PORT_DEFAULT: u16 = 5432;
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(600);
const APPLICATION_NAME: &str = "vitrine";

/// Parameters of the query part.
const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "options",
    "password",
    "password_file",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "user",
];

pub(super) fn read(url: &str) -> Result<Target, TargetError> {
    let rest =
        url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://")).ok_or(TargetError::Scheme)?;
    let (before_query, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
    let mut given = parameters(query.unwrap_or_default())?;
    from_authority(authority, &mut given)?;
    if !path.is_empty() {
        put(&mut given, "dbname", decode(path, "database")?)?;
    }
    let mut given = Given(given);

    let endpoint = endpoint(&mut given)?;
    let user = given.take("user").filter(|user| !user.is_empty()).ok_or(TargetError::NoUser)?;
    let database = given.take("dbname").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    Ok(Target {
        secret: secret(&mut given)?,
        tls: tls(&mut given, &endpoint)?,
        connect_timeout: connect_timeout(&mut given)?,
        application_name: given.take("application_name").unwrap_or_else(|| APPLICATION_NAME.to_owned()),
        settings: settings(&given.take("options").unwrap_or_default())?,
        endpoint,
        database,
        user,
        purpose: Purpose::Customer,
    })
}

struct Given(BTreeMap<String, String>);

impl Given {
    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

fn parameters(query: &str) -> Result<BTreeMap<String, String>, TargetError> {
    let mut given = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or(TargetError::Part { part: "query part", reason: "expected name=value" })?;
        let name = decode(name, "name of a parameter")?;
        if !KNOWN.contains(&name.as_str()) {
            return Err(TargetError::UnknownParameter(name.chars().take(64).collect()));
        }
        let value = decode(value, "value of a parameter")?;
        put(&mut given, &name, value)?;
    }
    Ok(given)
}

fn put(given: &mut BTreeMap<String, String>, name: &str, value: String) -> Result<(), TargetError> {
    match given.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(TargetError::Twice(name.to_owned())),
    }
}

/// `user:password@host:port`, each part optional.
fn from_authority(authority: &str, given: &mut BTreeMap<String, String>) -> Result<(), TargetError> {
    let (login, place) = match authority.split_once('@') {
        Some((_, place)) if place.contains('@') => {
            return Err(TargetError::Part { part: "user or password", reason: "write @ as %40" });
        }
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
        put(given, "user", decode(user, "user")?)?;
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            put(given, "password", decode(password, "password")?)?;
        }
    }
    let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
        let (host, after) =
            bracketed.split_once(']').ok_or(TargetError::Part { part: "host", reason: "a bracket is not closed" })?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| TargetError::Part { part: "host", reason: "not an IPv6 address in brackets" })?;
        match (after.is_empty(), after.strip_prefix(':')) {
            (true, _) => (host.to_owned(), None),
            (false, Some(port)) => (host.to_owned(), Some(port)),
            (false, None) => {
                return Err(TargetError::Part { part: "host", reason: "unexpected text after the bracket" });
            }
        }
    } else {
        let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
        (decode(host, "host")?, port)
    };
    if !host.is_empty() {
        put(given, "host", host)?;
    }
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        put(given, "port", decode(port, "port")?)?;
    }
    Ok(())
}

fn endpoint(given: &mut Given) -> Result<Endpoint, TargetError> {
    let host = given.take("host").unwrap_or_else(|| "localhost".to_owned());
    let port_text = given.take("port");
    if host.contains(',') || port_text.as_deref().is_some_and(|port| port.contains(',')) {
        return Err(TargetError::SeveralHosts);
    }
    let port = match port_text {
        None => PORT_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(TargetError::Part { part: "port", reason: "not a number from 1 to 65535" })?,
    };
    if host.starts_with('/') {
        return Ok(Endpoint::Unix { directory: PathBuf::from(host), port });
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(plain) {
        return Err(TargetError::Part { part: "host", reason: "not a host name, an address or an absolute path" });
    }
    Ok(Endpoint::Tcp { host, port })
}

fn secret(given: &mut Given) -> Result<Secret, TargetError> {
    match (given.take("password"), given.take("password_file")) {
        (Some(_), Some(_)) => Err(TargetError::Twice("password".to_owned())),
        (Some(password), None) => Ok(Secret::inline(password)),
        (None, Some(path)) => Ok(Secret::file(path)),
        (None, None) => Ok(Secret::none()),
    }
}

fn tls(given: &mut Given, endpoint: &Endpoint) -> Result<Tls, TargetError> {
    let on_socket = matches!(endpoint, Endpoint::Unix { .. });
    let mode = match given.take("sslmode") {
        // libpq ignores sslmode on a unix socket.
        _ if on_socket => SslMode::Disable,
        None if endpoint.is_local() => SslMode::Prefer,
        None => SslMode::VerifyFull,
        Some(name) => SslMode::from_name(&name)
            .ok_or_else(|| value("sslmode", "expected disable, allow, prefer, require, verify-ca or verify-full"))?,
    };
    let direct = match given.take("sslnegotiation").as_deref() {
        None | Some("postgres") => false,
        Some("direct") => true,
        Some(_) => return Err(value("sslnegotiation", "expected postgres or direct")),
    };
    if direct && !on_socket && mode < SslMode::Require {
        return Err(value("sslnegotiation", "direct asks for sslmode=require or stronger"));
    }
    let rootcert = given.take("sslrootcert").filter(|path| !path.is_empty());
    if rootcert.as_deref() == Some("system") && !on_socket && mode < SslMode::VerifyFull {
        return Err(value("sslrootcert", "system asks for sslmode=verify-full"));
    }
    // As in libpq: a root certificate that is there is used.
    let mode = if mode == SslMode::Require && rootcert.is_some() { SslMode::VerifyCa } else { mode };
    let identity = match (given.take("sslcert"), given.take("sslkey")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
        (Some(_), None) => return Err(value("sslcert", "sslkey is missing")),
        (None, Some(_)) => return Err(value("sslkey", "sslcert is missing")),
    };
    let channel_binding = match given.take("channel_binding") {
        None => ChannelBinding::Prefer,
        Some(name) => ChannelBinding::from_name(&name)
            .ok_or_else(|| value("channel_binding", "expected disable, prefer or require"))?,
    };
    let roots = match rootcert {
        Some(path) if path != "system" => Roots::File(path.into()),
        Some(_) | None => Roots::System,
    };
    Ok(Tls { mode, roots, identity, direct, channel_binding, cache: Default::default() })
}

fn connect_timeout(given: &mut Given) -> Result<Duration, TargetError> {
    let Some(text) = given.take("connect_timeout") else { return Ok(CONNECT_TIMEOUT_DEFAULT) };
    // libpq: zero or negative means no limit; here everything has one.
    let seconds: u64 = text.parse().map_err(|_| value("connect_timeout", "expected seconds"))?;
    match Duration::from_secs(seconds) {
        Duration::ZERO => Ok(CONNECT_TIMEOUT_MAX),
        asked => Ok(asked.min(CONNECT_TIMEOUT_MAX)),
    }
}

/// `-c name=value` and `--name=value`; nothing else that the server's command line knows.
fn settings(options: &str) -> Result<Vec<(String, String)>, TargetError> {
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().ok_or_else(|| value("options", "-c asks for name=value"))?
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(value("options", "only -c name=value and --name=value are supported"));
        };
        let (name, setting_value) =
            setting.split_once('=').ok_or_else(|| value("options", "only -c name=value is supported"))?;
        let name = name.replace('-', "_").to_ascii_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
            return Err(value("options", "not the name of a setting"));
        }
        let reserved = ["user", "database", "replication", "options", "application_name"];
        if reserved.contains(&name.as_str()) || PINNED.iter().any(|(pinned, _)| *pinned == name) {
            return Err(value("options", &format!("\"{name}\" is fixed by the gateway")));
        }
        settings.push((name, setting_value.to_owned()));
    }
    Ok(settings)
}

/// Splits at white space; a backslash takes the next character as it is (the server's own rule for `options`).
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(c) = characters.next() {
        if c.is_whitespace() {
            words.extend(word.take());
        } else {
            let taken = if c == '\\' { characters.next().unwrap_or(c) } else { c };
            word.get_or_insert_default().push(taken);
        }
    }
    words.extend(word);
    words
}

fn value(name: &'static str, reason: &str) -> TargetError {
    TargetError::Value { name, reason: reason.to_owned() }
}

fn decode(text: &str, part: &'static str) -> Result<String, TargetError> {
    let bad = TargetError::Encoding(part);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let decoded = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(decoded.filter(|byte| *byte != 0).ok_or(bad.clone())?);
    }
    String::from_utf8(bytes).map_err(|_| bad)
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
