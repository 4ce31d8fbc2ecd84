//! One client's state machine: frontend messages in, steps for the upstream out; backend messages in, bytes for the
//! client out.
//!
//! **Architecture invariant:** no socket, no clock, no runtime in here. Whatever a client can do to a session can be
//! replayed from a text file.

mod bound;
mod copy;
pub mod dispatch;
pub mod failure;
mod fault;
mod held;
mod loss;
mod memory;
mod op;
mod portal;
mod receive;
mod relay;
pub mod review;
pub mod scope;
pub mod settings;
mod simple;
mod statement;
pub mod verdict;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use dispatch::StatementKey;
pub use fault::{Relay, ResultBound, UpstreamFault};
pub use memory::{Moment, Parts, Read, Told, Wants, own};
pub use op::{Effect, Op};
pub use scope::hasher;
pub use statement::Prepared;
pub use verdict::Stall;

use crate::sql::{Access, Denial};
use crate::wire::backend::{Report, TransactionStatus};
use copy::CopyIn;
use held::Held;
use memory::Block;
use op::{Bound, Expect};
use relay::Cut;
use scope::SettingsScope;
use settings::{Ledger, Settings};
use simple::OwnBlock;
use verdict::Reviewed;

/// What a session is born with.
#[derive(Debug, Clone)]
pub struct Seed {
    /// What its route lets statements do at all.
    pub access: Access,
    /// The database the client asked for.
    pub database: Arc<str>,
    /// The role its statements run as upstream.
    pub role: Arc<str>,
    /// The role's own search_path there, in the spelling of SHOW.
    pub default_search_path: Arc<str>,
    /// Settings from the start-up packet, reviewed.
    pub settings: Arc<Settings>,
    /// Settings of the gateway's own from the start-up packet, reviewed.
    pub own: Arc<Settings>,
    /// How old an answer from memory may be at most, as it is shown.
    pub staleness_max: Arc<str>,
    /// Reads in a READ COMMITTED block may be answered from memory; one that says no level is such a block.
    pub memory_in_blocks: bool,
    /// Numbers of simple queries are bound as parameters.
    pub binds_numbers: bool,
    /// Bounds.
    pub limits: Limits,
}

/// A seed made ready: sessions that start alike share it, and what they are read under.
#[derive(Debug)]
pub struct Origin {
    seed: Seed,
    scope: Arc<SettingsScope>,
}

impl From<Seed> for Origin {
    fn from(seed: Seed) -> Self {
        let ledger = Ledger::new(Arc::clone(&seed.settings));
        let scope = SettingsScope::new(&seed, &ledger);
        Self { scope: Arc::new(scope), seed }
    }
}

/// Bounds of one session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Prepared statements a client may hold (53400 beyond).
    pub prepared_statements_max: usize,
    /// Bytes of their texts (53400 beyond).
    pub prepared_bytes_max: usize,
}

/// Batches a client may have sent that are not answered: what is remembered of them is bounded too.
const BATCHES_OUTSTANDING_MAX: u64 = 1_000;

