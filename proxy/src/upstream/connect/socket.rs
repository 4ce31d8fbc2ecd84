//! Sockets to the upstream server.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::ConnectError;
use crate::upstream::Target;

const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Tries every address of the host in turn.
pub(super) async fn tcp(host: &str, port: u16, target: &Target) -> Result<TcpStream, ConnectError> {
    let resolve = |source| ConnectError::Resolve { host: host.to_owned(), source };
    let addresses = timeout(target.connect_timeout, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| resolve(io::ErrorKind::TimedOut.into()))?
        .map_err(resolve)?;
    let mut failure = resolve(io::ErrorKind::NotFound.into());
    for address in addresses {
        match timeout(target.connect_timeout, open(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => failure = unreachable(target, source),
            Err(_) => failure = unreachable(target, io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure)
}

/// Opens a unix socket.
pub(super) async fn unix(path: &Path, target: &Target) -> Result<UnixStream, ConnectError> {
    match timeout(target.connect_timeout, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(unreachable(target, source)),
        Err(_) => Err(unreachable(target, io::ErrorKind::TimedOut.into())),
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn unreachable(target: &Target, source: io::Error) -> ConnectError {
    ConnectError::Unreachable { endpoint: target.endpoint.clone(), source }
}
