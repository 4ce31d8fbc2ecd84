//! The HTTP API of the insight store, on a port of its own: connections, TLS, the end of both, and the store behind it.

mod metrics;
mod opening;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{SocketDigest, Stream};
use pingora_core::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use vitrine_insights::http::Api;

use super::drain::Drain;
use crate::gateway::state::Gateway;

pub(super) use metrics::expose;
pub(super) use opening::Opening;

/// Longest time for the head of a request, and for the next one on a connection that is kept.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time for a TLS handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Serves the API.
pub(super) struct InsightsService {
    gateway: Arc<Gateway>,
    drain: Arc<Drain>,
    api: Api,
    router: Router,
    places: Semaphore,
}

impl InsightsService {
    pub(super) fn new(gateway: Arc<Gateway>, drain: Arc<Drain>, api: Api) -> Self {
        let places = Semaphore::new(gateway.config.insights_http.connections_max);
        Self { router: api.router(), gateway, drain, api, places }
    }

    /// Requests until the client leaves, or the process does: then the one that is running is answered.
    async fn serve<S>(&self, stream: S, peer: SocketAddr, shutdown: &ShutdownWatch)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = TowerToHyperService::new(self.router.clone());
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            routes.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::pin!(connection);
        let mut shutdown = shutdown.clone();
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = shutdown.wait_for(|down| *down) => {}
        }
        // Streams would never end by themselves; their clients come back to the next process with their last event.
        self.api.close();
        connection.as_mut().graceful_shutdown();
        let _ended = connection.await;
    }
}

#[async_trait]
impl ServerApp for InsightsService {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // A connection too many is closed without a word.
        let _place = self.places.try_acquire().ok()?;
        // The process waits for it: an idle one closes when the process is to leave, another with its answer.
        let _work = self.drain.work();
        let (peer, is_tcp) = peer_of(stream.get_socket_digest().as_deref());
        let tls = if is_tcp { self.gateway.door.https() } else { None };
        let Some(tls) = tls else {
            self.serve(stream, peer, shutdown).await;
            return None;
        };
        match timeout(HANDSHAKE_TIME_MAX, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream, peer, shutdown).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client of the insight API"),
            Err(_) => tracing::debug!(%peer, "a client of the insight API took too long for TLS"),
        }
        None
    }
}

/// Where a client comes from, and whether over TCP. A unix socket has no address; nor has a client that is gone already.
fn peer_of(digest: Option<&SocketDigest>) -> (SocketAddr, bool) {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let Some(digest) = digest else { return (nowhere, true) };
    let peer = digest.peer_addr().and_then(|address| address.as_inet().copied());
    let is_tcp = digest.local_addr().is_some_and(|address| address.as_inet().is_some());
    (peer.unwrap_or(nowhere), is_tcp || peer.is_some())
}
