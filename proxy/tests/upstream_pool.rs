//! The pool against real PostgreSQL servers: limits, fairness, restarts, and what becomes of broken connections.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vitrine::demo::postgres::{Options, Server};
use vitrine::upstream::{Connection, Lease, Pool, PoolError, PoolLimits, Settings, Target};

fn server() -> Server {
    Server::start(Options::default()).expect("a PostgreSQL server")
}

fn pool(server: &Server, limits: PoolLimits) -> Pool {
    Pool::new(Target::from_url(&server.url("postgres", "postgres")).unwrap(), limits)
}

fn limits(connections_max: usize) -> PoolLimits {
    PoolLimits { connections_max, ..PoolLimits::default() }
}

async fn ask(connection: &mut Connection, sql: &str) -> std::io::Result<String> {
    let mut message = vec![b'Q'];
    message.extend(u32::try_from(sql.len() + 5).unwrap().to_be_bytes());
    message.extend(sql.as_bytes());
    message.push(0);
    connection.io.write_all(&message).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        if connection.io.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn lease(pool: &Pool) -> Lease {
    pool.lease(None).await.expect("a lease")
}

/// Waits until something holds, for a bounded time.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let before = Instant::now();
    while !holds() {
        assert!(before.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_released_connection_is_lent_again_and_the_warmest_first() {
    let server = server();
    let pool = pool(&server, limits(5));
    assert!(pool.facts().is_none());
    let (first, second) = (lease(&pool).await, lease(&pool).await);
    let (cold, warm) = (first.key.process_id, second.key.process_id);
    first.release();
    second.release();
    assert_eq!(pool.stats().idle, 2);
    for _ in 0..3 {
        let again = lease(&pool).await;
        assert_eq!(again.key.process_id, warm);
        again.release();
    }
    let both = (lease(&pool).await, lease(&pool).await);
    assert_eq!(both.1.key.process_id, cold);
    let stats = pool.stats();
    assert_eq!((stats.connects, stats.active, stats.leases), (2, 2, 7));
    assert_eq!(pool.facts().unwrap().role, "postgres");
    assert_eq!(pool.parameters().unwrap().value("server_encoding"), Some("UTF8"));
}

#[tokio::test]
async fn a_connection_with_the_asked_settings_is_preferred() {
    let server = server();
    let pool = pool(&server, limits(5));
    let tokyo: Arc<Settings> = Arc::new([("TimeZone".to_owned(), "Asia/Tokyo".to_owned())].into());
    let (mut first, second) = (lease(&pool).await, lease(&pool).await);
    let process_id = first.key.process_id;
    first.settings = Arc::clone(&tokyo);
    first.release();
    second.release();
    for wanted in [Arc::clone(&tokyo), Arc::new(Settings::clone(&tokyo))] {
        let lease = pool.lease(Some(&wanted)).await.unwrap();
        assert_eq!(lease.key.process_id, process_id);
        lease.release();
        // The other one is used in between, so that it is the warmest.
        pool.lease(Some(&Arc::default())).await.unwrap().release();
    }
}

#[tokio::test]
async fn dropping_a_lease_destroys_the_connection() {
    let server = server();
    let pool = pool(&server, limits(1));
    let mut dirty = lease(&pool).await;
    let process_id = dirty.key.process_id;
    ask(&mut dirty, "SET work_mem = '1GB'").await.unwrap();
    drop(dirty);
    let clean = lease(&pool).await;
    assert_ne!(clean.key.process_id, process_id);
    assert_eq!(pool.stats().destroyed, 1);
    clean.release();

    let mut unread = lease(&pool).await;
    unread.rx.extend_from_slice(b"Z");
    unread.release();
    assert_eq!(pool.stats().destroyed, 2);
    assert_eq!(pool.stats().idle, 0);
    until("the server has let go of them", || {
        server.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vitrine'").unwrap().trim() == "0"
    })
    .await;
}

#[tokio::test]
async fn never_more_connections_than_the_limit_and_a_bounded_wait() {
    let server = server();
    let pool = pool(&server, PoolLimits { wait_timeout: Duration::from_millis(200), ..limits(2) });
    let held = (lease(&pool).await, lease(&pool).await);
    let before = Instant::now();
    let error = pool.lease(None).await.expect_err("a third");
    assert!(matches!(error, PoolError::Busy { .. }), "{error}");
    assert_eq!(error.sqlstate().code(), "53300");
    let waited = before.elapsed();
    assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(2), "{waited:?}");
    held.0.release();
    lease(&pool).await.release();
    assert_eq!(pool.stats().connects, 2);
    assert_eq!(pool.stats().wait_failures, 1);
}

#[tokio::test]
async fn the_queue_is_bounded_and_those_who_left_do_not_count() {
    let server = server();
    let pool = pool(&server, PoolLimits { waiting_max: 2, ..limits(1) });
    let held = lease(&pool).await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.lease(None).await.map(Lease::release) })
        })
        .collect();
    until("both wait", || pool.stats().waiting == 2).await;
    let error = pool.lease(None).await.expect_err("a third in line");
    assert!(matches!(error, PoolError::QueueFull { waiting_max: 2 }), "{error}");
    assert_eq!(error.sqlstate().code(), "53300");
    waiting[0].abort();
    until("one left", || pool.stats().waiting == 1).await;
    let (third, ()) = tokio::join!(pool.lease(None), async {
        until("the third is in line", || pool.stats().waiting == 2).await;
        held.release();
    });
    third.expect("a lease for the third").release();
    assert!(pool.stats().wait_max > Duration::ZERO);
    assert_eq!(pool.stats().connects, 1);
}

