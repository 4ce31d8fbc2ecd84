//! What may be done there, and what may not.

use crate::scene::{Scene, ask, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_writes_and_reads_its_own_tables() {
    let scene = Scene::new().await;
    let said = |sql: &str| {
        let output = scene.psql("ada", sql);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(
        said(
            "INSERT INTO insights (kind, key, title) VALUES ('churn', 'k1', 'one') RETURNING tenant, key, version, created_by"
        ),
        (true, "acme|k1|1|ada\n".into(), String::new())
    );
    assert_eq!(said("SELECT title FROM insights").1, "one\n");
    let script = "BEGIN; INSERT INTO documents (kind, name, title, content) VALUES ('persona', 'p', 'P', '{}');
        SAVEPOINT s; UPDATE documents SET title = 'Q' WHERE name = 'p'; ROLLBACK TO s;
        SELECT title FROM documents FOR UPDATE; COMMIT";
    assert_eq!(said(script), (true, "P\n".into(), String::new()));
    let (ok, _, stderr) = said("CREATE TABLE x (a int)");
    assert!(!ok && stderr.contains("42501") && stderr.contains("vitrine migrate"), "{stderr}");
    assert_eq!(said("SELECT count(*) FROM changes").1, "4\n", "two kinds, an insight, a document");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_writing_that_is_meant_works() {
    let scene = Scene::new().await;
    let ada = scene.client("ada").await;
    for (sql, rows) in [
        (
            "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'a', 'A'), ('u', 's', 'b', DEFAULT) RETURNING key",
            "",
        ),
        (
            "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'a', 'A'), ('u', 's', 'b', 'B') RETURNING key",
            "a,b",
        ),
        (
            "INSERT INTO memory (user_name, session, key, text) SELECT user_name, session, key || '2', text FROM memory ORDER BY key RETURNING key",
            "a2,b2",
        ),
        (
            "UPDATE memory AS m SET (text, attributes) = (SELECT upper(o.text) || '!', '{}'::jsonb) FROM memory o WHERE o.key = m.key AND m.key = 'a' RETURNING m.text",
            "A!",
        ),
        ("DELETE FROM memory USING documents WHERE memory.key = 'nothing'", ""),
        (
            "WITH gone AS (DELETE FROM memory WHERE key LIKE '%2' RETURNING key) SELECT key FROM gone ORDER BY key",
            "a2,b2",
        ),
        (
            "WITH new AS (INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'c', 'C') RETURNING *), changed AS (UPDATE memory SET text = 'z' WHERE key = 'b' RETURNING *) SELECT new.key FROM new",
            "c",
        ),
        (
            "INSERT INTO profiles (user_name, fields) VALUES ('u', '{\"a\": 1}') ON CONFLICT (tenant, user_name) DO UPDATE SET fields = excluded.fields RETURNING fields",
            "{\"a\": 1}",
        ),
        (
            "INSERT INTO profiles AS p (user_name, fields) VALUES ('u', '{\"a\": 2}') ON CONFLICT ON CONSTRAINT profiles_pkey DO UPDATE SET fields = p.fields || excluded.fields WHERE p.user_name = 'u' RETURNING p.fields",
            "{\"a\": 2}",
        ),
        ("INSERT INTO profiles (user_name) VALUES ('u') ON CONFLICT DO NOTHING", ""),
        ("EXPLAIN (COSTS OFF) DELETE FROM profiles WHERE user_name = 'u'", "*"),
        ("TABLE profiles", "*"),
        ("PREPARE d (text) AS DELETE FROM profiles WHERE user_name = $1 RETURNING user_name; EXECUTE d ('u')", "u"),
        (
            "COPY (INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'd', 'D') RETURNING key) TO STDOUT",
            "refused",
        ),
    ] {
        let outcome = ask(&ada, sql).await;
        match (outcome, rows) {
            (Ok(_), "*") => {}
            (Err(error), "refused") => assert_eq!(told(&error).0, "42501", "{sql}: {error:?}"),
            // NULL in a column that has no default.
            (Err(error), "") if sql.contains("DEFAULT)") => assert_eq!(told(&error).0, "23502", "{sql}: {error:?}"),
            (outcome, rows) => {
                assert_eq!(outcome.unwrap_or_else(|error| panic!("{sql}: {error:?}")).join(","), rows, "{sql}")
            }
        }
    }
    let read_write = [
        "BEGIN READ WRITE",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
        "BEGIN; SET TRANSACTION READ WRITE",
    ];
    for begin in read_write {
        ask(&ada, begin).await.unwrap_or_else(|error| panic!("{begin}: {error:?}"));
        ask(&ada, "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'tx', 'x')").await.unwrap();
        ask(&ada, "DELETE FROM memory WHERE key = 'tx'; COMMIT").await.unwrap();
    }
    let write = "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'ro', 'x')";
    for (before, after) in [
        ("BEGIN READ ONLY", "ROLLBACK"),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        ),
        ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
    ] {
        ask(&ada, before).await.unwrap();
        assert_eq!(
            told(&ask(&ada, write).await.unwrap_err()).0,
            "25006",
            "{before}: asked for, and PostgreSQL says it"
        );
        ask(&ada, after).await.unwrap();
    }
    ask(&ada, write).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_else_is_refused_and_says_which_rule() {
    let scene = Scene::new().await;
    let ada = scene.client("ada").await;
    for sql in [
        "CREATE TABLE x (a int)",
        "DROP TABLE insights",
        "ALTER TABLE insights DISABLE ROW LEVEL SECURITY",
        "TRUNCATE insights",
        "CREATE TEMP TABLE x (a int)",
        "SELECT 1 INTO x",
        "CREATE TABLE x AS SELECT 1",
        "LOCK TABLE insights",
        "DO $$ BEGIN END $$",
        "CALL vitrine.isolate('insights')",
        "GRANT ALL ON insights TO public",
        "VACUUM insights",
        "ANALYZE insights",
        "MERGE INTO memory USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        "NOTIFY x",
        "COMMENT ON TABLE insights IS 'x'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE EXTENSION dblink",
        "DELETE FROM insights",
        "INSERT INTO kinds (name) VALUES ('x')",
        "UPDATE changes SET seq = 1",
        "DELETE FROM document_history",
        "INSERT INTO service_health (service, status) VALUES ('x', 'ok')",
        "DELETE FROM evidence",
        "SELECT * FROM vitrine.api_keys",
        "SELECT * FROM vitrine.tenants",
        "INSERT INTO vitrine.tenants (name) VALUES ('x')",
        "SELECT vitrine.tenant()",
        "SELECT vitrine.begin_era(true)",
        "SELECT nextval('vitrine.revisions')",
        "SELECT setval('vitrine.revisions', 1)",
        "SELECT * FROM vitrine.revisions",
        "INSERT INTO pg_class (relname) VALUES ('x')",
        "DELETE FROM pg_proc",
        "UPDATE pg_catalog.pg_settings SET setting = 'x'",
        "COPY insights TO PROGRAM 'id'",
        "COPY insights FROM '/etc/passwd'",
        "COPY insights FROM PROGRAM 'id'",
        "COPY kinds FROM STDIN",
        "COPY vitrine_copy.insights FROM STDIN",
        "COPY pg_class FROM STDIN",
        "COPY vitrine.api_keys TO STDOUT",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_sleep(1)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT query_to_xml('DELETE FROM insights', true, true, '')",
        "SELECT lo_create(1)",
        "SELECT pg_notify('x', 'y')",
        "SELECT pg_terminate_backend(1)",
        "SELECT set_config('vitrine.tenant', 'globex', false)",
        "SET ROLE postgres",
        "SET ROLE NONE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "RESET ROLE",
        "WITH x AS (DELETE FROM kinds RETURNING 1) SELECT * FROM x",
        "PREPARE p AS DELETE FROM kinds",
        "EXPLAIN DELETE FROM kinds",
        "DECLARE c CURSOR FOR SELECT vitrine.tenant()",
        "SELECT title FROM insights; DELETE FROM insights",
        "PREPARE TRANSACTION 'x'",
        "LISTEN x",
        "SET vitrine.actor = 'root'",
    ] {
        let error = ask(&ada, sql).await.expect_err(sql);
        let (code, message) = told(&error);
        assert!(matches!(code.as_str(), "42501" | "0A000"), "{sql}: {code} {message}");
        assert!(!message.contains("read-only gateway"), "{sql}: {message}");
        let rule = error.as_db_error().unwrap().routine().unwrap_or_default();
        assert!(!rule.is_empty() && !rule.contains("::"), "{sql}: no rule: {error:?}");
    }
    assert_eq!(scene.owner("SELECT count(*) FROM kinds"), "6");
    assert_eq!(scene.owner("SELECT to_regclass('public.x') IS NULL"), "t");
}
