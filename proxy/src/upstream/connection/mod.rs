//! One session on the upstream server.

mod health;
mod io;
mod parameters;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::connect::ConnectError;
use super::target::Purpose;
use crate::session::dispatch::ServerStatements;

pub use health::Health;
pub use io::UpstreamIo;
pub use parameters::Parameters;

/// An upstream session, ready for a query. Whoever holds it reads and writes its bytes.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub io: UpstreamIo,
    /// Bytes read and not consumed yet: empty between queries.
    pub rx: BytesMut,
    /// What a cancel request must name.
    pub key: BackendKey,
    /// Settings the server reports, as last reported.
    pub parameters: Parameters,
    /// What the session was at birth.
    pub facts: Arc<SessionFacts>,
    /// Statements prepared on this session by the gateway.
    pub statements: ServerStatements,
    /// Client settings applied now, over the session's own.
    pub settings: Arc<BTreeMap<String, String>>,
    /// When the session began.
    pub created: Instant,
    /// What it is for.
    pub(in crate::upstream) purpose: Purpose,
}

/// BackendKeyData.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendKey {
    /// Process of the server.
    pub process_id: i32,
    /// What proves the right to cancel.
    pub secret: i32,
}

/// What a session is before any client setting: names resolve under these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// `search_path` as set, `"$user"` not expanded.
    pub search_path: String,
    /// `current_user`.
    pub role: String,
    /// `session_user`.
    pub login: String,
    /// `current_database()`.
    pub database: String,
    /// `server_version_num`, such as 150004.
    pub server_version: u32,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// Whether the server is in recovery: a hot standby.
    pub standby: bool,
}

impl Connection {
    /// Notes a ParameterStatus that arrived on this session.
    ///
    /// # Errors
    /// [`ConnectError::NotPinned`]: a setting the gateway relies on has changed. The connection must be destroyed.
    pub fn note_parameter(&mut self, name: String, value: String) -> Result<(), ConnectError> {
        super::connect::still_pinned(&self.purpose, &name, &value)?;
        self.parameters.set(name, value);
        Ok(())
    }
}
