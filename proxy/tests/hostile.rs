//! Bad input, said to PostgreSQL where it can answer and to the gateway: never a panic, a hang or a buffer without
//! bound, and the next client is served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use support::raw::{self, Raw, Values};
use support::{Front, front, postgres};
use vitrine::demo::postgres::Server;
use vitrine::upstream::PoolLimits;

struct Stage {
    server: Server,
    front: Front,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn new() -> Self {
        let server = postgres();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let front = runtime.block_on(front(&server, "postgres", "postgres", PoolLimits::default()));
        Self { server, front, _runtime: runtime }
    }

    fn client(&self) -> Raw {
        Raw::connect(self.front.address, "postgres", &[("database", "postgres")]).unwrap()
    }

    fn direct(&self) -> Raw {
        let address = SocketAddr::from(([127, 0, 0, 1], self.server.port()));
        Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
    }
}

/// The SQLSTATE of the first error.
fn sqlstate(lines: &[String]) -> &str {
    let error = lines.iter().find(|line| line.starts_with("Error"));
    error.unwrap_or_else(|| panic!("no error in {lines:#?}")).split(' ').nth(2).unwrap()
}

#[test]
fn garbage_before_start_up_is_answered_or_dropped_at_once() {
    let stage = Stage::new();
    let length = |length: u32| [&length.to_be_bytes()[..], &[0; 16]].concat();
    for garbage in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 64],
        length(0),
        length(3),
        length(u32::MAX),
        length(0x8000_0000),
        length(10_001),
        [&20_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"user\0nothing"].concat(),
        [&12_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), b"\0\0\0\0"].concat(),
        [&9_u32.to_be_bytes()[..], &999_999_u32.to_be_bytes(), b"\0"].concat(),
    ] {
        let mut socket = TcpStream::connect(stage.front.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(&garbage).unwrap();
        let mut answer = Vec::new();
        let ended = socket.read_to_end(&mut answer);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(ended.as_ref().map_or_else(reset, |_| true), "{garbage:?}: {ended:?}");
        assert!(answer.is_empty() || answer[0] == b'E', "{garbage:?}: {answer:?}");
    }
    assert_eq!(stage.client().value("SELECT 1"), "1");
}

#[test]
fn lengths_that_cannot_be_end_the_connection_at_once() {
    let stage = Stage::new();
    for length in [0_u32, 3, 0x4000_0004, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut client = stage.client();
        client.send(&[&b"Q"[..], &length.to_be_bytes(), b"SELECT 1\0"].concat());
        let lines = client.lines_until_ready(1);
        assert_eq!(lines.last().unwrap(), "closed", "{length:#x}: {lines:#?}");
    }
}

