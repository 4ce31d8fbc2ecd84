//! The HTTP API of the insight store in a running gateway, over PostgreSQL: the suite of `insights/tests`, and what only a
//! process has: an outage of the tool database, TLS, its end, its upgrade, its metrics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::too_many_lines, reason = "a story is told in one piece")]

mod gateway_process;
#[path = "gateway_process/monitoring.rs"]
mod monitoring;
#[path = "../../insights/tests/suite/mod.rs"]
mod suite;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use gateway_process::{GatewayProcess, http};
use serde_json::json;
use suite::{CHECKS, Scene};
use vitrine::demo::postgres::{Options, Server, free_port};
use vitrine::upstream::{SqlConnect, Target};
use vitrine_insights::model::Scope::{Admin, Read, Write};
use vitrine_insights::model::{Scope, Tenant};
use vitrine_insights::service::Keys as _;
use vitrine_insights::store::{Settings, Store};

/// A gateway with an insight store beside the customer's database, on one server.
struct Host {
    gateway: GatewayProcess,
    address: SocketAddr,
    tool_url: String,
}

impl Host {
    /// With a tool database that is there.
    fn start(environment: &[(&str, &str)]) -> Self {
        let postgres = Arc::new(Server::start(Options::default()).unwrap());
        postgres.psql("CREATE DATABASE insights").unwrap();
        let host = Self::start_before(postgres, environment);
        host.gateway.wait_for_log("the insight store is open");
        host
    }

    /// Whether the tool database is there or not.
    fn start_before(postgres: Arc<Server>, environment: &[(&str, &str)]) -> Self {
        let tool_url = postgres.superuser_url_of("insights");
        let address: SocketAddr = format!("127.0.0.1:{}", free_port().unwrap()).parse().unwrap();
        let listen = address.to_string();
        let mut all = vec![
            ("VITRINE_INSIGHTS_URL", tool_url.as_str()),
            ("VITRINE_INSIGHTS_LISTEN", listen.as_str()),
            ("VITRINE_INSIGHTS_KEY_REQUESTS_PER_S", "0"),
            ("VITRINE_INSIGHTS_TENANT_REQUESTS_PER_S", "0"),
            ("VITRINE_INSIGHTS_KEY_FAILURES_PER_MIN", "0"),
        ];
        all.extend(environment);
        let gateway = GatewayProcess::start_before(postgres, "", &all);
        Self { gateway, address, tool_url }
    }

    async fn scene(&self) -> Scene {
        let keys = [
            self.key("acme", "all", &[Read, Write, Admin]).await,
            self.key("globex", "all", &[Read, Write, Admin]).await,
            self.key("acme", "reader", &[Read]).await,
            self.key("acme", "writer", &[Read, Write]).await,
        ];
        Scene::at(self.address, [&keys[0], &keys[1], &keys[2], &keys[3]]).await
    }

