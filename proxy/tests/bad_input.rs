//! The bad input of the issue that made the gateway, each through the real program over a socket: what it answers, what
//! it still has in memory afterwards, and that the next one is served. `hostile.rs` has what is wrong with single messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod gateway_process;
#[path = "support/raw.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod raw;
#[path = "support/reply.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod reply;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use gateway_process::GatewayProcess;
use raw::Raw;

const MIB: usize = 1 << 20;
const FIFTY_MEGABYTES: usize = 50 * MIB;

fn address(gateway: &GatewayProcess) -> SocketAddr {
    gateway.listen.parse().unwrap()
}

fn client(gateway: &GatewayProcess) -> Raw {
    Raw::connect(address(gateway), "postgres", &[("database", "postgres")]).unwrap()
}

fn direct(gateway: &GatewayProcess) -> Raw {
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.postgres.port()));
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}

/// Waits for something that comes by itself. The time is what a hang is known by, nothing is measured with it.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The first error, as code and message.
fn error(lines: &[String]) -> &str {
    let found = lines.iter().find_map(|line| line.strip_prefix("Error ERROR "));
    found.unwrap_or_else(|| panic!("no error in {:.1000}", format!("{lines:#?}")))
}

/// `SELECT length('xxx…')` of so many bytes, and its answer.
fn long_statement(bytes: usize) -> (String, String) {
    let (start, end) = ("SELECT length('", "')");
    let letters = bytes - start.len() - end.len();
    (format!("{start}{}{end}", "x".repeat(letters)), letters.to_string())
}

/// A simple query and its answer, in as much time as a debug build on a busy machine needs for the longest.
fn simple(client: &mut Raw, sql: &str) -> Vec<String> {
    client.send(&raw::query(sql));
    answer(client)
}

fn extended(client: &mut Raw, sql: &str) -> Vec<String> {
    client.send(&raw::parse("", sql, &[]));
    client.send(&[raw::bind_text("", "", &[]), raw::execute("", 0), raw::sync()].concat());
    answer(client)
}

fn answer(client: &mut Raw) -> Vec<String> {
    client.socket.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    let mut lines = Vec::new();
    while let Some(message) = client.message() {
        lines.push(client.line(&message));
        if message.0 == b'Z' {
            return lines;
        }
    }
    panic!("closed after {lines:.1000?}")
}

#[test]
fn a_statement_of_50_megabytes_is_answered_where_the_limits_allow_it_and_not_kept() {
    let (cap, frame) = (FIFTY_MEGABYTES.to_string(), (FIFTY_MEGABYTES + MIB).to_string());
    let gateway = GatewayProcess::start(&[
        ("VITRINE_LIMITS_STATEMENT_BYTES_MAX", &cap),
        ("VITRINE_LIMITS_FRAME_BYTES_MAX", &frame),
        ("VITRINE_LOG_LEVEL", "info"),
    ]);
    let mut one = client(&gateway);
    assert_eq!(one.value("SELECT 1"), "1");
    let (before, _) = gateway.memory();

    let (exact, answer) = long_statement(FIFTY_MEGABYTES);
    assert_eq!(exact.len(), 52_428_800);
    let row = format!("DataRow {answer}");
    let lines = simple(&mut direct(&gateway), &exact);
    assert!(lines.contains(&row), "{lines:.1000?}");
    for ask in [simple, extended] {
        let lines = ask(&mut one, &exact);
        assert!(lines.contains(&row), "{lines:.1000?}");
        assert_eq!(one.value("SELECT 'goes on'"), "goes on");
        let (shorter, answer) = long_statement(FIFTY_MEGABYTES - 1);
        assert!(ask(&mut one, &shorter).contains(&format!("DataRow {answer}")));
        // A byte more is over the statement's bound, a megabyte more over the message's, of which nothing is kept.
        for (bytes, message) in [(1, "statement is too long"), (MIB, "message is too long"), (20 * MIB, "message is")] {
            let (longer, _) = long_statement(FIFTY_MEGABYTES + bytes);
            let lines = ask(&mut one, &longer);
            assert!(error(&lines).starts_with(&format!("54000 {message}")), "{lines:.1000?}");
            assert_eq!(lines.last().unwrap(), "Ready I");
            assert_eq!(one.value("SELECT 'goes on'"), "goes on");
        }
        // In a block it is an error like any other.
        one.query("BEGIN");
        let (longer, _) = long_statement(FIFTY_MEGABYTES + 1);
        assert_eq!(ask(&mut one, &longer).last().unwrap(), "Ready E");
        assert_eq!(one.query("COMMIT"), ["CommandComplete ROLLBACK", "Ready I"]);
    }
    one.vanish();
    let mut last = before;
    until("the memory of a long statement is kept", || {
        last = gateway.memory().0;
        last < before + 24 * MIB
    });
    println!("from {} MiB at rest, over {} at most, to {}", before / MIB, gateway.memory().1 / MIB, last / MIB);
    assert_eq!(client(&gateway).value("SELECT 'the next'"), "the next");
}

