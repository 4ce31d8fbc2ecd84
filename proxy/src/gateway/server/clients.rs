//! Accepted PostgreSQL connections: from pingora's hands into a session's.

use super::drain::Drain;
use crate::gateway::client;
use crate::gateway::door::Peer;
use crate::gateway::state::Gateway;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream as l4;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// Serves PostgreSQL clients.
pub(super) struct ClientService {
    gateway: Arc<Gateway>,
    drain: Arc<Drain>,
}

impl ClientService {
    pub(super) fn new(gateway: Arc<Gateway>, drain: Arc<Drain>) -> Self {
        Self { gateway, drain }
    }
}

#[async_trait]
impl ServerApp for ClientService {
    /// pingora's own `shutdown` is not passed on: after a handover it comes at a fixed five seconds, while the drain
    /// tells sessions when their time has come.
    async fn process_new(self: &Arc<Self>, stream: Stream, _shutdown: &ShutdownWatch) -> Option<Stream> {
        let metrics = &self.gateway.metrics;
        metrics.clients_accepted.increment();
        let Some(slot) = self.drain.enter() else {
            metrics.clients_refused.increment();
            refuse(stream).await;
            return None;
        };
        // The concrete type, so that a read costs no second dispatch; TLS is the door's, so it can be nothing else.
        let peer = peer_of(&stream);
        let stream = stream.into_any().downcast::<l4::Stream>().ok()?;
        metrics.clients.increment();
        client::serve(*stream, peer, Arc::clone(&self.gateway)).await;
        metrics.clients.decrement();
        drop(slot);
        None
    }
}

/// Where the client comes from; a socket without an address is a unix socket.
fn peer_of(stream: &Stream) -> Peer {
    let digest = stream.get_socket_digest();
    let address = digest.and_then(|digest| digest.peer_addr().and_then(|address| address.as_inet().copied()));
    address.map_or(Peer::Unix, Peer::Tcp)
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
    #[test]
    fn the_refusal_has_the_length_it_declares() {
        let body = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
        assert_eq!(body.len() + 4, 0x3b);
    }
}
