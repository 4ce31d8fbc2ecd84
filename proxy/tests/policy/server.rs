//! A real PostgreSQL with the trapped database of `live/fixture.sql`.

use std::sync::Arc;

use vitrine::check::Reviewer;
use vitrine::demo::postgres::{Options, Server};
use vitrine::policy::Policy;
use vitrine::upstream::{Target, catalog, sql_client};

/// Starts one and loads the traps.
pub(crate) fn with_traps() -> Server {
    let server = Server::start(Options::default()).unwrap();
    server.psql(include_str!("live/fixture.sql")).unwrap();
    server.psql("CREATE ROLE looker LOGIN").unwrap();
    server
}

/// A reviewer against its catalog, loaded by a role without any privilege.
pub(crate) fn reviewer(server: &Server, policy: Policy) -> Reviewer {
    let url = server.url("looker", "postgres");
    let catalog = block_on(async move {
        let (client, task) = sql_client(&Target::from_url(&url).unwrap()).await.unwrap();
        let catalog = catalog::load(&client).await.unwrap();
        task.abort();
        catalog
    });
    Reviewer {
        catalog: Arc::new(catalog),
        search_path: ["$user", "public"].map(str::to_owned).to_vec(),
        role: "looker".to_owned(),
        database: "postgres".to_owned(),
        ..Reviewer::offline(policy)
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