#[test]
fn bodies_that_lie_are_answered_as_postgresql_answers_them() {
    let stage = Stage::new();
    let counts = |count: u16| [&b"\0SELECT 1\0"[..], &count.to_be_bytes()].concat();
    let bind = |tail: &[u8]| [&b"\0s\0"[..], tail].concat();
    let bodies: Vec<(u8, Vec<u8>)> = vec![
        (b'Q', b"SELECT 1".to_vec()),
        (b'Q', b"SELECT 1\0SELECT 2\0".to_vec()),
        (b'Q', Vec::new()),
        (b'Q', b"SELECT '\xff'\0".to_vec()),
        (b'Q', b"SELECT '\xc0\x80'\0".to_vec()),
        (b'P', counts(1)),
        (b'P', counts(0x7fff)),
        (b'P', counts(0xffff)),
        (b'P', b"\0SELECT 1\0".to_vec()),
        (b'P', b"x".to_vec()),
        (b'P', b"\0SELECT '\xff'\0\0\0".to_vec()),
        (b'B', bind(&[0, 1])),
        (b'B', bind(&[0, 0, 0, 1, 0, 0, 0, 9, b'1', 0, 0])),
        (b'B', bind(&[0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, b'1', 0, 0])),
        (b'B', bind(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0, 0])),
        (b'B', bind(&[0, 0, 0, 1, 0, 0, 0, 1, b'1', 0x7f, 0xff])),
        (b'B', bind(&[0, 0, 0, 1, 0, 0, 0, 1, b'1', 0, 0, 0])),
        (b'B', bind(&[0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0, 0])),
        (b'E', b"\0\0\0\0".to_vec()),
        (b'E', b"\0\0\0\0\0\0".to_vec()),
        (b'D', b"S".to_vec()),
        (b'D', b"Sx".to_vec()),
        (b'C', b"P".to_vec()),
        (b'S', b"x".to_vec()),
    ];
    for (tag, body) in bodies {
        let answer = |mut client: Raw| {
            client.send(&[raw::parse("s", "SELECT $1::text", &[]), raw::sync()].concat());
            client.lines_until_ready(1);
            let ends = matches!(tag, b'Q' | b'S');
            client.send(&raw::frame(tag, &body));
            client.send(&if ends { Vec::new() } else { raw::sync() });
            let code = sqlstate(&client.lines_until_ready(1)).to_owned();
            assert_eq!(client.value("SELECT 1"), "1");
            code
        };
        assert_eq!(answer(stage.client()), answer(stage.direct()), "{} {body:?}", char::from(tag));
    }
}

#[test]
fn a_statement_too_long_is_refused_and_the_session_goes_on() {
    let stage = Stage::new();
    let mut client = stage.client();
    let long = format!("SELECT '{}'", "x".repeat(50 << 20));
    let lines = client.query(&long);
    assert_eq!(sqlstate(&lines), "54000", "{lines:#?}");
    assert_eq!(client.value("SELECT 1"), "1");
    client.send(&raw::parse("", &long, &[]));
    client.send(&[raw::bind_text("", "", &[]), raw::execute("", 0), raw::sync()].concat());
    assert_eq!(client.lines_until_ready(1).len(), 2);
    assert_eq!(client.value("SELECT 1"), "1");
    // Longer than a statement may be, shorter than a message may be.
    let lines = client.query(&format!("SELECT '{}'", "x".repeat(3 << 20)));
    assert_eq!(sqlstate(&lines), "54000");
    assert_eq!(client.value("SELECT 1"), "1");
}

#[test]
fn long_values_pass_and_too_long_ones_are_refused() {
    let stage = Stage::new();
    let mut client = stage.client();
    let send = |client: &mut Raw, bytes: usize| {
        let values = Values { values: vec![Some(vec![b'x'; bytes])], ..Values::default() };
        client.send(&raw::parse("", "SELECT length($1::text)", &[]));
        client.send(&[raw::bind("", "", &values), raw::execute("", 0), raw::sync()].concat());
        client.lines_until_ready(1)
    };
    let lines = send(&mut client, 10 << 20);
    assert!(lines.contains(&format!("DataRow {}", 10 << 20)), "{lines:#?}");
    assert_eq!(sqlstate(&send(&mut client, 40 << 20)), "54000");
    assert_eq!(client.value("SELECT 1"), "1");
    // Many values: more than PostgreSQL takes is PostgreSQL's to say, and 32,767 are fine.
    let list: Vec<String> = (1..=32_767).map(|number| format!("${number}::int4")).collect();
    let values = Values { values: vec![Some(b"1".to_vec()); 32_767], ..Values::default() };
    client.send(&raw::parse("", &format!("SELECT {}", list.join(" + ")), &[]));
    client.send(&[raw::bind("", "", &values), raw::execute("", 0), raw::sync()].concat());
    let lines = client.lines_until_ready(1);
    assert!(lines.iter().any(|line| line == "DataRow 32767" || line.contains("54001")), "{lines:#?}");
}

