//! `pool.bind_numbers`: numbers of simple queries go upstream as parameters, and the client cannot tell.
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

use std::net::SocketAddr;

use support::raw::Raw;
use support::{front_with, postgres};
use vitrine::upstream::PoolLimits;

const FIXTURE: &str = "
    CREATE TABLE numbers (n int4 PRIMARY KEY, small int2, big int8, num numeric(12, 2), f float8, word text);
    INSERT INTO numbers SELECT n, n % 1000, n * 1000000000::int8, n / 7.0, n / 3.0, 'w' || n
        FROM generate_series(1, 2000) n;
    INSERT INTO numbers VALUES (0, NULL, NULL, NULL, NULL, NULL);
    CREATE VIEW many AS SELECT n, word FROM numbers WHERE n > 100;
    ANALYZE;
";

/// `#` gives way to numbers of several lengths.
const READS: &[&str] = &[
    "SELECT word FROM numbers WHERE n = #",
    "SELECT n, big FROM numbers WHERE n<# AND n >= 10 ORDER BY n",
    "SELECT n FROM numbers WHERE small = # ORDER BY n",
    "SELECT count(*) FROM numbers WHERE big > #000000000 AND big <> #",
    "SELECT n FROM numbers WHERE num < # AND f > # ORDER BY 1 LIMIT 12",
    "SELECT n = # FROM numbers ORDER BY n LIMIT 20 OFFSET 10",
    "SELECT count(*) FROM numbers HAVING count(*) > #",
    "SELECT word FROM many WHERE n = #;",
    "SELECT (SELECT max(m.n) FROM many m WHERE m.n <= #) FROM numbers WHERE n = 1",
    "SELECT n FROM numbers WHERE n != # AND n < 15 OR n = # ORDER BY n",
    "SELECT a.n FROM numbers a JOIN numbers b ON a.n = b.n AND b.n = #",
    "SELECT CASE WHEN n > # THEN 'more' END FROM numbers WHERE n = #",
    "SELECT CASE WHEN n > # THEN n END FROM numbers WHERE n = #",
    "SELECT n / (n - n) FROM numbers WHERE n = #",
    "SELECT word FROM numbers WHERE word = # AND n = #",
    "SELECT n FROM numbers WHERE n = # AND nowhere = 12",
    "SELECT n, small = # FROM numbers GROUP BY n, small = # ORDER BY n LIMIT 3",
    "SELECT DISTINCT n > # FROM numbers ORDER BY n > #",
    "SELECT n FROM numbers WHERE n = #.0",
    "SELECT n FROM numbers WHERE small = #::int2 ORDER BY n",
];

fn client(address: SocketAddr) -> Raw {
    Raw::connect(address, "postgres", &[("database", "postgres")]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_number_changes_no_answer() {
    let server = postgres();
    server.psql(FIXTURE).unwrap();
    let one = PoolLimits { connections_max: 1, ..PoolLimits::default() };
    let environment = [("VITRINE_POOL_BIND_NUMBERS", "true")];
    let front = front_with(&server, "postgres", "postgres", one, &environment).await;
    let (address, port) = (front.address, server.port());
    let server = tokio::task::spawn_blocking(move || {
        let mut ours = client(address);
        let mut theirs = client(([127, 0, 0, 1], port).into());
        // Twice for the text to be known, twice for it to be prepared, and then with what is prepared.
        for number in ["11", "12", "250", "13", "999", "1500", "100000", "1001", "14", "4000000000", "15", "7"] {
            for read in READS {
                let sql = read.replace('#', number);
                assert_eq!(ours.query(&sql), theirs.query(&sql), "{sql}");
            }
        }
        for number in ["21", "22"] {
            let sql = format!("SELECT word FROM numbers WHERE n = {number}");
            assert_eq!(ours.query("BEGIN"), theirs.query("BEGIN"));
            assert_eq!(ours.query(&sql), theirs.query(&sql));
            assert_eq!(ours.query("SELECT 1 / 0"), theirs.query("SELECT 1 / 0"));
            assert_eq!(ours.query(&sql), theirs.query(&sql));
            assert_eq!(ours.query("ROLLBACK"), theirs.query("ROLLBACK"));
        }
        assert_eq!(ours.value("SELECT word FROM numbers WHERE n = 33"), "w33");
        server
    })
    .await
    .unwrap();
    let seen =
        "SELECT query FROM pg_stat_activity WHERE query LIKE 'SELECT word FROM numbers%' AND client_port IS NOT NULL";
    let seen = server.psql(seen).unwrap();
    assert!(seen.lines().any(|text| text.trim_end() == "SELECT word FROM numbers WHERE n = $1"), "{seen}");
}
