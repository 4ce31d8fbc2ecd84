//! The socket of an upstream session. An enum rather than a trait object: every byte goes through it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A stream of bytes to the upstream server.
#[derive(Debug)]
pub enum UpstreamIo {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What waits in the kernel for an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    Bytes,
    Closed,
}

impl UpstreamIo {
    /// Writes what the socket takes at once.
    ///
    /// Not for a connection on which another task waits: on TLS it replaces that task's waker.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing now.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(stream) => {
                let mut context = Context::from_waker(Waker::noop());
                let stream = Pin::new(stream.as_mut());
                ready(stream.poll_write(&mut context, bytes))
            }
        }
    }

    /// Reads what has arrived, without waiting; 0 is the end of the stream. Room must have been reserved in `rx`.
    ///
    /// Not for a connection on which another task waits: on TLS it replaces that task's waker.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has arrived.
    pub fn try_read_buf(&mut self, rx: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(rx),
            Self::Unix(stream) => stream.try_read_buf(rx),
            Self::Tls(stream) => {
                let mut context = Context::from_waker(Waker::noop());
                let mut piece = [0; 4096];
                let mut buffer = ReadBuf::new(&mut piece);
                ready(Pin::new(stream.as_mut()).poll_read(&mut context, &mut buffer))?;
                rx.put_slice(buffer.filled());
                Ok(buffer.filled().len())
            }
        }
    }

    /// Asks the kernel itself, past the runtime's idea of readiness, which may lag behind.
    pub(super) fn pending(&self) -> Pending {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
        };
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => Pending::Closed,
            Ok(_) => Pending::Bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pending::Nothing,
            Err(_) => Pending::Closed,
        }
    }
}

fn ready<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