impl Default for Limits {
    fn default() -> Self {
        Self { prepared_statements_max: 10_000, prepared_bytes_max: 64 << 20 }
    }
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    origin: Arc<Origin>,
    /// Settings as they will be when everything sent so far has succeeded: new texts are reviewed under these.
    ahead: Ledger,
    /// Settings as PostgreSQL has confirmed them.
    confirmed: Ledger,
    scope: Arc<SettingsScope>,
    /// Settings of the gateway's own.
    own: Ledger,
    /// Where answers that are outstanding come from, by batch; and where the last one came from.
    telling: VecDeque<(u64, Told)>,
    last_told: Option<Told>,
    named: HashMap<String, Arc<Prepared>>,
    named_bytes: usize,
    unnamed: Option<Arc<Prepared>>,
    portals: HashMap<String, Bound, ahash::RandomState>,
    /// PREPAREd by SQL on the connection this client holds: name to what was reviewed.
    sql_prepared: HashMap<String, Arc<Reviewed>>,
    /// DECLAREd WITH HOLD by a transaction that was kept.
    held_cursors: HashSet<String>,
    /// DECLAREd WITH HOLD by the present transaction.
    declared_cursors: Vec<String>,
    /// It chose the random numbers of the connection.
    seeded: bool,
    status: TransactionStatus,
    /// A refusal of our own failed the client's transaction block; the upstream does not know.
    failed_here: bool,
    /// The end of the transaction block is queued: what comes next does not belong to it.
    ends_block: bool,
    /// A refusal is queued and its ReadyForQuery has not passed: what comes next depends on it.
    refusing: Option<u64>,
    /// Everything until Sync is dropped.
    skipping: bool,
    /// A simple query in the middle of a batch: whether it is skipped, the batch decides.
    held: Option<Held>,
    own_block: OwnBlock,
    block: Block,
    /// Steps are outstanding that change settings or the transaction, and their Sync was sent.
    unsettled: bool,
    batch_changes: bool,
    /// The connection has seen a part of a batch and no Sync yet: it is in an implicit transaction, or skips.
    batch_open: bool,
    batch_failed: bool,
    /// The batch that frames belong to now, and those whose ReadyForQuery has passed.
    batch: u64,
    batches_answered: u64,
    /// Those whose Sync has gone upstream on the present connection.
    batches_sent: u64,
    /// Verdicts that the frame at hand asked for; a memory that is too small for all of them must not keep it waiting.
    offered: Vec<Arc<Reviewed>>,
    denied: Vec<Arc<Reviewed>>,
    permitted_count: u64,
    remembered_count: u64,
    ops: VecDeque<Op>,
    expect: VecDeque<Expect>,
    copy_in: CopyIn,
    /// A result that is kept from the client from here on.
    cut: Option<Cut>,
    ended: bool,
}

impl Session {
    /// A session right after authentication.
    #[must_use]
    pub fn new(origin: Arc<Origin>) -> Self {
        let ledger = Ledger::new(Arc::clone(&origin.seed.settings));
        Self {
            confirmed: ledger.clone(),
            ahead: ledger,
            scope: Arc::clone(&origin.scope),
            own: Ledger::new(Arc::clone(&origin.seed.own)),
            telling: VecDeque::new(),
            last_told: None,
            origin,
            named: HashMap::new(),
            named_bytes: 0,
            unnamed: None,
            portals: HashMap::default(),
            sql_prepared: HashMap::new(),
            held_cursors: HashSet::new(),
            declared_cursors: Vec::new(),
            seeded: false,
            status: TransactionStatus::Idle,
            failed_here: false,
            ends_block: false,
            refusing: None,
            skipping: false,
            held: None,
            own_block: OwnBlock::None,
            block: Block::default(),
            unsettled: false,
            batch_changes: false,
            batch_open: false,
            batch_failed: false,
            batch: 1,
            batches_answered: 0,
            batches_sent: 0,
            offered: Vec::new(),
            denied: Vec::new(),
            permitted_count: 0,
            remembered_count: 0,
            ops: VecDeque::new(),
            expect: VecDeque::new(),
            copy_in: CopyIn::default(),
            cut: None,
            ended: false,
        }
    }

