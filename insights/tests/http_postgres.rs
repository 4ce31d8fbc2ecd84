//! The suite of the HTTP API over the store that PostgreSQL keeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "http_postgres/faults.rs"]
mod faults;
#[path = "store/server.rs"]
mod server;
mod suite;
mod support;
#[path = "http_postgres/vectors.rs"]
mod vectors;

use std::sync::Arc;

use server::Server;
use suite::client::Client;
use suite::contract::Contract;
use suite::{CHECKS, Scene};
use vitrine_insights::http::{Api, Options};
use vitrine_insights::model::Scope::{Admin, Read, Write};
use vitrine_insights::model::{Scope, Tenant};
use vitrine_insights::service::Keys as _;
use vitrine_insights::store::Store;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_holds_over_postgresql() {
    let server = Server::start().await;
    let store = server.store();
    let key = async |tenant: &str, label: &str, scopes: &[Scope]| {
        store.create_key(&Tenant::parse(tenant).unwrap(), label, scopes).await.unwrap().1
    };
    let keys = [
        key("acme", "all", &[Read, Write, Admin]).await,
        key("globex", "all", &[Read, Write, Admin]).await,
        key("acme", "reader", &[Read]).await,
        key("acme", "writer", &[Read, Write]).await,
    ];
    let options =
        Options { key_requests_per_s: 0, tenant_requests_per_s: 0, key_failures_per_min: 0, ..Options::default() };
    let api = Api::new(options);
    api.open(Arc::new(store));
    let address = support::serve(api.router()).await;
    let scene = Scene::at(address, [&keys[0], &keys[1], &keys[2], &keys[3]]).await;
    vectors::without_pgvector_everything_else_works(&scene.acme).await;
    let only = std::env::var("CHECK").unwrap_or_default();
    for (name, check) in CHECKS.iter().filter(|(name, _)| name.contains(&only)) {
        println!("{name}");
        check(&scene).await;
    }
}

/// The API over a store, and a client with every scope of tenant acme.
async fn served(store: Store) -> Client {
    let tenant = Tenant::parse("acme").unwrap();
    let (_, secret) = store.create_key(&tenant, &suite::unique("key"), &[Read, Write, Admin]).await.unwrap();
    let options =
        Options { key_requests_per_s: 0, tenant_requests_per_s: 0, key_failures_per_min: 0, ..Options::default() };
    let api = Api::new(options);
    api.open(Arc::new(store));
    let address = support::serve(api.router()).await;
    Client::new(address, &secret, Arc::new(Contract::read(address).await))
}