/// Texts of nothing but tokens cost a thousand times their length while they are read: that is bounded, for one and for all
/// together, and nothing of it stays.
#[test]
fn texts_of_nothing_but_tokens_are_bounded_and_leave_nothing_behind() {
    let gateway = GatewayProcess::start(&[("VITRINE_LOG_LEVEL", "info")]);
    let mut one = client(&gateway);
    assert_eq!(one.value("SELECT 1"), "1");
    let (before, _) = gateway.memory();
    let room = (2 * MIB) - 100;
    let filled = |start: &str, piece: &str| format!("{start}{}", piece.repeat((room - start.len()) / piece.len()));
    for (text, refusal) in [
        (filled("SELECT 1", ",1"), "54000 statement has too many words"),
        (filled("SELECT 1 WHERE 1 IN (1", ",1") + ")", "54000 statement has too many words"),
        (filled("SELECT true", " OR a"), "54001"),
        (filled("SELECT 1", ";SELECT 1"), "54000"),
        (filled("VALUES (1)", ",(1)"), "54000 statement has too many words"),
        (filled("SELECT a FROM t", ",t"), "54000 statement has too many words"),
        (filled("", ";"), "54000 statement has too many words"),
        (filled("", "("), "54001"),
    ] {
        let lines = simple(&mut one, &text);
        assert!(error(&lines).starts_with(refusal), "{text:.40}: {lines:.1000?}");
        assert_eq!(one.value("SELECT 'goes on'"), "goes on");
    }
    for text in [filled("SELECT '", "''") + "'", filled("SELECT $$", "$ ") + "$$", filled("SELECT 1 --", "-")] {
        assert_eq!(simple(&mut one, &text).len(), 4, "{text:.40}");
    }
    // Several at once take the memory of one.
    let (_, highest) = gateway.memory();
    let list = format!("SELECT count(*) FROM (SELECT 1 AS a) x WHERE a IN (1{})", ",1".repeat(200_000));
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (mut asker, list) = (client(&gateway), list.clone());
            thread::spawn(move || assert!(simple(&mut asker, &list).contains(&"DataRow 1".to_owned())))
        })
        .collect();
    askers.into_iter().for_each(|asker| asker.join().unwrap());
    let of_one = {
        let alone = GatewayProcess::start_before(gateway.postgres.clone(), "", &[("VITRINE_LOG_LEVEL", "info")]);
        simple(&mut client(&alone), &list);
        alone.memory().1
    };
    let (_, of_all) = gateway.memory();
    assert!(of_all < highest.max(of_one * 2), "{} MiB, one alone takes {}", of_all / MIB, of_one / MIB);
    one.vanish();
    until("the memory of a dense statement is kept", || gateway.memory().0 < before + 96 * MIB);
    let now = gateway.memory().0;
    println!(
        "{} MiB at rest, {} refusing, {} one, {} all, {} after",
        before / MIB,
        highest / MIB,
        of_one / MIB,
        of_all / MIB,
        now / MIB
    );
}

