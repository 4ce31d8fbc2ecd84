//! tokio-postgres clients for the gateway's own questions (the catalog, the posture), logged in by [`connect`].
//!
//! tokio-postgres takes over a session that is open already: its start-up message is swallowed, and it is told that
//! authentication went well. So there is one implementation of TLS, SCRAM and certificates, and these clients are born
//! with the pinned settings too.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use super::connect::{ConnectError, connect};
use super::{Connection, Target, UpstreamIo};

/// A tokio-postgres client for a target, and the task that drives it: abort the task to close the connection at once.
///
/// # Errors
/// As [`connect`].
pub async fn sql_client(target: &Target) -> Result<(tokio_postgres::Client, JoinHandle<()>), ConnectError> {
    let connection = connect(target, &[]).await?;
    adopt(Adopted::new(connection)).await.map_err(|error| ConnectError::Protocol(error.to_string()))
}

/// A pool of tokio-postgres clients, with the target's rules for each connection. Nothing is opened yet.
///
/// # Errors
/// deadpool refuses the numbers.
pub fn sql_pool(target: &Target, connections_max: usize) -> Result<Pool, deadpool_postgres::BuildError> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let source = Manager::from_connect(tokio_postgres::Config::new(), SqlConnect(target.clone()), config);
    let patience = Some(target.connect_timeout.max(Duration::from_secs(1)));
    Pool::builder(source)
        .max_size(connections_max)
        .runtime(Runtime::Tokio1)
        .wait_timeout(patience)
        .create_timeout(patience.map(|patience| patience * 3))
        .build()
}

/// How deadpool opens connections to a target. The `tokio_postgres::Config` it offers is not used.
#[derive(Clone, Debug)]
pub struct SqlConnect(pub Target);

type Opened = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>;

impl deadpool_postgres::Connect for SqlConnect {
    fn connect(&self, _config: &tokio_postgres::Config) -> Pin<Box<dyn Future<Output = Opened> + Send + '_>> {
        Box::pin(async move {
            let stream = match connect(&self.0, &[]).await {
                Ok(connection) => Adopted::new(connection),
                // tokio_postgres::Error has no constructor: a stream that fails with our error makes one that carries it.
                Err(error) => Adopted::failed(error),
            };
            adopt(stream).await
        })
    }
}

async fn adopt(stream: Adopted) -> Opened {
    let mut config = tokio_postgres::Config::new();
    config.user("adopted").ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a catalog connection ended");
        }
    });
    Ok((client, task))
}

/// A stream on which the start-up has been done already.
struct Adopted {
    io: Result<UpstreamIo, Option<ConnectError>>,
    /// What the server said at start-up, said again.
    greeting: BytesMut,
    /// The start-up message, until all of it has been swallowed.
    startup: Option<BytesMut>,
}

impl Adopted {
    fn new(connection: Connection) -> Self {
        let mut greeting = BytesMut::new();
        put(&mut greeting, b'R', |body| body.put_i32(0));
        for (name, value) in connection.parameters.iter() {
            put(&mut greeting, b'S', |body| {
                for text in [name, value] {
                    body.put_slice(text.as_bytes());
                    body.put_u8(0);
                }
            });
        }
        put(&mut greeting, b'K', |body| {
            body.put_i32(connection.key.process_id);
            body.put_i32(connection.key.secret);
        });
        put(&mut greeting, b'Z', |body| body.put_u8(b'I'));
        Self { io: Ok(connection.io), greeting, startup: Some(BytesMut::new()) }
    }

    fn failed(error: ConnectError) -> Self {
        Self { io: Err(Some(error)), greeting: BytesMut::new(), startup: None }
    }

    fn io(&mut self) -> io::Result<Pin<&mut UpstreamIo>> {
        match &mut self.io {
            Ok(io) => Ok(Pin::new(io)),
            Err(error) => Err(error.take().map_or_else(|| io::ErrorKind::NotConnected.into(), io::Error::other)),
        }
    }
}

/// Appends one message.
fn put(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let mut bytes = BytesMut::new();
    body(&mut bytes);
    out.put_u8(tag);
    out.put_u32(u32::try_from(bytes.len() + 4).unwrap_or(u32::MAX));
    out.put_slice(&bytes);
}

impl AsyncRead for Adopted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let length = self.greeting.len().min(buffer.remaining());
            buffer.put_slice(&self.greeting.split_to(length));
            return Poll::Ready(Ok(()));
        }
        self.io()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Adopted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(startup) = &mut self.startup else {
            return self.io()?.poll_write(cx, bytes);
        };
        // One message, its length first: what follows it, if anything, is the session's.
        let header = 4_usize.saturating_sub(startup.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(header);
        startup.put_slice(head);
        let Some(length) = startup.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return Poll::Ready(Ok(bytes.len()));
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = length.saturating_sub(startup.len()).min(rest.len());
        startup.put_slice(rest.split_at(body).0);
        if startup.remaining() >= length {
            self.startup = None;
        }
        Poll::Ready(Ok(header + body))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.io()?.poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }
}
