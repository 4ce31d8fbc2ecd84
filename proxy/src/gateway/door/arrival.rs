//! From an accepted connection to an authenticated client: requests for encryption, TLS, the start-up packet.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::login::{Channel, Login};
use super::{ClientIo, Door, DoorError, Greeted, Peer, ServerTls, Welcome, tls};
use crate::wire::startup::{
    self, CancelKey, StartupError, StartupMessage, StartupPacket, TLS_HANDSHAKE_BYTE, put_negotiate_protocol_version,
};

/// Lets one client in, or tells it why not.
pub(super) async fn admit<S>(mut io: S, peer: Peer, door: &Door) -> Result<Welcome<S>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut input = BytesMut::with_capacity(INPUT_BYTES);
    let mut knock = Knock::new(peer, door);
    let deadline = Instant::now() + door.rules.startup_timeout;
    match in_time(deadline, knock.opening(&mut io, &mut input)).await {
        Ok(Opening::Tls { tls, is_direct }) => {
            let handshake = timeout_at(deadline.into(), handshake(io, &mut input, &tls));
            let stream = handshake.await.unwrap_or(Err(DoorError::Timeout))?;
            let channel = Channel::over_tls(&stream, tls);
            let named = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN);
            let mut io = ClientIo::Tls(Box::new(stream));
            let opening = if is_direct && !named {
                Err(DoorError::protocol(
                    "received direct SSL connection request without ALPN protocol negotiation extension",
                ))
            } else {
                in_time(deadline, knock.opening(&mut io, &mut input)).await
            };
            enter(io, input, opening, Entry { peer, door, channel, deadline }).await
        }
        opening => {
            let entry = Entry { peer, door, channel: Channel::plain(), deadline };
            enter(ClientIo::Plain(io), input, opening, entry).await
        }
    }
}

/// What comes of it by the end of the door's time.
async fn in_time<T>(deadline: Instant, what: impl Future<Output = Result<T, DoorError>>) -> Result<T, DoorError> {
    timeout_at(deadline.into(), what).await.unwrap_or_else(|_| Err(DoorError::too_slow()))
}

/// How a client's opening words end.
enum Opening {
    /// It left without a word.
    Closed,
    /// TLS is next, asked for or begun outright.
    Tls {
        tls: Arc<ServerTls>,
        is_direct: bool,
    },
    Cancel(CancelKey),
    Startup(StartupMessage),
}

/// What a client may still ask for before its start-up packet, as in PostgreSQL's `ProcessStartupPacket`.
struct Knock {
    /// The certificate on offer; taken when TLS begins.
    tls: Option<Arc<ServerTls>>,
    is_first_byte: bool,
    ssl_asked: bool,
    gss_asked: bool,
    bytes_max: usize,
}

impl Knock {
    fn new(peer: Peer, door: &Door) -> Self {
        // As in PostgreSQL there is no TLS over unix sockets: nobody can listen in there.
        let tls = if peer == Peer::Unix { None } else { door.tls.load_full() };
        let bytes_max = door.rules.startup_bytes_max;
        Self { tls, is_first_byte: true, ssl_asked: false, gss_asked: false, bytes_max }
    }