#[test]
fn fifty_thousand_levels_of_anything_are_refused_or_answered_as_postgresql_answers_them() {
    const DEEP: usize = 50_000;
    let gateway = GatewayProcess::start(&[("VITRINE_LOG_LEVEL", "info")]);
    let (mut one, mut straight) = (client(&gateway), direct(&gateway));
    let around = |start: &str, open: &str, middle: &str, close: &str| {
        format!("{start}{}{middle}{}", open.repeat(DEEP), close.repeat(DEEP))
    };
    for (what, text) in [
        ("brackets", around("SELECT ", "(", "1", ")")),
        ("brackets that are not closed", around("SELECT ", "(", "1", "")),
        ("brackets that are not opened", around("SELECT ", "", "1", ")")),
        ("NOT", around("SELECT ", "NOT ", "true", "")),
        ("CASE", around("SELECT ", "CASE WHEN true THEN ", "1", " END")),
        ("CASE in ELSE", around("SELECT ", "CASE WHEN false THEN 1 ELSE ", "1", " END")),
        ("arrays", around("SELECT ", "ARRAY[", "1", "]")),
        ("subscripts", around("SELECT a", "[1", "", "]")),
        ("rows", around("SELECT ", "ROW(", "1", ")")),
        ("calls", around("SELECT ", "abs(", "1", ")")),
        ("casts", around("SELECT ", "CAST(", "1", " AS int)")),
        ("a chain of casts", around("SELECT 1", "::int", "", "")),
        ("subselects", around("SELECT ", "(SELECT ", "1", ")")),
        ("subselects in FROM", around("", "SELECT * FROM (", "SELECT 1", ") x")),
        ("EXISTS", around("SELECT ", "EXISTS (SELECT ", "1", ")")),
        ("WITH", around("", "WITH a AS (", "SELECT 1", ") SELECT * FROM a")),
        ("a chain of UNION", around("SELECT 1", " UNION SELECT 1", "", "")),
        ("UNION in brackets", around("", "(SELECT 1 UNION ", "SELECT 1", ")")),
        ("a chain of JOIN", around("SELECT 1 FROM t", " JOIN t ON true", "", "")),
        ("JOIN in brackets", around("SELECT 1 FROM ", "(", "t", " JOIN t ON true)")),
        ("a chain of ||", around("SELECT 'a'", "||'a'", "", "")),
        ("a chain of +", around("SELECT 1", "+1", "", "")),
        ("signs", around("SELECT ", "- ", "1", "")),
        ("a chain of AND", around("SELECT true", " AND true", "", "")),
        ("a chain of OR", around("SELECT false", " OR false", "", "")),
        ("AND in brackets", around("SELECT ", "(true AND ", "true", ")")),
        ("comments", around("SELECT ", "/*", "", "*/") + "1"),
        ("comments that are not closed", around("SELECT 1 ", "/*", "", "")),
        ("comments side by side", around("SELECT ", "/**/", "1", "")),
        ("jsonpath in a literal", around("SELECT jsonb_path_query('1', '", "(", "1", ")") + "')"),
        ("EXPLAIN", around("", "EXPLAIN ", "SELECT 1", "")),
    ] {
        for ask in [simple, extended] {
            let lines = ask(&mut one, &text);
            assert_eq!(lines.last().unwrap(), "Ready I", "{what}: {lines:.1000?}");
            match lines.iter().find_map(|line| line.strip_prefix("Error ERROR ")) {
                Some(refused) => {
                    let code = refused.split(' ').next().unwrap();
                    assert!(
                        ["54001", "54000", "42601", "42P01", "42703", "42804"].contains(&code),
                        "{what}: {refused}"
                    );
                }
                None => assert_eq!(lines, ask(&mut straight, &text), "{what}"),
            }
            assert_eq!(one.value("SELECT 'goes on'"), "goes on", "{what}");
        }
    }
    let (_, highest) = gateway.memory();
    assert!(highest < 1 << 30, "{} MiB", highest / MIB);
    println!("at most {} MiB", highest / MIB);
}

