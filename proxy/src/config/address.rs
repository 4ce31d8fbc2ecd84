//! Where the gateway listens.

use super::value::{Raw, Value};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// One place to listen at: `0.0.0.0:6432`, `[::1]:6432`, `localhost:6432` or `unix:/run/vitrine/.s.PGSQL.6432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A Unix-domain socket, by its path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// True if only programs of this machine reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            // sun_path holds 108 bytes with its terminator: unix(7).
            return match path.len() {
                0 => Err("expected a path after unix:".to_owned()),
                1..=107 if path.starts_with('/') && !path.contains(char::is_whitespace) => Ok(Self::Unix(path.into())),
                1..=107 => Err("the path of a unix socket must be absolute and without white space".to_owned()),
                _ => Err("the path of a unix socket can have at most 107 bytes".to_owned()),
            };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Tcp(address));
        }
        let port = |digits: &str| digits.parse::<u16>().map_err(|_| format!("{digits:?} is not a port"));
        match text.rsplit_once(':') {
            Some(("localhost", digits)) => Ok(Self::Tcp((IpAddr::from([127, 0, 0, 1]), port(digits)?).into())),
            Some(("*" | "", digits)) => Ok(Self::Tcp((IpAddr::from([0, 0, 0, 0]), port(digits)?).into())),
            Some(_) | None => Err(format!("expected IP:PORT or unix:/PATH, found {text:?}")),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Value for ListenAddress {
    fn read(raw: &Raw) -> Result<Self, String> {
        Self::parse(raw.text()?)
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }

    fn expects() -> String {
        "IP:PORT or unix:/PATH".to_owned()
    }
}

impl Value for Vec<ListenAddress> {
    fn read(raw: &Raw) -> Result<Self, String> {
        let items = raw.items()?;
        if items.is_empty() {
            return Err("expected at least one address".to_owned());
        }
        // pingora hands at most 32 sockets and 2 KB of names to the next process: `performance.md`, section 7.
        if items.len() > 16 {
            return Err("at most 16 addresses".to_owned());
        }
        let mut addresses = Vec::new();
        for item in items {
            let address = ListenAddress::parse(&item)?;
            if addresses.contains(&address) {
                return Err(format!("{address} is there twice"));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(Value::show).collect();
        format!("[{}]", items.join(", "))
    }

    fn expects() -> String {
        "list of IP:PORT or unix:/PATH; in the environment separated by commas".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_their_spellings() {
        for (text, shown) in [
            ("127.0.0.1:6432", "127.0.0.1:6432"),
            ("[::1]:6432", "[::1]:6432"),
            ("localhost:1", "127.0.0.1:1"),
            ("*:6432", "0.0.0.0:6432"),
            ("unix:/run/vitrine/.s.PGSQL.6432", "unix:/run/vitrine/.s.PGSQL.6432"),
        ] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "6432", "host:6432", "127.0.0.1:70000", "unix:", "unix:relative", "unix:/a b"] {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
        assert!(!ListenAddress::parse("0.0.0.0:1").unwrap().is_local());
        assert!(ListenAddress::parse("unix:/x").unwrap().is_local());
    }
}
