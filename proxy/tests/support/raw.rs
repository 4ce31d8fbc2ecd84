//! A client that speaks the protocol byte by byte: it can say what no driver would.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::reply::Decoder;

/// How long a reply may take: far longer than any does, so that a hang fails the test instead of the machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A reply that has not come by then does not come.
const SILENCE: Duration = PATIENCE;

/// One connection, past authentication.
pub struct Raw {
    pub socket: TcpStream,
    input: Vec<u8>,
    decoder: Decoder,
    /// From BackendKeyData: process id and secret.
    pub key: (u32, u32),
    /// ParameterStatus of the start-up.
    pub parameters: Vec<(String, String)>,
}

/// Tag and body of one backend message.
pub type Message = (u8, Vec<u8>);

impl Raw {
    /// Connects without a password. `Err` is the server's refusal as one line.
    pub fn connect(address: SocketAddr, user: &str, parameters: &[(&str, &str)]) -> Result<Self, String> {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut raw =
            Self { socket, input: Vec::new(), decoder: Decoder::default(), key: (0, 0), parameters: Vec::new() };
        raw.send(&startup(user, parameters));
        loop {
            let (tag, body) = match raw.next() {
                Ok(message) => message,
                Err(error) => return Err(format!("closed: {error}")),
            };
            match tag {
                b'R' if body == [0, 0, 0, 0] => {}
                b'K' => raw.key = (u32_at(&body, 0), u32_at(&body, 4)),
                b'S' => raw.parameters.push(two_strings(&body)),
                b'Z' => return Ok(raw),
                _ => return Err(raw.decoder.line(tag, &body)),
            }
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A server that hung up is seen when reading.
        let _ = self.socket.write_all(bytes);
    }

    /// The next message; `None` when the server closed the connection.
    pub fn message(&mut self) -> Option<Message> {
        self.next().ok()
    }

    /// The same, with what the system says of a connection that ended.
    fn next(&mut self) -> std::io::Result<Message> {
        loop {
            if let Some(message) = self.buffered() {
                return Ok(message);
            }
            match self.fill() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("no reply within {PATIENCE:?}")
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next message, if one comes within `patience`. `Err` when the server closed the connection.
    pub fn message_within(&mut self, patience: Duration) -> Result<Option<Message>, ()> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let outcome = loop {
            if let Some(message) = self.buffered() {
                break Ok(Some(message));
            }
            match self.fill() {
                Ok(0) => break Err(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break Ok(None),
                Err(_) => break Err(()),
            }
        };
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        outcome
    }

    /// A message as one line.
    pub fn line(&mut self, (tag, body): &Message) -> String {
        self.decoder.line(*tag, body)
    }

    /// Everything up to `ready` ReadyForQuery messages (or the end of the connection, `closed`), a line each.
    pub fn lines_until_ready(&mut self, mut ready: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while ready > 0 {
            let message = match self.message_within(SILENCE) {
                Ok(Some(message)) => message,
                Ok(None) => {
                    lines.push("silence".to_owned());
                    break;
                }
                Err(()) => {
                    lines.push("closed".to_owned());
                    break;
                }
            };
            if message.0 == b'Z' {
                ready -= 1;
            }
            lines.push(self.line(&message));
        }
        lines
    }

    /// Sends a simple query and reads to its end.
    pub fn query(&mut self, sql: &str) -> Vec<String> {
        self.send(&query(sql));
        self.lines_until_ready(1)
    }

    /// The first value of the first row of a simple query; panics with the whole answer when there is none.
    pub fn value(&mut self, sql: &str) -> String {
        let lines = self.query(sql);
        let row = lines.iter().find_map(|line| line.strip_prefix("DataRow "));
        row.unwrap_or_else(|| panic!("{sql}: {lines:#?}")).to_owned()
    }

    /// Hangs up without a word.
    pub fn vanish(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn buffered(&mut self) -> Option<Message> {
        let length = usize::try_from(u32_at(self.input.get(..5)?, 1)).unwrap();
        let body = self.input.get(5..1 + length)?.to_vec();
        let tag = self.input[0];
        self.input.drain(..1 + length);
        Some((tag, body))
    }

    /// A read that has a time limit ends with EINTR when the process was stopped or traced, or the machine's supervisor
    /// froze it for a moment (signal(7)): that is not the end of the connection.
    pub fn read(&mut self, chunk: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.socket.read(chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = self.read(&mut chunk)?;
        self.input.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// Asks for cancellation as libpq does: returns when the server has closed the connection.
pub fn cancel(address: SocketAddr, key: (u32, u32)) {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut request = 16_u32.to_be_bytes().to_vec();
    request.extend(80_877_102_u32.to_be_bytes());
    request.extend(key.0.to_be_bytes());
    request.extend(key.1.to_be_bytes());
    socket.write_all(&request).unwrap();
    let _ = socket.read(&mut [0]);
}

pub fn startup(user: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in [("user", user)].iter().chain(parameters) {
        put(&mut body, name);
        put(&mut body, value);
    }
    body.push(0);
    let mut packet = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![tag];
    packet.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    packet.extend(body);
    packet
}

pub fn query(sql: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, sql);
    frame(b'Q', &body)
}

pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, name);
    put(&mut body, sql);
    body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    frame(b'P', &body)
}

/// The values and formats of a Bind.
#[derive(Default, Clone)]
pub struct Values {
    pub formats: Vec<u16>,
    pub values: Vec<Option<Vec<u8>>>,
    pub results: Vec<u16>,
}

pub fn bind(portal: &str, statement: &str, values: &Values) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, portal);
    put(&mut body, statement);
    put_formats(&mut body, &values.formats);
    body.extend(u16::try_from(values.values.len()).unwrap().to_be_bytes());
    for value in &values.values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(bytes) => {
                body.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
                body.extend(bytes);
            }
        }
    }
    put_formats(&mut body, &values.results);
    frame(b'B', &body)
}

/// Bind of text values.
pub fn bind_text(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let values = values.iter().map(|value| Some(value.as_bytes().to_vec())).collect();
    bind(portal, statement, &Values { values, ..Values::default() })
}

pub fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, portal);
    body.extend(rows_max.to_be_bytes());
    frame(b'E', &body)
}

/// Describe (`b'D'`) or Close (`b'C'`) of a statement (`b'S'`) or portal (`b'P'`).
pub fn about(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    put(&mut body, name);
    frame(tag, &body)
}

pub fn sync() -> Vec<u8> {
    frame(b'S', &[])
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.extend(text.as_bytes());
    body.push(0);
}

fn put_formats(body: &mut Vec<u8>, formats: &[u16]) {
    body.extend(u16::try_from(formats.len()).unwrap().to_be_bytes());
    formats.iter().for_each(|format| body.extend(format.to_be_bytes()));
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn two_strings(body: &[u8]) -> (String, String) {
    let mut parts = body.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    (parts.next().unwrap(), parts.next().unwrap())
}
