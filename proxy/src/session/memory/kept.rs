//! Plain reads that may be answered by what is kept from before, and what the client is told of that.
//!
//! Between the client's messages and what is kept stands the [`Read`]: a batch that is one SELECT, run whole. However its
//! messages are spread (simple query, Parse to Execute, Describe or not), the parts of one answer fit it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::told::Told;
use crate::policy::Permitted;
use crate::session::op::{Answer, Effect, Expect, Op};
use crate::session::statement::Prepared;
use crate::session::{Origin, Seed, Session};
use crate::sql::says_now;
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::reader::{Malformed, Reader};

/// A batch that is one plain read.
#[derive(Debug, Clone)]
pub struct Read {
    /// What is run, or described.
    pub statement: Arc<Prepared>,
    /// The body of Bind behind its names; empty where nothing is bound.
    pub values: Bytes,
    /// What must be answered.
    pub wants: Wants,
}

/// The parts of an answer that a batch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// ParameterDescription and RowDescription, of a statement.
    pub description: bool,
    /// RowDescription, of a portal.
    pub columns: bool,
    /// Rows and CommandComplete.
    pub rows: bool,
}

/// The parts, ready to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// ParameterDescription and RowDescription.
    pub description: &'a [u8],
    /// RowDescription.
    pub columns: &'a [u8],
    /// Rows and CommandComplete.
    pub rows: &'a [u8],
}

impl Read {
    /// The one statement, as it was permitted.
    #[must_use]
    pub fn permitted(&self) -> Option<&Permitted> {
        match self.statement.reviewed.as_ref()?.outcome.as_deref() {
            Ok([one]) => Some(one),
            Ok(_) | Err(_) => None,
        }
    }

    /// Version of the policy that permitted it.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.statement.reviewed.as_ref().map_or(0, |reviewed| reviewed.versions.policy)
    }

    /// Whether a value that is bound says `now` or the like: read as a date it is another one each day. What cannot be
    /// taken apart may say so.
    #[must_use]
    pub fn says_now(&self) -> bool {
        !self.values.is_empty() && values_say_now(&self.values).unwrap_or(true)
    }
}

impl Session {
    /// The batch that is next, where it is a plain read outside of a transaction, or one that [reads as
    /// outside](Session::reads_as_outside), and nothing is outstanding.
    #[must_use]
    pub fn next_read(&self) -> Option<Read> {
        let outside = !self.failed_here && self.status == TransactionStatus::Idle && !self.is_pinned();
        if !self.expect.is_empty() || self.batch_open || !(outside || self.reads_as_outside()) {
            return None;
        }
        let end = self.ops.iter().position(|op| matches!(op, Op::Sync))?;
        let mut batch = self.ops.iter().take(end);
        // In a block a portal with a name may be asked for again.
        let named = |op: &Op| matches!(op, Op::Bind { portal, .. } if !portal.is_empty());
        if !outside && batch.clone().any(named) {
            return None;
        }
        read_of(&mut batch)
    }

    /// Nothing but the short beginning of a batch is queued, of which the client cannot expect an answer yet.
    #[must_use]
    pub fn is_half_batch(&self) -> bool {
        const STEPS_MAX: usize = 16;
        let free = self.expect.is_empty() && !self.batch_open && self.status == TransactionStatus::Idle;
        free && !self.ended
            && self.ops.len() <= STEPS_MAX
            && !self.ops.iter().any(|op| matches!(op, Op::Sync | Op::Flush | Op::Refuse(_)))
    }

    /// Every whole batch that is queued and asks something upstream, by number, and its read where it is one. Whether it
    /// runs outside of a transaction shows when it is answered.
    pub fn queued_reads(&self) -> impl Iterator<Item = (u64, Option<Read>)> {
        let outstanding = self.expect.iter().filter(|expect| matches!(expect, Expect::Ready)).count();
        let first = self.batches_answered + 1 + u64::try_from(outstanding).unwrap_or(u64::MAX / 2);
        let mut begin = 0;
        let mut open = self.batch_open;
        let ends = self.ops.iter().enumerate().filter(|(_, op)| matches!(op, Op::Sync)).map(|(index, _)| index);
        ends.zip(first..).filter_map(move |(end, batch)| {
            let mut ops = self.ops.iter().skip(begin).take(end - begin);
            begin = end + 1;
            let whole = !std::mem::take(&mut open);
            let asks = !whole || ops.clone().any(Op::needs_upstream);
            asks.then(|| (batch, if whole { read_of(&mut ops) } else { None }))
        })
    }

