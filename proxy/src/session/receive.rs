//! Frontend messages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::held::Held;
use super::memory::own;
use super::op::{Effect, Op};
use super::statement::{LocalCommand, Plan, Prepared};
use super::verdict::{Reviewed, Verdicts};
use super::{Session, Stall, bound, failure, statement};
use crate::policy::Permitted;
use crate::wire::backend::{self, Report};
use crate::wire::frame::Frame;
use crate::wire::frontend::FrontendMessage;
use crate::wire::reader::Malformed;
use crate::wire::sqlstate::SqlState;

/// PostgreSQL knows a portal by so much of its name: two longer ones can be one portal.
const PORTAL_NAME_BYTES_MAX: usize = 63;

/// Room for the steps of an ordinary batch.
const STEPS: usize = 8;

impl Session {
    /// Takes one frame. `Err` leaves the frame with the caller: it comes again once the verdict was [offered](Session::offer).
    pub fn receive(&mut self, frame: &Frame, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        if self.skipping && !matches!(frame.tag, b'S' | b'X') {
            return Ok(());
        }
        if self.copies_in() {
            self.copy_frame(frame);
            return Ok(());
        }
        if matches!(frame.tag, b'Q' | b'F') && self.batch_is_undecided() {
            self.hold(Held::Whole(frame.clone()));
            return Ok(());
        }
        if self.ops.capacity() == 0 {
            self.ops.reserve(STEPS);
            self.expect.reserve(STEPS);
        }
        match FrontendMessage::decode(frame) {
            Ok(message) => self.message(message, verdicts)?,
            Err(cause) => self.broken(frame.tag, cause),
        }
        self.offered.clear();
        Ok(())
    }