#[tokio::test]
async fn those_who_wait_are_served_in_order() {
    let server = server();
    let pool = pool(&server, limits(1));
    let held = lease(&pool).await;
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..20 {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        let stats = pool.clone();
        waiting.push(tokio::spawn(async move {
            let lease = pool.lease(None).await.unwrap();
            served.lock().push(number);
            tokio::task::yield_now().await;
            lease.release();
        }));
        until("it waits", || stats.stats().waiting == number + 1).await;
    }
    held.release();
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*served.lock(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_leavers_loses_no_connection() {
    let server = server();
    let pool = pool(&server, limits(3));
    let tasks: Vec<_> = (0..200_u64)
        .map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let patience = Duration::from_micros(number * 37 % 3_000);
                if let Ok(Ok(lease)) = tokio::time::timeout(patience, pool.lease(None)).await {
                    tokio::time::sleep(Duration::from_micros(number % 7 * 100)).await;
                    if number % 5 == 0 { drop(lease) } else { lease.release() }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    until("all came back", || {
        let stats = pool.stats();
        stats.active == 0 && stats.connecting == 0
    })
    .await;
    let stats = pool.stats();
    assert!(stats.idle <= 3, "{stats:?}");
    let all = (lease(&pool).await, lease(&pool).await, lease(&pool).await);
    assert_eq!(pool.stats().active, 3);
    drop(all);
}

#[tokio::test]
async fn a_terminated_backend_is_noticed_on_checkout() {
    let server = server();
    let pool = pool(&server, limits(3));
    let first = lease(&pool).await;
    let process_id = first.key.process_id;
    first.release();
    server.psql(&format!("SELECT pg_terminate_backend({process_id})")).unwrap();
    until("it is gone", || {
        server.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process_id}")).unwrap().trim() == "0"
    })
    .await;
    let mut second = lease(&pool).await;
    assert_ne!(second.key.process_id, process_id);
    assert!(ask(&mut second, "SELECT 6 * 7").await.unwrap().contains("42"));
    assert_eq!(pool.stats().lost, 1);
}

#[tokio::test]
async fn a_restarted_server_is_found_again_by_the_first_checkout() {
    let server = server();
    for stop in [Server::stop, Server::stop_immediate] {
        let pool = pool(&server, limits(4));
        let held = (lease(&pool).await, lease(&pool).await, lease(&pool).await, lease(&pool).await);
        held.0.release();
        held.1.release();
        held.2.release();
        held.3.release();
        stop(&server);
        server.start_again().expect("it starts again");
        let mut lease = lease(&pool).await;
        assert!(ask(&mut lease, "SELECT 6 * 7").await.unwrap().contains("42"));
        // One dead connection gave its companions away.
        assert_eq!((pool.stats().idle, pool.stats().lost), (0, 4));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_use_gives_its_companions_away() {
    let server = server();
    let pool = pool(&server, PoolLimits { lifetime_max: Duration::MAX, idle_timeout: Duration::MAX, ..limits(3) });
    let (first, second, mut used) = (lease(&pool).await, lease(&pool).await, lease(&pool).await);
    first.release();
    second.release();
    pool.sweep();
    assert_eq!(pool.stats().idle, 2);
    server.restart().expect("it starts again");
    assert!(ask(&mut used, "SELECT 1").await.is_err());
    drop(used);
    assert_eq!((pool.stats().idle, pool.stats().lost), (0, 2));
    assert!(ask(&mut *lease(&pool).await, "SELECT 1").await.is_ok());
}

#[tokio::test]
async fn a_dead_server_is_not_hammered_and_is_found_within_a_second() {
    let server = server();
    let pool = pool(&server, limits(4));
    lease(&pool).await.release();
    server.stop();
    let before = Instant::now();
    let mut errors = 0;
    while before.elapsed() < Duration::from_secs(3) {
        let error = pool.lease(None).await.expect_err("a dead server");
        assert!(matches!(error, PoolError::Connect(_)), "{error}");
        assert_eq!(error.sqlstate().code(), "08001");
        errors += 1;
    }
    let stats = pool.stats();
    assert!(errors >= 4, "{errors}");
    assert!(stats.connect_errors <= 12, "{stats:?}");
    assert!(stats.outage.is_some());

    // Many at once share an attempt.
    let many: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let pool = pool.clone();
                async move { pool.lease(None).await.is_err() }
            })
        })
        .collect();
    for one in many {
        assert!(one.await.unwrap());
    }
    assert!(pool.stats().connect_errors <= stats.connect_errors + 4, "{:?}", pool.stats());

    server.start_again().unwrap();
    let before = Instant::now();
    let mut lease = pool.lease(None).await.expect("the first checkout after the return");
    assert!(before.elapsed() < Duration::from_millis(1_500), "{:?}", before.elapsed());
    assert!(ask(&mut lease, "SELECT 1").await.is_ok());
    assert_eq!(pool.stats().recoveries, 1);
    assert_eq!(pool.stats().outage, None);
}

