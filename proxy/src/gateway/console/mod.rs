//! The virtual database `vitrine`: what the gateway knows about itself, asked from psql, as pgbouncer's users know it.
//!
//! Simple and extended protocol; text only; nothing here reaches the customer database.

mod command;
mod report;

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::bell::{DRAIN, END, Place};
use super::door::{ClientIo, Greeted};
use super::memory;
use super::state::Gateway;
use crate::session::failure;
use crate::wire::backend::{self, Report, TransactionStatus};
use crate::wire::frame::{self, Frame};
use crate::wire::frontend::FrontendMessage;
use crate::wire::sqlstate::SqlState;
use command::Command;

/// The name clients ask for.
pub const DATABASE: &str = "vitrine";

/// No question is longer.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// What a question is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

/// Serves one client of the console until it leaves or the gateway ends.
pub(super) async fn serve<S>(greeted: Greeted<S>, place: Place, gateway: Arc<Gateway>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Greeted { io, input, mut output, .. } = greeted;
    greet(&mut output, &place);
    let mut console = Console { io, input, output, gateway, place, prepared: None, skipping: false };
    if let Some(report) = console.converse().await {
        report.put(&mut console.output);
        let _gone = console.io.write_all(&console.output).await;
    }
    let _gone = console.io.shutdown().await;
}

fn greet(output: &mut BytesMut, place: &Place) {
    let version = concat!("15.0 (Vitrine ", env!("CARGO_PKG_VERSION"), ")");
    for (name, value) in [
        ("server_version", version),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
    ] {
        backend::put_parameter_status(output, name, value);
    }
    backend::put_backend_key(output, place.key.process_id, place.key.secret);
    backend::put_ready(output, TransactionStatus::Idle);
}

struct Console<S> {
    io: ClientIo<S>,
    input: BytesMut,
    output: BytesMut,
    gateway: Arc<Gateway>,
    place: Place,
    /// The one prepared statement: every name stands for it, the console has no use for more.
    prepared: Option<Command>,
    skipping: bool,
}

impl<S> Console<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// `Some`: last words.
    async fn converse(&mut self) -> Option<Report> {
        loop {
            while let Ok(Some(header)) = frame::header(&self.input) {
                if header.body_bytes > FRAME_BYTES_MAX {
                    return Some(Report::fatal(SqlState::PROTOCOL_VIOLATION, "invalid message length"));
                }
                let Some(frame) = frame::take(&mut self.input, header) else { break };
                if !self.receive(&frame) {
                    return None;
                }
            }
            if self.io.write_all(&self.output).await.is_err() || self.io.flush().await.is_err() {
                return None;
            }
            self.output.clear();
            if !self.more().await? {
                return None;
            }
        }
    }

    /// Waits for bytes: `Some(false)` when there will be none, `None` when the gateway ends.
    async fn more(&mut self) -> Option<bool> {
        let bell = Arc::clone(&self.place.bell);
        let rung = std::future::poll_fn(|cx| match bell.listen(cx.waker()) & (DRAIN | END) {
            0 => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(()),
        });
        tokio::select! {
            // What was asked is answered first.
            biased;
            read = self.io.read_buf(&mut self.input) => Some(matches!(read, Ok(count) if count > 0)),
            () = rung => {
                let report = Report::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command");
                report.put(&mut self.output);
                let _gone = self.io.write_all(&self.output).await;
                Some(false)
            }
        }
    }

    /// `false`: the client said goodbye.
    fn receive(&mut self, frame: &Frame) -> bool {
        if self.skipping && !matches!(frame.tag, b'S' | b'X') {
            return true;
        }
        match FrontendMessage::decode(frame) {
            Ok(message) => self.message(&message),
            Err(cause) => {
                self.fail(&failure::malformed(cause));
                true
            }
        }
    }

    fn message(&mut self, message: &FrontendMessage<'_>) -> bool {
        match message {
            FrontendMessage::Query { sql } => {
                match Command::parse(sql) {
                    Ok(command) => self.answer(&command, true),
                    Err(report) => report.put(&mut self.output),
                }
                backend::put_ready(&mut self.output, TransactionStatus::Idle);
            }
            FrontendMessage::Parse { sql, .. } => match Command::parse(sql) {
                Ok(command) => {
                    self.prepared = Some(command);
                    self.output.extend_from_slice(backend::PARSE_COMPLETE);
                }
                Err(report) => self.fail(&report),
            },
            FrontendMessage::Bind { .. } => self.output.extend_from_slice(backend::BIND_COMPLETE),
            FrontendMessage::DescribeStatement { .. } => {
                self.output.put_slice(b"t\0\0\0\x06\0\0");
                self.describe();
            }
            FrontendMessage::DescribePortal { .. } => self.describe(),
            FrontendMessage::Execute { .. } => match self.prepared.clone() {
                Some(command) => self.answer(&command, false),
                None => self.fail(&failure::no_such_statement("")),
            },
            FrontendMessage::CloseStatement { .. } | FrontendMessage::ClosePortal { .. } => {
                self.output.extend_from_slice(backend::CLOSE_COMPLETE);
            }
            FrontendMessage::Sync => {
                self.skipping = false;
                backend::put_ready(&mut self.output, TransactionStatus::Idle);
            }
            FrontendMessage::Flush | FrontendMessage::CopyFromClient => {}
            FrontendMessage::Terminate => return false,
            FrontendMessage::FunctionCall | FrontendMessage::Password | FrontendMessage::Unknown { .. } => {
                self.fail(&Report::error(SqlState::FEATURE_NOT_SUPPORTED, "the console does not know this message"));
            }
        }
        true
    }

    fn fail(&mut self, report: &Report) {
        report.put(&mut self.output);
        self.skipping = true;
    }

    fn describe(&mut self) {
        match self.prepared.as_ref().and_then(|command| report::table(command, &self.gateway)) {
            Some(table) => backend::put_text_row_description(&mut self.output, &table.columns),
            None => self.output.extend_from_slice(backend::NO_DATA),
        }
    }

    fn answer(&mut self, command: &Command, described: bool) {
        let Some(table) = report::table(command, &self.gateway) else {
            match command {
                Command::Empty => self.output.extend_from_slice(backend::EMPTY_QUERY),
                Command::Set | Command::Show(_) => backend::put_command_complete(&mut self.output, "SET"),
                Command::Invalidate(table) => match memory::invalidate(&self.gateway, None, table.as_deref()) {
                    Ok(dropped) => backend::put_command_complete(&mut self.output, &format!("INVALIDATE {dropped}")),
                    Err(error) if described => error.report().put(&mut self.output),
                    Err(error) => self.fail(&error.report()),
                },
            }
            return;
        };
        if described {
            backend::put_text_row_description(&mut self.output, &table.columns);
        }
        for row in &table.rows {
            let values: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
            backend::put_text_row(&mut self.output, &values);
        }
        backend::put_command_complete(&mut self.output, "SHOW");
    }
}
