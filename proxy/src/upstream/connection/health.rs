//! Whether an idle session is still one.

use std::io;

use bytes::BytesMut;

use super::Connection;
use super::io::Pending;
use crate::upstream::connect::{ServerError, next_packet, server_error, text_pair};

/// What looking at an idle connection showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing has arrived unasked, or only reports of settings that are still as they should be.
    Alive,
    /// The server has closed it; its last words, if it had any (57P01 and the like).
    Gone(Option<ServerError>),
    /// Bytes that nobody asked for, or a pinned setting that changed: not to be trusted.
    Astray,
}

/// The last words of a server that closes take one read, or two.
const READS_BEFORE_CLOSE_MAX: usize = 4;

/// An idle session hears a few reports after a configuration reload, never this much.
const UNASKED_BYTES_MAX: usize = 64 * 1024;

impl Connection {
    /// Looks at an idle connection without a round trip and without waiting.
    ///
    /// The kernel is asked (one system call). Reports and notices that arrived are read; an ErrorResponse, the end of
    /// the stream or anything else makes the connection one to destroy.
    pub fn look(&mut self) -> Health {
        if !self.rx.is_empty() {
            return Health::Astray;
        }
        match self.io.pending() {
            Pending::Nothing => Health::Alive,
            Pending::Closed => Health::Gone(None),
            Pending::Bytes => self.listen(),
        }
    }

    /// Whether the server has closed the connection, as far as the kernel knows. Bytes it sent before do not matter.
    pub(in crate::upstream) fn is_closed(&mut self) -> bool {
        let mut unread = BytesMut::with_capacity(4096);
        for _ in 0..READS_BEFORE_CLOSE_MAX {
            match self.io.pending() {
                Pending::Closed => return true,
                Pending::Nothing => return false,
                Pending::Bytes => unread.clear(),
            }
            match self.io.try_read_buf(&mut unread) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn listen(&mut self) -> Health {
        loop {
            if self.rx.len() > UNASKED_BYTES_MAX {
                return Health::Astray;
            }
            self.rx.reserve(4096);
            match self.io.try_read_buf(&mut self.rx) {
                Ok(0) => return self.unasked().map_or_else(|dead| dead, |()| Health::Gone(None)),
                Ok(_) => {}
                // The runtime has not heard of the bytes that the kernel has, or half a TLS record is there.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.unasked().map_or_else(|dead| dead, |()| Health::Gone(None)),
            }
        }
        match self.unasked() {
            Ok(()) if self.rx.is_empty() && self.io.pending() == Pending::Nothing => Health::Alive,
            Ok(()) => Health::Astray,
            Err(dead) => dead,
        }
    }

    /// Reads whole messages that arrived unasked.
    fn unasked(&mut self) -> Result<(), Health> {
        while let Some(packet) = next_packet(&mut self.rx).map_err(|_| Health::Astray)? {
            match packet.tag {
                b'S' => {
                    let (name, value) = text_pair(packet.body).map_err(|_| Health::Astray)?;
                    self.note_parameter(name, value).map_err(|_| Health::Astray)?;
                }
                // A notice on an idle session belongs to no client.
                b'N' => {}
                b'E' => return Err(Health::Gone(server_error(packet.body).ok())),
                _ => return Err(Health::Astray),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use bytes::BytesMut;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::session::dispatch::ServerStatements;
    use crate::upstream::{BackendKey, Parameters, SessionFacts, UpstreamIo};

    /// A session whose server end is in our hands.
    fn session() -> (Connection, UnixStream) {
        let (ours, server) = UnixStream::pair().unwrap();
        let facts = SessionFacts {
            search_path: String::new(),
            role: String::new(),
            login: String::new(),
            database: String::new(),
            server_version: 0,
            superuser: false,
            standby: false,
        };
        let connection = Connection {
            io: UpstreamIo::Unix(ours),
            rx: BytesMut::new(),
            key: BackendKey::default(),
            parameters: Parameters::default(),
            facts: Arc::new(facts),
            statements: ServerStatements::default(),
            settings: Arc::default(),
            created: Instant::now(),
            purpose: Default::default(),
        };
        (connection, server)
    }

    async fn look_after(bytes: &[u8]) -> (Health, Connection) {
        let (mut connection, mut server) = session();
        assert_eq!(connection.look(), Health::Alive);
        server.write_all(bytes).await.unwrap();
        if let UpstreamIo::Unix(stream) = &connection.io {
            stream.readable().await.unwrap();
        }
        (connection.look(), connection)
    }

    #[tokio::test]
    async fn reports_and_notices_on_an_idle_session_are_read() {
        let (health, mut connection) = look_after(b"S\0\0\0\x11TimeZone\0UTC\0N\0\0\0\x05\0").await;
        assert_eq!(health, Health::Alive);
        assert_eq!(connection.parameters.value("timezone"), Some("UTC"));
        // Its other end is gone now.
        assert_eq!(connection.look(), Health::Gone(None));
    }

    #[tokio::test]
    async fn a_pin_that_is_lost_and_anything_else_is_astray() {
        for bytes in [
            &b"S\0\0\0\x19client_encoding\0SJIS\0"[..],
            b"S\0\0\0\x11Time",
            b"Z\0\0\0\x05I",
            b"S\xff\xff\xff\xff",
            b"N\0\x7f\xff\xff",
            b"S\0\0\0\x12TimeZone\0UTC\0x",
        ] {
            let (health, _) = look_after(bytes).await;
            assert_eq!(health, Health::Astray, "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn the_last_words_of_a_server_are_kept() {
        let (health, _) = look_after(b"E\0\0\0\x19VFATAL\0C57P01\0Mgone\0\0").await;
        let Health::Gone(Some(words)) = health else { panic!("{health:?}") };
        assert_eq!((words.sqlstate.code(), words.message.as_str()), ("57P01", "gone"));
    }
}
