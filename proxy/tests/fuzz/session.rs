//! A whole session without a socket: a client that says anything, a server that answers by the book or breaks.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes, BytesMut};
use vitrine::check::Reviewer;
use vitrine::policy::Policy;
use vitrine::session::dispatch::ServerStatements;
use vitrine::session::review::{Rulebook, review_text};
use vitrine::session::settings::{Settings, replay};
use vitrine::session::verdict::{Asked, Reviewed, Verdicts, Versions};
use vitrine::session::{Limits, Origin, Relay, Seed, Session, Stall, failure};
use vitrine::sql::Access;
use vitrine::wire::backend::{Report, TransactionStatus};
use vitrine::wire::frame::{self, Frame, HEADER_BYTES};
use vitrine::wire::sqlstate::SqlState;

use super::backend::Backend;
use super::choices::Choices;
use super::client::Client;

const TEXTS: &[&str] = &[
    "SELECT 1",
    "SELECT 1",
    "SELECT n FROM numbers",
    "SELECT $1::int4",
    "",
    "BEGIN",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET TimeZone = 'UTC'",
    "SET search_path = 'other'",
    "SET LOCAL TimeZone = 'Asia/Tokyo'",
    "RESET TimeZone",
    "RESET ALL",
    "SHOW TimeZone",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH c",
    "FETCH p",
    "CLOSE c",
    "CLOSE p",
    "PREPARE q AS SELECT 1",
    "EXECUTE q",
    "DEALLOCATE q",
    "DEALLOCATE a",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "COPY (SELECT 1) TO STDOUT",
    "EXPLAIN SELECT 1",
    "DELETE FROM numbers",
    "SELECT 1 END; DROP TABLE numbers",
    "SELECT pg_sleep(1)",
    "SELECT lo_export(1, '/tmp/x')",
    "CALL p()",
    "SELEKT",
];

/// What a simple query may say besides.
const LISTS: &[&str] = &[
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM numbers",
    "SET TimeZone = 'Asia/Tokyo'; SELECT 1",
    "SET LOCAL TimeZone = 'Asia/Tokyo'; SELECT 1",
    "DECLARE c CURSOR FOR SELECT 1; FETCH c",
    "BEGIN; SELECT 1; COMMIT",
    "SELECT 1; ROLLBACK; SELECT 2",
    ";;",
    "PREPARE q AS SELECT 1; EXECUTE q",
];

const STATEMENTS: &[&str] = &["", "", "a", "b", "vitrine_1"];
const PORTALS: &[&str] = &["", "", "p", "c"];

/// `TRACE=1` tells what is said.
fn trace(what: impl Fn() -> String) {
    static WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("TRACE").is_some());
    if *WANTED {
        eprintln!("{}", what());
    }
}

/// Reviews without remembering what the session did not ask for.
struct Book {
    reviewer: Reviewer,
}

impl Verdicts for Book {
    fn recall(&self, _: &Asked<'_>) -> Option<Arc<Reviewed>> {
        None
    }

    fn current(&self, _: &Reviewed) -> bool {
        true
    }
}

static BOOK: LazyLock<Book> = LazyLock::new(|| Book { reviewer: Reviewer::offline(Policy::built_in()) });

fn review(stall: &Stall) -> Arc<Reviewed> {
    let asked = Asked { text: &stall.text, parameter_types: &stall.parameter_types, scope: &stall.scope };
    let Reviewer { limits, catalog, policy, .. } = &BOOK.reviewer;
    let outcome = review_text(&asked, &Rulebook { limits, catalog, policy });
    Arc::new(Reviewed::new(asked, Versions::default(), outcome))
}

/// A connection of the pool.
struct Upstream {
    backend: Backend,
    statements: ServerStatements,
    settings: Arc<Settings>,
    /// On its way to the server, and from it.
    sent: BytesMut,
    rx: BytesMut,
}

struct Conversation<'a> {
    choices: Choices<'a>,
    session: Session,
    client: Client,
    /// Frames of the client that the session has not taken.
    input: VecDeque<Frame>,
    pool: Vec<Upstream>,
    upstream: Option<Upstream>,
    /// A batch has begun, and no Sync has come.
    open: bool,
}

/// One conversation, made of the bytes; panics where something is not as it must be.
pub fn session(bytes: &[u8]) {
    let seed = Seed {
        database: "shop".into(),
        access: Access::Read,
        role: "reader".into(),
        default_search_path: "public".into(),
        settings: Arc::default(),
        own: Arc::default(),
        staleness_max: "0ms".into(),
        memory_in_blocks: false,
        binds_numbers: bytes.first().is_some_and(|byte| byte % 2 == 0),
        limits: Limits { prepared_statements_max: 4, prepared_bytes_max: 1 << 20 },
    };
    let mut conversation = Conversation {
        choices: Choices::new(bytes),
        session: Session::new(Arc::new(Origin::from(seed))),
        client: Client::default(),
        input: VecDeque::new(),
        pool: Vec::new(),
        upstream: None,
        open: false,
    };
    while !conversation.choices.is_empty() && !conversation.is_over() {
        conversation.step();
    }
    conversation.finish();
}

