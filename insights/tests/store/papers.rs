//! `migrations/README.md` names every table and column there is, and none that is not.

use std::collections::BTreeSet;

use crate::server::{Server, vector_bin};

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_is_described() {
    let server = Server::start_with(&vector_bin(), None, &[]).await;
    let sql = "SELECT c.relnamespace::regnamespace || '.' || c.relname, a.attname::text FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('public', 'vitrine')";
    let rows = server.client("tools").await.query(sql, &[]).await.unwrap();
    let there: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/README.md");
    let (mut told, mut table) = (BTreeSet::new(), String::new());
    for line in std::fs::read_to_string(readme).unwrap().lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            table = heading.trim_end_matches('`').to_owned();
        } else if let Some(column) = line.strip_prefix("| `").filter(|_| !table.is_empty()) {
            told.insert((table.clone(), column.split('`').next().unwrap().to_owned()));
        }
    }
    let missing: Vec<_> = there.difference(&told).collect();
    let gone: Vec<_> = told.difference(&there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not described: {missing:?}; not there: {gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenants_table_is_isolated_by_force() {
    let server = Server::start_with(&vector_bin(), None, &[]).await;
    let sql = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
        WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('public', 'vitrine')
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
          AND (has_any_column_privilege('vitrine_app', c.oid, 'SELECT, INSERT, UPDATE')
               OR has_any_column_privilege('vitrine_sql', c.oid, 'SELECT, INSERT, UPDATE'))";
    let open = server.client("tools").await.query(sql, &[]).await.unwrap();
    assert!(open.is_empty(), "{:?}", open.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>());
}
