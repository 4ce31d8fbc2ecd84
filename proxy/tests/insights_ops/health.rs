//! How the parts are: `/readyz?verbose`, `vitrine health`, `service_health`, and customers who are served all the while.

use std::time::{Duration, Instant};

use serde_json::Value;
use vitrine::demo::postgres::{Options, free_port};

use super::gateway_process::{GatewayProcess, http};
use super::program::{Tools, said};

/// The gateway in front of a customer's server, with a tool database on another.
fn gateway(tools: &Tools, environment: &[(&str, &str)]) -> GatewayProcess {
    let url = tools.url();
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let mut all = vec![("VITRINE_INSIGHTS_URL", url.as_str()), ("VITRINE_INSIGHTS_LISTEN", listen.as_str())];
    all.extend(environment);
    GatewayProcess::start(&all)
}

fn report(gateway: &GatewayProcess) -> Value {
    serde_json::from_str(&http(&gateway.admin, "/readyz?verbose").1).unwrap()
}

fn part(gateway: &GatewayProcess, name: &str) -> Option<Value> {
    report(gateway)["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).cloned()
}

/// Waits until a part has a status, and gives the part.
fn wait_for(gateway: &GatewayProcess, name: &str, status: &str) -> Value {
    let since = Instant::now();
    loop {
        match part(gateway, name) {
            Some(part) if part["status"] == status => return part,
            found => assert!(since.elapsed() < Duration::from_secs(60), "{name}: {found:?}: {}", gateway.log()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_gateway_migrates_and_seeds_and_says_how_every_part_is() {
    let tools = Tools::start();
    let gateway = gateway(&tools, &[("USE_SEED_DATA_MODE", "true")]);
    wait_for(&gateway, "disk", "ok");
    let tool_database = wait_for(&gateway, "tool database", "ok");
    assert!(tool_database["detail"].as_str().unwrap().starts_with("PostgreSQL "), "{tool_database}");
    assert!(tool_database["latency_ms"].is_u64() && tool_database["checked_at"].is_string(), "{tool_database}");
    wait_for(&gateway, "migrations", "ok");
    wait_for(&gateway, "customer database postgres", "ok");
    assert!(part(&gateway, "extension vector").is_some() && part(&gateway, "disk").is_some());
    assert_eq!(tools.sql("SELECT count(*) > 3 FROM kinds"), "t", "seeded");
    let since = Instant::now();
    while tools.sql("SELECT count(*) FROM service_health WHERE status = 'ok'").parse::<u32>().unwrap() < 4 {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", tools.sql("TABLE service_health"));
    }

    let short = said(gateway.command("health").output().unwrap()).fine();
    assert!(short.ends_with("ready\n") || short.ends_with("ready, degraded\n"), "{short}");
    let long = said(gateway.command("health").arg("--verbose").output().unwrap()).fine();
    for part in ["[+] process: ok", "[+] tool database: ok: PostgreSQL", "[+] migrations: ok: version", "(checked 20"] {
        assert!(long.contains(part), "{part}: {long}");
    }
    let json = said(gateway.command("health").arg("--json").output().unwrap()).fine();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["ready"], true);
}

/// Ends the reader, also when an assertion fails.
struct Stop<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Customers' reads and the tool database have nothing to do with each other.
#[test]
fn customers_are_served_while_the_tool_database_is_killed_and_comes_back() {
    let tools = Tools::start_with(Options { durable: true, ..Options::default() });
    let gateway = gateway(&tools, &[]);
    wait_for(&gateway, "tool database", "ok");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let reads = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let url = format!("postgres://ada@{}/postgres", gateway.listen);
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let row = client.query_one("SELECT count(*) FROM pg_class", &[]).await.unwrap();
                    assert!(row.get::<_, i64>(0) > 0);
                    reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        });
        let _stop = Stop(&stop);
        let count = || reads.load(std::sync::atomic::Ordering::Relaxed);
        tools.server.stop_immediate();
        let away = wait_for(&gateway, "tool database", "down");
        assert!(!away["detail"].as_str().unwrap().is_empty(), "{away}");
        assert_eq!(part(&gateway, "migrations").unwrap()["status"], "unknown");
        let now = report(&gateway);
        assert_eq!((now["ready"].as_bool(), now["status"].as_str()), (Some(true), Some("degraded")), "{now}");
        assert_eq!(http(&gateway.admin, "/readyz"), (200, "ready\n".to_owned()));
        let health = said(gateway.command("health").output().unwrap()).fine();
        assert!(health.contains("[-] tool database: down: ") && health.ends_with("ready, degraded\n"), "{health}");
        let before = count();
        while count() < before + 20 {
            assert!(!reader.is_finished(), "the reader failed");
            std::thread::yield_now();
        }
        tools.server.start_again().unwrap();
        let back = wait_for(&gateway, "tool database", "ok");
        assert_eq!(back["status"], "ok");
        assert_eq!(wait_for(&gateway, "migrations", "ok")["status"], "ok");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn a_gateway_starts_without_its_tool_database_and_prepares_it_later() {
    let tools = Tools::start();
    tools.server.stop();
    let gateway = gateway(&tools, &[("VITRINE_INSIGHTS_SEED", "true")]);
    wait_for(&gateway, "tool database", "down");
    tools.server.start_again().unwrap();
    wait_for(&gateway, "migrations", "ok");
    assert_eq!(tools.sql("SELECT count(*) > 3 FROM kinds"), "t");
}

#[test]
fn seeds_with_mistakes_keep_the_gateway_from_starting() {
    let tools = Tools::start();
    tools.write("seed/prompts/bad.prompty", "nothing");
    let mut serve = tools.command(&["serve"]);
    serve.env("VITRINE_CUSTOMER_URL", tools.server.superuser_url()).env("VITRINE_INSIGHTS_SEED", "true");
    serve.env("VITRINE_INSIGHTS_SEED_DIR", tools.path("seed"));
    let refused = said(serve.output().unwrap()).refused(78);
    assert!(refused.contains("prompts/bad.prompty:1: expected a first line"), "{refused}");
    let mut wrong = tools.command(&["config", "check"]);
    wrong.env("VITRINE_CUSTOMER_URL", tools.server.superuser_url()).env("VITRINE_INSIGHTS_URL", "mysql://x");
    assert!(said(wrong.output().unwrap()).refused(78).contains("VITRINE_INSIGHTS_URL"));
}
