//! Flow control: what one side does not read, the other does not send, and the gateway holds next to nothing.
//! The gateway is a process of its own, so that its memory can be seen.
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

use std::io::Write;
use std::time::{Duration, Instant};

use gateway_process::GatewayProcess;
use raw::Raw;

const MIB: usize = 1 << 20;

fn start() -> GatewayProcess {
    GatewayProcess::start(&[("VITRINE_LOG_LEVEL", "info")])
}

fn client(gateway: &GatewayProcess) -> Raw {
    Raw::connect(gateway.listen.parse().unwrap(), "postgres", &[("database", "postgres")]).unwrap()
}

/// Reads and forgets `bytes`, or as many as come before ReadyForQuery ends them.
fn drain(client: &mut Raw) -> usize {
    let (mut total, mut chunk, mut tail) = (0, vec![0; MIB], Vec::new());
    loop {
        let count = client.read(&mut chunk).unwrap();
        assert_ne!(count, 0, "closed after {total} bytes");
        total += count;
        tail.extend_from_slice(&chunk[count.saturating_sub(6)..count]);
        tail.drain(..tail.len().saturating_sub(6));
        if tail == b"Z\0\0\0\x05I" {
            return total;
        }
    }
}

#[test]
fn a_gigabyte_passes_in_under_20_megabytes() {
    let gateway = start();
    let mut client = client(&gateway);
    assert_eq!(client.value("SELECT 1"), "1");
    let (before, _) = gateway.memory();
    client.send(&raw::query("SELECT repeat('x', 10000) FROM generate_series(1, 110000)"));
    let bytes = drain(&mut client);
    assert!(bytes > 1 << 30, "{bytes}");
    let (_, highest) = gateway.memory();
    assert!(highest < before + 20 * MIB, "from {} to {} MiB", before / MIB, highest / MIB);
}

#[test]
fn a_client_that_does_not_read_stops_the_server_too() {
    let gateway = start();
    let mut slow = client(&gateway);
    let (before, _) = gateway.memory();
    slow.send(&raw::query("SELECT repeat('x', 10000) FROM generate_series(1, 30000)"));
    std::thread::sleep(Duration::from_secs(2));
    let waits =
        "SELECT wait_event FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()";
    assert_eq!(gateway.postgres.psql(waits).unwrap().trim(), "ClientWrite");
    assert!(gateway.memory().1 < before + 10 * MIB);
    assert_eq!(client(&gateway).value("SELECT 'others go on'"), "others go on");
    assert!(drain(&mut slow) > 300_000_000);
    assert!(gateway.memory().1 < before + 20 * MIB);
}

#[test]
fn one_field_of_100_megabytes_passes_and_is_not_held() {
    let gateway = start();
    let mut client = client(&gateway);
    assert_eq!(client.value("SELECT 1"), "1");
    gateway.postgres.psql("CREATE TABLE big AS SELECT repeat('x', 104857600) AS field").unwrap();
    let (before, _) = gateway.memory();
    client.send(&raw::query("SELECT field FROM big"));
    assert!(drain(&mut client) > 100 * MIB);
    let (_, highest) = gateway.memory();
    assert!(highest < before + 20 * MIB, "from {} to {} MiB", before / MIB, highest / MIB);
}

#[test]
fn a_pipeline_that_nobody_reads_neither_grows_nor_blocks_for_ever() {
    let gateway = start();
    // Answered by PostgreSQL, refused by the gateway, answered by the gateway itself.
    for text in ["SELECT 1", "DELETE FROM nosuch", "DISCARD PLANS"] {
        let mut client = client(&gateway);
        assert!(!client.query(text).is_empty());
        let (before, _) = gateway.memory();
        let count = 100_000;
        let mut writing = client.socket.try_clone().unwrap();
        let query = raw::query(text);
        let writer = std::thread::spawn(move || {
            let block = query.repeat(100);
            (0..count / 100).for_each(|_| writing.write_all(&block).unwrap());
        });
        std::thread::sleep(Duration::from_millis(1500));
        let (now, _) = gateway.memory();
        assert!(now < before + 20 * MIB, "{text}: from {} to {} MiB", before / MIB, now / MIB);
        let began = Instant::now();
        let lines = client.lines_until_ready(count);
        assert_eq!(lines.iter().filter(|line| *line == "Ready I").count(), count, "{text}: {:?}", lines.last());
        assert!(began.elapsed() < Duration::from_secs(120), "{text} took {:?}", began.elapsed());
        writer.join().unwrap();
        let (_, highest) = gateway.memory();
        assert!(highest < before + 40 * MIB, "{text}: from {} to {} MiB", before / MIB, highest / MIB);
    }
}