    fn message(&mut self, message: FrontendMessage<'_>, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let Ok(message) = with_cut_name(message) else {
            self.refuse(&failure::portal_name_too_long());
            return Ok(());
        };
        match message {
            FrontendMessage::Query { sql } => return self.query(sql, verdicts),
            FrontendMessage::Parse { name, sql, parameter_types } => {
                return self.parse(name, sql, &parameter_types, verdicts);
            }
            FrontendMessage::Bind { portal, statement, values } => {
                return self.bind(portal, statement, values, verdicts);
            }
            FrontendMessage::DescribeStatement { name } => return self.describe_statement(name, verdicts),
            FrontendMessage::DescribePortal { name } => self.describe_portal(name),
            FrontendMessage::Execute { portal, rows_max } => return self.execute(portal, rows_max, verdicts),
            FrontendMessage::CloseStatement { name } => self.close_statement(name),
            FrontendMessage::ClosePortal { name } => self.close_portal(name),
            FrontendMessage::Sync => self.sync(),
            FrontendMessage::Flush => self.ops.push_back(Op::Flush),
            FrontendMessage::Terminate => self.ended = true,
            FrontendMessage::FunctionCall => self.refuse_at_once(&failure::function_call()),
            FrontendMessage::CopyFromClient => {}
            FrontendMessage::Password => self.fatal(b'p'),
            FrontendMessage::Unknown { tag } => self.fatal(tag),
        }
        Ok(())
    }

    /// A message whose body does not add up: 08P01, and nothing after it runs until Sync.
    fn broken(&mut self, tag: u8, cause: Malformed) {
        let report = failure::malformed(cause);
        match tag {
            b'Q' | b'F' => self.refuse_at_once(&report),
            b'S' => {
                self.refuse(&report);
                self.sync();
            }
            _ => self.refuse(&report),
        }
    }

    /// A message longer than its limit, of which nothing was kept.
    pub fn oversized(&mut self, tag: u8, bytes_max: usize) {
        if self.skipping && tag != b'S' {
            return;
        }
        if self.copies_in() {
            return self.fail_copy(&format!("message is too long: the gateway accepts at most {bytes_max} bytes"));
        }
        let report = Report::error(SqlState::PROGRAM_LIMIT_EXCEEDED, "message is too long")
            .detail(format!("The gateway accepts at most {bytes_max} bytes in a message of this type."));
        match tag {
            b'Q' | b'F' if self.batch_is_undecided() => self.hold(Held::TooLong { tag, bytes_max }),
            b'Q' | b'F' | b'S' => self.refuse_at_once(&report),
            _ => self.refuse(&report),
        }
    }

    /// Refuses a message that PostgreSQL answers with its own ReadyForQuery.
    pub(super) fn refuse_at_once(&mut self, report: &Report) {
        self.refuse(report);
        self.sync();
    }

    fn fatal(&mut self, tag: u8) {
        let message = format!("invalid frontend message type {tag}");
        let mut bytes = BytesMut::new();
        Report::fatal(SqlState::PROTOCOL_VIOLATION, message).put(&mut bytes);
        self.ops.push_back(Op::Local(bytes.freeze()));
        self.ended = true;
    }

    /// End of a batch.
    pub(super) fn sync(&mut self) {
        self.skipping = false;
        self.ends_block = false;
        self.unsettled |= self.batch_changes;
        self.batch += 1;
        self.ops.push_back(Op::Sync);
    }

    fn parse(&mut self, name: &str, sql: &str, types: &[u32], verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let reviewed = self.verdict(sql, types, verdicts)?;
        if name.is_empty() {
            // The present one goes before the new text is so much as read.
            self.assign_statement("", None);
        }
        if reviewed.outcome.is_err() {
            self.deny(&reviewed);
            return Ok(());
        }
        match self.parsed(name, &reviewed) {
            Ok(prepared) => self.remember_statement(name, Arc::new(prepared)),
            Err(report) => self.refuse(&report),
        }
        Ok(())
    }

    /// The statement a Parse makes, or why it does not.
    fn parsed(&self, name: &str, reviewed: &Arc<Reviewed>) -> Result<Prepared, Report> {
        let prepared = match reviewed.outcome.as_deref() {
            Ok([]) => self.empty(reviewed, name),
            Ok([one]) => self.prepare(reviewed, one, name),
            Ok(_) => return Err(failure::several_statements()),
            Err(denial) => return Err(failure::denied(denial, &reviewed.text)),
        };
        if self.in_failed_block() && !prepared.ends_transaction && prepared.plan != Plan::Empty {
            return Err(failure::in_failed_transaction());
        }
        if name.is_empty() {
            return Ok(prepared);
        }
        if self.named.contains_key(name) {
            return Err(failure::duplicate_statement(name));
        }
        if self.named.len() >= self.origin.seed.limits.prepared_statements_max
            || self.named_bytes + reviewed.text.len() > self.origin.seed.limits.prepared_bytes_max
        {
            return Err(Report::error(SqlState::CONFIGURATION_LIMIT_EXCEEDED, "too many prepared statements")
                .hint("Close prepared statements that are no longer used."));
        }
        Ok(prepared)
    }

    fn bind(&mut self, portal: &str, name: &str, values: Bytes, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let Some(prepared) = self.statement(name) else {
            self.refuse(&failure::no_such_statement(name));
            return Ok(());
        };
        let prepared = match self.up_to_date(&prepared, name, verdicts)? {
            Some(prepared) => prepared,
            None => return Ok(()),
        };
        // Where the upstream's own block failed, it says so itself, after what it finds wrong with the values.
        let local = prepared.plan != Plan::Upstream;
        if self.in_failed_block() && (self.failed_here || local) && !prepared.ends_transaction {
            self.refuse(&failure::in_failed_transaction());
            return Ok(());
        }
        let statement = self.ending(prepared);
        let unknown = self.made_known(&statement, verdicts)?;
        if !self.may_assign(&statement, &values, verdicts)? {
            return Ok(());
        }
        if unknown.is_some_and(|reviewed| !self.make_known(&reviewed)) {
            return Ok(());
        }
        let prepared = bound::with_values(&statement, &values);
        self.own_up(&prepared);
        match prepared.plan {
            Plan::Upstream => {
                self.ops.push_back(Op::Bind { statement, portal: portal.to_owned(), values, answer: true })
            }
            Plan::Empty | Plan::Local(_) => self.local(backend::BIND_COMPLETE),
        }
        self.bind_portal(portal, prepared);
        Ok(())
    }

    /// A verdict holds only for the settings and versions it was made with: where they moved on, the text is
    /// reviewed again. `None` when it was refused.
    fn up_to_date(
        &mut self,
        prepared: &Arc<Prepared>,
        name: &str,
        verdicts: &dyn Verdicts,
    ) -> Result<Option<Arc<Prepared>>, Stall> {
        let Some(old) = &prepared.reviewed else { return Ok(Some(Arc::clone(prepared))) };
        let same_scope = Arc::ptr_eq(&old.scope, &self.scope) || old.scope == self.scope;
        if same_scope && verdicts.current(old) {
            return Ok(Some(Arc::clone(prepared)));
        }
        let reviewed = self.verdict(&old.text, &old.parameter_types, verdicts)?;
        match &reviewed.outcome {
            Ok(permitted) => {
                let fresh = match permitted.first() {
                    Some(one) => Arc::new(self.prepare(&reviewed, one, name)),
                    None => Arc::clone(prepared),
                };
                self.rename_statement(name, Some(Arc::clone(&fresh)));
                Ok(Some(fresh))
            }
            Err(_) => {
                self.deny(&reviewed);
                Ok(None)
            }
        }
    }

    /// COMMIT of a transaction block that a refusal of ours failed rolls back, as it does in PostgreSQL.
    pub(super) fn ending(&self, prepared: Arc<Prepared>) -> Arc<Prepared> {
        let Effect::EndTransaction { commit: true, chain } = prepared.effect else { return prepared };
        if !self.failed_here {
            return prepared;
        }
        let text = if chain { "ROLLBACK AND CHAIN" } else { "ROLLBACK" };
        Arc::new(Prepared {
            access: self.origin.seed.access,
            may_be_repeated: true,
            key: Arc::new(prepared.key.with_text(text.into())),
            plan: Plan::Upstream,
            effect: Effect::EndTransaction { commit: false, chain },
            shift: 0,
            ends_transaction: true,
            returns_rows: false,
            keep: false,
            reviewed: None,
            executes: None,
            cursor: None,
            tag: None,
            client_name: "".into(),
        })
    }

    fn describe_statement(&mut self, name: &str, verdicts: &dyn Verdicts) -> Result<(), Stall> {
        let Some(statement) = self.statement(name) else {
            self.refuse(&failure::no_such_statement(name));
            return Ok(());
        };
        let Some(statement) = self.up_to_date(&statement, name, verdicts)? else { return Ok(()) };
        if self.failed_here && self.in_failed_block() && statement.returns_rows {
            self.refuse(&failure::in_failed_transaction());
            return Ok(());
        }
        match statement.plan {
            Plan::Upstream => self.ops.push_back(Op::DescribeStatement { statement }),
            Plan::Local(LocalCommand::ShowOwn(name)) => {
                self.local(b"t\0\0\0\x06\0\0");
                self.describe_own(name);
            }
            Plan::Empty | Plan::Local(_) => {
                self.local(b"t\0\0\0\x06\0\0");
                self.local(backend::NO_DATA);
            }
        }
        Ok(())
    }

    fn close_statement(&mut self, name: &str) {
        // In a failed block PostgreSQL would take the Close, and not the DEALLOCATE that it is here.
        if self.sql_prepared.contains_key(name) && !self.in_failed_block() {
            self.deallocate_upstream(name);
        }
        self.local(backend::CLOSE_COMPLETE);
        self.assign_statement(name, None);
    }

    /// One permitted statement of a reviewed text, made ready for the upstream.
    pub(super) fn prepare(&self, reviewed: &Arc<Reviewed>, permitted: &Permitted, name: &str) -> Prepared {
        let read = permitted.statement();
        let alone = reviewed.outcome.as_ref().is_ok_and(|all| all.len() == 1);
        let hot = reviewed.use_again();
        let startup = self.ahead.startup();
        let access = permitted.access();
        let base = if alone { 0 } else { read.span.start };
        let kind = self.kind_here(reviewed, &read.kind);
        let own = statement::rewritten(&kind, access, startup);
        let own = own.or_else(|| {
            let text = if alone { &*reviewed.text } else { reviewed.text.get(read.span.clone())? };
            statement::copying_into_view(text, permitted, base)
        });
        let (key, shift) = match own {
            Some(text) => (Arc::new(reviewed.key_of(text.into())), 0),
            None if alone => (Arc::clone(reviewed.key()), 0),
            None => {
                let text = reviewed.text.get(read.span.clone()).unwrap_or_default();
                let before = failure::characters_before(&reviewed.text, read.span.start);
                (Arc::new(reviewed.key_of(text.into())), before)
            }
        };
        Prepared {
            access,
            may_be_repeated: statement::may_be_repeated(permitted),
            key,
            plan: own::command(&read.kind).map_or_else(|| statement::plan(&read.kind), Plan::Local),
            effect: statement::effect(&kind, &read.uses, access),
            shift,
            ends_transaction: statement::ends_transaction(&read.kind),
            returns_rows: statement::returns_rows(&read.kind),
            keep: !name.is_empty() || (hot && statement::worth_keeping(&read.kind)),
            reviewed: Some(Arc::clone(reviewed)),
            executes: statement::executes(&read.kind).map(str::to_owned),
            cursor: statement::cursor(&read.kind).map(str::to_owned),
            tag: statement::own_tag(&read.kind, startup),
            client_name: name.into(),
        }
    }

    fn empty(&self, reviewed: &Arc<Reviewed>, name: &str) -> Prepared {
        Prepared {
            access: self.origin.seed.access,
            may_be_repeated: true,
            key: Arc::new(reviewed.key_of("".into())),
            plan: Plan::Empty,
            effect: Effect::None,
            shift: 0,
            ends_transaction: false,
            returns_rows: false,
            keep: false,
            reviewed: Some(Arc::clone(reviewed)),
            executes: None,
            cursor: None,
            tag: None,
            client_name: name.into(),
        }
    }
}

/// A name that PostgreSQL would cut in the middle of a character.
struct CutCharacter;

/// The message with the name of its portal as PostgreSQL keeps it.
fn with_cut_name(mut message: FrontendMessage<'_>) -> Result<FrontendMessage<'_>, CutCharacter> {
    if let FrontendMessage::Bind { portal: name, .. }
    | FrontendMessage::Execute { portal: name, .. }
    | FrontendMessage::DescribePortal { name }
    | FrontendMessage::ClosePortal { name } = &mut message
        && name.len() > PORTAL_NAME_BYTES_MAX
    {
        *name = name.get(..PORTAL_NAME_BYTES_MAX).ok_or(CutCharacter)?;
    }
    Ok(message)
}
