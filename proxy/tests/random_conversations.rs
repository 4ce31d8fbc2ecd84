//! Random valid conversations, said to PostgreSQL and through the gateway: the answers must be the same.
//! `SEED=7` says one again, `CONVERSATIONS=5000` says more of them.
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
use support::script::{self, Counterpart};
use support::{front, postgres};
use vitrine::upstream::PoolLimits;

/// What may be said inside of a batch of the extended protocol. Repeated lines are likelier.
const EXTENDED: &[&str] = &[
    "parse a SELECT $1::int4 + 1",
    "parse a SELECT 'other'",
    "parse b SELECT n, word FROM numbers ORDER BY n",
    "parse - SELECT 1",
    "parse - SELECT n FROM numbers WHERE n > $1 ORDER BY n",
    "parse - SELECT nosuch",
    "parse c SELEKT",
    "parse e",
    "parse begin BEGIN",
    "parse commit COMMIT",
    "parse rollback ROLLBACK",
    "parse set SET TimeZone = 'Asia/Tokyo'",
    "parse show SHOW TimeZone",
    "parse zero SELECT 1/$1::int4",
    "bind - a 1",
    "bind - a x",
    "bind - a",
    "bind p b",
    "bind p b results=1",
    "bind - b",
    "bind - -",
    "bind - - 1",
    "bind - e",
    "bind - begin",
    "bind - commit",
    "bind - rollback",
    "bind - set",
    "bind - show",
    "bind - zero 0",
    "bind - zero 1",
    "describe statement a",
    "describe statement b",
    "describe portal p",
    "describe portal -",
    "execute -",
    "execute -",
    "execute -",
    "execute -",
    "execute p 1",
    "execute p 2",
    "execute p",
    "close statement a",
    "close statement b",
    "close statement begin",
    "close portal p",
    "close portal -",
];

/// What may be said where no batch is open.
const SIMPLE: &[&str] = &[
    "query SELECT 1",
    "query SELECT 1; SELECT 2",
    "query",
    "query SELECT nosuch",
    "query SELECT 1; SELECT 1/0; SELECT 3",
    "query BEGIN",
    "query BEGIN",
    "query COMMIT",
    "query ROLLBACK",
    "query SAVEPOINT s",
    "query ROLLBACK TO s",
    "query RELEASE s",
    "query SET TimeZone = 'Europe/Berlin'",
    "query SET LOCAL TimeZone = 'Asia/Tokyo'",
    "query RESET TimeZone",
    "query SHOW TimeZone",
    "query SHOW DateStyle",
    "query SET DateStyle = 'SQL'",
    "query SET DateStyle = 'DMY'",
    "query RESET ALL",
    "query BEGIN; SELECT 1; COMMIT",
    "query SET TimeZone = 'Asia/Tokyo'; SELECT 1/0",
    "query DECLARE c CURSOR FOR SELECT n FROM numbers ORDER BY n",
    "query FETCH c",
    "query CLOSE c",
    "query DECLARE h CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n",
    "query FETCH h",
    "query CLOSE h",
    "query PREPARE q AS SELECT 1",
    "query EXECUTE q",
    "query DEALLOCATE q",
    "query DEALLOCATE a",
    "query DEALLOCATE ALL",
    "query DISCARD ALL",
    "query COPY (SELECT 1) TO STDOUT",
    "query COMMIT AND CHAIN",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }
}

fn conversation(dice: &mut Dice) -> Vec<&'static str> {
    let mut lines = Vec::new();
    for _ in 0..=dice.below(5) {
        if dice.below(2) == 0 {
            lines.push(dice.pick(SIMPLE));
        } else {
            let batch = lines.len();
            for _ in 0..=dice.below(6) {
                let line = dice.pick(EXTENDED);
                // The unnamed portal that a simple query left behind crashes PostgreSQL 15 when it is run.
                let bound = lines[batch..].iter().any(|line| line.starts_with("bind - "));
                if bound || !["execute -", "describe portal -"].contains(&line) {
                    lines.push(line);
                }
            }
            lines.push("sync");
        }
    }
    lines
}

fn counterpart(address: SocketAddr, read_only: bool) -> Counterpart<'static> {
    let mut parameters = vec![("database", "postgres"), ("TimeZone", "UTC")];
    if read_only {
        parameters.push(("default_transaction_read_only", "on"));
    }
    Counterpart { address, user: "postgres", parameters, version: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_conversations_have_the_same_answers() {
    let server = postgres();
    server
        .psql("CREATE TABLE numbers (n int4, word text); INSERT INTO numbers VALUES (1, 'one'), (2, 'two'), (3, NULL)")
        .unwrap();
    let limits = PoolLimits { connections_max: 2, ..PoolLimits::default() };
    let front = front(&server, "postgres", "postgres", limits).await;
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CONVERSATIONS").unwrap_or(400),
    };
    let talking = tokio::task::spawn_blocking(move || {
        let direct = counterpart(SocketAddr::from(([127, 0, 0, 1], server.port())), true);
        let through = counterpart(front.address, false);
        let differences: Vec<String> = seeds.filter_map(|seed| talk(seed, &direct, &through).err()).collect();
        let shown: String = differences.iter().take(8).map(String::as_str).collect();
        assert!(differences.is_empty(), "{} conversations differ\n{shown}", differences.len());
    });
    talking.await.unwrap();
}

/// One connection each, several conversations on it, each sent as one burst.
fn talk(seed: u64, direct: &Counterpart<'_>, through: &Counterpart<'_>) -> Result<(), String> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let open = |with: &Counterpart<'_>| Raw::connect(with.address, with.user, &with.parameters);
    let (mut one, mut other) = (open(direct)?, open(through)?);
    let mut said = Vec::new();
    for _ in 0..4 {
        let lines = conversation(&mut dice);
        said.extend(lines.iter().copied().chain(["----"]));
        // All at once, or batch by batch. At once, what a message means is decided before it is known that one of an
        // earlier batch failed: then only the number of ends is compared, and the conversation is over.
        let at_once = dice.below(3) == 0 && !lines.contains(&"query DISCARD ALL");
        let ends = |line: &&str| line.starts_with("query") || *line == "sync";
        let parts: Vec<&[&str]> =
            if at_once { vec![&lines] } else { lines.split_inclusive(|line| ends(line)).collect() };
        for part in parts {
            let expected = comparable(script::say(&mut one, part, direct), at_once);
            let answers = comparable(script::say(&mut other, part, through), at_once);
            if answers != expected {
                let same = expected.iter().zip(&answers).take_while(|(one, other)| one == other).count();
                let (wanted, got) = (expected.get(same), answers.get(same));
                let said = said.join("\n");
                return Err(format!("SEED={seed}\n{said}\nat {part:?}: {wanted:?}, not {got:?}\n\n"));
            }
        }
        if at_once {
            return Ok(());
        }
    }
    Ok(())
}

/// Without differences that are wanted, or that no client can build on.
fn comparable(lines: Vec<String>, ends_only: bool) -> Vec<String> {
    let aborted = "Error ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block";
    // In PostgreSQL a simple query that failed in a transaction block leaves its unnamed portal behind.
    let portal = "Error ERROR 34000 portal \"\" does not exist";
    // In a block that a refusal failed, values are not counted first.
    let miscounted = "Error ERROR 08P01 bind message supplies";
    let same = |line: String| match line {
        line if line == portal || line.starts_with(miscounted) => aborted.to_owned(),
        line => line,
    };
    if ends_only {
        return lines.iter().filter(|line| line.starts_with("Ready")).map(|_| "Ready".to_owned()).collect();
    }
    lines.into_iter().map(same).collect()
}
