//! Start-up and authentication, up to a session that is proved to be the one asked for.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::packet::{finished, number, protocol, text_pair};
use super::pinned;
use super::scram::{Scram, refusal};
use super::{ConnectError, Packet, next_packet, server_error};
use crate::upstream::target::Purpose;
use crate::upstream::{BackendKey, ChannelBinding, Parameters, SessionFacts, Target, UpstreamIo};

/// What a server says of the session it has opened.
pub(super) struct Greeted {
    pub(super) key: BackendKey,
    pub(super) parameters: Parameters,
    pub(super) facts: SessionFacts,
}

/// A connection being logged in.
pub(super) struct Line<'a> {
    pub(super) io: &'a mut UpstreamIo,
    pub(super) rx: &'a mut BytesMut,
}

/// Messages that may come before ReadyForQuery; more is no server that wants us.
const GREETING_PACKETS_MAX: usize = 1_000;

pub(super) async fn login(
    line: &mut Line<'_>,
    target: &Target,
    end_point: Option<Vec<u8>>,
    parameters: &[(&str, &str)],
) -> Result<Greeted, ConnectError> {
    line.send(&startup(target, parameters)?).await?;
    authenticate(line, target, end_point).await?;
    let (key, mut reported) = greeting(line).await?;
    // Not before ReadyForQuery: a server that refuses after AuthenticationOk (53300, 3D000) would close on unread bytes,
    // and the reset could swallow its reason.
    let mut question = BytesMut::new();
    frontend::query(&pinned::question(&target.purpose), &mut question)?;
    line.send(&question).await?;
    let facts = answer(line, &target.purpose, &mut reported).await?;
    for (name, value) in reported.iter() {
        pinned::still_pinned(&target.purpose, name, value)?;
    }
    if !line.rx.is_empty() {
        return Err(protocol("bytes after ReadyForQuery"));
    }
    Ok(Greeted { key, parameters: reported, facts })
}

impl Line<'_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        self.io.write_all(bytes).await?;
        self.io.flush().await?;
        Ok(())
    }

    /// The next message. Notices are dropped here, errors end the login.
    async fn next(&mut self) -> Result<Packet, ConnectError> {
        loop {
            while let Some(packet) = next_packet(self.rx)? {
                match packet.tag {
                    b'E' => return Err(ConnectError::Server(server_error(packet.body)?)),
                    b'N' => {}
                    _ => return Ok(packet),
                }
            }
            if self.io.read_buf(self.rx).await? == 0 {
                return Err(ConnectError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

fn startup(target: &Target, parameters: &[(&str, &str)]) -> Result<BytesMut, ConnectError> {
    let pinned = target.purpose.pinned();
    let reserved = |name: &str| {
        pinned.iter().any(|(pinned, _)| pinned.eq_ignore_ascii_case(name))
            || ["user", "database", "replication", "options"].contains(&name)
    };
    if let Some((name, _)) = parameters.iter().find(|(name, _)| reserved(name)) {
        return Err(ConnectError::Reserved((*name).to_owned()));
    }
    let mut all = vec![("user", target.user.as_str()), ("database", target.database.as_str())];
    if !parameters.iter().any(|(name, _)| *name == "application_name") {
        all.push(("application_name", &target.application_name));
    }
    all.extend(target.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.extend(parameters);
    all.extend(pinned);
    let mut packet = BytesMut::new();
    frontend::startup_message(all, &mut packet)?;
    Ok(packet)
}

async fn authenticate(
    line: &mut Line<'_>,
    target: &Target,
    mut end_point: Option<Vec<u8>>,
) -> Result<(), ConnectError> {
    let binding = target.tls.channel_binding;
    let mut scram: Option<Scram> = None;
    loop {
        let packet = line.next().await?;
        if packet.tag != b'R' {
            return Err(protocol("expected an authentication request"));
        }
        let mut body = packet.body;
        let request = number(&mut body)?;
        let mut reply = BytesMut::new();
        match (request, scram.as_mut()) {
            (0, None) if binding == ChannelBinding::Require => {
                return Err(refusal("channel binding is required, but the server asked for no proof"));
            }
            (0, None) => return finished(&body),
            (0, Some(exchange)) if exchange.is_verified() => return finished(&body),
            (0, Some(_)) => return Err(refusal("the server did not prove that it knows the password")),
            (11, Some(exchange)) => exchange.prove(&body, &mut reply)?,
            (12, Some(exchange)) => exchange.verify(&body)?,
            (10, None) => {
                let password = password(target)?;
                scram = Some(Scram::start(body, &password, end_point.take(), binding, &mut reply)?);
            }
            (3 | 5, None) if binding == ChannelBinding::Require => {
                return Err(refusal("channel binding is required, but the server asks for a password without it"));
            }
            (3, None) if matches!(line.io, UpstreamIo::Tcp(_)) => {
                return Err(refusal("the server asks for the password in clear text on an unencrypted connection"));
            }
            (3, None) => frontend::password_message(password(target)?.as_bytes(), &mut reply)?,
            (5, None) => frontend::password_message(md5(target, &mut body)?.as_bytes(), &mut reply)?,
            (2 | 6 | 7 | 8 | 9, _) => return Err(refusal("Kerberos, GSSAPI and SSPI are not supported")),
            _ => return Err(protocol("an authentication request out of order")),
        }
        if !reply.is_empty() {
            line.send(&reply).await?;
        }
    }
}

fn password(target: &Target) -> Result<Arc<str>, ConnectError> {
    target
        .secret
        .read()
        .map_err(ConnectError::Secret)?
        .ok_or_else(|| refusal("the server asks for a password and none is configured"))
}

fn md5(target: &Target, body: &mut Bytes) -> Result<String, ConnectError> {
    let mut salt = [0; 4];
    body.try_copy_to_slice(&mut salt).map_err(|_| protocol("a message is too short"))?;
    Ok(md5_hash(target.user.as_bytes(), password(target)?.as_bytes(), salt))
}

/// Everything between AuthenticationOk and the first ReadyForQuery.
async fn greeting(line: &mut Line<'_>) -> Result<(BackendKey, Parameters), ConnectError> {
    let mut key = BackendKey::default();
    let mut parameters = Parameters::default();
    for _ in 0..GREETING_PACKETS_MAX {
        let mut packet = line.next().await?;
        match packet.tag {
            b'S' => {
                let (name, value) = text_pair(packet.body)?;
                parameters.set(name, value);
            }
            b'K' => {
                key = BackendKey { process_id: number(&mut packet.body)?, secret: number(&mut packet.body)? };
                finished(&packet.body)?;
            }
            b'Z' => return Ok((key, parameters)),
            _ => return Err(protocol("an unexpected message while greeting")),
        }
    }
    Err(protocol("a greeting without an end"))
}

/// The one row that answers the question.
async fn answer(
    line: &mut Line<'_>,
    purpose: &Purpose,
    parameters: &mut Parameters,
) -> Result<SessionFacts, ConnectError> {
    let mut facts = None;
    for _ in 0..GREETING_PACKETS_MAX {
        let packet = line.next().await?;
        match packet.tag {
            b'T' | b'C' => {}
            b'D' => facts = Some(pinned::facts(packet.body, purpose)?),
            b'S' => {
                let (name, value) = text_pair(packet.body)?;
                parameters.set(name, value);
            }
            b'Z' => return facts.ok_or_else(|| protocol("no row")),
            _ => return Err(protocol("an unexpected message in answer to the first query")),
        }
    }
    Err(protocol("an answer without an end"))
}
