//! What a client may expect: for each message it has sent, the answers that the manual allows, in order.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html>

use std::collections::VecDeque;

use bytes::BytesMut;
use vitrine::wire::frame::{self, Frame};
use vitrine::wire::frontend::FrontendMessage;

/// A message that was sent and is not answered.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    Close,
    /// Answered by an error, whatever it was to be.
    Broken,
    /// An error and the end of the batch.
    BrokenSync,
    Sync,
    /// A simple query or a function call: whatever comes ends with ReadyForQuery.
    Query,
    /// An error, and the end of the connection.
    Fatal,
}

/// One client.
#[derive(Default)]
pub struct Client {
    waiting: VecDeque<Sent>,
    skipping: bool,
    /// Part of the answer at the front has come.
    begun: bool,
    /// The simple query at the front has failed.
    failed: bool,
    input: BytesMut,
    pub ended: bool,
    /// The upstream was lost: an error may come that nothing asked for.
    pub lost: bool,
    /// ReadyForQuery so far, and how many were to come.
    pub ready: usize,
}

impl Client {
    pub fn sends(&mut self, frame: &Frame) {
        let sent = match FrontendMessage::decode(frame) {
            Ok(FrontendMessage::Query { .. } | FrontendMessage::FunctionCall) => Sent::Query,
            Ok(FrontendMessage::Parse { .. }) => Sent::Parse,
            Ok(FrontendMessage::Bind { .. }) => Sent::Bind,
            Ok(FrontendMessage::DescribeStatement { .. }) => Sent::DescribeStatement,
            Ok(FrontendMessage::DescribePortal { .. }) => Sent::DescribePortal,
            Ok(FrontendMessage::Execute { .. }) => Sent::Execute,
            Ok(FrontendMessage::CloseStatement { .. } | FrontendMessage::ClosePortal { .. }) => Sent::Close,
            Ok(FrontendMessage::Sync) => Sent::Sync,
            Ok(FrontendMessage::Flush | FrontendMessage::Terminate | FrontendMessage::CopyFromClient) => return,
            Ok(FrontendMessage::Password | FrontendMessage::Unknown { .. }) => Sent::Fatal,
            Err(_) if matches!(frame.tag, b'Q' | b'F') => Sent::Query,
            Err(_) if frame.tag == b'S' => Sent::BrokenSync,
            Err(_) => Sent::Broken,
        };
        self.waiting.push_back(sent);
    }

    pub fn is_answered(&self) -> bool {
        self.waiting.iter().all(|sent| self.skipping && !matches!(sent, Sent::Sync | Sent::BrokenSync))
    }

    pub fn hears(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some(header) = frame::header(&self.input).unwrap() {
            let Some(frame) = frame::take(&mut self.input, header) else { return };
            if !matches!(frame.tag, b'N' | b'S') {
                self.answer(frame.tag, &frame.body);
            }
        }
    }

    fn answer(&mut self, tag: u8, body: &[u8]) {
        assert!(!self.ended, "{} after the end", char::from(tag));
        if self.skipping {
            while self.waiting.front().is_some_and(|sent| !matches!(sent, Sent::Sync | Sent::BrokenSync)) {
                self.waiting.pop_front();
            }
        }
        if tag == b'E' && body.starts_with(b"SFATAL") {
            self.ended = true;
            return;
        }
        let told = || format!("{:?} {}", char::from(tag), String::from_utf8_lossy(body));
        let Some(front) = self.waiting.front().copied() else {
            assert!(tag == b'E' && self.lost && !self.skipping, "nobody asked for {}", told());
            self.skipping = true;
            return;
        };
        let done = match (front, tag) {
            (Sent::Sync | Sent::BrokenSync, b'Z') => {
                self.skipping = false;
                true
            }
            (Sent::BrokenSync, b'E') => false,
            (Sent::Sync, b'E') if self.lost && !self.skipping => {
                self.skipping = true;
                false
            }
            (Sent::Query, b'Z') => true,
            (Sent::Query, b'E') => {
                assert!(!self.failed, "two errors for one simple query: {}", told());
                self.failed = true;
                false
            }
            (Sent::Query, b'T' | b'D' | b'C' | b'I' | b'H' | b'd' | b'c') => {
                assert!(!self.failed, "after the error of a simple query: {}", told());
                false
            }
            (Sent::Fatal | Sent::Query | Sent::Sync | Sent::BrokenSync, _) => {
                panic!("{front:?} is answered by {}", told())
            }
            (_, b'E') => {
                self.skipping = true;
                true
            }
            (Sent::Parse, b'1') | (Sent::Bind, b'2') | (Sent::Close, b'3') | (Sent::DescribePortal, b'T' | b'n') => {
                true
            }
            (Sent::DescribeStatement, b't') if !self.begun => {
                self.begun = true;
                return;
            }
            (Sent::DescribeStatement, b'T' | b'n') if self.begun => true,
            (Sent::Execute, b'D' | b'H' | b'd' | b'c') => false,
            (Sent::Execute, b'C' | b's' | b'I') => true,
            _ => panic!("{front:?} is answered by {}; {:?}", told(), self.waiting),
        };
        if done {
            self.ready += usize::from(tag == b'Z');
            self.waiting.pop_front();
            self.begun = false;
            self.failed = false;
        }
    }
}
