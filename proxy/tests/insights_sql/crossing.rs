//! Bob, of globex, tries to see and to touch what is acme's.

use tokio_postgres::NoTls;

use crate::scene::{Scene, ask, client, told};

/// Stands in every value of acme's.
const SECRET: &str = "ACMESECRET";

async fn with_secrets() -> Scene {
    let scene = Scene::with(&[("VITRINE_INSIGHTS_SQL_POOL_SIZE", "1")]).await;
    let ada = scene.client("ada").await;
    for sql in [
        "INSERT INTO insights (id, kind, key, title, body, payload) VALUES ('018f0000-0000-7000-8000-000000000001', 'churn', 'ACMESECRET-key', 'ACMESECRET title', 'ACMESECRET body', '{\"x\": \"ACMESECRET\"}')",
        "INSERT INTO evidence (insight_id, query_shape, data_as_of, note) VALUES ('018f0000-0000-7000-8000-000000000001', 'ACMESECRET', now(), 'ACMESECRET')",
        "INSERT INTO documents (kind, name, title, content) VALUES ('persona', 'ACMESECRET', 'ACMESECRET', '{}')",
        "INSERT INTO user_configuration (user_name, settings) VALUES ('ACMESECRET', '{}')",
        "INSERT INTO profiles (user_name, fields) VALUES ('ACMESECRET', '{\"a\": \"ACMESECRET\"}')",
        "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'ACMESECRET', 'ACMESECRET')",
    ] {
        ask(&ada, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    scene.server.psql_in("tools", "INSERT INTO memory (tenant, user_name, session, key, text) SELECT 'acme', 'u', 's', 'ACMESECRET' || g, 'ACMESECRET' FROM generate_series(1, 500) g; ANALYZE").unwrap();
    scene
}

/// What of acme's is there, as the owner sees it.
fn state(scene: &Scene) -> String {
    let tables = [
        "insights",
        "evidence",
        "documents",
        "user_configuration",
        "profiles",
        "memory",
        "kinds",
        "document_history",
        "profile_history",
    ];
    let sums = tables.map(|table| {
        format!("(SELECT '{table} ' || count(*) || md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {table} t WHERE tenant = 'acme')")
    });
    scene.owner(&format!("SELECT concat_ws(' ', {})", sums.join(", ")))
}

/// One statement after the other, whatever becomes of each, and everything that was said.
async fn try_all(scene: &Scene, user: &str, statements: &[&str]) -> String {
    let bob = scene.client(user).await;
    let mut said = String::new();
    for sql in statements {
        match ask(&bob, sql).await {
            Ok(rows) => said.push_str(&rows.join("\n")),
            Err(error) => said.push_str(&format!("{:?}", error.as_db_error())),
        }
        said.push('\n');
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_another_tenant_is_seen_or_touched() {
    let scene = with_secrets().await;
    let before = state(&scene);
    let all = "SELECT title FROM insights; SELECT text FROM memory; SELECT note FROM evidence; SELECT fields FROM profiles; SELECT record FROM changes";
    let ways: &[(&str, &[&str])] = &[
        (
            "plainly",
            &[all, "TABLE insights", "TABLE memory", "SELECT m FROM memory m", "SELECT row_to_json(i) FROM insights i"],
        ),
        (
            "SET",
            &[
                "SET vitrine.tenant = 'acme'",
                all,
                "SET LOCAL vitrine.tenant = 'acme'",
                "BEGIN; SET LOCAL vitrine.tenant TO 'acme'; TABLE insights",
                "ROLLBACK",
                "SET \"vitrine.tenant\" TO acme",
                all,
            ],
        ),
        (
            "SET of another spelling",
            &[
                "SET VITRINE.TENANT = 'acme'",
                "SET \"Vitrine\".\"Tenant\" = 'acme'",
                "SET vitrine.\"tenant\" TO 'acme'",
                all,
            ],
        ),
        (
            "set_config",
            &[
                "SELECT set_config('vitrine.tenant', 'acme', false)",
                "SELECT set_config('Vitrine.Tenant', 'acme', true)",
                "SELECT pg_catalog.set_config('vitrine.tenant', 'acme', false) FROM memory",
                "SELECT set_config('vitrine.' || 'tenant', 'acme', false)",
                all,
            ],
        ),
        (
            "set_config in a write",
            &[
                "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'x', set_config('vitrine.tenant', 'acme', false))",
                "UPDATE memory SET text = set_config('vitrine.tenant', 'acme', false)",
                "DELETE FROM memory WHERE set_config('vitrine.tenant', 'acme', true) = 'acme'",
                all,
            ],
        ),
        ("RESET", &["RESET vitrine.tenant", "RESET ALL", "DISCARD ALL", all]),
        (
            "roles",
            &[
                "SET ROLE postgres",
                "SET ROLE vitrine_app",
                "SET ROLE vitrine_keeper",
                "SET ROLE NONE",
                "RESET ROLE",
                "SET SESSION AUTHORIZATION postgres",
                "SET SESSION AUTHORIZATION DEFAULT",
                "SELECT set_config('role', 'none', false)",
                all,
            ],
        ),
        (
            "row_security",
            &[
                "SET row_security = off",
                "SELECT set_config('row_security', 'off', false)",
                "BEGIN; SET LOCAL row_security TO off; TABLE memory",
                "ROLLBACK",
                all,
            ],
        ),
        (
            "prepared statements",
            &[
                "PREPARE p AS SELECT title FROM insights",
                "EXECUTE p",
                "PREPARE q (text) AS SELECT text FROM memory WHERE tenant = $1",
                "EXECUTE q ('acme')",
            ],
        ),
        (
            "cursors",
            &[
                "BEGIN; DECLARE c CURSOR FOR SELECT title FROM insights; FETCH ALL FROM c; COMMIT",
                "BEGIN; DECLARE h CURSOR WITH HOLD FOR TABLE memory; COMMIT",
                "FETCH ALL FROM h",
                "CLOSE ALL",
            ],
        ),
        (
            "COPY",
            &[
                "COPY insights TO STDOUT",
                "COPY (SELECT * FROM memory WHERE tenant = 'acme') TO STDOUT",
                "COPY vitrine_copy.memory TO STDOUT",
            ],
        ),
        (
            "naming it",
            &[
                "SELECT title FROM insights WHERE tenant = 'acme'",
                "SELECT title FROM insights WHERE id = '018f0000-0000-7000-8000-000000000001'",
                "SELECT title FROM insights WHERE tenant = 'acme' OR true",
                "UPDATE insights SET retraction_reason = 'x' WHERE tenant = 'acme' RETURNING title",
                "DELETE FROM memory WHERE tenant = 'acme' RETURNING text",
            ],
        ),
        (
            "writing into it",
            &[
                "INSERT INTO insights (tenant, kind, key, title) VALUES ('acme', 'churn', 'mine', 'mine')",
                "INSERT INTO memory (tenant, user_name, session, key, text) VALUES ('acme', 'u', 's', 'mine', 'mine') RETURNING *",
                "INSERT INTO documents (tenant, kind, name, title, content) VALUES ('acme', 'persona', 'ACME' || 'SECRET', 'x', '{}') ON CONFLICT (tenant, kind, name) DO UPDATE SET title = documents.title RETURNING title",
            ],
        ),
        (
            "moving rows",
            &[
                "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'bob', 'bob')",
                "UPDATE memory SET tenant = 'acme' WHERE key = 'bob'",
                "UPDATE profiles SET tenant = 'globex'",
                "INSERT INTO profiles (user_name) VALUES ('u') ON CONFLICT (tenant, user_name) DO UPDATE SET tenant = 'acme'",
            ],
        ),
        (
            "conflicts",
            &[
                "INSERT INTO profiles (tenant, user_name) VALUES ('acme', 'ACME' || 'SECRET') ON CONFLICT DO NOTHING RETURNING *",
                "INSERT INTO insights (id, kind, title) VALUES ('018f0000-0000-7000-8000-000000000001', 'churn', 'same id') RETURNING title",
                "INSERT INTO profiles (user_name) VALUES ('twice')",
                "INSERT INTO profiles (user_name) VALUES ('twice')",
            ],
        ),
        (
            "foreign keys",
            &[
                "INSERT INTO evidence (insight_id, query_shape, data_as_of) VALUES ('018f0000-0000-7000-8000-000000000002', 'x', now())",
                "INSERT INTO evidence (tenant, insight_id, query_shape, data_as_of) VALUES ('acme', '018f0000-0000-7000-8000-000000000001', 'x', now())",
                "INSERT INTO insights (kind, title, supersedes) VALUES ('churn', 'x', '018f0000-0000-7000-8000-000000000001') RETURNING *",
                "INSERT INTO insights (tenant, kind, title, supersedes) VALUES ('acme', 'churn', 'x', '018f0000-0000-7000-8000-000000000001')",
            ],
        ),
        (
            "statistics",
            &[
                "SELECT most_common_vals, histogram_bounds FROM pg_stats",
                "SELECT * FROM pg_catalog.pg_stats WHERE tablename = 'memory'",
                "SELECT * FROM pg_statistic",
                "SELECT * FROM pg_stats_ext",
                "SELECT * FROM pg_stat_activity",
                "SELECT * FROM pg_stat_get_activity(NULL)",
                "SELECT query FROM pg_stat_get_activity(NULL) WHERE true",
                "SELECT pg_stat_get_backend_activity(1)",
                "SELECT * FROM pg_stat_user_tables",
                "SELECT * FROM pg_locks",
                "SELECT * FROM pg_stat_statements",
            ],
        ),
        (
            "EXPLAIN",
            &[
                "EXPLAIN ANALYZE SELECT * FROM memory WHERE key = 'ACME' || 'SECRET'",
                "EXPLAIN SELECT * FROM memory WHERE text = 'x'",
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM insights",
                "EXPLAIN (COSTS OFF, ANALYZE ON) TABLE memory",
            ],
        ),
        (
            "functions in conditions",
            &[
                "SELECT 1 FROM memory WHERE text::int = 1",
                "SELECT 1 / (length(text) - 10) FROM memory",
                "SELECT title FROM insights WHERE title ~ 'ACME' OR cast(title AS int) = 1",
                "SELECT text FROM memory WHERE cast(text AS uuid) IS NULL",
            ],
        ),
        (
            "search_path",
            &[
                "SET search_path = vitrine, vitrine_copy, public",
                "TABLE api_keys",
                "TABLE tenants",
                "TABLE insights",
                "SELECT actor()",
                "SET search_path = pg_temp, public",
                "TABLE memory",
                "SELECT * FROM idempotency_keys",
            ],
        ),
        (
            "temporary objects",
            &[
                "CREATE TEMP TABLE t AS TABLE memory",
                "CREATE TEMP VIEW insights AS SELECT 1",
                "SELECT * INTO TEMP t FROM insights",
                "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
            ],
        ),
        (
            "sequences and internals",
            &[
                "SELECT last_value FROM vitrine.revisions",
                "SELECT * FROM pg_sequences",
                "SELECT currval('vitrine.revisions')",
                "SELECT pg_sequence_last_value('vitrine.revisions')",
                "SELECT * FROM vitrine.feed",
                "SELECT vitrine.search('x')",
            ],
        ),
        ("large objects", &["SELECT lo_get(1)", "SELECT lo_from_bytea(0, 'x')", "SELECT * FROM pg_largeobject"]),
        ("listening", &["LISTEN changes", "NOTIFY changes, 'x'", "SELECT pg_notify('changes', 'x')", "UNLISTEN *"]),
        (
            "locks and rows of the system",
            &[
                "SELECT ctid, xmin, tableoid FROM memory WHERE ctid = '(0,1)'",
                "SELECT * FROM memory TABLESAMPLE SYSTEM (100)",
                "SELECT * FROM insights WHERE tenant = 'acme' FOR UPDATE",
                "SELECT text FROM ONLY memory",
                "SELECT * FROM pg_toast.pg_toast_16385",
            ],
        ),
        (
            "text as code",
            &[
                "SELECT query_to_xml('SELECT * FROM memory', true, true, '')",
                "SELECT table_to_xml('public.memory', true, true, '')",
                "SELECT * FROM ts_stat('SELECT search FROM insights')",
                "SELECT database_to_xml(true, true, '')",
            ],
        ),
        (
            "what the session says",
            &[
                "SELECT current_setting('vitrine.tenant'), current_user",
                "SHOW ALL",
                "SELECT name, setting FROM pg_settings",
                "SHOW vitrine.tenant",
            ],
        ),
        (
            "many at once",
            &[
                "SELECT 1; SET vitrine.tenant = 'acme'; TABLE memory",
                "WITH x AS (UPDATE memory SET text = 'x' WHERE tenant = 'acme' RETURNING *) SELECT * FROM x",
                "WITH x AS (INSERT INTO memory (tenant, user_name, session, key, text) VALUES ('acme', 'u', 's', 'k', 'v') RETURNING *) TABLE x",
            ],
        ),
    ];
    for (way, statements) in ways {
        // Whoever else uses the pool, before and after.
        try_all(&scene, "ada", &["SELECT title FROM insights", "SELECT text FROM memory LIMIT 1"]).await;
        let said = try_all(&scene, "bob", statements).await;
        assert!(!said.contains(SECRET), "{way}: {said}");
        assert_eq!(state(&scene), before, "{way}");
        let bob = scene.client("bob").await;
        assert_eq!(ask(&bob, "SELECT count(*) FROM memory WHERE text LIKE 'ACME%'").await.unwrap(), ["0"], "{way}");
        assert_eq!(ask(&bob, "SELECT current_setting('vitrine.tenant')").await.unwrap(), ["globex"], "{way}");
    }
    assert!(ways.len() >= 20);
    // Acme's own view has not changed either: nothing above closed a door.
    let ada = scene.client("ada").await;
    assert_eq!(ask(&ada, "SELECT count(*) FROM memory").await.unwrap(), ["501"]);
    assert_eq!(ask(&ada, "SELECT tenant FROM insights").await.unwrap(), ["acme"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_start_up_parameter_chooses_a_tenant() {
    let scene = with_secrets().await;
    for parameter in [
        "options=-c%20vitrine.tenant%3Dacme",
        "options=-cvitrine.tenant%3Dacme%20-crole%3Dpostgres",
        "options=--vitrine.tenant%3Dacme",
        "options=-c%20role%3Dnone",
        "options=-c%20row_security%3Doff",
        "options=-c%20session_authorization%3Dpostgres",
        "options=-c%20vitrine.actor%3Dada",
    ] {
        let outcome = tokio_postgres::connect(&format!("{}?{parameter}", scene.url("bob")), NoTls).await;
        let Err(error) = outcome else { panic!("{parameter} let in") };
        assert_eq!(told(&error).0, "42501", "{parameter}: {error:?}");
    }
    // What may be said at the start is said, and changes nothing of whose rows are seen.
    let bob =
        client(&format!("{}?options=-c%20search_path%3Dvitrine,public%20-c%20DateStyle%3DGerman", scene.url("bob")))
            .await;
    assert_eq!(ask(&bob, "SELECT count(*) FROM insights").await.unwrap(), ["0"]);
    assert_eq!(told(&ask(&bob, "TABLE api_keys").await.unwrap_err()).0, "42501");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_and_statements_of_one_tenant_do_not_serve_another() {
    let scene = with_secrets().await;
    let (ada, bob) = (scene.client("ada").await, scene.client("bob").await);
    let sql = "SELECT count(*) FROM memory WHERE text = $1";
    let (of_ada, of_bob) = (ada.prepare(sql).await.unwrap(), bob.prepare(sql).await.unwrap());
    // Often enough for generic plans on either side.
    for _ in 0..12 {
        let count = ada.query_one(&of_ada, &[&SECRET]).await.unwrap().get::<_, i64>(0);
        let none = bob.query_one(&of_bob, &[&SECRET]).await.unwrap().get::<_, i64>(0);
        assert_eq!((count, none), (501, 0));
    }
    let who = "INSERT INTO profiles (user_name) VALUES ('who') ON CONFLICT (tenant, user_name) DO UPDATE SET fields = '{}' RETURNING tenant, updated_by";
    assert_eq!(ask(&ada, who).await.unwrap(), ["acme|ada"]);
    assert_eq!(ask(&bob, who).await.unwrap(), ["globex|bob"]);
    // Eve is of acme too: she sees what ada wrote, under her own name.
    let eve = scene.client("eve").await;
    assert_eq!(ask(&eve, who).await.unwrap(), ["acme|eve"]);
    assert_eq!(ask(&eve, "SELECT count(*) FROM memory").await.unwrap(), ["501"]);
    // Somebody whom nobody knows, in development.
    let stranger = scene.client("stranger").await;
    assert_eq!(
        ask(&stranger, "SELECT current_setting('vitrine.tenant'), (SELECT count(*) FROM memory)").await.unwrap(),
        ["default|0"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pg_dump_gets_nothing_through_the_door() {
    let scene = with_secrets().await;
    let dump = "pg_dump";
    for more in
        [&[][..], &["--enable-row-security"], &["--data-only", "--inserts", "--enable-row-security", "-t", "memory"]]
    {
        let output = std::process::Command::new(dump).args(["-d", &scene.url("bob")]).args(more).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(!out.contains(SECRET), "{more:?}: {out}");
        assert!(!output.status.success(), "{more:?}: it locks tables, which nobody may here");
    }
}