#[test]
fn ten_thousand_prepared_statements_all_work_and_are_gone_when_closed() {
    const COUNT: usize = 10_000;
    let gateway = GatewayProcess::start(&[("VITRINE_LOG_LEVEL", "info"), ("VITRINE_POOL_SIZE", "2")]);
    let mut one = client(&gateway);
    assert_eq!(one.value("SELECT 1"), "1");
    let (before, _) = gateway.memory();
    let in_blocks = |one: &mut Raw, messages: &dyn Fn(usize) -> Vec<u8>| {
        let mut lines = Vec::with_capacity(COUNT * 3);
        for block in 0..COUNT / 100 {
            (0..100).for_each(|number| one.send(&messages(block * 100 + number)));
            one.send(&raw::sync());
            lines.extend(answer(one));
        }
        lines
    };
    for round in 0..2 {
        let text = |number| format!("SELECT $1::int4 + {number} AS statement_{round}_{number}");
        let parsed = in_blocks(&mut one, &|number| raw::parse(&format!("s{number}"), &text(number), &[23]));
        assert_eq!(parsed.iter().filter(|line| *line == "ParseComplete").count(), COUNT, "{:.400?}", parsed);
        one.send(&[raw::parse("one_more", "SELECT 1", &[]), raw::sync()].concat());
        assert!(error(&answer(&mut one)).starts_with("53400 "));
        let ran = in_blocks(&mut one, &|number| {
            [raw::bind_text("", &format!("s{number}"), &["1000000"]), raw::execute("", 0)].concat()
        });
        let rows: Vec<&str> = ran.iter().filter_map(|line| line.strip_prefix("DataRow ")).collect();
        let expected: Vec<String> = (0..COUNT).map(|number| (1_000_000 + number).to_string()).collect();
        assert_eq!(rows, expected, "round {round}");
        // What they take stays within their own bound (64 MiB) and some, here and in the database's sessions.
        assert!(gateway.memory().1 < before + 100 * MIB, "{} MiB", gateway.memory().1 / MIB);
        let closed = in_blocks(&mut one, &|number| raw::about(b'C', b'S', &format!("s{number}")));
        assert_eq!(closed.iter().filter(|line| *line == "CloseComplete").count(), COUNT);
        one.send(&[raw::bind_text("", "s0", &["1"]), raw::sync()].concat());
        assert!(error(&answer(&mut one)).starts_with("26000 "));
    }
    // A connection knows a bounded number of them, whatever its clients have.
    let known: usize = one.value("SELECT count(*) FROM pg_prepared_statements").parse().unwrap();
    assert!(known <= 200, "{known}");
    one.vanish();
    until("prepared statements outlive their client", || gateway.memory().0 < before + 64 * MIB);
    println!("from {} MiB, over {} at most, to {}", before / MIB, gateway.memory().1 / MIB, gateway.memory().0 / MIB);
}

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// The socket is closed, and nothing was said (FIN).
    Silently,
    /// The connection is reset (RST).
    ByReset,
    /// A length that cannot be.
    WithNonsense,
    /// Half a message, and then the socket is closed.
    MidMessage,
}

