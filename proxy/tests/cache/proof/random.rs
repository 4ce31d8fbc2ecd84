//! Random reads, settings, formats and messages: what comes from memory, what goes past it and what PostgreSQL says itself
//! are the same bytes. `VITRINE_CACHE_CASES=20000` asks more of them.

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::stage::{Stage, told};
use crate::support::raw::{self, Message, Raw};

const CASES: u32 = 160;

const THINGS: &str = "CREATE TYPE mood AS ENUM ('bad', 'fair', 'good'); CREATE SCHEMA elsewhere;
    CREATE TABLE things (id int PRIMARY KEY, small int2, big int8, f4 float4, f8 float8, n numeric, t text, c char(5),
        ok bool, day date, at timestamp, atz timestamptz, span interval, b bytea, u uuid, j jsonb, a int[], m mood, r int4range);
    INSERT INTO things SELECT i, i % 7 - 3, i::int8 << 33, i / 7.0, i / 3.0 * 1e10, i / 9.0, 'it''s ' || i || E'\\\\ \\u00e9', 'c' || i,
        i % 2 = 0, date '2024-02-27' + i, timestamp '1999-12-31 23:59:59.5' + i * interval '37 hours',
        timestamptz '2024-03-30 23:30:00+00' + i * interval '11 minutes', i * interval '1 mon 2 days 03:04:05.678',
        decode(md5(i::text), 'hex'), md5(i::text)::uuid, jsonb_build_object('k', i, 'l', array[i, null]), array[i, null, -i],
        (array['bad', 'fair', 'good'])[i % 3 + 1]::mood, int4range(i, i + 5) FROM generate_series(1, 30) i;
    INSERT INTO things (id) VALUES (31);
    CREATE TABLE words (id int, thing int, word text); INSERT INTO words SELECT i, i % 11, 'w' || i % 5 FROM generate_series(1, 40) i;
    CREATE TABLE elsewhere.things AS SELECT * FROM things WHERE id < 4; UPDATE elsewhere.things SET t = 'elsewhere', n = -n;
    GRANT USAGE ON SCHEMA elsewhere TO PUBLIC; ANALYZE;";

const COLUMNS: &[&str] =
    &["id", "small", "big", "f4", "f8", "n", "t", "c", "ok", "day", "at", "atz", "span", "b", "u", "j", "a", "m", "r"];
const EXPRESSIONS: &[&str] = &[
    "f8 / 3",
    "n * 1.5 + id",
    "atz::text",
    "span::text",
    "b::text",
    "at + span",
    "atz AT TIME ZONE 'Asia/Kathmandu'",
    "date_trunc('hour', atz)",
    "to_char(atz, 'YYYY-MM-DD HH24:MI OF')",
    "t || coalesce(c, '-')",
    "j -> 'k'",
    "j ->> 'l'",
    "a[1]",
    "m > 'fair'",
    "lower(r)",
    "CASE WHEN ok THEN small ELSE -1 END",
    "extract(epoch FROM span)",
    "(SELECT count(*) FROM words w WHERE w.thing = things.id)",
    "md5(t)",
    "10 / (id - 7)",
    "upper(t) COLLATE \"C\"",
    "day - date '2024-01-01'",
    "encode(b, 'base64')",
    "row(id, t)",
    "NULL",
    "'a constant'",
];
const AGGREGATES: &[&str] = &[
    "count(*)",
    "sum(n)",
    "max(atz)",
    "min(span)",
    "array_agg(id ORDER BY id)",
    "string_agg(t, ', ' ORDER BY id DESC)",
    "bool_or(ok)",
    "jsonb_agg(day ORDER BY id)",
    "avg(big)",
    "count(DISTINCT m)",
];
const FILTERS: &[&str] = &[
    "true",
    "ok",
    "m = 'good'",
    // With its zone: the gateway may prepare a text again under a TimeZone that was set after Parse (`docs/connect.md`).
    "atz > '2024-03-31 02:00+00'",
    "day < '2024-03-05'",
    "t LIKE '%1%'",
    "id IN (SELECT thing FROM words WHERE word <> 'w1')",
    "span > '3 mons'",
    "n IS NULL",
    "f8 BETWEEN 1e10 AND 5e10",
    "a @> ARRAY[3]",
    "NOT ok AND small >= 0",
];
const SETTINGS: &[&str] = &[
    "SET DateStyle = 'German'",
    "SET DateStyle = 'SQL, DMY'",
    "SET DateStyle = 'Postgres, MDY'",
    "SET TimeZone = 'America/St_Johns'",
    "SET TimeZone = 'Europe/Berlin'",
    "SET TimeZone = '<+05:30>-05:30'",
    "SET extra_float_digits = 0",
    "SET extra_float_digits = -8",
    "SET IntervalStyle = 'iso_8601'",
    "SET IntervalStyle = 'postgres_verbose'",
    "SET bytea_output = 'escape'",
    "SET search_path = elsewhere, public",
    "SET search_path = public",
    "SET xmlbinary = 'hex'",
    "SET enable_hashagg = off",
    "RESET TimeZone",
];

/// One question.
#[derive(Debug, Clone)]
struct Case {
    list: Vec<&'static str>,
    filter: &'static str,
    is_grouped: bool,
    limit: Option<u8>,
    /// Compared with `id`: a parameter, where there can be one.
    above: u8,
    settings: Vec<&'static str>,
    formats: Vec<bool>,
    is_binary_value: bool,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Simple,
    Unnamed {
        described: bool,
    },
    Prepared {
        described: bool,
    },
    /// Rows at a time, twice, and then the rest.
    Portal(i32),
}

