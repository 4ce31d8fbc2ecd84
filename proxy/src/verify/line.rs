//! A client of our own: it says exactly what an attack says, and keeps what comes back.

use std::io;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::attempt::{By, Refusal};
use crate::wire::backend::{Fields, decode_command_complete};
use crate::wire::frame::{self, Frame};
use crate::wire::frontend;
use crate::wire::reader::Reader;

/// Longer than any answer to an attack takes; a wait that an attack caused is one that got through.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What a connection runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A session, logged in.
pub struct Line {
    io: Box<dyn Stream>,
    rx: BytesMut,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The login was refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Timeout,
    /// What came is not PostgreSQL's protocol.
    #[error("the answer is not PostgreSQL's protocol")]
    Protocol,
    /// The attack cannot be made this way.
    #[error("{0}")]
    NotPossible(String),
}

/// What came back on one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first error.
    pub refusal: Option<Refusal>,
    /// Command tags before the first error.
    pub completed: Vec<String>,
    /// Command tags after it.
    pub completed_after: Vec<String>,
    /// The first column of the last row, as text.
    pub value: Option<String>,
    /// The server asked for COPY data.
    pub copy_in: bool,
    /// The connection was closed.
    pub closed: bool,
}

/// A simple query.
pub(super) fn question(sql: &str) -> BytesMut {
    let mut out = BytesMut::new();
    // Built by hand: an attack may hold a zero byte.
    out.put_u8(b'Q');
    out.put_u32(u32::try_from(sql.len() + 5).unwrap_or(u32::MAX));
    out.extend_from_slice(sql.as_bytes());
    out.put_u8(0);
    out
}

impl Line {
    pub(super) fn new(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, rx: BytesMut) -> Self {
        Self { io: Box::new(io), rx }
    }

    /// Sends a start-up packet and reads to ReadyForQuery; the server must not ask for a password.
    pub(super) async fn log_in(&mut self, parameters: &[(&str, &str)]) -> Result<(), LineError> {
        let mut body = BytesMut::new();
        body.put_u32(196_608);
        for (name, value) in parameters {
            for text in [name, value] {
                body.extend_from_slice(text.as_bytes());
                body.put_u8(0);
            }
        }
        body.put_u8(0);
        let mut packet = BytesMut::new();
        packet.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
        packet.extend_from_slice(&body);
        let answer = self.ask(&packet).await?;
        match answer.refusal {
            Some(refusal) => Err(LineError::Refused(refusal)),
            None if answer.closed => Err(LineError::Io(io::ErrorKind::UnexpectedEof.into())),
            None => Ok(()),
        }
    }

    /// Sends messages and reads to the next ReadyForQuery, or to the end of the connection.
    pub async fn ask(&mut self, messages: &[u8]) -> Result<Answer, LineError> {
        self.converse(messages, false).await
    }

    /// Sends messages, says nothing more, and reads to the end of the connection.
    pub(super) async fn say_last(&mut self, messages: &[u8]) -> Result<Answer, LineError> {
        self.converse(messages, true).await
    }

    async fn converse(&mut self, messages: &[u8], last: bool) -> Result<Answer, LineError> {
        let exchange = async {
            // A refusal may come, and the connection go, before everything was said.
            let mut spoken = self.io.write_all(messages).await;
            if last && spoken.is_ok() {
                spoken = self.io.shutdown().await;
            }
            let answer = self.answer(last).await;
            match (spoken, answer) {
                (Err(error), Ok(answer)) if answer.refusal.is_none() && !answer.closed => Err(error.into()),
                (_, answer) => answer,
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await.map_err(|_| LineError::Timeout)?
    }

    async fn answer(&mut self, to_the_end: bool) -> Result<Answer, LineError> {
        let mut answer = Answer::default();
        loop {
            while let Some(frame) = self.next_frame()? {
                if frame.tag == b'Z' && !to_the_end {
                    return Ok(answer);
                }
                answer.take(&frame)?;
                if answer.copy_in {
                    return Ok(answer);
                }
            }
            let read = match self.io.read_buf(&mut self.rx).await {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                answer.closed = true;
                return Ok(answer);
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, LineError> {
        let header = frame::header(&self.rx).map_err(|_| LineError::Protocol)?;
        Ok(header.and_then(|header| frame::take(&mut self.rx, header)))
    }
}

impl Answer {
    fn take(&mut self, frame: &Frame) -> Result<(), LineError> {
        match frame.tag {
            b'E' => {
                let fields = Fields::decode(&frame.body).map_err(|_| LineError::Protocol)?;
                if self.refusal.is_none() {
                    self.refusal = Some(refusal(&fields));
                }
            }
            b'C' => {
                let tag = decode_command_complete(&frame.body).map_err(|_| LineError::Protocol)?.to_owned();
                if self.refusal.is_some() { self.completed_after.push(tag) } else { self.completed.push(tag) }
            }
            b'D' => self.value = first_value(&frame.body),
            b'G' | b'W' => self.copy_in = true,
            _ => {}
        }
        Ok(())
    }
}

/// Who speaks: PostgreSQL names the place in its source, the gateway the rule that refused.
fn refusal(fields: &Fields<'_>) -> Refusal {
    let rule = fields.field(b'R').and_then(|routine| routine.strip_prefix("vitrine_"));
    let by = if fields.field(b'F').is_some() && rule.is_none() { By::Database } else { By::Gateway };
    Refusal {
        by,
        sqlstate: fields.field(b'C').unwrap_or_default().to_owned(),
        rule: rule.map(str::to_owned),
        message: fields.field(b'M').unwrap_or_default().to_owned(),
    }
}

fn first_value(row: &[u8]) -> Option<String> {
    let mut row = Reader::new(row);
    row.i16().ok().filter(|columns| *columns > 0)?;
    let length = row.length().ok()??;
    Some(String::from_utf8_lossy(row.bytes(length).ok()?).into_owned())
}

/// Parse, Bind, Describe, Execute of one statement; no Sync.
pub(super) fn put_statement(out: &mut BytesMut, name: &str, sql: &str, types: &[u32]) {
    put_parse(out, name, sql, types);
    put_bind(out, name, types.len());
    frontend::put_describe(out, b'P', "");
    frontend::put_execute(out, "", 0);
}

/// Parse, whatever bytes the text holds.
pub(super) fn put_parse(out: &mut BytesMut, name: &str, sql: &str, types: &[u32]) {
    frontend::put_parse(out, name, sql, types);
}

/// Bind to the unnamed portal, every parameter NULL.
pub(super) fn put_bind(out: &mut BytesMut, name: &str, parameters: usize) {
    let mut values = vec![0, 0];
    values.extend(u16::try_from(parameters).unwrap_or(u16::MAX).to_be_bytes());
    values.extend(std::iter::repeat_n(0xff, parameters * 4));
    values.extend([0, 0]);
    frontend::put_bind(out, "", name, &values);
}
