//! A store that keeps everything in memory, behind the same traits as the one on PostgreSQL. That the routes serve it
//! unchanged is the proof that they know the traits alone.
#![allow(dead_code, reason = "each test file uses its own part")]

mod insights;
mod records;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use vitrine_insights::http::{Api, Options};
use vitrine_insights::model::{Scope, Tenant};
use vitrine_insights::service::Keys as _;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use world::{MemoryStore, SECRET_CAUSE, Trouble};

/// Serves a router on a free port of 127.0.0.1, as long as the test's runtime lives.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// The API over an empty memory store, served.
pub(crate) async fn served(options: Options) -> (SocketAddr, Arc<MemoryStore>, Api) {
    let (api, store) = (Api::new(options), Arc::new(MemoryStore::default()));
    api.open(Arc::clone(&store) as Arc<_>);
    (serve(api.router()).await, store, api)
}

/// A key of a tenant.
pub(crate) async fn key(store: &MemoryStore, tenant: &str, label: &str, scopes: &[Scope]) -> String {
    store.create_key(&Tenant::parse(tenant).unwrap(), label, scopes).await.unwrap().1
}
