//! One client connection.

use super::door::Peer;
use super::state::Gateway;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// Serves one client until it leaves or, once `shutdown` turns true, until its transaction ends.
pub async fn serve<S>(mut io: S, _peer: Peer, _gateway: Arc<Gateway>, mut shutdown: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut buffer = [0; 1024];
    loop {
        let read = tokio::select! {
            read = io.read(&mut buffer) => read,
            _ = shutdown.wait_for(|down| *down) => return,
        };
        let Ok(count @ 1..) = read else { return };
        let Some(bytes) = buffer.get(..count) else { return };
        if io.write_all(bytes).await.is_err() {
            return;
        }
    }
}