    async fn opening<T>(&mut self, io: &mut T, input: &mut BytesMut) -> Result<Opening, DoorError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let Some(packet) = self.packet(io, input).await? else { return Ok(Opening::Closed) };
            match packet {
                Packet::DirectTls(tls) => return Ok(Opening::Tls { tls, is_direct: true }),
                Packet::Startup(StartupPacket::Ssl) => {
                    if let Some(tls) = self.answer_ssl(io, input).await? {
                        return Ok(Opening::Tls { tls, is_direct: false });
                    }
                }
                Packet::Startup(StartupPacket::GssEncryption) => self.answer_gss(io, input).await?,
                Packet::Startup(StartupPacket::Cancel(key)) => return Ok(Opening::Cancel(key)),
                Packet::Startup(StartupPacket::Startup(message)) => return Ok(Opening::Startup(message)),
            }
        }
    }

    /// One start-up packet; `None` when the client left instead of beginning one.
    async fn packet<T>(&mut self, io: &mut T, input: &mut BytesMut) -> Result<Option<Packet>, DoorError>
    where
        T: AsyncRead + Unpin,
    {
        loop {
            if self.is_first_byte && !input.is_empty() {
                self.is_first_byte = false;
                let is_tls = input.first() == Some(&TLS_HANDSHAKE_BYTE);
                if let Some(tls) = self.tls.take_if(|_| is_tls) {
                    return Ok(Some(Packet::DirectTls(tls)));
                }
            }
            if let Some(packet) = startup::take(input, self.bytes_max)? {
                return Ok(Some(Packet::Startup(packet)));
            }
            match read_more(io, input).await {
                Ok(0) if input.is_empty() => return Ok(None),
                Ok(0) => return Err(DoorError::Disconnected("start-up")),
                Ok(_) => {}
                // Some health checks leave with a reset.
                Err(error) if input.is_empty() && error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Answers SSLRequest; with a certificate, TLS begins next.
    async fn answer_ssl<T>(&mut self, io: &mut T, input: &BytesMut) -> Result<Option<Arc<ServerTls>>, DoorError>
    where
        T: AsyncWrite + Unpin,
    {
        if self.ssl_asked {
            return Err(StartupError::UnsupportedProtocol { major: 1234, minor: 5679 }.into());
        }
        refuse_early_bytes(input, "received unencrypted data after SSL request")?;
        self.ssl_asked = true;
        let tls = self.tls.take();
        // GSS encryption inside TLS makes no sense, and PostgreSQL does not have it.
        self.gss_asked |= tls.is_some();
        io.write_all(if tls.is_some() { b"S" } else { b"N" }).await?;
        io.flush().await?;
        Ok(tls)
    }

    async fn answer_gss<T>(&mut self, io: &mut T, input: &BytesMut) -> Result<(), DoorError>
    where
        T: AsyncWrite + Unpin,
    {
        if self.gss_asked {
            return Err(StartupError::UnsupportedProtocol { major: 1234, minor: 5680 }.into());
        }
        refuse_early_bytes(input, "received unencrypted data after GSSAPI encryption request")?;
        self.gss_asked = true;
        io.write_all(b"N").await?;
        io.flush().await?;
        Ok(())
    }
}

enum Packet {
    DirectTls(Arc<ServerTls>),
    Startup(StartupPacket),
}

/// Bytes sent before the answer to a request for encryption may come from somebody in between (CVE-2021-23214).
fn refuse_early_bytes(input: &BytesMut, message: &str) -> Result<(), DoorError> {
    if input.is_empty() {
        return Ok(());
    }
    let detail = "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.";
    Err(DoorError::protocol(message).detail(detail))
}

/// Answers a TLS handshake whose first bytes may have been read already.
async fn handshake<S>(io: S, input: &mut BytesMut, tls: &ServerTls) -> Result<TlsStream<S>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let early = input.split();
    let mut fed = Ok(());
    let accept = TlsAcceptor::from(tls.config()).accept_with(io, |connection| fed = feed(connection, &early));
    if let Err(error) = fed {
        // Awaited for the alert that tells the client, not for what the client says to it.
        let _told = tokio::time::timeout(LINGER, accept).await;
        return Err(DoorError::Handshake(error));
    }
    accept.await.map_err(|error| {
        let left = error.kind() == io::ErrorKind::UnexpectedEof;
        if left { DoorError::Disconnected("TLS handshake") } else { DoorError::Handshake(error) }
    })
}

fn feed(connection: &mut ServerConnection, mut early: &[u8]) -> io::Result<()> {
    while !early.is_empty() {
        connection.read_tls(&mut early)?;
        connection.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(())
}

/// Who knocks where, and through which channel.
struct Entry<'a> {
    peer: Peer,
    door: &'a Door,
    channel: Channel,
    deadline: Instant,
}

async fn enter<S>(
    mut io: ClientIo<S>,
    mut input: BytesMut,
    opening: Result<Opening, DoorError>,
    entry: Entry<'_>,
) -> Result<Welcome<S>, DoorError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut output = BytesMut::new();
    let outcome = match opening {
        Ok(Opening::Closed) => return Ok(Welcome::Closed),
        Ok(Opening::Cancel(key)) => return Ok(Welcome::Cancel(key, io)),
        // TLS inside TLS: `Knock` gives its certificate out once only, so this does not come.
        Ok(Opening::Tls { .. }) => Err(StartupError::InvalidLength.into()),
        Ok(Opening::Startup(message)) => {
            if message.needs_negotiation() {
                put_negotiate_protocol_version(&mut output, &message);
            }
            let Entry { peer, door, channel, deadline } = &entry;
            let login = Login { io: &mut io, input: &mut input, output: &mut output, peer: *peer, door, channel };
            in_time(*deadline, login.run(&message)).await.map(|account| (message, account))
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok((message, account)) => {
            let StartupMessage { user, database, parameters, minor_version: _, protocol_options: _ } = message;
            // An idle client shall not carry the start-up's buffer along.
            let input = if input.is_empty() { BytesMut::new() } else { input };
            Ok(Welcome::Session(Box::new(Greeted { io, input, output, user, database, parameters, account })))
        }
        Err(error) => {
            if let DoorError::Refused(refusal) = &error {
                if let Some(address) = entry.peer.ip().filter(|_| refusal.is_failed_login) {
                    tokio::time::sleep(entry.door.throttle.failed(address, Instant::now())).await;
                }
                refusal.report.put(&mut output);
                // Whether the client hears it is its own affair: the log has it in any case.
                let _told = tokio::time::timeout(FAREWELL_TIME_MAX, farewell(&mut io, &output)).await;
            }
            Err(error)
        }
    }
}

/// Sends the last words, and reads on for a moment: closing over unread bytes would reset the connection,
/// and the client might never see why.
async fn farewell<T>(io: &mut T, last_words: &[u8]) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(last_words).await?;
    io.flush().await?;
    io.shutdown().await?;
    let drain = async {
        let mut unread = [0; 512];
        for _ in 0..LINGER_READS_MAX {
            if io.read(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    let _drained = tokio::time::timeout(LINGER, drain).await;
    Ok(())
}

/// Reads what is there, within the buffer's room.
pub(super) async fn read_more<T>(io: &mut T, input: &mut BytesMut) -> io::Result<usize>
where
    T: AsyncRead + Unpin,
{
    if input.capacity() == input.len() {
        input.reserve(INPUT_BYTES);
    }
    io.read_buf(input).await
}

const INPUT_BYTES: usize = 1024;
/// A client that does not take its last words is not waited for.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_millis(250);
const LINGER_READS_MAX: usize = 64;
