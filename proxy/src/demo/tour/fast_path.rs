//! FunctionCall, a message that no driver has a method for: logged in and sent by hand.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-FUNCTION-CALL>

use std::io::{Error, ErrorKind};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::Config;

const FRAME_BYTES_MAX: usize = 1 << 20;

/// What the server answered.
pub(super) enum Answer {
    /// The function was called.
    Value,
    /// It was not.
    Refused { sqlstate: String, message: String },
}

/// Logs in with user and password of `config` on loopback and calls a function by its number.
pub(super) async fn call(config: &Config, function: u32, arguments: &[&str]) -> Result<Answer, Error> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let mut session = Session { io: TcpStream::connect(("127.0.0.1", port)).await? };
    session.log_in(config).await?;
    session.io.write_all(&function_call(function, arguments)?).await?;
    let mut answer = None;
    loop {
        match session.read().await? {
            (b'E', body) => answer = Some(refused(&body)),
            (b'V', _) => answer = Some(Answer::Value),
            (b'Z', _) => break,
            _ => {}
        }
    }
    answer.ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "no answer to the function call"))
}

struct Session {
    io: TcpStream,
}

impl Session {
    async fn log_in(&mut self, config: &Config) -> Result<(), Error> {
        let user = config.get_user().unwrap_or_default();
        let mut scram = ScramSha256::new(config.get_password().unwrap_or_default(), ChannelBinding::unsupported());
        let mut out = BytesMut::new();
        frontend::startup_message([("user", user), ("database", config.get_dbname().unwrap_or(user))], &mut out)?;
        loop {
            self.io.write_all(&out).await?;
            out.clear();
            match self.read().await? {
                (b'R', body) => answer_authentication(body, &mut scram, &mut out)?,
                (b'Z', _) => return Ok(()),
                (b'E', body) => {
                    let Answer::Refused { message, .. } = refused(&body) else { return Err(ErrorKind::Other.into()) };
                    return Err(Error::new(ErrorKind::PermissionDenied, message));
                }
                _ => {}
            }
        }
    }

    /// One message: its tag and its body.
    async fn read(&mut self) -> Result<(u8, Bytes), Error> {
        let tag = self.io.read_u8().await?;
        let length = usize::try_from(self.io.read_u32().await?).unwrap_or(usize::MAX);
        let Some(body_bytes) = length.checked_sub(4).filter(|bytes| *bytes <= FRAME_BYTES_MAX) else {
            return Err(Error::new(ErrorKind::InvalidData, "a message of impossible length"));
        };
        let mut body = vec![0; body_bytes];
        self.io.read_exact(&mut body).await?;
        Ok((tag, body.into()))
    }
}

fn answer_authentication(mut body: Bytes, scram: &mut ScramSha256, out: &mut BytesMut) -> Result<(), Error> {
    if body.len() < 4 {
        return Err(ErrorKind::InvalidData.into());
    }
    match body.get_u32() {
        10 => frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out),
        11 => {
            scram.update(&body)?;
            frontend::sasl_response(scram.message(), out)
        }
        12 => scram.finish(&body),
        _ => Ok(()),
    }
}

fn function_call(function: u32, arguments: &[&str]) -> Result<BytesMut, Error> {
    let too_long = |_| Error::from(ErrorKind::InvalidInput);
    let mut body = BytesMut::new();
    body.put_u32(function);
    body.put_i16(0);
    body.put_i16(i16::try_from(arguments.len()).map_err(too_long)?);
    for argument in arguments {
        body.put_i32(i32::try_from(argument.len()).map_err(too_long)?);
        body.put_slice(argument.as_bytes());
    }
    body.put_i16(0);
    let mut message = BytesMut::new();
    message.put_u8(b'F');
    message.put_i32(i32::try_from(body.len() + 4).map_err(too_long)?);
    message.put_slice(&body);
    Ok(message)
}

/// The fields `C` and `M` of an ErrorResponse.
fn refused(body: &[u8]) -> Answer {
    let field = |wanted: u8| {
        let text = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&wanted));
        text.and_then(|field| field.get(1..)).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    };
    Answer::Refused { sqlstate: field(b'C'), message: field(b'M') }
}
