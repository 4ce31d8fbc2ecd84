//! The sample customer database: a company that sells coffee and office goods, with three years of orders.
//!
//! 14 tables in four schemas, 1,008,000 order lines, nested and materialized views, functions that read and functions
//! that write, JSON, arrays, ranges, enums, domains, full text, partitions, row-level security. Loads in about 8 s.

use tokio_postgres::Client;

use super::DemoError;

/// Name of the sample database.
pub const DATABASE: &str = "shop";

/// The role the gateway reads with.
pub const READER: &str = "vitrine_reader";

/// A policy for the sample: its own functions that only read.
pub const POLICY: &str = include_str!("sample/policy.toml");

/// The steps of loading, in order, each one transaction.
pub const STEPS: &[(&str, &str)] = &[
    ("schemas, types and tables", include_str!("sample/1_schema.sql")),
    ("customers, products, orders, tickets, events", include_str!("sample/2_rows.sql")),
    ("a million order lines", include_str!("sample/3_order_lines.sql")),
    ("keys and indexes", include_str!("sample/4_rules.sql")),
    ("views and functions", include_str!("sample/5_views.sql")),
    ("grants of the reading role", include_str!("sample/6_reader.sql")),
];

/// Lines for `postgresql.conf` that make loading fast.
pub const CONFIG: &[&str] = &["maintenance_work_mem = '256MB'", "max_wal_size = '4GB'", "jit = off"];

/// Creates database and role through a superuser's connection to any database. The password is kept as a SCRAM
/// verifier.
///
/// # Errors
/// What the server says, for instance that there is such a database.
pub async fn create(superuser: &Client, reader_password: &str) -> Result<(), DemoError> {
    let quoted = reader_password.replace('\'', "''");
    let role = format!(
        "SET password_encryption = 'scram-sha-256'; \
         CREATE ROLE {READER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 100 PASSWORD '{quoted}'"
    );
    superuser.batch_execute(&role).await.map_err(DemoError::sql("cannot create the role"))?;
    let database = format!("CREATE DATABASE {DATABASE}");
    superuser.batch_execute(&database).await.map_err(DemoError::sql("cannot create the database"))
}

/// Loads one step through a superuser's connection to the sample database.
///
/// # Errors
/// What the server says.
pub async fn load(superuser: &Client, step: &(&str, &str)) -> Result<(), DemoError> {
    let (title, sql) = step;
    superuser.batch_execute(&format!("BEGIN; {sql}; COMMIT")).await.map_err(DemoError::sql(*title))
}

/// Gives the planner its statistics, and every row its hint bits, so that nothing changes on disk by reading.
///
/// # Errors
/// What the server says.
pub async fn settle(superuser: &Client) -> Result<(), DemoError> {
    superuser.batch_execute("VACUUM (FREEZE, ANALYZE)").await.map_err(DemoError::sql("cannot vacuum"))
}
