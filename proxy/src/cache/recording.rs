//! An answer on its way to a client, kept aside as it passes.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::flight::{Landing, Ticket};
use super::freshness::{Stamp, Tables};
use super::key::Key;
use super::outcome::Bypass;
use super::store::{Entry, Store};

/// What has passed of one answer.
#[derive(Debug)]
pub struct Recording {
    key: Key,
    ticket: Option<Ticket>,
    stamp: Stamp,
    tables: Tables,
    /// The batch of the session that it answers.
    batch: u64,
    sent: Result<Vec<u8>, Bypass>,
    bytes_max: usize,
    drops: u64,
    took: Option<Duration>,
}

impl Recording {
    /// A recording of the answer to `batch`, of which nothing has been sent upstream yet; with the ticket of that very
    /// question, if anybody may wait for it.
    #[must_use]
    pub fn new(key: &Key, batch: u64, (stamp, tables): (Stamp, Tables), store: &Store, ticket: Option<Ticket>) -> Self {
        let (bytes_max, drops) = (store.limits().entry_bytes_max, store.drops());
        Self {
            key: ticket.as_ref().map_or_else(|| key.owned(), Ticket::key),
            ticket,
            stamp,
            tables,
            batch,
            sent: Ok(Vec::new()),
            bytes_max,
            drops,
            took: None,
        }
    }

    /// The batch of the session that it answers.
    #[must_use]
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Takes what passed. What grows beyond the bound is let go at once.
    pub fn pass(&mut self, bytes: &[u8]) {
        match &mut self.sent {
            Ok(sent) if sent.len() + bytes.len() <= self.bytes_max => sent.extend_from_slice(bytes),
            Ok(_) => {
                self.sent = Err(Bypass::Large);
                self.release(Landing::NotKept);
            }
            Err(_) => {}
        }
    }

    /// The answer cannot be kept.
    pub fn spoil(&mut self, why: Bypass) {
        if self.sent.is_ok() {
            self.sent = Err(why);
        }
    }

    /// It will not be kept: who waits asks for himself.
    pub fn give_up(mut self) {
        self.release(Landing::NotKept);
    }

    fn release(&mut self, landing: Landing) {
        if let Some(ticket) = self.ticket.take() {
            ticket.land(landing);
        }
    }

    /// Who waits need not wait for this one.
    pub fn abandon(&mut self) {
        self.ticket = None;
    }

    /// Whether the client that it passes to does not read.
    pub fn hold_up(&self, is_held_up: bool) {
        if let Some(ticket) = &self.ticket {
            ticket.hold_up(is_held_up);
        }
    }

    /// The answer is complete.
    pub fn complete(&mut self) {
        self.took = Some(Instant::now().saturating_duration_since(self.stamp.executed));
    }

    /// What is to be kept, and who waits for it.
    pub(super) fn into_entry(self, store: &Store) -> (Key, Option<Ticket>, Result<Entry, Bypass>) {
        let Self { key, ticket, stamp, tables, batch: _, sent, bytes_max, drops, took } = self;
        let sent = if drops == store.drops() { sent } else { Err(Bypass::Asked) };
        let entry = sent.and_then(|sent| Answer::read(&sent)).and_then(|answer| {
            let entry = Entry::new(answer, stamp, tables, took.ok_or(Bypass::Answer)?);
            if entry.bytes() + key.bytes() > bytes_max { Err(Bypass::Large) } else { Ok(entry) }
        });
        (key, ticket, entry)
    }
}
