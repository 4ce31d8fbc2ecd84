//! Two databases, two kinds of route, no way from one to the other; and a door that stays shut when it should.

use std::time::Duration;

use tokio_postgres::NoTls;
use vitrine::demo::postgres::{Options, Server};
use vitrine::sql::Access;
use vitrine::upstream::{PoolLimits, Target};
use vitrine::verify::{Outcome, Way, run};

use crate::scene::{Scene, TENANTS, ask, client, told};
use crate::support::{Front, front_with};

async fn refusal(front: &Front, user: &str) -> (String, String, String) {
    let outcome = tokio_postgres::connect(&format!("postgres://{user}@{}/insights", front.address), NoTls).await;
    let Err(error) = outcome else { panic!("{user} was let in") };
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (error.code().code().to_owned(), error.message().to_owned(), error.hint().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_database_leads_to_the_other() {
    let scene = Scene::new().await;
    let store = scene.front.gateway.insights.load_full().unwrap();
    assert!(store.database.all_routes().all(|route| route.access() == Access::Store));
    assert!(scene.front.database.all_routes().all(|route| route.access() == Access::Read));
    assert!(!scene.front.gateway.databases.load().contains_key("insights"));
    let (ada, reader) = (scene.client("ada").await, client(&scene.front.url("shop")).await);
    assert_eq!(ask(&ada, "SELECT current_database(), current_user").await.unwrap(), ["tools|vitrine_sql"]);
    assert_eq!(ask(&reader, "SELECT current_database(), current_user").await.unwrap(), ["shop|reader"]);
    assert!(matches!(told(&ask(&ada, "SELECT * FROM orders").await.unwrap_err()).0.as_str(), "42P01" | "42501"));
    assert_eq!(told(&ask(&reader, "SELECT * FROM insights").await.unwrap_err()).0, "42P01");
    // The customer's route is what it was: whatever the store may, it may not.
    for (sql, code) in [
        ("INSERT INTO orders VALUES (2)", "25006"),
        ("INSERT INTO insights (kind, title) VALUES ('churn', 'x')", "25006"),
        ("COPY orders FROM STDIN", "25006"),
        ("BEGIN READ WRITE", "25006"),
        ("SET default_transaction_read_only = off", "42501"),
        ("SELECT * FROM orders FOR UPDATE", "25006"),
        ("WITH x AS (DELETE FROM orders RETURNING 1) SELECT * FROM x", "25006"),
        ("PREPARE p AS INSERT INTO orders VALUES (3)", "25006"),
        ("EXPLAIN ANALYZE DELETE FROM orders", "25006"),
    ] {
        assert_eq!(told(&ask(&reader, sql).await.expect_err(sql)).0, code, "{sql}");
    }
    assert_eq!(ask(&reader, "SHOW default_transaction_read_only").await.unwrap(), ["on"]);
    assert_eq!(ask(&reader, "BEGIN; SHOW transaction_read_only; COMMIT").await.unwrap(), ["on"]);
    // A pool does not change sides either.
    let route = store.database.all_routes().next().unwrap();
    let customer = Target::from_url(&scene.server.url("reader", "shop")).unwrap();
    route.pool.replace(customer, PoolLimits::default());
    assert_eq!(route.pool.target().access(), Access::Store);
    assert_eq!(scene.server.psql_in("shop", "SELECT count(*) FROM orders").unwrap().trim(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_migrated_says_so_and_opens_once_it_is() {
    let server = Server::start(Options::default()).unwrap();
    server.psql("CREATE DATABASE shop; CREATE DATABASE tools; CREATE ROLE reader LOGIN").unwrap();
    let url = server.superuser_url_of("tools");
    let environment = [("VITRINE_INSIGHTS_URL", url.as_str()), ("VITRINE_INSIGHTS_TENANTS", TENANTS)];
    let front = front_with(&server, "reader", "shop", PoolLimits::default(), &environment).await;
    let hint = "run `vitrine migrate`".to_owned();
    for step in ["neither roles nor tables", "roles without tables"] {
        let (code, message, said) = refusal(&front, "ada").await;
        assert_eq!((code.as_str(), said), ("57P03", hint.clone()), "{step}: {message}");
        server
            .psql("DO $$ BEGIN CREATE ROLE vitrine_sql NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    // The customer's clients have not noticed.
    assert_eq!(ask(&client(&front.url("shop")).await, "SELECT 1").await.unwrap(), ["1"]);
    let owner = client(&url).await;
    let files = vitrine_insights::migrate::Migrations::embedded().unwrap();
    vitrine_insights::migrate::up(&owner, &files, Duration::from_secs(60), |_| {}).await.unwrap();
    front.gateway.insights.load_full().unwrap().route("ada").unwrap().guard.refresh().await;
    let ada = client(&format!("postgres://ada@{}/insights", front.address)).await;
    assert_eq!(ask(&ada, "SELECT count(*) FROM insights").await.unwrap(), ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_could_rise_closes_the_door() {
    let scene = Scene::new().await;
    let store = scene.front.gateway.insights.load_full().unwrap();
    let guard = &store.route("ada").unwrap().guard;
    guard.refresh().await;
    assert_eq!(guard.latest().unwrap().findings, [], "as migrated it is as it should be");
    for (check, open, shut) in [
        ("store_attributes", "ALTER ROLE vitrine_sql BYPASSRLS", "ALTER ROLE vitrine_sql NOBYPASSRLS"),
        ("store_attributes", "ALTER ROLE vitrine_sql CREATEROLE", "ALTER ROLE vitrine_sql NOCREATEROLE"),
        ("store_membership", "GRANT vitrine_keeper TO vitrine_sql", "REVOKE vitrine_keeper FROM vitrine_sql"),
        ("store_membership", "GRANT pg_read_all_data TO vitrine_sql", "REVOKE pg_read_all_data FROM vitrine_sql"),
        (
            "store_ownership",
            "ALTER TABLE document_history OWNER TO vitrine_sql",
            "ALTER TABLE document_history OWNER TO postgres",
        ),
        (
            "store_row_security",
            "ALTER TABLE memory NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE memory FORCE ROW LEVEL SECURITY",
        ),
        (
            "store_row_security",
            "ALTER TABLE kinds DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE kinds ENABLE ROW LEVEL SECURITY",
        ),
        ("store_row_security", "CREATE POLICY wide ON memory USING (true)", "DROP POLICY wide ON memory"),
        (
            "store_row_security",
            "CREATE TABLE public.side (a text); GRANT SELECT ON public.side TO vitrine_sql",
            "DROP TABLE public.side",
        ),
        (
            "store_views",
            "CREATE VIEW public.v AS SELECT * FROM memory; GRANT SELECT ON public.v TO vitrine_sql",
            "DROP VIEW public.v",
        ),
        (
            "store_schemas",
            "GRANT USAGE ON SCHEMA vitrine TO vitrine_sql",
            "REVOKE USAGE ON SCHEMA vitrine FROM vitrine_sql",
        ),
        (
            "store_schemas",
            "GRANT CREATE ON SCHEMA public TO vitrine_sql",
            "REVOKE CREATE ON SCHEMA public FROM vitrine_sql",
        ),
        (
            "store_definers",
            "CREATE FUNCTION public.d() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "DROP FUNCTION public.d()",
        ),
    ] {
        scene.server.psql_in("tools", open).unwrap();
        guard.refresh().await;
        let (code, message, _) = refusal(&scene.front, "ada").await;
        assert!(code == "42501" && message.contains(check), "{open}: {code} {message}");
        scene.server.psql_in("tools", shut).unwrap();
        guard.refresh().await;
        assert_eq!(guard.latest().unwrap().findings, [], "{shut}");
        scene.client("ada").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_database_that_is_away_stops_no_customer() {
    let customer = Server::start(Options::default()).unwrap();
    customer.psql("CREATE DATABASE shop; CREATE ROLE reader LOGIN").unwrap();
    let tools = crate::scene::server().await;
    let url = tools.superuser_url_of("tools");
    let environment = [("VITRINE_INSIGHTS_URL", url.as_str()), ("VITRINE_INSIGHTS_TENANTS", TENANTS)];
    let front = front_with(&customer, "reader", "shop", PoolLimits::default(), &environment).await;
    let ada = client(&format!("postgres://ada@{}/insights", front.address)).await;
    ask(&ada, "SELECT count(*) FROM memory").await.unwrap();
    tools.stop_immediate();
    let error =
        ask(&ada, "INSERT INTO memory (user_name, session, key, text) VALUES ('u', 's', 'k', 'v')").await.unwrap_err();
    let said = error.as_db_error().unwrap();
    assert!(!said.message().contains("customer"), "{said:?}");
    let reader = client(&front.url("shop")).await;
    for _ in 0..10 {
        assert_eq!(ask(&reader, "SELECT 1").await.unwrap(), ["1"]);
    }
    assert!(
        front.gateway.readiness().iter().all(|(what, outcome)| outcome.is_ok() || *what == "catalog"),
        "{:?}",
        front.gateway.readiness()
    );
    tools.start_again().unwrap();
    assert_eq!(
        ask(&client(&format!("postgres://bob@{}/insights", front.address)).await, "SELECT count(*) FROM memory")
            .await
            .unwrap(),
        ["0"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_a_user_without_a_tenant_stays_outside() {
    let scene = Scene::with(&[("VITRINE_MODE", "production")]).await;
    let (code, message, hint) = refusal(&scene.front, "stranger").await;
    assert_eq!(code, "28000", "{message}");
    assert!(hint.contains("[[insights.user]]"), "{hint}");
    scene.client("ada").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attacks_that_are_shipped_change_nothing_here_either() {
    let scene = Scene::new().await;
    let way = Way::Here { gateway: scene.front.gateway.clone(), database: "insights".into(), user: "ada".into() };
    let report = run(&way, |_, _| {}).await.unwrap();
    let totals = report.totals();
    println!("{totals:?}");
    let mut through: Vec<String> = Vec::new();
    for run in report.runs.iter().filter(|run| matches!(run.outcome, Outcome::GotThrough { .. })) {
        if !through.contains(&run.attack) {
            through.push(run.attack.clone());
        }
    }
    // What asks for a transaction that writes, here where that is meant, and nothing besides.
    let meant = |attack: &String| {
        let attack = attack.to_ascii_lowercase().replace("/**/", " ").replace("\\0079", "y").replace('-', "_");
        attack.contains("read write") || attack.contains("read_only")
    };
    let others: Vec<&String> = through.iter().filter(|attack| !meant(attack)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(totals.attempts > 3_000, "{totals:?}");
    assert_eq!(scene.owner("SELECT count(*) FROM changes"), "6", "six kinds, and nothing since");
}
