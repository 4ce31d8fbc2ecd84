//! Whether an idle session is still one.

use std::io;

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
