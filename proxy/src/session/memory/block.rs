//! Reads in a transaction block: which blocks see with each statement what a statement outside would see.

use std::borrow::Cow;

use crate::policy::Permitted;
use crate::session::Session;
use crate::session::op::{Effect, Isolation};
use crate::session::settings::{Settings, quote_literal};
use crate::session::simple::OwnBlock;
use crate::session::statement::Prepared;
use crate::session::verdict::Reviewed;
use crate::sql::{Access, IsolationLevel, Kind};
use crate::wire::backend::TransactionStatus;

/// What is known of the client's transaction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::session) struct Block {
    /// It was said to be READ COMMITTED.
    read_committed: bool,
    /// A read in it was answered from memory: PostgreSQL does not know that the block has begun to read.
    served: bool,
}

const DEFAULT_ISOLATION: &str = "default_transaction_isolation";
/// `transaction_isolation` and its like: properties of a transaction in the shape of settings.
const OF_TRANSACTION: &str = "transaction_";

impl Session {
    /// What is read next is read as if it stood outside of a transaction: it stands in a block that is READ COMMITTED,
    /// has not failed, and has nothing of its own that an answer from memory would miss.
    #[must_use]
    pub fn reads_as_outside(&self) -> bool {
        self.origin.seed.memory_in_blocks
            && self.block.read_committed
            && self.status == TransactionStatus::InTransaction
            && !self.failed_here
            && self.own_block == OwnBlock::None
            && !self.is_pinned()
    }

    /// What a BEGIN is here: one that says no isolation level is READ COMMITTED where reads in such a block may be
    /// answered from memory, unless the client has said something else before.
    pub(in crate::session) fn kind_here<'k>(&self, reviewed: &Reviewed, kind: &'k Kind) -> Cow<'k, Kind> {
        let seed = &self.origin.seed;
        let Kind::Begin { start, modes } = kind else { return Cow::Borrowed(kind) };
        // In a block BEGIN is a warning, and must not say more than the client did.
        let begins = seed.memory_in_blocks && seed.access == Access::Read && self.status == TransactionStatus::Idle;
        let moves = reviewed.outcome.iter().flat_map(|all| all.iter()).any(moves_default);
        if !begins || moves || modes.isolation.is_some() || !is_read_committed_by_default(&self.ahead.effective()) {
            return Cow::Borrowed(kind);
        }
        let mut modes = modes.clone();
        modes.isolation = Some(IsolationLevel::ReadCommitted);
        Cow::Owned(Kind::Begin { start: *start, modes })
    }

    /// Something completed that may make the block another one.
    pub(in crate::session) fn block_follows(&mut self, effect: &Effect) {
        match effect {
            Effect::Isolation(Isolation::ReadCommitted) => self.block.read_committed = true,
            Effect::Isolation(Isolation::Other) => self.block.read_committed = false,
            Effect::Set(changes) if changes.iter().any(|change| change.name.starts_with(OF_TRANSACTION)) => {
                self.block.read_committed = false;
            }
            // What is chained has the same properties.
            Effect::EndTransaction { chain: true, .. } => self.block.served = false,
            Effect::EndTransaction { chain: false, .. } => self.block = Block::default(),
            Effect::None
            | Effect::CopyIn
            | Effect::Isolation(Isolation::Unsaid)
            | Effect::Set(_)
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::RollbackTo(_)
            | Effect::Hold(_)
            | Effect::CloseCursor(_)
            | Effect::SqlPrepare(_) => {}
        }
    }

    /// A read in the block is answered from memory.
    pub(super) fn serves_in_block(&mut self) {
        if self.status == TransactionStatus::InTransaction {
            self.block.served = true;
            // It never was at the connection, and what is there under that name was destroyed.
            self.portals.remove("");
        }
    }

    /// Before a statement that PostgreSQL permits only while nothing was read: it is told that something was.
    pub(in crate::session) fn own_up(&mut self, statement: &Prepared) {
        let decides = match &statement.effect {
            Effect::Isolation(_) => true,
            Effect::Set(changes) => changes.iter().any(|change| change.name.starts_with(OF_TRANSACTION)),
            Effect::None
            | Effect::CopyIn
            | Effect::EndTransaction { .. }
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::RollbackTo(_)
            | Effect::Hold(_)
            | Effect::CloseCursor(_)
            | Effect::SqlPrepare(_) => false,
        };
        if decides && std::mem::take(&mut self.block.served) {
            self.run_own("SELECT", Effect::None);
        }
    }
}

/// A statement of the same text after which a BEGIN may be another one.
fn moves_default(permitted: &Permitted) -> bool {
    !permitted.statement().uses.assignments.is_empty()
        || match permitted.kind() {
            Kind::Set { name, .. } | Kind::Reset { name } => name == DEFAULT_ISOLATION,
            Kind::SetSessionCharacteristics(_) | Kind::ResetAll | Kind::Discard(_) => true,
            Kind::Begin { .. }
            | Kind::Modify { .. }
            | Kind::CopyFromStdin { .. }
            | Kind::Commit { .. }
            | Kind::Rollback { .. }
            | Kind::Select
            | Kind::Explain { .. }
            | Kind::CopyToStdout
            | Kind::Show { .. }
            | Kind::SetTransaction(_)
            | Kind::Savepoint { .. }
            | Kind::Release { .. }
            | Kind::RollbackTo { .. }
            | Kind::DeclareCursor { .. }
            | Kind::Fetch { .. }
            | Kind::ClosePortal { .. }
            | Kind::Prepare { .. }
            | Kind::Execute { .. }
            | Kind::Deallocate { .. }
            | Kind::Unlisten { .. } => false,
        }
}

/// Where nothing is set, the client has said nothing.
fn is_read_committed_by_default(settings: &Settings) -> bool {
    let same = |level: &str, right_side: &str| right_side.eq_ignore_ascii_case(&quote_literal(level));
    settings.get(DEFAULT_ISOLATION).is_none_or(|set| same("read committed", set) || same("read uncommitted", set))
}
