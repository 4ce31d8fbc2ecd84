//! Honest reads come back through the gateway byte for byte as PostgreSQL gives them, and psql cannot tell the two apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "same/client.rs"]
mod client;
mod support;

use std::process::Command;

use client::Client;
use support::{Front, front};
use vitrine::demo::postgres::{Options, Server};
use vitrine::demo::sample;
use vitrine::upstream::PoolLimits;

const READS: &str = include_str!("same/reads.txt");
const PSQL: &str = include_str!("same/psql.txt");

/// What may differ, and why. Whatever is listed here must differ.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("\\conninfo", "the client's own host, port and user"),
    ("\\dconfig", "client_encoding is pinned by the gateway, which makes it a setting of the client's"),
];

struct Shop {
    server: Server,
    front: Front,
}

async fn shop() -> Shop {
    let mut config: Vec<String> = sample::CONFIG.iter().map(|line| (*line).to_owned()).collect();
    // Rows without ORDER BY come in the same order every time.
    config.extend([
        "max_parallel_workers_per_gather = 0".to_owned(),
        "synchronize_seqscans = off".to_owned(),
        "autovacuum = off".to_owned(),
    ]);
    let server = Server::start(Options { config, ..Options::default() }).unwrap();
    let connect = async |url: String| {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    sample::create(&connect(server.superuser_url()).await, "secret").await.unwrap();
    let superuser = connect(server.superuser_url_of(sample::DATABASE)).await;
    for step in sample::STEPS {
        sample::load(&superuser, step).await.unwrap();
    }
    // A million lines are for the demo: here every read over them would be run six times.
    let fewer = "DELETE FROM sales.order_lines WHERE order_id > 3000 AND order_id % 50 <> 0";
    superuser.batch_execute(fewer).await.unwrap();
    sample::settle(&superuser).await.unwrap();
    let front = front(&server, sample::READER, sample::DATABASE, PoolLimits::default()).await;
    Shop { server, front }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_tell_the_gateway_from_postgresql() {
    let shop = shop().await;
    honest_reads_are_the_same_bytes(&shop).await;
    psql_commands_print_the_same(&shop);
}

async fn honest_reads_are_the_same_bytes(shop: &Shop) {
    let address = shop.front.address;
    let direct = shop.server.port();
    let differences = tokio::task::spawn_blocking(move || {
        let mut ours = Client::connect(address.port(), sample::READER, sample::DATABASE);
        let mut theirs = Client::connect(direct, sample::READER, sample::DATABASE);
        let (mut differences, mut compared) = (Vec::new(), 0);
        for sql in lines(READS) {
            for (way, messages) in client::ways(sql) {
                let (got, wanted) = (ours.ask(&messages), theirs.ask(&messages));
                compared += 1;
                if got != wanted {
                    differences.push((
                        sql,
                        format!(
                            "{sql}\n  {way}\n  gateway:    {}\n  PostgreSQL: {}",
                            client::shown(&got),
                            client::shown(&wanted)
                        ),
                    ));
                    break;
                }
            }
        }
        println!("{compared} answers compared");
        differences
    })
    .await
    .unwrap();
    assert!(lines(READS).count() >= 300);
    assert_only_exceptions(READS, &differences);
}

fn psql_commands_print_the_same(shop: &Shop) {
    let run = |url: &str, command: &str| {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-d", url, "-c", command]).env("PGTZ", "UTC").env_remove("PGOPTIONS");
        let output = psql.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let ours = shop.front.url(sample::DATABASE);
    let theirs = shop.server.url(sample::READER, sample::DATABASE);
    let mut differences = Vec::new();
    for command in lines(PSQL) {
        let (got, wanted) = (run(&ours, command), run(&theirs, command));
        if got != wanted {
            differences.push((command, format!("{command}\n  gateway:    {got:?}\n  PostgreSQL: {wanted:?}")));
        }
    }
    assert_only_exceptions(PSQL, &differences);
}

fn assert_only_exceptions(corpus: &str, differences: &[(&str, String)]) {
    let listed = |text: &str| EXCEPTIONS.iter().any(|(exception, _)| *exception == text);
    let wrong: Vec<&str> =
        differences.iter().filter(|(text, _)| !listed(text)).map(|(_, difference)| difference.as_str()).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (exception, reason) in EXCEPTIONS.iter().filter(|(exception, _)| lines(corpus).any(|line| line == *exception)) {
        assert!(differences.iter().any(|(text, _)| text == exception), "{exception} no longer differs ({reason})");
    }
}
