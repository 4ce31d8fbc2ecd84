//! A server with a customer database and a migrated tool database, and a gateway before both: ada and eve are of tenant
//! acme, bob is of globex, and everybody else of `default`.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use vitrine::demo::postgres::{Options, Server};
use vitrine::upstream::PoolLimits;
use vitrine_insights::migrate::{Migrations, up};

use crate::support::{Front, front_with};

pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) front: Front,
}

pub(crate) const TENANTS: &str = "ada:acme,eve:acme,bob:globex";

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with more of the configuration.
    pub(crate) async fn with(environment: &[(&str, &str)]) -> Self {
        let server = server().await;
        let front = before(&server, environment).await;
        Self { server, front }
    }

    /// A client of the SQL door.
    pub(crate) async fn client(&self, user: &str) -> Client {
        client(&self.url(user)).await
    }

    pub(crate) fn url(&self, user: &str) -> String {
        format!("postgres://{user}@{}/insights", self.front.address)
    }

    /// psql at the SQL door.
    pub(crate) fn psql(&self, user: &str, sql: &str) -> Output {
        Command::new("psql")
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-v",
                "VERBOSITY=verbose",
                "-At",
                "-d",
                &self.url(user),
                "-c",
                sql,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What the owner sees, past the gateway.
    pub(crate) fn owner(&self, sql: &str) -> String {
        self.server.psql_in("tools", sql).unwrap().trim().to_owned()
    }
}

/// A server with both databases, and a few kinds of either tenant.
pub(crate) async fn server() -> Server {
    let server = Server::start(Options::default()).unwrap();
    server.psql("CREATE DATABASE shop; CREATE DATABASE tools; CREATE ROLE reader LOGIN; CREATE ROLE keeper LOGIN CREATEROLE").unwrap();
    server
        .psql_in(
            "shop",
            "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1); GRANT SELECT ON orders TO reader",
        )
        .unwrap();
    let owner = client(&server.superuser_url_of("tools")).await;
    up(&owner, &Migrations::embedded().unwrap(), Duration::from_secs(60), |_| {}).await.unwrap();
    owner
        .batch_execute(
            "INSERT INTO kinds (tenant, name) SELECT t, k FROM unnest('{acme,globex,default}'::text[]) t, unnest('{churn,trend}'::text[]) k",
        )
        .await
        .unwrap();
    server
}

/// A gateway before it.
pub(crate) async fn before(server: &Server, environment: &[(&str, &str)]) -> Front {
    let url = server.superuser_url_of("tools");
    let mut all = vec![("VITRINE_INSIGHTS_URL", url.as_str()), ("VITRINE_INSIGHTS_TENANTS", TENANTS)];
    all.extend(environment);
    front_with(server, "reader", "shop", PoolLimits::default(), &all).await
}

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// SQLSTATE and message of a refusal.
pub(crate) fn told(error: &tokio_postgres::Error) -> (String, String) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// Runs a text as a simple query; the rows as text, columns apart by `|`.
pub(crate) async fn ask(client: &Client, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("")).collect::<Vec<_>>().join("|"))
        }
        _ => None,
    });
    Ok(rows.collect())
}