fn cases() -> impl Strategy<Value = Case> {
    let plain =
        prop::collection::vec(prop_oneof![prop::sample::select(COLUMNS), prop::sample::select(EXPRESSIONS)], 1..6);
    let grouped = prop::collection::vec(prop::sample::select(AGGREGATES), 1..4);
    let list = prop_oneof![3 => plain.prop_map(|list| (list, false)), 1 => grouped.prop_map(|list| (list, true))];
    let protocol = prop_oneof![
        Just(Protocol::Simple),
        any::<bool>().prop_map(|described| Protocol::Unnamed { described }),
        any::<bool>().prop_map(|described| Protocol::Prepared { described }),
        (1..9).prop_map(Protocol::Portal),
    ];
    let settings = prop::collection::vec(prop::sample::select(SETTINGS), 0..3);
    let rest = (prop::option::of(0..9_u8), 0..20_u8, prop::collection::vec(any::<bool>(), 0..7), any::<bool>());
    (list, prop::sample::select(FILTERS), settings, protocol, rest).prop_map(
        |((list, is_grouped), filter, settings, protocol, (limit, above, formats, is_binary_value))| Case {
            list,
            filter,
            is_grouped,
            limit,
            above,
            settings,
            formats,
            is_binary_value,
            protocol,
        },
    )
}

impl Case {
    fn sql(&self, above: &str) -> String {
        let Self { list, filter, is_grouped, limit, .. } = self;
        let list = list.join(", ");
        let order = if *is_grouped { "GROUP BY m ORDER BY m" } else { "ORDER BY id" };
        let limit = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        format!("SELECT {list} FROM things WHERE {filter} AND id > {above} {order}{limit}")
    }

    /// What is said before the settings are, and what asks.
    fn messages(&self) -> (Vec<u8>, Vec<u8>) {
        let (sql, types) = (self.sql("$1"), [23]);
        let value = if self.is_binary_value {
            i32::from(self.above).to_be_bytes().to_vec()
        } else {
            self.above.to_string().into_bytes()
        };
        // None, one for all columns, or one for each.
        let columns = self.list.len();
        let results: Vec<u16> = match self.formats.len() {
            0 => Vec::new(),
            known if known < columns => vec![u16::from(self.formats[0])],
            _ => self.formats[..columns].iter().map(|binary| u16::from(*binary)).collect(),
        };
        let values = raw::Values { formats: vec![u16::from(self.is_binary_value)], values: vec![Some(value)], results };
        let describe = |described: bool| if described { raw::about(b'D', b'P', "") } else { Vec::new() };
        let (execute, sync) = (raw::execute("", 0), raw::sync());
        match self.protocol {
            Protocol::Simple => (Vec::new(), raw::query(&self.sql(&self.above.to_string()))),
            Protocol::Unnamed { described } => {
                let bind = raw::bind("", "", &values);
                (Vec::new(), [raw::parse("", &sql, &types), bind, describe(described), execute, sync].concat())
            }
            Protocol::Prepared { described } => {
                let bind = raw::bind("", "s", &values);
                let prepare = [raw::parse("s", &sql, &types), raw::about(b'D', b'S', "s"), sync.clone()].concat();
                (prepare, [bind, describe(described), execute, sync].concat())
            }
            Protocol::Portal(rows) => {
                let bind = raw::bind("p", "", &values);
                let some = raw::execute("p", rows);
                let all = raw::execute("p", 0);
                (Vec::new(), [raw::parse("", &sql, &types), bind, some.clone(), some, all, sync].concat())
            }
        }
    }
}

fn bytes(client: &mut Raw, messages: &[u8]) -> Vec<Message> {
    client.send(messages);
    let mut answer = Vec::new();
    loop {
        let message = client.message().expect("the connection stays");
        let is_last = message.0 == b'Z';
        answer.push(message);
        if is_last {
            return answer;
        }
    }
}

#[test]
fn memory_the_gateway_and_postgresql_say_the_same_bytes() {
    let cases_max = std::env::var("VITRINE_CACHE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let stage = Stage::with("postgres", THINGS, &[]);
    let address = format!("127.0.0.1:{}", stage.server.port()).parse().unwrap();
    let clients = RefCell::new([
        stage.client(),
        stage.client_with(&[("options", "-c vitrine.max_staleness=0")]),
        Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap(),
    ]);
    let (asked, hits) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = Config { cases: cases_max, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        let [cached, bypassing, direct] = &mut *clients.borrow_mut();
        let (prepare, ask) = case.messages();
        let mut answers: Vec<Vec<Message>> = Vec::new();
        for client in [&mut *cached, &mut *bypassing, &mut *direct] {
            let mut before = Vec::new();
            if !prepare.is_empty() {
                before = bytes(client, &prepare);
            }
            for set in &case.settings {
                bytes(client, &raw::query(set));
            }
            answers.push([before, bytes(client, &ask)].concat());
        }
        let past = told(bypassing);
        prop_assert!(past.starts_with("bypass"), "{}", past);
        let is_error = answers[2].iter().any(|(tag, _)| *tag == b'E');
        let from_memory = bytes(cached, &ask);
        asked.set(asked.get() + 1);
        hits.set(hits.get() + u32::from(told(cached) == "hit"));
        let truth = bytes(direct, &ask);
        for client in [cached, bypassing, direct] {
            bytes(client, &[raw::about(b'C', b'S', "s"), raw::sync()].concat());
            bytes(client, &raw::query("RESET ALL"));
        }
        prop_assert_eq!(&answers[0], &answers[2], "as asked first");
        prop_assert_eq!(&answers[1], &answers[2], "past the cache");
        prop_assert_eq!(&from_memory, &truth, "asked again; an error: {}", is_error);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    println!("{} of {} from memory", hits.get(), asked.get());
    // Portals that are read in parts, and errors, are not kept.
    assert!(hits.get() > asked.get() / 3, "{} of {}", hits.get(), asked.get());
}
