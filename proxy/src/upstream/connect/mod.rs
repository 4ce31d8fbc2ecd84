//! Opening a connection to the customer's PostgreSQL: reach, encrypt, log in, pin the settings, verify that they hold.

mod error;
mod login;
mod packet;
mod pinned;
mod scram;
mod socket;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use crate::session::dispatch::ServerStatements;
use crate::upstream::{Connection, Endpoint, SslMode, Target, UpstreamIo};

pub use error::{ConnectError, ServerError};
pub(in crate::upstream) use packet::{Packet, next_packet, server_error, text_pair};
pub use pinned::PINNED;
pub(in crate::upstream) use pinned::still_pinned;
pub(in crate::upstream) use tls::TlsCache;

/// Opens a connection and leaves it ready for a query, with the settings of [`PINNED`] in force.
///
/// `parameters` are further start-up parameters; they may not repeat what is pinned.
///
/// # Errors
/// The server cannot be reached, is not who it should be, does not accept the role, or does not hold the pinned settings.
pub async fn connect(target: &Target, parameters: &[(&str, &str)]) -> Result<Connection, ConnectError> {
    if target.tls.mode != SslMode::Allow {
        return attempt(target, target.tls.mode, parameters).await;
    }
    // `allow`: plain first, encrypted when the server refuses that.
    match attempt(target, SslMode::Disable, parameters).await {
        Err(ConnectError::Server(refusal)) if refusal.sqlstate.code().starts_with("28") => {
            attempt(target, SslMode::Require, parameters).await
        }
        outcome => outcome,
    }
}

/// A connection that has not said anything yet but, where asked for, speaks TLS: what a cancel request needs.
pub(in crate::upstream) async fn reach(target: &Target) -> Result<UpstreamIo, ConnectError> {
    let mode = if target.tls.mode == SslMode::Allow { SslMode::Disable } else { target.tls.mode };
    transport(target, mode).await.map(|(io, _)| io)
}

async fn attempt(target: &Target, mode: SslMode, parameters: &[(&str, &str)]) -> Result<Connection, ConnectError> {
    let login = async {
        let (mut io, binding) = transport(target, mode).await?;
        let mut rx = BytesMut::with_capacity(4096);
        let greeted = login::login(&mut login::Line { io: &mut io, rx: &mut rx }, target, binding, parameters).await?;
        Ok(Connection {
            io,
            rx,
            key: greeted.key,
            parameters: greeted.parameters,
            facts: Arc::new(greeted.facts),
            statements: ServerStatements::of(target.access()),
            purpose: target.purpose.clone(),
            settings: Arc::new(BTreeMap::new()),
            created: Instant::now(),
        })
    };
    // The sockets have their own bound for each address; this one is for a server that accepts and then says nothing.
    let bound = target.connect_timeout.saturating_mul(2);
    tokio::time::timeout(bound, login)
        .await
        .map_err(|_| ConnectError::Timeout { endpoint: target.endpoint.clone(), seconds: bound.as_secs() })?
}

/// The socket, encrypted as `mode` says, and what SCRAM can bind to.
async fn transport(target: &Target, mode: SslMode) -> Result<(UpstreamIo, Option<Vec<u8>>), ConnectError> {
    match (&target.endpoint, target.endpoint.socket_path()) {
        (_, Some(path)) => Ok((UpstreamIo::Unix(socket::unix(&path, target).await?), None)),
        (Endpoint::Unix { .. }, None) => Err(ConnectError::Protocol("a unix socket without a path".to_owned())),
        (Endpoint::Tcp { host, port }, None) => {
            let stream = socket::tcp(host, *port, target).await?;
            if mode == SslMode::Disable {
                return Ok((UpstreamIo::Tcp(stream), None));
            }
            let bound = target.connect_timeout;
            tokio::time::timeout(bound, tls::encrypt(stream, host, &target.tls, mode))
                .await
                .map_err(|_| ConnectError::Timeout { endpoint: target.endpoint.clone(), seconds: bound.as_secs() })?
        }
    }
}