    /// Answers the batch that [`Session::next_read`] gave.
    pub fn answer_read(&mut self, parts: Parts<'_>, told: Told, out: &mut BytesMut) {
        while let Some(op) = self.ops.pop_front() {
            match op {
                Op::Local(bytes) => out.extend_from_slice(&bytes),
                Op::Parse { answer: true, .. } => out.extend_from_slice(backend::PARSE_COMPLETE),
                Op::Bind { answer: true, .. } => out.extend_from_slice(backend::BIND_COMPLETE),
                Op::DescribeStatement { .. } => out.extend_from_slice(parts.description),
                Op::DescribePortal { .. } => out.extend_from_slice(parts.columns),
                Op::Execute { .. } => out.extend_from_slice(parts.rows),
                Op::Sync => break,
                Op::Parse { .. }
                | Op::Bind { .. }
                | Op::Undo(_)
                | Op::Flush
                | Op::Refuse(_)
                | Op::Fail
                | Op::Show { .. }
                | Op::CopyData(_)
                | Op::CopyDone
                | Op::CopyFail(_)
                | Op::ClosePortal { .. } => {}
            }
        }
        self.serves_in_block();
        self.tell(self.batches_answered + 1, told);
        self.ready(self.status, out);
    }

    /// What a session begins with that repeats what this one reads: its settings as they stand, SET LOCAL too.
    #[must_use]
    pub fn origin_as_it_stands(&self) -> Arc<Origin> {
        let settings = self.confirmed.effective();
        if settings == self.origin.seed.settings {
            return Arc::clone(&self.origin);
        }
        Arc::new(Origin::from(Seed { settings, ..self.origin.seed.clone() }))
    }

    /// A session that has nothing to do but to ask once more what `read` asks.
    #[must_use]
    pub fn repeating(origin: Arc<Origin>, read: &Read) -> Self {
        let mut session = Self::new(origin);
        let (statement, portal) = (|| Arc::clone(&read.statement), String::new);
        if read.wants.description {
            session.ops.push_back(Op::DescribeStatement { statement: statement() });
        }
        if read.wants.rows {
            let values = read.values.clone();
            session.ops.push_back(Op::Bind { statement: statement(), portal: portal(), values, answer: true });
            if read.wants.columns {
                session.ops.push_back(Op::DescribePortal { portal: portal(), answer_no_data: true });
            }
            let (effect, answer) = (Effect::None, Answer::Whole);
            session.ops.push_back(Op::Execute { portal: portal(), rows_max: 0, effect, shift: 0, answer });
        }
        session.sync();
        session
    }

    /// The batches whose ReadyForQuery has passed.
    #[must_use]
    pub fn batches_answered(&self) -> u64 {
        self.batches_answered
    }

    /// Steps wait to be taken.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        !self.ops.is_empty()
    }
}

fn values_say_now(values: &[u8]) -> Result<bool, Malformed> {
    let mut reader = Reader::new(values);
    let formats = reader.count()?;
    reader.bytes(formats.saturating_mul(2))?;
    for _ in 0..reader.count()? {
        if let Some(length) = reader.length()?
            && says_now(reader.bytes(length)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The one plain read that these steps are.
fn read_of<'o>(ops: impl Iterator<Item = &'o Op>) -> Option<Read> {
    let mut read: Option<Read> = None;
    let mut is_bound = false;
    for op in ops {
        match op {
            Op::Undo(_) | Op::Flush => {}
            // ParseComplete, BindComplete and CloseComplete of what never goes upstream.
            Op::Local(bytes) if matches!(bytes.first(), Some(b'1' | b'2' | b'3')) => {}
            Op::Parse { statement, .. } => drop(same(&mut read, statement)?),
            Op::DescribeStatement { statement } => same(&mut read, statement)?.wants.description = true,
            Op::Bind { statement, values, .. } if !is_bound => {
                is_bound = true;
                same(&mut read, statement)?.values = values.clone();
            }
            Op::DescribePortal { .. } if is_bound => read.as_mut()?.wants.columns = true,
            Op::Execute { rows_max: 0, effect: Effect::None, answer: Answer::Whole, .. } if is_bound => {
                let wants = &mut read.as_mut()?.wants;
                if std::mem::replace(&mut wants.rows, true) {
                    return None;
                }
            }
            Op::Local(_)
            | Op::Refuse(_)
            | Op::CopyData(_)
            | Op::CopyDone
            | Op::CopyFail(_)
            | Op::Show { .. }
            | Op::Fail
            | Op::Bind { .. }
            | Op::DescribePortal { .. }
            | Op::Execute { .. }
            | Op::ClosePortal { .. }
            | Op::Sync => return None,
        }
    }
    read.filter(|read| read.wants != Wants::default() && (read.wants.rows || !is_bound))
}

/// The read so far, where it is of this statement alone.
fn same<'r>(read: &'r mut Option<Read>, statement: &Arc<Prepared>) -> Option<&'r mut Read> {
    if !statement.is_plain_read() {
        return None;
    }
    let read = read.get_or_insert_with(|| Read {
        statement: Arc::clone(statement),
        values: Bytes::new(),
        wants: Wants::default(),
    });
    (Arc::ptr_eq(&read.statement.key, &statement.key) || read.statement.key == statement.key).then_some(read)
}
