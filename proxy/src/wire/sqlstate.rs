//! SQLSTATE codes: the one place where they are spelled.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use std::fmt;

/// Five ASCII characters that classify an error or a notice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

macro_rules! sqlstates {
    ($($name:ident = $code:literal;)*) => {
        impl SqlState {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: SqlState = SqlState(*$code);)*
            /// Every code of this module, for tests.
            pub const ALL: &'static [SqlState] = &[$(SqlState::$name),*];
        }
    };
}

sqlstates! {
    SUCCESSFUL_COMPLETION = b"00000";
    WARNING = b"01000";
    CONNECTION_EXCEPTION = b"08000";
    SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION = b"08001";
    CONNECTION_DOES_NOT_EXIST = b"08003";
    SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION = b"08004";
    CONNECTION_FAILURE = b"08006";
    PROTOCOL_VIOLATION = b"08P01";
    FEATURE_NOT_SUPPORTED = b"0A000";
    INVALID_PARAMETER_VALUE = b"22023";
    CHARACTER_NOT_IN_REPERTOIRE = b"22021";
    INVALID_ESCAPE_SEQUENCE = b"22025";
    ACTIVE_SQL_TRANSACTION = b"25001";
    READ_ONLY_SQL_TRANSACTION = b"25006";
    NO_ACTIVE_SQL_TRANSACTION = b"25P01";
    IN_FAILED_SQL_TRANSACTION = b"25P02";
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = b"25P03";
    INVALID_SQL_STATEMENT_NAME = b"26000";
    INVALID_AUTHORIZATION_SPECIFICATION = b"28000";
    INVALID_PASSWORD = b"28P01";
    INVALID_CURSOR_NAME = b"34000";
    INVALID_CATALOG_NAME = b"3D000";
    INSUFFICIENT_PRIVILEGE = b"42501";
    SYNTAX_ERROR = b"42601";
    INVALID_NAME = b"42602";
    NAME_TOO_LONG = b"42622";
    DUPLICATE_CURSOR = b"42P03";
    DUPLICATE_PREPARED_STATEMENT = b"42P05";
    UNDEFINED_TABLE = b"42P01";
    UNDEFINED_PARAMETER = b"42P02";
    WINDOWING_ERROR = b"42P20";
    UNDEFINED_OBJECT = b"42704";
    UNDEFINED_FUNCTION = b"42883";
    OUT_OF_MEMORY = b"53200";
    TOO_MANY_CONNECTIONS = b"53300";
    CONFIGURATION_LIMIT_EXCEEDED = b"53400";
    PROGRAM_LIMIT_EXCEEDED = b"54000";
    STATEMENT_TOO_COMPLEX = b"54001";
    QUERY_CANCELED = b"57014";
    ADMIN_SHUTDOWN = b"57P01";
    CRASH_SHUTDOWN = b"57P02";
    IDLE_SESSION_TIMEOUT = b"57P05";
    CANNOT_CONNECT_NOW = b"57P03";
    SYSTEM_ERROR = b"58000";
    INTERNAL_ERROR = b"XX000";
}

impl SqlState {
    /// A code as received; `None` unless it is five ASCII letters and digits.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    /// The five characters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
