//! The demo's tool database: beside the customer's on the same private PostgreSQL, with a key to its HTTP API; and the
//! part of the tour that keeps what a query showed.

mod http_client;
mod stops;

use std::net::SocketAddr;
use std::time::Duration;

use vitrine_insights::migrate::{Migrations, up};
use vitrine_insights::model::{Scope, Tenant};
use vitrine_insights::service::Keys as _;
use vitrine_insights::store::{Settings, Store};

use super::postgres::{SUPERUSER, Server};
use super::{DemoError, connect};
use crate::upstream::{SqlConnect, Target};

pub use stops::Stops;

/// The tool database.
pub const DATABASE: &str = "insights";
/// The demo's tenant.
const TENANT: &str = "demo";
/// Nobody else migrates here.
const MIGRATE_PATIENCE: Duration = Duration::from_secs(10);

/// A tool database with its tables, and a key.
#[derive(Debug, Clone)]
pub struct Tool {
    /// PostgreSQL URL of its owner.
    pub url: String,
    /// Bearer key with all scopes.
    pub key: String,
}

impl Tool {
    /// Makes the database, its tables and a key.
    ///
    /// # Errors
    /// PostgreSQL refuses.
    pub async fn make(server: &Server, superuser_password: &str) -> Result<Self, DemoError> {
        let failed = |what: &str| DemoError::sql(what.to_owned());
        let postgres = connect(&server.socket_url(SUPERUSER, "postgres")).await?;
        let create = format!("CREATE DATABASE {DATABASE}");
        postgres.batch_execute(&create).await.map_err(failed("cannot make the tool database"))?;
        let owner = connect(&server.socket_url(SUPERUSER, DATABASE)).await?;
        let refused = |error| DemoError::Insights(format!("cannot migrate the tool database: {error}"));
        let migrations = Migrations::embedded().map_err(refused)?;
        up(&owner, &migrations, MIGRATE_PATIENCE, |_| {}).await.map_err(refused)?;
        let url = server.url_with_password(SUPERUSER, superuser_password, DATABASE);
        Ok(Self { key: key(&url).await?, url })
    }
}

/// Makes the key as `vitrine insights key create` does.
async fn key(url: &str) -> Result<String, DemoError> {
    let told = |error: String| DemoError::Insights(format!("cannot make a key: {error}"));
    let mut target = Target::from_url(url).map_err(|error| told(error.to_string()))?;
    target.settings.push(("role".to_owned(), "vitrine_app".to_owned()));
    target.settings.push(("search_path".to_owned(), "public".to_owned()));
    let store = Store::open(tokio_postgres::Config::new(), SqlConnect(target), &Settings::default());
    let store = store.map_err(|error| told(error.to_string()))?;
    let tenant = Tenant::parse(TENANT).map_err(|error| told(error.to_string()))?;
    let scopes = [Scope::Read, Scope::Write, Scope::Admin];
    let (_, secret) = store.create_key(&tenant, "the tour", &scopes).await.map_err(|error| told(error.to_string()))?;
    Ok(secret)
}

/// A line to paste.
#[must_use]
pub fn curl_line(address: SocketAddr, key: &str) -> String {
    format!("curl -s -H 'Authorization: Bearer {key}' 'http://{address}/v1/insights?state=current'")
}
