//! Where the attacks go: through a gateway inside this process, or through one that runs.

use std::sync::Arc;

use bytes::BytesMut;

use super::attempt::{By, Refusal};
use super::line::{Line, LineError};
use crate::gateway::client;
use crate::gateway::door::Peer;
use crate::gateway::state::Gateway;
use crate::session::verdict::Versions;
use crate::upstream::{self, ConnectError, Target};

/// A way to the gateway.
pub enum Way {
    /// A gateway inside this process that trusts its clients: nobody else can reach it.
    Here {
        /// The gateway.
        gateway: Arc<Gateway>,
        /// The database to ask for.
        database: String,
        /// The client user, which decides on the upstream role.
        user: String,
    },
    /// A running gateway, as a client sees it.
    There(Box<Target>),
}

/// Bytes that wait between the gateway and us.
const PIPE_BYTES: usize = 256 * 1024;

impl Way {
    /// Opens a session with further start-up parameters.
    ///
    /// # Errors
    /// The login is refused, or there is nobody to answer.
    pub async fn open(&self, parameters: &[(&str, &str)]) -> Result<Line, LineError> {
        match self {
            Self::Here { gateway, database, user } => {
                let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
                tokio::spawn(client::serve(theirs, Peer::Unix, Arc::clone(gateway)));
                let mut line = Line::new(ours, BytesMut::new());
                let mut all = vec![("user", user.as_str()), ("database", database.as_str())];
                all.extend(parameters);
                line.log_in(&all).await?;
                Ok(line)
            }
            Self::There(target) => {
                let connection = upstream::connect(target, parameters).await.map_err(login_error)?;
                Ok(Line::new(connection.io, connection.rx))
            }
        }
    }

    /// For the report.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Here { .. } => "started for this run".to_owned(),
            Self::There(target) => target.endpoint.to_string(),
        }
    }

    /// Of policy and catalog, where they can be seen.
    pub(super) fn versions(&self) -> Option<Versions> {
        match self {
            Self::Here { gateway, database, .. } => {
                let databases = gateway.databases.load();
                let database = databases.get(database)?;
                let (policy, catalog) = (database.policy.load().version(), database.catalog.current().version());
                Some(Versions { policy, catalog })
            }
            Self::There(_) => None,
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else kept the connection from coming about, nothing was tried"
)]
fn login_error(error: ConnectError) -> LineError {
    match error {
        ConnectError::Server(error) => LineError::Refused(Refusal {
            by: By::Gateway,
            sqlstate: error.sqlstate.code().to_owned(),
            rule: None,
            message: error.message,
        }),
        ConnectError::NotPinned { .. } => LineError::Protocol,
        other => LineError::NotPossible(other.to_string()),
    }
}
