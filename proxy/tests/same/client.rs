//! A client that keeps every byte of every answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use vitrine::wire::frontend;

pub(crate) struct Client {
    socket: TcpStream,
    rx: Vec<u8>,
}

/// One backend message.
pub(crate) type Message = (u8, Vec<u8>);

impl Client {
    pub(crate) fn connect(port: u16, user: &str, database: &str) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = format!("user\0{user}\0database\0{database}\0\0");
        let mut packet = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
        packet.extend(196_608_u32.to_be_bytes());
        packet.extend(body.bytes());
        socket.write_all(&packet).unwrap();
        let mut client = Self { socket, rx: Vec::new() };
        client.answer();
        client
    }

    pub(crate) fn ask(&mut self, messages: &[u8]) -> Vec<Message> {
        self.socket.write_all(messages).unwrap();
        self.answer()
    }

    /// Everything to the next ReadyForQuery.
    fn answer(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            while self.rx.len() >= 5 {
                let length = u32::from_be_bytes(self.rx[1..5].try_into().unwrap()) as usize + 1;
                if self.rx.len() < length {
                    break;
                }
                let message: Vec<u8> = self.rx.drain(..length).collect();
                let ready = message[0] == b'Z';
                let body = if message[0] == b'E' { told(&message[5..]) } else { message[5..].to_vec() };
                messages.push((message[0], body));
                if ready {
                    return messages;
                }
            }
            let mut space = [0; 65536];
            let read = match self.socket.read(&mut space) {
                // The process was stopped for a moment (signal(7)).
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.unwrap(),
            };
            assert!(read > 0, "the connection was closed after {}", shown(&messages));
            self.rx.extend(&space[..read]);
        }
    }
}

/// A statement in every way a driver may send it.
#[allow(dead_code, reason = "one of the two tests that share this asks in one way")]
pub(crate) fn ways(sql: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut simple = BytesMut::new();
    frontend::put_query(&mut simple, sql);
    let extended = |name: &str, binary: bool, describes: bool| {
        let mut out = BytesMut::new();
        if !name.is_empty() {
            frontend::put_close(&mut out, b'S', name);
        }
        frontend::put_parse(&mut out, name, sql, &[]);
        if describes {
            frontend::put_describe(&mut out, b'S', name);
        }
        let formats: &[u8] = if binary { &[0, 0, 0, 0, 0, 1, 0, 1] } else { &[0, 0, 0, 0, 0, 0] };
        frontend::put_bind(&mut out, "", name, formats);
        frontend::put_describe(&mut out, b'P', "");
        frontend::put_execute(&mut out, "", 0);
        frontend::put_sync(&mut out);
        out.to_vec()
    };
    vec![
        ("simple", simple.to_vec()),
        ("extended, text", extended("", false, false)),
        ("named, binary", extended("s", true, true)),
    ]
}

pub(crate) fn shown(messages: &[Message]) -> String {
    let shown = messages.iter().take(6).map(|(tag, body)| {
        let body: String = String::from_utf8_lossy(body).chars().take(300).collect();
        format!("{}{body:?}", char::from(*tag))
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// An error without the place in PostgreSQL's source: the gateway, where it knows a name to be missing, has none. Its
/// advice is its own.
fn told(fields: &[u8]) -> Vec<u8> {
    let fields =
        fields.split(|byte| *byte == 0).filter(|field| field.first().is_some_and(|key| b"SVCMP".contains(key)));
    fields.collect::<Vec<_>>().join(&b' ')
}
