//! The server is killed, or its disk is full. What was acknowledged is there, once.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use vitrine_insights::service::{Error, Health as _, Insights as _};
use vitrine_insights::store::Settings;

use crate::bulk::many;
use crate::server::{Server, identity, machine_bin, with_trend, writer, writer_with_key};
use crate::writes::insight;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_loses_and_doubles_no_acknowledged_insight() {
    let server = Arc::new(Server::start().await);
    let store =
        server.store_at(server.port(), &Settings { patience: Duration::from_millis(500), ..Settings::default() });
    with_trend(&store).await;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // Each writer repeats a request until it is answered, as a client would.
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let (store, stop, written) = (store.clone(), stop.clone(), written.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut refused) = (Vec::new(), 0_u64);
                for round in 0_u64.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let key = format!("{number}-{round}");
                    let ada = writer_with_key("acme", &key, 1);
                    loop {
                        match store.create_insight(&ada, insight(None, &key)).await {
                            Ok(made) => break acknowledged.push((made.record.id.0, key.clone())),
                            Err(Error::Unavailable { retry_after, .. }) => {
                                assert!(retry_after > Duration::ZERO);
                                refused += 1;
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    written.fetch_add(1, Ordering::SeqCst);
                }
                (acknowledged, refused)
            })
        })
        .collect();
    for _ in 0..3 {
        let target = written.load(Ordering::SeqCst) + 60;
        while written.load(Ordering::SeqCst) < target {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.run().await;
    }
    stop.store(true, Ordering::SeqCst);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for task in tasks {
        let (theirs, failures) = task.await.unwrap();
        acknowledged.extend(theirs);
        refused += failures;
    }
    assert!(refused > 0, "nobody noticed that the server was killed");
    let rows = server.client("tools").await.query("SELECT id, title FROM insights", &[]).await.unwrap();
    let kept: HashSet<(uuid::Uuid, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let titles: HashSet<&String> = kept.iter().map(|(_, title)| title).collect();
    assert_eq!(titles.len(), rows.len(), "an insight is there twice");
    assert_eq!(kept, acknowledged.into_iter().collect(), "what is there is not what was acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bulk_write_that_the_server_does_not_survive_leaves_nothing() {
    let server = Server::start().await;
    let store =
        server.store_at(server.port(), &Settings { patience: Duration::from_millis(500), ..Settings::default() });
    with_trend(&store).await;
    let reached = Arc::new(AtomicBool::new(false));
    // The stream stands still in the middle, batches have been taken: then comes the kill.
    let slow = {
        let reached = reached.clone();
        stream::iter(many(20_000)).enumerate().then(move |(number, insight)| {
            let reached = reached.clone();
            async move {
                if number == 15_500 {
                    reached.store(true, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
                Ok(insight)
            }
        })
    };
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.create_insights(&writer("acme"), slow.boxed()).await }
    });
    while !reached.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.kill();
    let outcome = writing.await.unwrap();
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    assert!(matches!(store.capabilities().await, Err(Error::Unavailable { .. })));
    server.run().await;
    let count = "SELECT count(*) FROM insights";
    let client = server.client("tools").await;
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 0);
    let again = stream::iter(many(20_000).map(Ok)).boxed();
    let made = store.create_insights(&writer("acme"), again).await.unwrap();
    assert_eq!(made.created, 20_000);
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 20_000);
}

/// A small file system of our own, gone when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("vitrine-ins-").tempdir().unwrap().keep();
        let size = format!("size={mebibytes}m,mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        let _ = std::fs::remove_dir(&folder);
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_reported_and_nothing_acknowledged_is_lost() {
    let Some(disk) = Small::mount(160) else {
        // Loud, and not a success of what was not tried.
        panic!(
            "the test of a full disk mounts a tmpfs and needs the right to: run it as root (make test in a container)"
        );
    };
    let server =
        Server::start_with(&machine_bin(), Some(&disk.0), &["max_wal_size = 32MB", "min_wal_size = 32MB"]).await;
    let store = server.store();
    with_trend(&store).await;
    let mut acknowledged = HashSet::new();
    // Most of the disk at once, the rest little by little.
    let ballast = disk.0.join("ballast");
    let free = || {
        let said = Command::new("df").args(["--output=avail", "-k"]).arg(&disk.0).output().unwrap();
        String::from_utf8(said.stdout).unwrap().lines().nth(1).unwrap().trim().parse::<u64>().unwrap()
    };
    std::fs::write(&ballast, vec![1; (free().saturating_sub(12_000) * 1024) as usize]).unwrap();
    let mut refused = None;
    for number in 0..20_000 {
        let mut new = insight(Some(&format!("d{number}")), "Disk");
        new.body = Some(format!("{number} {}", "word ".repeat(4_000)));
        match store.create_insight(&writer("acme"), new).await {
            Ok(made) => drop(acknowledged.insert(made.record.id.0)),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let Some(Error::Unavailable { cause, .. }) = &refused else { panic!("{refused:?}") };
    println!("with a full disk: {cause}");
    std::fs::remove_file(&ballast).unwrap();
    // A server whose log could not be written has to be started again; one whose table could not grow has not.
    let since = Instant::now();
    while server.config("tools").connect(tokio_postgres::NoTls).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(60), "the server does not recover");
        tokio::time::sleep(Duration::from_millis(200)).await;
        if since.elapsed() > Duration::from_secs(5) {
            server.run().await;
        }
    }
    let since = Instant::now();
    while store.create_insight(&writer("acme"), insight(Some("after"), "After")).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(30), "the store does not write again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let rows = server.client("tools").await.query("SELECT id FROM insights WHERE key <> 'after'", &[]).await.unwrap();
    let kept: HashSet<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert!(acknowledged.is_subset(&kept), "an acknowledged insight is gone");
    assert!(kept.len() <= acknowledged.len() + 1, "more is there than was tried");
    assert!(
        store
            .insight(&identity("acme"), vitrine_insights::model::InsightId(*kept.iter().next().unwrap()))
            .await
            .is_ok()
    );
}
