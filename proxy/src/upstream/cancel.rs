//! Cancel requests to the upstream server.

use std::io;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::reach;
use super::{BackendKey, Target};

/// Asks the server to cancel what a session is doing, on a connection of its own, encrypted as the target says.
///
/// Returns when the server has closed that connection: the signal has then been sent, though perhaps not yet acted on.
/// The server never says whether there was anything to cancel.
///
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>
///
/// # Errors
/// The server cannot be reached, or does not close the connection within the target's connect timeout.
pub async fn cancel(target: &Target, key: BackendKey) -> io::Result<()> {
    let mut io = reach(target).await.map_err(io::Error::other)?;
    let mut request = BytesMut::new();
    frontend::cancel_request(key.process_id, key.secret, &mut request);
    let exchange = async {
        io.write_all(&request).await?;
        io.flush().await?;
        let mut rest = [0; 64];
        loop {
            match io.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // PostgreSQL closes without a TLS close_notify, and may reset.
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    };
    timeout(target.connect_timeout, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
