//! The private directory of a server: data, configuration, log and socket.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::account::Account;
use super::{Auth, Options, PostgresError};

/// Longest path of a unix socket that every system takes, less the socket's own name.
const SOCKET_DIR_BYTES_MAX: usize = 80;

/// Directory of one server; removed when dropped.
#[derive(Debug)]
pub(super) struct ServerFiles {
    root: TempDir,
    pub(super) account: Account,
}

impl ServerFiles {
    pub(super) fn create() -> Result<Self, PostgresError> {
        let root = tempfile::Builder::new()
            .prefix("vitrine-pg-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent())
            .map_err(PostgresError::io("cannot make a temporary directory"))?;
        let account = Account::of_owner(root.path())?;
        account.own(root.path())?;
        Ok(Self { root, account })
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.root().join("data")
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.root().join("log")
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub(super) fn write_config(&self, options: &Options) -> Result<(), PostgresError> {
        let mut config = String::from("\n# Added for a private server.\n");
        let _ = writeln!(config, "listen_addresses = '127.0.0.1'");
        let _ = writeln!(config, "unix_socket_directories = '{}'", self.root().display());
        config.push_str("max_connections = 200\nshared_buffers = '64MB'\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n");
        if !options.durable {
            config.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
        }
        match options.auth {
            Auth::Md5 => config.push_str("password_encryption = 'md5'\n"),
            // The default only since PostgreSQL 14.
            Auth::Scram => config.push_str("password_encryption = 'scram-sha-256'\n"),
            Auth::Trust | Auth::Password => {}
        }
        if let Some(tls) = &options.tls {
            self.write("server.crt", &tls.certificate)?;
            self.write("server.key", &tls.key)?;
            config.push_str("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n");
            if let Some(authorities) = &tls.client_authorities {
                self.write("root.crt", authorities)?;
                config.push_str("ssl_ca_file = 'root.crt'\n");
            }
        }
        for line in &options.config {
            let _ = writeln!(config, "{line}");
        }
        let path = self.data_dir().join("postgresql.conf");
        let standard = fs::read_to_string(&path).map_err(PostgresError::io("cannot read postgresql.conf"))?;
        self.write("postgresql.conf", &(standard + &config))?;
        self.write("pg_hba.conf", &hba(options))
    }

    /// Writes a file of the data directory, readable by the server's account alone.
    fn write(&self, name: &str, text: &str) -> Result<(), PostgresError> {
        let path = self.data_dir().join(name);
        let failed = || PostgresError::io(format!("cannot write {}", path.display()));
        fs::write(&path, text).map_err(failed())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed())?;
        self.account.own(&path)
    }
}

/// The system's temporary directory, unless its path is too long for a socket (macOS).
fn parent() -> PathBuf {
    let system = std::env::temp_dir();
    if system.as_os_str().len() + "/vitrine-pg-XXXXXX".len() <= SOCKET_DIR_BYTES_MAX {
        system
    } else {
        PathBuf::from("/tmp")
    }
}

fn hba(options: &Options) -> String {
    let mut lines = String::new();
    for line in &options.hba {
        let _ = writeln!(lines, "{line}");
    }
    let method = options.auth.method();
    let _ = write!(lines, "local all all trust\nhost all all 127.0.0.1/32 {method}\nhost all all ::1/128 {method}\n");
    lines.push_str("local replication all trust\n");
    let _ = writeln!(lines, "host replication all 127.0.0.1/32 {method}");
    lines
}