impl Conversation<'_> {
    fn is_over(&self) -> bool {
        self.client.ended || self.session.has_ended()
    }

    fn step(&mut self) {
        match self.choices.below(16) {
            0..=7 => {
                let frame = self.frame();
                self.say(frame);
            }
            8..=10 => self.carry(usize::MAX),
            11 => {
                let count = self.choices.below(40);
                self.carry(count);
            }
            12 => self.interject(),
            13 if self.choices.once_in(4) => self.lose(),
            _ => {}
        }
        if !self.is_over() {
            self.turn();
        }
    }

    fn say(&mut self, frame: Frame) {
        trace(|| format!("client  {} {:?}", char::from(frame.tag), frame.body));
        self.client.sends(&frame);
        self.open = frame.tag != b'S' && (self.open || frame.tag != b'Q');
        self.input.push_back(frame);
    }

    fn frame(&mut self) -> Frame {
        let choices = &mut self.choices;
        let text = |text: &str| [text.as_bytes(), b"\0"].concat();
        let (tag, body) = match choices.below(24) {
            0..=3 => (b'Q', text(if choices.below(3) == 0 { choices.pick(LISTS) } else { choices.pick(TEXTS) })),
            4..=7 => {
                let (name, sql) = (choices.pick(STATEMENTS), choices.pick(TEXTS));
                (b'P', [text(name), text(sql), vec![0, 0]].concat())
            }
            8..=11 => {
                let (portal, name) = (choices.pick(PORTALS), choices.pick(STATEMENTS));
                (b'B', [text(portal), text(name), vec![0; 6]].concat())
            }
            12 => (b'D', [b"S".to_vec(), text(choices.pick(STATEMENTS))].concat()),
            13 => (b'D', [b"P".to_vec(), text(choices.pick(PORTALS))].concat()),
            14..=16 => {
                let portal = text(choices.pick(PORTALS));
                (b'E', [portal, vec![0, 0, 0, u8::from(choices.once_in(2))]].concat())
            }
            17 => (b'C', [b"S".to_vec(), text(choices.pick(STATEMENTS))].concat()),
            18 => (b'C', [b"P".to_vec(), text(choices.pick(PORTALS))].concat()),
            19..=21 => (b'S', Vec::new()),
            22 => (b'H', Vec::new()),
            _ => {
                let tag = b"QPBDECSHFdcf\xff"[choices.below(13)];
                let count = choices.below(12);
                (tag, choices.take(count).to_vec())
            }
        };
        Frame { tag, body: Bytes::from(body) }
    }

    /// What the driver of a client does when it is woken.
    fn turn(&mut self) {
        let mut out = BytesMut::new();
        loop {
            let taken = self.take_frames();
            self.forward(&mut out);
            if !taken {
                break;
            }
        }
        trace(|| format!("told    {out:?}"));
        self.client.hears(&out);
    }

    /// `false` when there was none to take.
    fn take_frames(&mut self) -> bool {
        let mut taken = false;
        while !self.session.must_wait() && !self.session.has_ended() {
            let held = self.session.take_held();
            let Some(frame) = held.or_else(|| self.input.pop_front()) else { break };
            taken = true;
            let mut reviews = 0;
            while let Err(stall) = self.session.receive(&frame, &*BOOK) {
                reviews += 1;
                assert!(reviews < 100, "the verdict was given, and is asked for again: {stall:?}");
                self.session.offer(review(&stall));
            }
            let _ = self.session.take_denials().count();
        }
        taken
    }

    fn forward(&mut self, out: &mut BytesMut) {
        if self.upstream.is_none() {
            if !self.session.answer_locally(out) {
                return;
            }
            self.lease();
        }
        let Some(upstream) = &mut self.upstream else { return };
        while self.session.dispatch(&mut upstream.statements, &mut upstream.sent).is_some() {}
        assert!(self.session.ops().is_empty());
        self.session.deliver_local(out);
        self.release();
    }

    fn lease(&mut self) {
        let fresh = Upstream {
            backend: Backend::new(),
            statements: ServerStatements::new(3),
            settings: Arc::default(),
            sent: BytesMut::new(),
            rx: BytesMut::new(),
        };
        let index = self.choices.below(4);
        let mut upstream = if index < self.pool.len() { self.pool.swap_remove(index) } else { fresh };
        let sql = replay(&upstream.settings, self.session.settings());
        if !sql.is_empty() {
            self.session.replay_settings(&sql, &mut upstream.statements, &mut upstream.sent);
        }
        self.upstream = Some(upstream);
    }

    /// The connection goes back exactly when nothing of this client's is on it.
    fn release(&mut self) {
        let Some(upstream) = &self.upstream else { return };
        let Upstream { backend, sent, rx, .. } = upstream;
        let over = self.session.is_quiet() && sent.is_empty() && rx.is_empty() && backend.out.is_empty();
        if !self.session.can_release() {
            assert!(!over || self.open || !backend.is_clean(), "a connection is kept for nothing: {}", self.state());
            return;
        }
        assert!(sent.is_empty() && backend.is_clean(), "a connection goes back too early: {}", self.state());
        assert_eq!(backend.settings(), &**self.session.settings(), "settings are not what the session takes them for");
        // One with bytes left unread is closed, as in the pool.
        if let Some(mut upstream) = self.upstream.take()
            && over
        {
            upstream.settings = Arc::clone(self.session.settings());
            self.pool.push(upstream);
        }
    }

    /// Bytes go to the server and come back, at most `count` in each direction.
    fn carry(&mut self, count: usize) {
        let Some(upstream) = &mut self.upstream else { return };
        let there = upstream.sent.split_to(count.min(upstream.sent.len()));
        trace(|| format!("gateway {there:?}"));
        upstream.backend.hear(&there, &mut self.choices, &BOOK.reviewer);
        let back = upstream.backend.out.split_to(count.min(upstream.backend.out.len()));
        upstream.rx.extend_from_slice(&back);
        self.relay();
    }

    fn relay(&mut self) {
        let mut out = BytesMut::new();
        let Some(upstream) = &mut self.upstream else { return };
        while let Some(header) = frame::header(&upstream.rx).unwrap() {
            let total = HEADER_BYTES + header.body_bytes;
            if upstream.rx.len() < total {
                break;
            }
            trace(|| format!("server  {} {:?}", char::from(header.tag), &upstream.rx[..total]));
            let mut made_here = BytesMut::new();
            let body = &upstream.rx[HEADER_BYTES..total];
            match self.session.relay(header.tag, body, &mut upstream.statements, &mut made_here) {
                Relay::Forward => out.extend_from_slice(&upstream.rx[..total]),
                Relay::Swallow => {}
                Relay::Fault(fault) => {
                    assert!(self.client.lost, "{fault:?}");
                    trace(|| format!("told    {out:?}"));
                    self.client.hears(&out);
                    return self.lose();
                }
            }
            upstream.rx.advance(total);
            out.extend_from_slice(&made_here);
        }
        trace(|| format!("told    {out:?}"));
        self.client.hears(&out);
    }

    /// What a server may say at any time.
    fn interject(&mut self) {
        let Some(upstream) = &mut self.upstream else { return };
        let out = &mut upstream.backend.out;
        match self.choices.below(8) {
            0..=2 => out.extend_from_slice(b"N\0\0\0\x14SNOTICE\0C00000\0\0"),
            3..=4 => out.extend_from_slice(b"S\0\0\0\x08a\0b\0"),
            5 => out.extend_from_slice(b"A\0\0\0\x0b\0\0\0\x01a\0\0"),
            _ => {
                self.client.lost = true;
                let ended = Report::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection");
                ended.put(out);
            }
        }
    }

    /// The connection is gone, wherever it stood.
    fn lose(&mut self) {
        trace(|| "the connection is lost".to_owned());
        if self.upstream.take().is_none() {
            return;
        }
        self.client.lost = true;
        if self.session.is_quiet() && self.session.status() != TransactionStatus::Idle {
            // The driver ends with a FATAL here.
            self.client.ended = true;
            return;
        }
        let mut out = BytesMut::new();
        self.session.upstream_gone(&failure::upstream_lost(None), &mut out);
        trace(|| format!("told    {out:?}"));
        self.client.hears(&out);
    }

    /// What matters of the session's state.
    fn state(&self) -> String {
        let all = format!("{:?}", self.session);
        let from = all.find(" portals: ").unwrap_or(0);
        let up = self.upstream.as_ref().map(|up| format!("sent {:?} rx {:?} {}", up.sent, up.rx, up.backend.told()));
        format!("upstream {up:?} must_wait {} waiting {} {}", self.session.must_wait(), self.input.len(), &all[from..])
    }

    /// Everything that was said is answered, and nothing is left behind.
    fn finish(&mut self) {
        if self.is_over() {
            return;
        }
        self.say(Frame { tag: b'S', body: Bytes::new() });
        for _ in 0..10_000 {
            if !self.is_over() {
                self.turn();
            }
            if self.is_over() {
                return;
            }
            if self.input.is_empty() && self.session.is_quiet() && !self.session.holds_frame() {
                break;
            }
            self.carry(usize::MAX);
        }
        assert!(self.session.is_quiet() && self.input.is_empty(), "it never ends: {}", self.state());
        assert!(self.client.is_answered(), "answers are owed");
    }
}