fn leave(mut client: Raw, how: Leaving) {
    match how {
        Leaving::Silently => {}
        Leaving::ByReset => {
            socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
        Leaving::WithNonsense => client.send(b"Q\x80\0\0\0SELECT 1\0"),
        Leaving::MidMessage => client.send(&raw::query(&"SELECT 1; ".repeat(1000))[..5000]),
    }
    drop(client);
}

/// One connection of the pool, so that whoever comes next gets the one that was left.
#[test]
fn a_client_that_vanishes_leaves_its_connection_clean() {
    let gateway = GatewayProcess::start(&[("VITRINE_LOG_LEVEL", "info"), ("VITRINE_POOL_SIZE", "1")]);
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%generate_series%' \
                   AND pid <> pg_backend_pid()";
    let left = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() \
                AND (query LIKE '%generate_series%' OR state LIKE 'idle in transaction%')";
    let long = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b";
    let begins: [(&str, Vec<Vec<u8>>); 7] = [
        ("a query", vec![raw::query(long)]),
        (
            "a query of a batch",
            vec![raw::parse("", long, &[]), raw::bind_text("", "", &[]), raw::execute("", 0), frame_flush()],
        ),
        (
            "a query of a block that changed settings",
            vec![raw::query("SET application_name = 'gone'; BEGIN; SET LOCAL search_path = nowhere"), raw::query(long)],
        ),
        (
            "a cursor and a PREPARE",
            vec![
                raw::query("PREPARE left_over AS SELECT 1"),
                raw::query("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 100000)"),
                raw::query(long),
            ],
        ),
        ("a result that nobody reads", vec![raw::query("SELECT repeat('x', 1000) FROM generate_series(1, 10000000)")]),
        ("a COPY that nobody reads", vec![raw::query("COPY (SELECT generate_series(1, 100000000)) TO STDOUT")]),
        (
            "a suspended portal",
            vec![
                raw::parse("", "SELECT generate_series(1, 100000000)", &[]),
                raw::bind_text("", "", &[]),
                raw::execute("", 10),
                frame_flush(),
            ],
        ),
    ];
    for how in [Leaving::Silently, Leaving::ByReset, Leaving::WithNonsense, Leaving::MidMessage] {
        for (what, messages) in &begins {
            let mut gone = client(&gateway);
            messages.iter().for_each(|message| gone.send(message));
            until(&format!("{what} does not begin"), || gateway.postgres.psql(running).unwrap().trim() != "0");
            leave(gone, how);
            until(&format!("{what} runs on after a client left {how:?}"), || {
                gateway.postgres.psql(left).unwrap().trim() == "0"
            });
            let mut next = client(&gateway);
            for (ask, expected) in [
                ("SELECT 'served'", "served"),
                ("SHOW search_path", "\"$user\", public"),
                ("SELECT count(*) FROM pg_cursors WHERE name <> ''", "0"),
                ("SELECT count(*) FROM pg_prepared_statements WHERE from_sql", "0"),
                ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gone'", "0"),
            ] {
                assert_eq!(next.value(ask), expected, "{ask} after a client in {what} left {how:?}");
            }
        }
    }
}

fn frame_flush() -> Vec<u8> {
    raw::frame(b'H', &[])
}

/// Those who say half of something, or nothing, do not stay for ever, before they are let in and after.
#[test]
fn half_a_packet_has_its_time() {
    let gateway = GatewayProcess::start(&[
        ("VITRINE_LOG_LEVEL", "info"),
        ("VITRINE_TIMEOUTS_STARTUP_MS", "1000"),
        ("VITRINE_TIMEOUTS_FRAME_MS", "1000"),
    ]);
    let told = |mut socket: TcpStream| {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut heard = Vec::new();
        // A reset is an end too.
        let _ = socket.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    };
    let startup = raw::startup("postgres", &[("database", "postgres")]);
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for half in [&startup[..0], &startup[..3], &startup[..8], &startup[..startup.len() - 1], &tls[..4]] {
        let mut socket = TcpStream::connect(address(&gateway)).unwrap();
        socket.write_all(half).unwrap();
        let heard = told(socket);
        assert!(
            heard.contains("57014") || (half.starts_with(b"\x16") && !heard.contains("C00000")),
            "{half:?}: {heard:?}"
        );
    }
    let (parse, bind) = (raw::parse("", "SELECT 1", &[]), raw::bind_text("", "", &[]));
    for half in [&raw::query("SELECT 1")[..7], &b"Q"[..], &b"Q\0\0"[..], &[parse, bind[..4].to_vec()].concat()] {
        let mut one = client(&gateway);
        one.send(half);
        let heard = told(one.socket.try_clone().unwrap());
        assert!(heard.contains("08P01") && heard.contains("not completed in time"), "{half:?}: {heard:?}");
    }
    assert_eq!(client(&gateway).value("SELECT 'served'"), "served");
}
