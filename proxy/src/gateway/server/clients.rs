//! Accepted PostgreSQL connections: from pingora's hands into a session's.

use super::drain::Drain;
use crate::gateway::client;
use crate::gateway::door::Peer;
use crate::gateway::state::Gateway;
use crate::observe::Gauge;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream as l4;
use pingora_core::protocols::{SocketDigest, Stream};
use pingora_core::server::ShutdownWatch;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

/// Serves PostgreSQL clients.
pub(super) struct ClientService {
    gateway: Arc<Gateway>,
    drain: Arc<Drain>,
    sweeper: OnceLock<JoinHandle<()>>,
}

impl ClientService {
    pub(super) fn new(gateway: Arc<Gateway>, drain: Arc<Drain>) -> Self {
        Self { gateway, drain, sweeper: OnceLock::new() }
    }
}

#[async_trait]
impl ServerApp for ClientService {
    /// pingora's own `shutdown` is not passed on: after a handover it comes at a fixed five seconds, while the drain
    /// tells sessions when their time has come.
    async fn process_new(self: &Arc<Self>, stream: Stream, _shutdown: &ShutdownWatch) -> Option<Stream> {
        self.sweeper.get_or_init(|| tokio::spawn(sweep(Arc::clone(&self.gateway))));
        let metrics = &self.gateway.metrics;
        metrics.clients_accepted.increment();
        let Some(slot) = self.drain.enter() else {
            metrics.clients_refused.increment();
            refuse(stream).await;
            return None;
        };
        // The concrete type, so that a read costs no second dispatch; TLS is the door's, so it can be nothing else.
        let peer = peer_of(stream.get_socket_digest().as_deref());
        let stream = stream.into_any().downcast::<l4::Stream>().ok()?;
        // pingora's own task has room for a TLS handshake, 9 KB that would last as long as the client.
        let gateway = Arc::clone(&self.gateway);
        drop(tokio::spawn(async move {
            let counted = Counted::new(&gateway.metrics.clients);
            client::serve(stream, peer, Arc::clone(&gateway)).await;
            drop((counted, slot));
        }));
        None
    }
}

/// Counts a client until dropped, which a panic of its session does too.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.increment();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

/// Keeps the pools tidy. It runs among the sessions, because a connection is served by the threads that opened it: one
/// opened elsewhere would cost every query a detour.
async fn sweep(gateway: Arc<Gateway>) {
    let mut timer = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        timer.tick().await;
        for database in gateway.databases.load_full().values() {
            database.all_routes().for_each(|route| route.pool.sweep());
        }
    }
}

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Where the client comes from. A client that has been reset already has no address any more, but what it sent before can
/// still be read: it must not pass for one on a unix socket, which is trusted more. The socket's own end tells them apart.
fn peer_of(digest: Option<&SocketDigest>) -> Peer {
    let inet = |address: Option<&SocketAddr>| address.and_then(|address| address.as_inet().copied());
    match inet(digest.and_then(SocketDigest::peer_addr)) {
        Some(address) => Peer::Tcp(address),
        None if digest.is_some_and(|digest| inet(digest.local_addr()).is_none()) => Peer::Unix,
        None => Peer::Tcp((Ipv4Addr::UNSPECIFIED, 0).into()),
    }
}

/// 53300, as PostgreSQL says it: also in answer to an SSLRequest, where libpq expects an error of this form.
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>
async fn refuse(mut stream: Stream) {
    const TOO_MANY: &[u8] = b"E\0\0\0\x3bSFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
    let _gone = stream.write_all(TOO_MANY).await;
    let _gone = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    #[tokio::test]
    async fn a_reset_tcp_client_does_not_pass_for_a_unix_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, address) = listener.accept().await.unwrap();
        let peer = || peer_of(Some(&SocketDigest::from_raw_fd(accepted.as_raw_fd())));
        assert_eq!(peer(), Peer::Tcp(address));
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        accepted.readable().await.unwrap();
        assert!(accepted.peer_addr().is_err(), "the system has forgotten the address");
        assert!(!peer().is_local() && peer() != Peer::Unix, "{}", peer());
        assert!(!peer_of(None).is_local());
        let (unix, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_of(Some(&SocketDigest::from_raw_fd(unix.as_raw_fd()))), Peer::Unix);
    }

    #[test]
    fn the_refusal_has_the_length_it_declares() {
        let body = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
        assert_eq!(body.len() + 4, 0x3b);
    }
}