    /// Made beside the gateway, as `vitrine insights key create` does.
    async fn key(&self, tenant: &str, label: &str, scopes: &[Scope]) -> String {
        let mut target = Target::from_url(&self.tool_url).unwrap();
        target.settings.push(("role".to_owned(), "vitrine_app".to_owned()));
        target.settings.push(("search_path".to_owned(), "public".to_owned()));
        let store = Store::open(tokio_postgres::Config::new(), SqlConnect(target), &Settings::default()).unwrap();
        store.create_key(&Tenant::parse(tenant).unwrap(), &suite::unique(label), scopes).await.unwrap().1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_holds_over_postgresql() {
    let host = Host::start(&[]);
    let scene = host.scene().await;
    for (name, check) in CHECKS {
        println!("{name}");
        check(&scene).await;
    }
    let (status, metrics) = http(&host.gateway.admin, "/metrics");
    assert_eq!(status, 200);
    let made = "vitrine_insights_http_requests_total{method=\"POST\",route=\"/v1/insights\",status=\"201\"}";
    assert!(metrics.contains(made), "{metrics}");
    assert!(metrics.contains("vitrine_insights_http_seconds_bucket{le=\"+Inf\"}"), "{metrics}");
    monitoring::papers_are_true(&metrics);
    let log = host.gateway.log();
    assert!(!log.contains("insights_internal_error"), "{log}");
    for client in [&scene.acme, &scene.globex] {
        assert!(!log.contains(&client.key), "a key is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_are_served_while_the_tool_database_is_away() {
    let postgres = Arc::new(Server::start(Options::default()).unwrap());
    let host = Host::start_before(Arc::clone(&postgres), &[]);
    // The gateway is ready: reads of customers pass.
    let url = format!("postgres://postgres@{}/postgres", host.gateway.listen);
    let (customer, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(customer.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    let nobody = Scene::at(host.address, ["vtr_a_b", "vtr_c_d", "vtr_e_f", "vtr_g_h"]).await;
    let away = nobody.acme.get("/v1/kinds").await.is(503);
    assert!(!away.header("retry-after").is_empty() && !format!("{away:?}").contains("does not exist"), "{away:?}");
    // The database appears: the store opens without a restart.
    postgres.psql("CREATE DATABASE insights").unwrap();
    host.gateway.wait_for_log("the insight store is open");
    let scene = host.scene().await;
    let kind = scene.kind("late").await;
    scene.acme.post("/v1/insights", &suite::insight(&kind, "k", "t")).await.is(201);
    // It goes away: 503 that says when to come back; it returns, and what was acknowledged is there.
    postgres.stop_immediate();
    let away = scene.acme.post("/v1/insights", &suite::insight(&kind, "lost", "t")).await.is(503);
    assert!(!away.header("retry-after").is_empty());
    postgres.start_again().unwrap();
    let since = std::time::Instant::now();
    loop {
        let listed = scene.acme.get(&format!("/v1/insights?kind={kind}")).await;
        if listed.status == 200 {
            assert_eq!(listed.items().len(), 1, "the acknowledged one, and not the other");
            break;
        }
        assert_eq!(listed.status, 503, "{listed:?}");
        assert!(since.elapsed() < Duration::from_secs(30), "the store does not come back: {}", host.gateway.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_lets_requests_finish_and_streams_go() {
    let mut host = Host::start(&[]);
    let scene = host.scene().await;
    let mut stream = suite::stream(&scene.acme).await;
    // A request whose body is still coming when the process is told to end.
    let mut slow = TcpStream::connect(host.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = json!({ "text": "the last one", "attributes": {} }).to_string();
    let head = format!(
        "POST /v1/memory HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        scene.acme.key,
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&body.as_bytes()[..5]).unwrap();
    scene.acme.get("/v1/kinds").await.is(200);
    host.gateway.signal("TERM");
    host.gateway.wait_for_log("stopping");
    assert!(stream.next().await.is_none(), "the stream ended");
    slow.write_all(&body.as_bytes()[5..]).unwrap();
    let mut answer = String::new();
    let _closed = slow.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer:?}");
    assert!(host.gateway.wait(Duration::from_secs(20)).success());
    assert!(TcpStream::connect(host.address).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_refuses_no_request_and_a_stream_goes_on() {
    let host = Host::start(&[]);
    let scene = host.scene().await;
    let mut stream = suite::stream(&scene.acme).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (client, stop) = (scene.acme.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut made = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let text = format!("memory {}", made.len());
                made.push(suite::id(
                    &client.post("/v1/memory", &json!({ "text": text, "attributes": {} })).await.is(201),
                ));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            made
        })
    };
    let gateway = &host.gateway;
    let next = tokio::task::block_in_place(|| gateway.upgrade("second.log"));
    next.wait_for_log("the insight store is open");
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let made = writer.await.unwrap();
    assert!(made.len() > 20, "{}", made.len());
    // Where the old process ended the stream, it goes on with the last event in the new one.
    let (mut got, mut last) = (Vec::new(), String::new());
    while got.len() < made.len() {
        match stream.next().await {
            Some(event) => {
                last.clone_from(&event.id);
                if event.name == "change" {
                    got.push(event.body["id"].as_str().unwrap().to_owned());
                }
            }
            None if last.is_empty() => panic!("no event before the end"),
            None => stream = suite::stream_after(&scene.acme, &last).await,
        }
    }
    assert_eq!(got, made, "none missed, none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_it_is_https_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let host = Host::start(&[("VITRINE_TLS_CERT", &cert), ("VITRINE_TLS_KEY", &key)]);
    let key = host.key("acme", "tls", &[Read]).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(host.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    let request =
        format!("GET /v1/kinds HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _closed = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut plain = TcpStream::connect(host.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    plain.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _closed = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "a key in clear was answered");
}
