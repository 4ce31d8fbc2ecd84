//! A PostgreSQL of the protocol alone: it answers each message as the manual says a server does, and asserts what must
//! never reach one.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::{BufMut, BytesMut};
use vitrine::check::Reviewer;
use vitrine::session::settings::Settings;
use vitrine::wire::backend::{Report, TransactionStatus, put_command_complete, put_parameter_status, put_ready};
use vitrine::wire::frame::{self, HEADER_BYTES};
use vitrine::wire::frontend::FrontendMessage;
use vitrine::wire::sqlstate::SqlState;

use super::choices::Choices;

/// One server process.
pub struct Backend {
    /// What it has to say, not yet read.
    pub out: BytesMut,
    input: BytesMut,
    status: TransactionStatus,
    /// Something ran since the last Sync.
    implicit: bool,
    skipping: bool,
    statements: HashMap<String, String>,
    portals: HashMap<String, Portal>,
    /// Of SQL's PREPARE.
    prepared: HashSet<String>,
    /// Name, and whether WITH HOLD.
    cursors: HashMap<String, bool>,
    settings: Settings,
    before: Settings,
}

struct Portal {
    text: String,
    rows: usize,
    ran: bool,
}

type Answer = Result<(), (SqlState, &'static str)>;

impl Backend {
    pub fn new() -> Self {
        Self {
            out: BytesMut::new(),
            input: BytesMut::new(),
            status: TransactionStatus::Idle,
            implicit: false,
            skipping: false,
            statements: HashMap::new(),
            portals: HashMap::new(),
            prepared: HashSet::new(),
            cursors: HashMap::new(),
            settings: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }

    /// Nothing of a client's is on it: it may serve another.
    pub fn is_clean(&self) -> bool {
        self.is_between_transactions() && self.prepared.is_empty() && self.cursors.is_empty()
    }

    /// For the report of a failure.
    pub fn told(&self) -> String {
        let Self { status, implicit, skipping, input, out, .. } = self;
        format!("{status:?} implicit {implicit} skipping {skipping} input {input:?} out {out:?}")
    }

    pub fn is_between_transactions(&self) -> bool {
        self.status == TransactionStatus::Idle && !self.implicit && !self.skipping && self.input.is_empty()
    }

    /// What SET has left on it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes what was sent and answers every whole message of it.
    pub fn hear(&mut self, bytes: &[u8], choices: &mut Choices<'_>, reviewer: &Reviewer) {
        self.input.extend_from_slice(bytes);
        while let Some(header) = frame::header(&self.input).unwrap() {
            if self.input.len() < HEADER_BYTES + header.body_bytes {
                return;
            }
            let frame = frame::take(&mut self.input, header).unwrap();
            let message = FrontendMessage::decode(&frame).unwrap();
            self.message(message, choices, reviewer);
        }
    }

    fn message(&mut self, message: FrontendMessage<'_>, choices: &mut Choices<'_>, reviewer: &Reviewer) {
        match message {
            FrontendMessage::Sync => return self.sync(),
            FrontendMessage::Query { sql } => return self.replay(sql),
            FrontendMessage::Flush => return,
            _ if self.skipping => return,
            _ => {}
        }
        self.implicit = true;
        let answer = match message {
            FrontendMessage::Parse { name, sql, .. } => self.parse(name, sql, choices, reviewer),
            FrontendMessage::Bind { portal, statement, .. } => self.bind(portal, statement, choices),
            FrontendMessage::DescribeStatement { name } => {
                let text = self.statements[name].clone();
                self.put(b't', &[0, 0]);
                self.describe(&text);
                Ok(())
            }
            FrontendMessage::DescribePortal { name } => self.describe_portal(name),
            FrontendMessage::Execute { portal, rows_max } => self.execute(portal, rows_max, choices),
            FrontendMessage::CloseStatement { name } => {
                self.statements.remove(name);
                self.put(b'3', &[]);
                Ok(())
            }
            FrontendMessage::ClosePortal { name } => {
                self.portals.remove(name);
                self.cursors.remove(name);
                self.put(b'3', &[]);
                Ok(())
            }
            other => panic!("{other:?} went upstream"),
        };
        if let Err((sqlstate, message)) = answer {
            Report::error(sqlstate, message).put(&mut self.out);
            self.skipping = true;
            if self.status != TransactionStatus::Idle {
                self.status = TransactionStatus::Failed;
            }
        }
    }

    /// The gateway's own replay of settings is the one simple query there is.
    fn replay(&mut self, sql: &str) {
        let between = self.status == TransactionStatus::Idle && !self.implicit && !self.skipping;
        let clean = between && self.prepared.is_empty() && self.cursors.is_empty();
        assert!(clean, "settings are replayed on a connection that is somebody's: {sql}");
        for statement in sql.split_terminator(';') {
            self.set(statement);
            put_command_complete(&mut self.out, "SET");
        }
        self.before = self.settings.clone();
        put_ready(&mut self.out, TransactionStatus::Idle);
    }

    fn sync(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.end(!self.skipping);
        }
        self.skipping = false;
        self.implicit = false;
        put_ready(&mut self.out, self.status);
    }

    fn end(&mut self, commit: bool) {
        if commit {
            self.before = self.settings.clone();
        } else {
            self.settings = self.before.clone();
        }
        self.portals.clear();
        // A cursor WITH HOLD of an earlier transaction would stay; the conversations that count on it do not fail.
        self.cursors.retain(|_, hold| *hold && commit);
        self.status = TransactionStatus::Idle;
    }

    fn parse(&mut self, name: &str, sql: &str, choices: &mut Choices<'_>, reviewer: &Reviewer) -> Answer {
        let verdict = reviewer.verdict(sql);
        assert!(verdict.denial.is_none(), "not permitted, and it went upstream: {sql:?} {:?}", verdict.denial);
        assert!(verdict.statements <= 1, "several statements in one Parse: {sql:?}");
        assert!(name.is_empty() || name.starts_with("vitrine_"), "{name}");
        assert!(name.is_empty() || !self.statements.contains_key(name), "{name} is taken");
        if name.is_empty() {
            self.statements.remove("");
        }
        self.in_order(sql)?;
        if choices.once_in(24) && sql != "ROLLBACK" {
            return Err((SqlState::UNDEFINED_FUNCTION, "column \"nosuch\" does not exist"));
        }
        self.statements.insert(name.to_owned(), sql.to_owned());
        self.put(b'1', &[]);
        Ok(())
    }

    fn bind(&mut self, portal: &str, statement: &str, choices: &mut Choices<'_>) -> Answer {
        if statement == "vitrine_0" {
            return Err((SqlState::INVALID_SQL_STATEMENT_NAME, "prepared statement \"vitrine_0\" does not exist"));
        }
        let text = self.statements.get(statement).unwrap_or_else(|| panic!("{statement:?} is not known here")).clone();
        self.in_order(&text)?;
        if !portal.is_empty() && (self.portals.contains_key(portal) || self.cursors.contains_key(portal)) {
            return Err((SqlState::INVALID_CURSOR_NAME, "cursor already exists"));
        }
        if choices.once_in(24) && text != "ROLLBACK" {
            return Err((SqlState::PROTOCOL_VIOLATION, "bind message supplies 0 parameters"));
        }
        self.portals.insert(portal.to_owned(), Portal { text, rows: choices.below(4), ran: false });
        self.put(b'2', &[]);
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Answer {
        match self.portals.get(name).map(|portal| portal.text.clone()) {
            Some(text) => self.describe(&text),
            None if self.cursors.contains_key(name) => self.describe("SELECT"),
            None => return Err((SqlState::INVALID_CURSOR_NAME, "portal does not exist")),
        }
        Ok(())
    }

    fn describe(&mut self, text: &str) {
        if returns_rows(text) {
            self.put(b'T', &[0, 0]);
        } else {
            self.put(b'n', &[]);
        }
    }

    fn execute(&mut self, name: &str, rows_max: i32, choices: &mut Choices<'_>) -> Answer {
        let Some(portal) = self.portals.get_mut(name) else {
            if self.cursors.contains_key(name) {
                put_command_complete(&mut self.out, "SELECT 0");
                return Ok(());
            }
            return Err((SqlState::INVALID_CURSOR_NAME, "portal does not exist"));
        };
        let (text, again) = (portal.text.clone(), std::mem::replace(&mut portal.ran, true));
        if choices.once_in(16) && text != "ROLLBACK" {
            return Err((SqlState::INTERNAL_ERROR, "division by zero"));
        }
        if text.is_empty() {
            self.put(b'I', &[]);
            return Ok(());
        }
        if !returns_rows(&text) {
            if again {
                return Err((SqlState::INVALID_CURSOR_NAME, "portal cannot be run"));
            }
            return self.run(&text);
        }
        self.run(&text)?;
        let bound = usize::try_from(rows_max).ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
        let Some(portal) = self.portals.get_mut(name) else { return Ok(()) };
        let sent = portal.rows.min(bound);
        portal.rows -= sent;
        let suspended = sent == bound;
        for _ in 0..sent {
            self.put(b'D', &[0, 1, 0, 0, 0, 1, b'1']);
        }
        if suspended {
            self.put(b's', &[]);
        } else {
            put_command_complete(&mut self.out, &format!("SELECT {sent}"));
        }
        Ok(())
    }

    /// In a failed block only its end is accepted.
    fn in_order(&self, text: &str) -> Answer {
        let ends = ["COMMIT", "ROLLBACK"].iter().any(|word| text.starts_with(word));
        if self.status == TransactionStatus::Failed && !ends && !text.is_empty() {
            return Err((SqlState::IN_FAILED_SQL_TRANSACTION, "current transaction is aborted"));
        }
        Ok(())
    }

    /// What a statement does, and the end of its answer where it returns no rows.
    fn run(&mut self, text: &str) -> Answer {
        let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let name = words.get(1).copied().unwrap_or_default().to_owned();
        match words[0] {
            "BEGIN" | "START" => self.status = TransactionStatus::InTransaction,
            "COMMIT" | "ROLLBACK" => {
                let commit = words[0] == "COMMIT" && self.status != TransactionStatus::Failed;
                self.end(commit);
                put_command_complete(&mut self.out, if commit { "COMMIT" } else { "ROLLBACK" });
                return Ok(());
            }
            "SET" | "RESET" => {
                self.set(text);
                if let Some(value) = self.settings.get("timezone").filter(|_| text.contains("imeZone")) {
                    put_parameter_status(&mut self.out, "TimeZone", value.trim_matches('\''));
                }
            }
            "DECLARE" => {
                let hold = text.contains("WITH HOLD");
                if !hold && self.status == TransactionStatus::Idle {
                    return Err((SqlState::ACTIVE_SQL_TRANSACTION, "DECLARE CURSOR needs a block"));
                }
                if self.cursors.contains_key(&name) || self.portals.contains_key(&name) {
                    return Err((SqlState::INVALID_CURSOR_NAME, "cursor already exists"));
                }
                self.cursors.insert(name, hold);
            }
            "FETCH" | "MOVE" if !self.cursors.contains_key(&name) && !self.portals.contains_key(&name) => {
                return Err((SqlState::INVALID_CURSOR_NAME, "cursor does not exist"));
            }
            "CLOSE" if name == "ALL" => self.cursors.clear(),
            "CLOSE" => {
                let known = self.cursors.remove(&name).is_some() || self.portals.remove(&name).is_some();
                if !known {
                    return Err((SqlState::INVALID_CURSOR_NAME, "cursor does not exist"));
                }
            }
            "PREPARE" if !self.prepared.insert(name.clone()) => {
                return Err((SqlState::DUPLICATE_PREPARED_STATEMENT, "already exists"));
            }
            "EXECUTE" if !self.prepared.contains(&name) => {
                return Err((SqlState::INVALID_SQL_STATEMENT_NAME, "does not exist"));
            }
            "DEALLOCATE" => assert!(self.prepared.remove(&name), "DEALLOCATE of {name:?}, which is not there"),
            "COPY" => {
                self.put(b'H', &[0, 0, 0]);
                self.put(b'd', b"1\n");
                self.put(b'c', &[]);
            }
            _ => {}
        }
        if !returns_rows(text) {
            put_command_complete(&mut self.out, words[0]);
        }
        Ok(())
    }

    fn set(&mut self, statement: &str) {
        let reset = statement.strip_prefix("RESET ");
        if let Some(name) = reset {
            self.settings.remove(&name.trim_matches('"').to_lowercase());
        } else if let Some(rest) = statement.strip_prefix("SET ").filter(|rest| !rest.starts_with("LOCAL ")) {
            let (name, value) = rest.split_once(" = ").or_else(|| rest.split_once(" TO ")).unwrap();
            self.settings.insert(name.trim_matches('"').to_lowercase(), value.to_owned());
        }
    }

    fn put(&mut self, tag: u8, body: &[u8]) {
        self.out.put_u8(tag);
        self.out.put_u32(u32::try_from(body.len() + 4).unwrap());
        self.out.put_slice(body);
    }
}

fn returns_rows(text: &str) -> bool {
    ["SELECT", "SHOW", "FETCH", "EXECUTE", "EXPLAIN", "VALUES"].iter().any(|word| text.starts_with(word))
}
