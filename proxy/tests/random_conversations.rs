//! Random valid conversations, said to PostgreSQL and through the gateway: the answers must be the same.
//! `SEED=7` says one again, `CONVERSATIONS=5000` says more of them.

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
            for _ in 0..=dice.below(6) {
                lines.push(dice.pick(EXTENDED));
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
    Counterpart { address, user: "postgres", parameters }
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
        for seed in seeds {
            talk(seed, &direct, &through);
        }
    });
    talking.await.unwrap();
}

/// One connection each, several conversations on it, each sent as one burst.
fn talk(seed: u64, direct: &Counterpart<'_>, through: &Counterpart<'_>) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let open = |with: &Counterpart<'_>| Raw::connect(with.address, with.user, &with.parameters).unwrap();
    let (mut one, mut other) = (open(direct), open(through));
    let mut said = Vec::new();
    for _ in 0..4 {
        let lines = conversation(&mut dice);
        said.extend(lines.iter().copied().chain(["----"]));
        let expected = script::say(&mut one, &lines, direct);
        let answers = script::say(&mut other, &lines, through);
        assert_eq!(answers, expected, "SEED={seed}, after\n{}", said.join("\n"));
    }
}
