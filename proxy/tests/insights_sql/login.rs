//! Whose login is behind the door, and that nothing leads back to it.

use tokio_postgres::NoTls;

use crate::scene::{Scene, ask, before, client, server};

const WHO: &str =
    "SELECT current_user, current_setting('role'), current_setting('vitrine.tenant'), current_setting('is_superuser')";

/// Ways back to the login's own rights, each of which PostgreSQL has.
const WAYS: &[&str] = &[
    "RESET ROLE",
    "SET ROLE NONE",
    "SET ROLE postgres",
    "SET LOCAL ROLE postgres",
    "SET SESSION ROLE postgres",
    "SET role = 'postgres'",
    "SET \"role\" TO none",
    "BEGIN; SET LOCAL role = none; TABLE vitrine.api_keys; COMMIT",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET SESSION AUTHORIZATION postgres",
    "SET LOCAL SESSION AUTHORIZATION DEFAULT",
    "SET session_authorization = 'postgres'",
    "SET session_authorization TO DEFAULT",
    "RESET SESSION AUTHORIZATION",
    "RESET session_authorization",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('role', 'none', true)",
    "SELECT set_config('ro' || 'le', 'none', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SELECT pg_catalog.set_config(name, 'none', false) FROM pg_settings WHERE name = 'role'",
    "UPDATE pg_settings SET setting = 'none' WHERE name = 'role'",
    "PREPARE back AS SELECT set_config('role', 'none', false); EXECUTE back",
    "PREPARE back (text) AS SELECT set_config($1, 'none', false)",
    "WITH up AS (SELECT set_config('role', 'none', false)) INSERT INTO memory (user_name, text) SELECT 'u', 'x' FROM up",
    "INSERT INTO memory (user_name, text) VALUES ('u', set_config('role', 'none', false))",
    "INSERT INTO memory (user_name, text) VALUES ('u', 'x') RETURNING set_config('role', 'none', false)",
    "COPY (SELECT set_config('role', 'none', false)) TO STDOUT",
    "EXPLAIN ANALYZE SELECT set_config('role', 'none', false)",
    "DECLARE c CURSOR WITH HOLD FOR SELECT set_config('role', 'none', false)",
    "DO $$ BEGIN RESET ROLE; END $$",
    "CREATE FUNCTION pg_temp.up() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT set_config('role', 'none', false) $$",
    "CREATE FUNCTION up() RETURNS text LANGUAGE sql SET role = 'none' AS $$ SELECT current_user::text $$",
    "ALTER ROLE vitrine_sql SET role = 'none'",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER DATABASE tools SET role = 'none'",
    "GRANT postgres TO vitrine_sql",
    "SET search_path = vitrine, public; SELECT vitrine.begin_era(true)",
    "SET search_path = pg_temp, vitrine; SELECT begin_era(true)",
    "CREATE TEMP TABLE insights (a int)",
    "SAVEPOINT s; RESET ROLE; ROLLBACK TO s",
    "BEGIN; SAVEPOINT s; SET LOCAL role TO DEFAULT; RELEASE s; COMMIT",
    "CALL vitrine.isolate('public.insights')",
    "SELECT dblink_exec('dbname=tools', 'RESET ROLE')",
    "LOAD 'auto_explain'",
];

/// Everything is tried, in the simple protocol and in the extended one; afterwards each session is who it was.
async fn nothing_leads_back(scene: &Scene) {
    for way in WAYS {
        for extended in [false, true] {
            let ada = scene.client("ada").await;
            let said = match extended {
                false => ask(&ada, way).await.map(drop),
                true => ada.query(*way, &[]).await.map(drop),
            };
            let _ = ask(&ada, "ROLLBACK").await;
            let who = ask(&ada, WHO).await.unwrap_or_else(|error| panic!("{way}: {said:?}: {error:?}"));
            assert_eq!(who, ["vitrine_sql|vitrine_sql|acme|off"], "{way}: {said:?}");
            assert!(ask(&ada, "TABLE vitrine.api_keys").await.is_err(), "{way}");
            assert_eq!(ask(&ada, "SELECT DISTINCT tenant FROM kinds").await.unwrap(), ["acme"], "{way}");
        }
    }
    // Nothing was left for who comes next on the same connections.
    for user in ["bob", "eve", "stranger"] {
        let who = ask(&scene.client(user).await, WHO).await.unwrap();
        assert!(who[0].starts_with("vitrine_sql|vitrine_sql|") && who[0].ends_with("|off"), "{user}: {who:?}");
    }
    assert_eq!(scene.owner("SELECT rolsuper FROM pg_roles WHERE rolname = 'vitrine_sql'"), "f");
    assert_eq!(scene.owner("SELECT count(*) FROM changes"), "6", "six kinds, and nothing since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_through_the_door_leads_back_to_the_owner() {
    let scene = Scene::with(&[("VITRINE_INSIGHTS_SQL_POOL_SIZE", "1")]).await;
    nothing_leads_back(&scene).await;
    // What it would have led to: PostgreSQL itself lets this login rise.
    let url = format!("{}?options=-c%20role%3Dvitrine_sql", scene.server.superuser_url_of("tools"));
    let owner = client(&url).await;
    ask(&owner, "SET ROLE NONE").await.unwrap();
    assert_eq!(ask(&owner, "SELECT current_setting('is_superuser')").await.unwrap(), ["on"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_of_its_own_has_nothing_to_go_back_to() {
    let server = server().await;
    server.psql_in("tools", "CREATE ROLE door LOGIN NOINHERIT IN ROLE vitrine_sql").unwrap();
    let url = server.superuser_url_of("tools").replace("postgres@", "door@");
    assert!(url.contains("//door@"), "{url}");
    let front =
        before(&server, &[("VITRINE_INSIGHTS_SQL_URL", url.as_str()), ("VITRINE_INSIGHTS_SQL_POOL_SIZE", "1")]).await;
    let scene = Scene { server, front };
    nothing_leads_back(&scene).await;
    let ada = scene.client("ada").await;
    let wrote =
        "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'k', 'v') RETURNING tenant, session_user";
    assert_eq!(ask(&ada, wrote).await.unwrap(), ["acme|door"]);
    // Past the gateway too: whoever has this login and leaves the role can read nothing at all.
    let (door, connection) =
        tokio_postgres::connect(&format!("{url}?options=-c%20role%3Dvitrine_sql"), NoTls).await.unwrap();
    tokio::spawn(connection);
    ask(&door, "SET ROLE NONE").await.unwrap();
    assert_eq!(ask(&door, "SELECT current_user, current_setting('is_superuser')").await.unwrap(), ["door|off"]);
    for sql in [
        "TABLE public.insights",
        "TABLE vitrine.api_keys",
        "SET ROLE postgres",
        "SET ROLE vitrine_app",
        "SET ROLE vitrine_keeper",
    ] {
        let code = ask(&door, sql).await.unwrap_err().code().unwrap().code().to_owned();
        // No right, or not even a look at the schema; or the planner's estimate misses the tenant before rights are looked at.
        assert!(["42501", "42P01", "42704"].contains(&code.as_str()), "{sql}: {code}");
    }
}