    /// The settings a connection must have before it serves this session.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        self.confirmed.session()
    }

    /// What new texts are read under.
    #[must_use]
    pub fn scope(&self) -> &Arc<SettingsScope> {
        &self.scope
    }

    /// The transaction status the client was last told.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Nothing is queued and nothing is outstanding.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.ops.is_empty() && self.expect.is_empty()
    }

    /// Answers are outstanding from the upstream.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.expect.is_empty()
    }

    /// The session can let go of its connection: between transactions, with nothing on the connection that is its own.
    #[must_use]
    pub fn can_release(&self) -> bool {
        self.is_quiet() && !self.batch_open && self.status == TransactionStatus::Idle && !self.is_pinned()
    }

    /// Something that only this client may see lives on the connection.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        !self.sql_prepared.is_empty() || !self.held_cursors.is_empty() || self.seeded
    }

    /// Whatever waits for the client is followed by an answer that is sure to come: the Sync for it has gone upstream.
    #[must_use]
    pub fn is_answered_soon(&self) -> bool {
        matches!(self.expect.back(), Some(Expect::Ready))
    }

    /// The client said goodbye.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Frames must wait: what they mean depends on an answer that is outstanding.
    #[must_use]
    pub fn must_wait(&self) -> bool {
        let outstanding = self.batch.saturating_sub(self.batches_answered);
        (self.refusing.is_some() && !self.skipping)
            || self.unsettled
            || self.own_block != OwnBlock::None
            || (self.held.is_some() && !self.is_quiet())
            || self.copy_in.decides()
            || outstanding > BATCHES_OUTSTANDING_MAX
    }

    /// Hands over the verdict a [`Stall`] asked for.
    pub fn offer(&mut self, reviewed: Arc<Reviewed>) {
        self.offered.push(reviewed);
    }

    /// What was refused since the last call: text and denial.
    pub fn take_denials(&mut self) -> impl Iterator<Item = (Arc<str>, Denial)> + use<> {
        std::mem::take(&mut self.denied)
            .into_iter()
            .filter_map(|reviewed| Some((Arc::clone(&reviewed.text), reviewed.outcome.as_ref().err()?.clone())))
    }

    /// Statements permitted since the last call, and how many verdicts were known already.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.permitted_count), std::mem::take(&mut self.remembered_count))
    }

    /// Queued steps, in order; taken from the front by the driver.
    pub fn ops(&mut self) -> &mut VecDeque<Op> {
        &mut self.ops
    }

    /// Gives back the room that only a query needs, where nothing is queued.
    pub fn rest(&mut self) {
        if self.is_quiet() && self.ops.capacity() > 0 {
            self.ops = VecDeque::new();
            self.expect = VecDeque::new();
        }
    }

    /// Answers what needs no upstream, while no connection is held: local answers and the Sync that ends them.
    /// Returns whether the rest, if any, needs a connection.
    pub fn answer_locally(&mut self, out: &mut BytesMut) -> bool {
        if !self.expect.is_empty() || self.ops.iter().any(Op::needs_upstream) {
            return !self.ops.is_empty();
        }
        while let Some(op) = self.ops.pop_front() {
            match op {
                Op::Local(bytes) => out.extend_from_slice(&bytes),
                Op::Show { name, columns } => self.put_own(name, columns, out),
                Op::Refuse(bytes) => {
                    out.extend_from_slice(&bytes);
                    self.batch_failed = true;
                }
                Op::Sync => self.ready(TransactionStatus::Idle, out),
                Op::Flush | Op::Undo(_) => {}
                Op::Fail
                | Op::Parse { .. }
                | Op::Bind { .. }
                | Op::DescribeStatement { .. }
                | Op::DescribePortal { .. }
                | Op::Execute { .. }
                | Op::CopyData(_)
                | Op::CopyDone
                | Op::CopyFail(_)
                | Op::ClosePortal { .. } => return true,
            }
        }
        false
    }

    /// Everything outstanding was decided: what is ahead is what is confirmed.
    fn settle(&mut self) {
        self.unsettled = false;
        self.batch_changes = false;
        if self.ahead != self.confirmed {
            self.ahead = self.confirmed.clone();
            self.rescope();
        }
    }

    fn rescope(&mut self) {
        let scope = SettingsScope::new(&self.origin.seed, &self.ahead);
        // Back where it started, it is what others started with too: known by its address.
        let origin = &self.origin.scope;
        self.scope = if scope == **origin { Arc::clone(origin) } else { Arc::new(scope) };
    }

    fn local(&mut self, bytes: &'static [u8]) {
        self.ops.push_back(Op::Local(Bytes::from_static(bytes)));
    }

    /// Queues a refusal: what follows it in this batch does not run. A batch that is skipping has failed already.
    fn refuse(&mut self, report: &Report) {
        let mut bytes = BytesMut::new();
        report.put(&mut bytes);
        self.ops.push_back(Op::Refuse(bytes.freeze()));
        if !self.skipping && (self.batch_changes || self.confirmed.moved_in_transaction()) {
            self.ops.push_back(Op::Fail);
        }
        self.refusing = Some(self.batch);
        self.skipping = true;
    }

    /// Refuses for the reason a review gave.
    fn deny(&mut self, reviewed: &Arc<Reviewed>) {
        if let Err(denial) = &reviewed.outcome {
            self.denied.push(Arc::clone(reviewed));
            self.refuse(&failure::denied(denial, &reviewed.text));
        }
    }

    /// The present transaction block failed, and nothing queued ends it.
    fn in_failed_block(&self) -> bool {
        (self.failed_here || self.status == TransactionStatus::Failed) && !self.ends_block
    }
}
