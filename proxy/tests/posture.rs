//! What a role could do: a proper role is clean, every bad grant is found, and the SQL that is offered takes it away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use vitrine::demo::postgres::{Options, Server, free_port};
use vitrine::upstream::posture::{Guard, Posture, ProperRole, Rule, Severity, inspect, proper_role_sql};
use vitrine::upstream::{Pool, PoolLimits, Target, sql_client};

use Severity::{Effects, Notice, Write};

fn server() -> Server {
    let server = Server::start(Options::default()).expect("a PostgreSQL server");
    server.psql("CREATE DATABASE shop").unwrap();
    server
        .psql_in(
            "shop",
            "CREATE SCHEMA sales;
             CREATE TABLE sales.orders (id serial PRIMARY KEY, total numeric);
             CREATE TABLE public.notes (id int, body text);
             CREATE VIEW sales.v AS SELECT * FROM sales.orders",
        )
        .unwrap();
    server
}

fn version(server: &Server) -> u32 {
    server.psql("SHOW server_version_num").unwrap().trim().parse().unwrap()
}

/// Makes a proper role, also taking from everybody what the SQL only proposes to.
fn proper(server: &Server, role: &str) {
    let sql = proper_role_sql(&ProperRole {
        role,
        database: "shop",
        schemas: &["sales", "public"],
        server_version: version(server),
    });
    let sql = sql.replace("-- REVOKE", "REVOKE");
    server.psql_in("shop", &sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
}

async fn look(server: &Server, role: &str) -> Posture {
    let target = Target::from_url(&server.url(role, "shop")).unwrap();
    let (client, _task) = sql_client(&target).await.expect("the role logs in");
    inspect(&client).await.unwrap_or_else(|error| panic!("{error:?}"))
}

#[tokio::test]
async fn a_proper_role_is_clean_and_can_read() {
    let server = server();
    proper(&server, "we \"look\"");
    let posture = look(&server, "we \"look\"").await;
    assert_eq!(posture.findings, [], "{posture}");
    assert!(!posture.can_write());
    assert_eq!((posture.role.as_str(), posture.database.as_str()), ("we \"look\"", "shop"));
    let target = Target::from_url(&server.url("we \"look\"", "shop")).unwrap();
    let (client, _task) = sql_client(&target).await.unwrap();
    for table in ["sales.orders", "sales.v", "public.notes"] {
        client.query(&format!("SELECT * FROM {table}"), &[]).await.expect(table);
    }
}

#[tokio::test]
async fn without_a_list_of_schemas_it_reads_them_all() {
    let server = server();
    let sql = proper_role_sql(&ProperRole {
        role: "reader",
        database: "shop",
        schemas: &[],
        server_version: version(&server),
    });
    server.psql_in("shop", &sql).unwrap();
    let posture = look(&server, "reader").await;
    assert!(version(&server) < 150_000 || !posture.can_write(), "{posture}");
    let target = Target::from_url(&server.url("reader", "shop")).unwrap();
    let (client, _task) = sql_client(&target).await.unwrap();
    client.query("SELECT * FROM sales.orders", &[]).await.unwrap();

    // The way before pg_read_all_data.
    let old = ProperRole { role: "old'r", database: "shop", schemas: &[], server_version: 130_000 };
    server.psql_in("shop", &proper_role_sql(&old)).unwrap();
    let (client, _task) = sql_client(&Target::from_url(&server.url("old'r", "shop")).unwrap()).await.unwrap();
    client.query("SELECT * FROM sales.orders", &[]).await.unwrap();
}

#[tokio::test]
async fn a_superuser_is_told_in_one_line() {
    let server = server();
    let posture = look(&server, "postgres").await;
    assert!(posture.can_write());
    assert_eq!(posture.findings.len(), 1, "{posture}");
    assert_eq!(posture.findings[0].check, "superuser");
}

/// What was granted to the role `reader`, and the check that must find it.
const GRANTS: &[(&str, Severity, &str)] = &[
    ("superuser", Write, "CREATE ROLE boss SUPERUSER; GRANT boss TO reader"),
    ("createrole", Write, "ALTER ROLE reader CREATEROLE"),
    ("createrole", Write, "CREATE ROLE grp CREATEROLE NOINHERIT; GRANT grp TO reader; ALTER ROLE reader NOINHERIT"),
    ("createdb", Write, "ALTER ROLE reader CREATEDB"),
    ("replication", Effects, "ALTER ROLE reader REPLICATION"),
    ("bypassrls", Notice, "ALTER ROLE reader BYPASSRLS"),
    ("member_writes", Write, "GRANT pg_execute_server_program TO reader"),
    ("member_writes", Write, "GRANT pg_write_server_files TO reader"),
    ("member_effects", Effects, "GRANT pg_read_server_files TO reader"),
    ("member_effects", Effects, "GRANT pg_signal_backend TO reader"),
    ("member_sees", Notice, "GRANT pg_monitor TO reader"),
    ("admin_option", Effects, "CREATE ROLE club; GRANT club TO reader WITH ADMIN OPTION"),
    ("owner", Write, "ALTER TABLE sales.orders OWNER TO reader"),
    ("owner", Write, "CREATE SCHEMA mine AUTHORIZATION reader"),
    ("owner", Write, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO reader"),
    ("owner", Write, "ALTER DATABASE shop OWNER TO reader"),
    ("owner", Write, "CREATE ROLE owners; GRANT owners TO reader; ALTER TABLE notes OWNER TO owners"),
    ("read_write_by_default", Notice, "ALTER ROLE reader RESET default_transaction_read_only"),
    ("read_write_by_default", Notice, "ALTER ROLE reader SET default_transaction_read_only = off"),
    ("table_writes", Write, "GRANT INSERT ON sales.orders TO reader"),
    ("table_writes", Write, "GRANT UPDATE ON sales.v TO PUBLIC"),
    ("table_writes", Write, "GRANT DELETE, TRUNCATE ON notes TO reader"),
    ("table_writes", Write, "GRANT TRIGGER ON notes TO reader"),
    (
        "table_writes",
        Write,
        "CREATE ROLE \"Writers\"; GRANT \"Writers\" TO reader; GRANT UPDATE ON notes TO \"Writers\"",
    ),
    ("table_writes", Write, "GRANT UPDATE ON pg_catalog.pg_class TO reader"),
    ("column_writes", Write, "GRANT UPDATE (body) ON notes TO reader"),
    ("table_effects", Effects, "GRANT REFERENCES ON notes TO reader"),
    ("sequence_writes", Write, "GRANT USAGE ON sales.orders_id_seq TO reader"),
    ("schema_create", Write, "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    ("schema_create", Write, "GRANT CREATE ON SCHEMA sales TO reader"),
    ("database_create", Write, "GRANT CREATE ON DATABASE shop TO reader"),
    ("database_temporary", Effects, "GRANT TEMPORARY ON DATABASE shop TO PUBLIC"),
    ("tablespace_create", Effects, "GRANT CREATE ON TABLESPACE pg_default TO reader"),
    ("large_object_writes", Write, "SELECT lo_create(4711); GRANT UPDATE ON LARGE OBJECT 4711 TO reader"),
    (
        "default_privileges",
        Notice,
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA sales GRANT INSERT, DELETE ON TABLES TO reader",
    ),
    ("default_privileges", Notice, "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT UPDATE ON SEQUENCES TO PUBLIC"),
    (
        "definer_writes",
        Write,
        "CREATE FUNCTION sales.pay(int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM sales.orders'",
    ),
    (
        "definer_writes",
        Write,
        "CREATE PROCEDURE sales.pay() LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE 'x'; END $$",
    ),
    (
        "definer_acts",
        Effects,
        "CREATE FUNCTION sales.see() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM sales.orders'",
    ),
    ("file_functions", Write, "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO reader"),
    ("server_functions", Effects, "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO reader"),
    ("server_functions", Effects, "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO PUBLIC"),
    ("large_object_create", Effects, "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC"),
];

/// Needs PostgreSQL's contributed extensions.
const GRANTS_OF_EXTENSIONS: &[(&str, Severity, &str)] = &[
    ("leaving_extension", Effects, "CREATE EXTENSION IF NOT EXISTS dblink"),
    (
        "file_functions",
        Write,
        "CREATE EXTENSION IF NOT EXISTS dblink; GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO reader",
    ),
    (
        "foreign_server",
        Effects,
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER p FOREIGN DATA WRAPPER postgres_fdw; GRANT USAGE ON FOREIGN SERVER p TO reader",
    ),
    (
        "foreign_wrapper",
        Effects,
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO reader",
    ),
    (
        "user_mapping",
        Notice,
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER q FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR PUBLIC SERVER q",
    ),
    // Last: the role of a later case would be granted the table with all others.
    (
        "foreign_program",
        Effects,
        "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE sales.prog (l text) SERVER f OPTIONS (program 'id');
         GRANT SELECT ON sales.prog TO reader",
    ),
];

const GRANTS_SINCE_14: &[(&str, Severity, &str)] = &[("member_writes", Write, "GRANT pg_write_all_data TO reader")];

const GRANTS_SINCE_15: &[(&str, Severity, &str)] = &[
    ("parameter_alter_system", Write, "GRANT ALTER SYSTEM ON PARAMETER work_mem TO reader"),
    ("parameter_set", Effects, "GRANT SET ON PARAMETER session_replication_role TO reader"),
    ("member_effects", Effects, "GRANT pg_checkpoint TO reader"),
];

const GRANTS_SINCE_17: &[(&str, Severity, &str)] = &[
    ("table_effects", Effects, "GRANT MAINTAIN ON notes TO reader"),
    ("member_effects", Effects, "GRANT pg_maintain TO reader"),
    ("member_writes", Write, "GRANT pg_create_subscription TO reader"),
];

#[tokio::test]
async fn every_bad_grant_is_found_and_its_fix_takes_it_away() {
    let server = server();
    let version = version(&server);
    let extensions = server
        .psql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('dblink', 'file_fdw', 'postgres_fdw')");
    let mut grants = GRANTS.to_vec();
    for (since, more) in [(140_000, GRANTS_SINCE_14), (150_000, GRANTS_SINCE_15), (170_000, GRANTS_SINCE_17)] {
        if version >= since {
            grants.extend(more);
        }
    }
    if extensions.unwrap().trim() == "3" {
        grants.extend(GRANTS_OF_EXTENSIONS);
    } else {
        eprintln!("posture: this PostgreSQL has no contributed extensions; their checks were NOT tried");
    }
    for (check, severity, grant) in grants {
        proper(&server, "reader");
        server.psql_in("shop", grant).unwrap_or_else(|error| panic!("{grant}: {error}"));

        let before = look(&server, "reader").await;
        let finding = before.findings.iter().find(|finding| finding.check == check);
        let finding = finding.unwrap_or_else(|| panic!("{grant}: not found\n{before}"));
        assert_eq!(finding.severity, severity, "{grant}\n{before}");
        assert_eq!(before.can_write(), before.findings.iter().any(|finding| finding.severity == Write));
        assert!(!finding.places.is_empty() && finding.count >= 1, "{finding:?}");
        if !["superuser", "definer_writes"].contains(&check) {
            // One ability, one finding: no check cries at another's.
            assert!(
                before.findings.iter().all(|other| other.check == check || other.severity < Write),
                "{grant}\n{before}"
            );
        }

        for fix in &finding.fixes {
            server.psql_in("shop", fix).unwrap_or_else(|error| panic!("{grant}: {fix}: {error}"));
        }
        let after = look(&server, "reader").await;
        assert!(after.findings.iter().all(|finding| finding.check != check), "{grant}: {:?}\n{after}", finding.fixes);

        // A clean slate for the next one.
        assert_eq!(after.findings, [], "{grant}\n{after}");
        server
            .psql_in(
                "shop",
                "DO $$ DECLARE r text; BEGIN
                   FOR r IN SELECT quote_ident(rolname) FROM pg_roles WHERE oid >= 16384 AND rolname <> 'postgres' LOOP
                     EXECUTE format('REASSIGN OWNED BY %s TO postgres; DROP OWNED BY %s; DROP ROLE %s', r, r, r);
                   END LOOP; END $$;",
            )
            .unwrap_or_else(|error| panic!("{grant}: {error}"));
    }
}

#[tokio::test]
async fn the_report_says_what_and_how_to_mend_it() {
    let server = server();
    proper(&server, "reader");
    server.psql_in("shop", "GRANT INSERT ON sales.orders TO reader; GRANT UPDATE ON notes TO PUBLIC").unwrap();
    let report = look(&server, "reader").await.to_string();
    for expected in [
        "role reader in database shop",
        "COULD WRITE",
        "sales.orders (INSERT)",
        "public.notes (UPDATE)",
        "ON ALL TABLES IN SCHEMA sales FROM reader;\n",
        "ON ALL TABLES IN SCHEMA public FROM PUBLIC; -- touches everybody",
    ] {
        assert!(report.contains(expected), "{expected} is missing in\n{report}");
    }
    let json = serde_json::to_value(look(&server, "reader").await).unwrap();
    assert_eq!(json["findings"][0]["severity"], "write");
    assert_eq!(json["findings"][0]["check"], "table_writes");
    assert_eq!(json["findings"][0]["count"], 2);
}

/// Runs `vitrine doctor`: exit code and what it printed.
fn doctor(url: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(["doctor", "--customer-url", url])
        .args(more)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_doctor_says_it_in_words_in_json_and_in_the_exit_code() {
    let server = server();
    proper(&server, "reader");
    let (code, text) = doctor(&server.url("reader", "shop"), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("verdict: cannot write"), "{text}");

    server.psql_in("shop", "GRANT INSERT ON sales.orders TO reader").unwrap();
    let (code, text) = doctor(&server.url("reader", "shop"), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("COULD WRITE") && text.contains("CREATE ROLE \"vitrine_reader\" LOGIN"), "{text}");
    assert!(text.contains("GRANT SELECT ON ALL TABLES IN SCHEMA \"sales\" TO \"vitrine_reader\""), "{text}");

    let (code, text) = doctor(&server.url("reader", "shop"), &["--json"]);
    assert_eq!(code, Some(1), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["roles"][0]["can_write"], true);
    assert_eq!(json["roles"][0]["posture"]["findings"][0]["check"], "table_writes");

    for url in [server.url("reader", "nowhere"), "postgres://reader:hunter2@h:x/d".to_owned()] {
        let (code, text) = doctor(&url, &[]);
        assert_eq!(code, Some(2), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_strict_guard_lets_a_pool_lend_only_while_its_role_cannot_write() {
    let server = server();
    proper(&server, "reader");
    let pool = Pool::new(Target::from_url(&server.url("reader", "shop")).unwrap(), PoolLimits::default());
    let guard = Guard::new(pool.clone(), Rule::Strict, Duration::from_secs(300));
    let error = pool.lease(None).await.expect_err("nobody has looked yet");
    assert_eq!(error.sqlstate().code(), "57P03", "{error}");
    guard.ready().await;
    pool.lease(None).await.expect("a proper role").release();

    server.psql_in("shop", "GRANT DELETE ON sales.orders TO reader").unwrap();
    guard.refresh().await;
    let error = pool.lease(None).await.expect_err("the role could write");
    assert_eq!(error.sqlstate().code(), "42501");
    assert_eq!(error.to_string(), "upstream role \"reader\" could write (table_writes), and the posture is strict");
    server.psql_in("shop", "REVOKE DELETE ON sales.orders FROM reader").unwrap();
    guard.refresh().await;
    pool.lease(None).await.expect("proper again").release();

    // A server that is away for a moment changes nothing; one that was never seen is not trusted.
    server.stop();
    guard.refresh().await;
    assert!(guard.latest().is_some());
    let unseen = Guard::new(pool.clone(), Rule::Strict, Duration::from_secs(300));
    unseen.ready().await;
    let error = pool.lease(None).await.expect_err("not seen");
    assert_eq!(error.sqlstate().code(), "08001", "{error}");
    server.start_again().unwrap();
    unseen.refresh().await;
    pool.lease(None).await.expect("seen now").release();
}

#[tokio::test]
async fn the_guard_looks_again_when_the_server_comes_back() {
    let server = server();
    proper(&server, "reader");
    let pool = Pool::new(Target::from_url(&server.url("reader", "shop")).unwrap(), PoolLimits::default());
    let guard = Arc::new(Guard::new(pool.clone(), Rule::Strict, Duration::from_secs(300)));
    let running = tokio::spawn({
        let guard = Arc::clone(&guard);
        async move { guard.run().await }
    });
    guard.ready().await;
    pool.lease(None).await.expect("a proper role").release();
    server.psql_in("shop", "GRANT INSERT ON sales.orders TO reader").unwrap();
    server.stop();
    pool.lease(None).await.expect_err("the server is away");
    server.start_again().unwrap();
    let before = Instant::now();
    while pool.lease(None).await.map(vitrine::upstream::Lease::release).is_ok() {
        assert!(before.elapsed() < Duration::from_secs(10), "nobody looked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(guard.latest().unwrap().can_write());
    running.abort();
}

#[tokio::test]
async fn a_lenient_guard_only_warns() {
    let server = server();
    let pool = Pool::new(Target::from_url(&server.url("postgres", "shop")).unwrap(), PoolLimits::default());
    let guard = Guard::new(pool.clone(), Rule::Warn, Duration::from_secs(300));
    pool.lease(None).await.expect("before the look").release();
    guard.refresh().await;
    pool.lease(None).await.expect("after it").release();
    assert!(guard.latest().unwrap().can_write());
}

/// A `vitrine serve` in development mode, without TLS, in front of one role.
struct Gateway {
    process: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn start(customer_url: &str, posture: &str) -> Self {
        let (port, admin) = (free_port().unwrap(), free_port().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let process = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine"))
            .arg("serve")
            .env_clear()
            .env("VITRINE_SERVER_RUN_DIR", folder.path().join("run"))
            .env("VITRINE_MODE", "development")
            .env("VITRINE_POSTURE", posture)
            .env("VITRINE_LISTEN", format!("127.0.0.1:{port}"))
            .env("VITRINE_ADMIN_LISTEN", format!("127.0.0.1:{admin}"))
            .env("VITRINE_CUSTOMER_URL", customer_url)
            .env("VITRINE_WATCH_POSTURE_REFRESH_MS", "1000")
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port, _folder: folder }
    }

    /// What a client gets for a query: its answer, or the SQLSTATE.
    async fn ask(&self) -> Result<i64, String> {
        let url = format!("postgres://tester@127.0.0.1:{}/shop", self.port);
        let before = Instant::now();
        loop {
            match tokio_postgres::connect(&url, tokio_postgres::NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    let row = client.query_one("SELECT count(*) FROM sales.orders", &[]).await;
                    return row.map(|row| row.get(0)).map_err(|error| format!("{error:?}"));
                }
                Err(error) if error.as_db_error().is_some() => return Err(format!("{error:?}")),
                Err(error) => assert!(before.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_strict_gateway_serves_a_proper_role_and_refuses_one_that_could_write() {
    let server = server();
    proper(&server, "reader");
    let strict = Gateway::start(&server.url("reader", "shop"), "strict");
    assert_eq!(strict.ask().await, Ok(0));

    // A role that can write from the start: nothing is started, and the report says what to do.
    let mut refused = Gateway::start(&server.url("postgres", "shop"), "strict");
    let mut report = String::new();
    std::io::Read::read_to_string(refused.process.stderr.as_mut().unwrap(), &mut report).unwrap();
    assert_eq!(refused.process.wait().unwrap().code(), Some(1), "{report}");
    assert!(report.contains("posture is \"strict\"") && report.contains("ALTER ROLE postgres NOSUPERUSER"), "{report}");

    // A role that can write later: the gateway stays, and serves nobody.
    server.psql_in("shop", "GRANT INSERT ON sales.orders TO reader").unwrap();
    let since = Instant::now();
    let refused = loop {
        match strict.ask().await {
            Err(refused) => break refused,
            Ok(_) => assert!(since.elapsed() < Duration::from_secs(20), "still served"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(refused.contains("42501") && refused.contains("could write"), "{refused}");

    let lenient = Gateway::start(&server.url("postgres", "shop"), "warn");
    assert_eq!(lenient.ask().await, Ok(0));
}
