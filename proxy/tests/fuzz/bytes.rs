//! Targets that take a peer's bytes as they are.

use std::sync::LazyLock;

use bytes::BytesMut;
use vitrine::check::Reviewer;
use vitrine::policy::Policy;
use vitrine::wire::backend::{Fields, decode_command_complete, decode_parameter_status};
use vitrine::wire::frame;
use vitrine::wire::frontend::FrontendMessage;
use vitrine::wire::startup::{self, POSTGRES_STARTUP_BYTES_MAX};

/// Frames of either side: nothing panics, and a frame takes what its length says.
pub fn frames(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(header)) = frame::header(&buffer) {
        let before = buffer.len();
        let Some(frame) = frame::take(&mut buffer, header) else { break };
        assert_eq!(before - buffer.len(), frame::HEADER_BYTES + header.body_bytes);
        let _ = FrontendMessage::decode(&frame);
        let _ = decode_parameter_status(&frame.body);
        let _ = decode_command_complete(&frame.body);
        if let Ok(fields) = Fields::decode(&frame.body) {
            let _ = (fields.sqlstate(), fields.ends_connection());
            fields.put_shifted(&mut BytesMut::new(), 7);
        }
    }
}

/// Start-up packets: nothing panics, and what is not whole is not taken.
pub fn startup(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(packet)) = startup::take(&mut buffer, POSTGRES_STARTUP_BYTES_MAX) {
        let _ = format!("{packet:?}");
    }
}

static REVIEWER: LazyLock<Reviewer> = LazyLock::new(|| Reviewer::offline(Policy::built_in()));

/// Statements: read or refused, with a position that is one.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let verdict = REVIEWER.verdict(text);
    if let Some(denial) = verdict.denial {
        assert_ne!(denial.message, "the statement cannot be read", "a reader panicked at {text:?}");
        assert!(denial.position.is_none_or(|at| text.is_char_boundary(at)), "{denial:?} of {text:?}");
    }
}