#[test]
fn ten_thousand_prepared_statements_are_the_end_of_it() {
    let stage = Stage::new();
    let mut client = stage.client();
    for block in 0..100 {
        for number in 0..100 {
            client.send(&raw::parse(&format!("s{block}_{number}"), &format!("SELECT {number}"), &[]));
        }
        client.send(&raw::sync());
        let lines = client.lines_until_ready(1);
        assert_eq!(lines.len(), 101, "{:#?}", lines.last());
    }
    client.send(&[raw::parse("one_more", "SELECT 1", &[]), raw::sync()].concat());
    assert_eq!(sqlstate(&client.lines_until_ready(1)), "53400");
    assert_eq!(client.value("SELECT 1"), "1");
    client.send(&[raw::parse("", "SELECT 'unnamed'", &[]), raw::sync()].concat());
    assert_eq!(client.lines_until_ready(1), ["ParseComplete", "Ready I"]);
    client.query("DEALLOCATE ALL");
    client.send(&[raw::parse("one_more", "SELECT 1", &[]), raw::sync()].concat());
    assert_eq!(client.lines_until_ready(1), ["ParseComplete", "Ready I"]);
}

#[test]
fn deep_nesting_is_refused_or_answered_and_never_fatal() {
    let stage = Stage::new();
    let mut client = stage.client();
    let deep = 50_000;
    let texts = [
        format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("SELECT {}1", "-".repeat(deep).replace("--", "- ")),
        format!("SELECT 1{}", " + 1".repeat(deep)),
        format!("SELECT {}true", "NOT ".repeat(deep)),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(deep), ") x".repeat(deep)),
        format!("SELECT ARRAY{}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("SELECT {}1{}", "/*".repeat(deep), "*/".repeat(deep)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(deep)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(deep), " END".repeat(deep)),
    ];
    for text in texts {
        let began = Instant::now();
        let lines = client.query(&text);
        let start: String = text.chars().take(40).collect();
        assert!(["54001", "54000", "42601"].contains(&sqlstate(&lines)), "{start}: {lines:#?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{start} took {:?}", began.elapsed());
        assert_eq!(client.value("SELECT 1"), "1");
    }
}

#[test]
fn half_a_message_holds_up_nobody_else() {
    let stage = Stage::new();
    let mut slow: Vec<Raw> = (0..50).map(|_| stage.client()).collect();
    for (index, client) in slow.iter_mut().enumerate() {
        let whole = raw::query("SELECT 1");
        client.send(&whole[..=index % (whole.len() - 1)]);
    }
    assert_eq!(stage.client().value("SELECT 1"), "1");
    // Dripped byte by byte it is a message all the same.
    let mut dripping = stage.client();
    for byte in raw::query("SELECT 'dripped'") {
        dripping.send(&[byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(dripping.lines_until_ready(1).contains(&"DataRow dripped".to_owned()));
}

#[test]
fn mutated_conversations_are_answered_or_closed() {
    let stage = Stage::new();
    let whole = [
        raw::query("SELECT 1; SELECT 'two'"),
        raw::parse("s", "SELECT $1::int4", &[23]),
        raw::about(b'D', b'S', "s"),
        raw::bind_text("p", "s", &["1"]),
        raw::about(b'D', b'P', "p"),
        raw::execute("p", 1),
        raw::about(b'C', b'P', "p"),
        raw::sync(),
    ]
    .concat();
    let mut dice = 88_172_645_463_325_252_u64;
    let mut next = |bound: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice % u64::try_from(bound).unwrap()).unwrap()
    };
    for round in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, u8::try_from(next(256)).unwrap()),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut client = stage.client();
        client.send(&bytes);
        client.socket.shutdown(std::net::Shutdown::Write).unwrap();
        // Whatever it was: the answer ends.
        while client.message().is_some() {}
        if round % 50 == 0 {
            assert_eq!(stage.client().value("SELECT 1"), "1");
        }
    }
    assert_eq!(stage.client().value("SELECT 1"), "1");
}
