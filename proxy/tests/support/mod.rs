//! A real PostgreSQL and a gateway in front of it, for tests of the driver.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod raw;
pub mod reply;
pub mod script;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use vitrine::cache::Cache;
use vitrine::cache::freshness::Freshness;
use vitrine::demo::postgres::{Options, Server};
use vitrine::gateway::bell::Sessions;
use vitrine::gateway::client;
use vitrine::gateway::door::{Auth, Door, DoorRules, Peer, Users};
use vitrine::gateway::insights::Store;
use vitrine::gateway::offer;
use vitrine::gateway::state::{Database, Gateway, Limits, Route};
use vitrine::gateway::watching;
use vitrine::policy::Policy;
use vitrine::session::verdict::Memory;
use vitrine::sql;
use vitrine::upstream::catalog::{Watch, WatchLimits};
use vitrine::upstream::posture::{Guard, Rule};
use vitrine::upstream::{Pool, PoolLimits, Target, sql_pool};

/// A gateway on a loopback port; it ends with the test's runtime.
pub struct Front {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub database: Arc<Database>,
}

impl Front {
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tester@{}/{database}", self.address)
    }

    pub async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(&self.database.name), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

pub fn postgres() -> Server {
    Server::start(Options::default()).unwrap()
}

/// A gateway before `database` of `server`, as `role`, with trust for loopback clients.
pub async fn front(server: &Server, role: &str, database: &str, pool: PoolLimits) -> Front {
    front_with(server, role, database, pool, &[]).await
}

/// The same, with values of the configuration as the environment gives them.
pub async fn front_with(
    server: &Server,
    role: &str,
    database: &str,
    pool: PoolLimits,
    environment: &[(&str, &str)],
) -> Front {
    // What is kept from before would answer in the place of what most tests are about: theirs ask for it.
    let environment = [&[("VITRINE_CACHE_FRESHNESS", "off")], environment].concat();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (config, _) = vitrine::config::parse(None, &environment);
    let target = Target::from_url(&server.url(role, database)).unwrap();
    let mut watched = target.clone();
    watched.settings.push(("search_path".to_owned(), String::new()));
    let watch_pool = sql_pool(&watched, 1).unwrap();
    let freshness = Arc::new(Freshness::new(offer::freshness_limits(&config)));
    let watch = Arc::new(Watch::new(sql_pool(&target, 2).unwrap(), WatchLimits::default()));
    watch.refresh().await.unwrap();
    tokio::spawn(watching::run(Arc::clone(&freshness), watch_pool.clone(), Arc::downgrade(&watch)));
    let pool = Pool::new(target, pool);
    let route = Arc::new(Route::new(Guard::new(pool.clone(), Rule::Warn, Duration::from_secs(300)), pool));
    let database = Arc::new(Database {
        name: database.into(),
        default_route: route,
        routes: HashMap::new(),
        catalog: watch,
        policy: Arc::new(ArcSwap::from_pointee(Policy::built_in())),
        freshness,
        watch_pool,
        verdicts: Memory::new(10_000, 64 << 20),
        reader_limits: sql::Limits::default(),
    });
    let rules = DoorRules {
        auth: Auth::Trust,
        is_development: true,
        tls_required: false,
        startup_timeout: Duration::from_secs(10),
        ..DoorRules::default()
    };
    let insights = Store::of(&config, None).unwrap();
    let gateway = Arc::new(Gateway {
        cache: Cache::new(offer::store_limits(&config)),
        hottest: Default::default(),
        config,
        insights: ArcSwapOption::from_pointee(insights),
        metrics: Default::default(),
        door: Door::new(rules, Users::new(Default::default()), None).unwrap(),
        databases: ArcSwap::from_pointee(HashMap::from([(database.name.to_string(), Arc::clone(&database))])),
        sessions: Arc::new(Sessions::default()),
        board: Default::default(),
        preparation: Default::default(),
        limits: Limits { frame_bytes_max: 16 << 20, session: Default::default(), readers: sql::Limits::default() },
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = Arc::clone(&gateway);
    tokio::spawn(async move {
        while let Ok((socket, peer)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            tokio::spawn(client::serve(socket, Peer::Tcp(peer), Arc::clone(&accepting)));
        }
    });
    Front { address, gateway, database }
}