#[tokio::test]
async fn a_server_without_room_makes_us_wait_for_our_own() {
    let server = Server::start(Options {
        config: vec!["max_connections = 4".to_owned(), "superuser_reserved_connections = 0".to_owned()],
        ..Options::default()
    })
    .unwrap();
    let pool = pool(&server, limits(20));
    let back = lease(&pool).await;
    let held = (lease(&pool).await, lease(&pool).await, lease(&pool).await);
    let (fifth, ()) = tokio::join!(pool.lease(None), async {
        until("an attempt failed", || pool.stats().connect_errors > 0).await;
        back.release();
    });
    fifth.expect("one that came back").release();

    let impatient = self::pool(&server, PoolLimits { wait_timeout: Duration::from_millis(300), ..limits(20) });
    let all = (lease(&pool).await, held);
    let error = impatient.lease(None).await.expect_err("no room");
    assert_eq!(error.sqlstate().code(), "53300", "{error}");
    assert!(error.to_string().contains("too many clients"), "{error}");
    drop(all);
}

#[tokio::test]
async fn the_servers_refusal_reaches_those_who_wait() {
    let server = server();
    let pool = Pool::new(Target::from_url(&server.url("nobody", "postgres")).unwrap(), limits(2));
    let error = pool.lease(None).await.expect_err("no such role");
    assert_eq!(error.sqlstate().code(), "28000");
    assert!(error.to_string().contains("role \"nobody\" does not exist"), "{error}");
    server.psql("CREATE ROLE nobody LOGIN").unwrap();
    lease(&pool).await.release();
}

#[tokio::test]
async fn the_sweep_closes_what_is_old_unused_or_dead_and_keeps_a_minimum() {
    let server = server();
    let short = PoolLimits { idle_timeout: Duration::from_millis(50), ..limits(5) };
    let pool = pool(&server, short.clone());
    let held = (lease(&pool).await, lease(&pool).await, lease(&pool).await);
    held.0.release();
    held.1.release();
    held.2.release();
    pool.sweep();
    assert_eq!(pool.stats().idle, 3);
    tokio::time::sleep(Duration::from_millis(60)).await;
    pool.resize(PoolLimits { idle_min: 1, ..short.clone() });
    pool.sweep();
    assert_eq!(pool.stats().idle, 1);
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vitrine'").unwrap();
    until("the dead one is replaced", || {
        pool.sweep();
        pool.stats().lost == 1 && pool.stats().idle == 1
    })
    .await;

    pool.resize(PoolLimits { lifetime_max: Duration::from_millis(1), ..short });
    pool.replace(Target::clone(&pool.target()), PoolLimits { lifetime_max: Duration::from_millis(1), ..limits(5) });
    assert_eq!(pool.stats().idle, 0);
    let old = lease(&pool).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    old.release();
    assert_eq!(pool.stats().idle, 0, "too old to be kept");
}

#[tokio::test]
async fn a_new_target_and_new_bounds_take_the_place_of_the_old() {
    let server = server();
    server.psql("CREATE ROLE other LOGIN").unwrap();
    let pool = pool(&server, limits(3));
    let (lent, idle) = (lease(&pool).await, lease(&pool).await);
    idle.release();
    pool.replace(Target::from_url(&server.url("other", "postgres")).unwrap(), limits(3));
    assert_eq!(pool.stats().idle, 0);
    assert_eq!(lease(&pool).await.facts.role, "other");
    lent.release();
    let next = lease(&pool).await;
    assert_eq!(next.facts.role, "other");
    next.release();

    let held = (lease(&pool).await, lease(&pool).await, lease(&pool).await);
    pool.resize(limits(1));
    held.0.release();
    held.1.release();
    held.2.release();
    assert_eq!(pool.stats().idle, 1);
}

#[tokio::test]
async fn a_drained_pool_waits_for_what_is_lent() {
    let server = server();
    let pool = pool(&server, limits(1));
    let held = lease(&pool).await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.lease(None).await.map(Lease::release) }
    });
    until("one waits", || pool.stats().waiting == 1).await;
    assert!(!pool.drain(Duration::from_millis(50)).await);
    let error = waiting.await.unwrap().expect_err("the pool is closed");
    assert_eq!(error.sqlstate().code(), "57P01");
    assert!(matches!(pool.lease(None).await, Err(PoolError::Closed)));
    let (drained, ()) = tokio::join!(pool.drain(Duration::from_secs(5)), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        held.release();
    });
    assert!(drained);
    assert_eq!(pool.stats().idle, 0);
}
