//! The server under attack, and looks at it from outside the gateway.

use std::path::{Path, PathBuf};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use vitrine::demo::postgres::{Options, Server};
use vitrine::upstream::PoolLimits;
use vitrine::verify::{Attack, Move, Way};

use crate::support::{Front, front};

pub(crate) const DATABASE: &str = "walls";

/// The policy's traps and ours.
const FIXTURES: &[&str] = &[include_str!("../policy/live/fixture.sql"), include_str!("fixture.sql")];

pub(crate) struct Scene {
    pub(crate) server: Server,
    watcher: Client,
    /// Somebody else's session, which nothing may end.
    bystander: Client,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let config =
            ["autovacuum = off", "wal_level = logical", "max_prepared_transactions = 5", "statement_timeout = '10s'"];
        let config = config.map(str::to_owned).to_vec();
        let server = Server::start(Options { config, ..Options::default() }).unwrap();
        server.psql("CREATE DATABASE walls; CREATE ROLE builder SUPERUSER LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE reader LOGIN").unwrap();
        let builder = client(&server, "builder").await;
        for fixture in FIXTURES {
            builder.batch_execute(fixture).await.unwrap();
        }
        // The bite leaves the transaction and every right behind.
        let bite = format!(
            "CREATE OR REPLACE FUNCTION trap.bite(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
             SET search_path = public AS $$ BEGIN PERFORM public.dblink_exec('{}', format('INSERT INTO public.bites VALUES (%L)', what));
             RETURN true; END $$",
            server.superuser_url_of(DATABASE)
        );
        let grants = "ALTER ROLE owner SUPERUSER; REASSIGN OWNED BY builder TO owner; ALTER ROLE owner NOSUPERUSER; ALTER FUNCTION trap.bite OWNER TO postgres;
            GRANT USAGE ON SCHEMA app, trap, shadow TO reader;
            GRANT SELECT ON ALL TABLES IN SCHEMA app, public, shadow TO reader; DELETE FROM public.bites; TRUNCATE public.victim";
        builder.batch_execute(&bite).await.unwrap();
        let superuser = client(&server, "postgres").await;
        superuser.batch_execute(grants).await.unwrap();
        superuser.batch_execute("VACUUM (FREEZE, ANALYZE)").await.unwrap();
        superuser
            .batch_execute("CREATE EVENT TRIGGER ddl ON ddl_command_end EXECUTE FUNCTION trap.on_ddl()")
            .await
            .unwrap();
        let watcher = client(&server, "postgres").await;
        let bystander = client(&server, "reader").await;
        let scene = Self { server, watcher, bystander };
        // The trap works: otherwise nothing of this proves anything.
        scene.bystander.batch_execute("BEGIN READ ONLY; SELECT trap.bite('self-test'); ROLLBACK").await.unwrap();
        assert_eq!(scene.ask("SELECT what FROM public.bites").await, "self-test");
        scene.watcher.batch_execute("DELETE FROM public.bites").await.unwrap();
        scene
    }

    pub(crate) async fn front(&self, role: &str) -> Front {
        front(&self.server, role, DATABASE, PoolLimits { connections_max: 4, ..PoolLimits::default() }).await
    }

    /// A quick look: bites, transaction IDs, sequences, locks, files.
    pub(crate) async fn pulse(&self) -> String {
        let seen = self
            .ask(
                "SELECT (SELECT string_agg(what, ',') FROM public.bites), pg_snapshot_xmax(pg_current_snapshot()),
                 (SELECT last_value FROM app.order_number), (SELECT last_value FROM public.s),
                 (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), pg_notification_queue_usage() > 0,
                 (SELECT count(*) FROM pg_replication_slots)",
            )
            .await;
        let files = ["/tmp/vitrine-walls", "/tmp/vitrine-trap"].map(|path| Path::new(path).exists());
        format!("{seen} {files:?}")
    }

    /// Everything that can be looked at.
    pub(crate) async fn state(&self) -> String {
        let mut state = self.pulse().await;
        for catalog in [
            "pg_class",
            "pg_proc",
            "pg_type",
            "pg_namespace",
            "pg_authid",
            "pg_database",
            "pg_extension",
            "pg_attribute",
            "pg_cast",
            "pg_operator",
            "pg_trigger",
            "pg_policy",
            "pg_description",
            "pg_shdescription",
            "pg_db_role_setting",
            "pg_auth_members",
            "pg_largeobject",
            "pg_largeobject_metadata",
            "pg_foreign_server",
            "pg_subscription",
            "pg_publication",
            "pg_event_trigger",
            "pg_statistic",
            "pg_seclabel",
            "pg_replication_origin",
            "pg_tablespace",
            "pg_prepared_xacts",
            "pg_file_settings",
            "app.customer",
            "app.orders",
            "public.secret",
            "public.x",
            "public.t",
            "public.victim",
        ] {
            let sum = format!("SELECT count(*), md5(string_agg(md5(r::text), '' ORDER BY r::text)) FROM {catalog} r");
            state.push_str(&format!("\n{catalog}: {}", self.ask(&sum).await));
        }
        for (what, sql) in [
            ("catalog rows", "SELECT max(xmin::text::bigint) FROM pg_class"),
            ("files", "SELECT string_agg(f, ',' ORDER BY f) FROM pg_ls_dir('.') f"),
            (
                "wal settings",
                "SELECT string_agg(name || setting, ',' ORDER BY name) FROM pg_settings WHERE source = 'configuration file'",
            ),
            (
                "bystander",
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND backend_start < now() AND application_name = ''",
            ),
        ] {
            if what != "bystander" {
                state.push_str(&format!("\n{what}: {}", self.ask(sql).await));
            }
        }
        let alive = self.bystander.simple_query("SELECT 1").await.is_ok();
        state.push_str(&format!("\nthe bystander lives: {alive}"));
        state
    }

    /// Sessions through the gateway are as those of nobody who was there before.
    pub(crate) async fn assert_nothing_leaked(&self, way: &Way) {
        for sql in [
            // The gateway says the path that a session was born with on each connection: it must be that one.
            "SELECT coalesce(string_agg(name || '=' || setting, ', '), 'none') FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction%' AND NOT (name = 'search_path' AND setting = reset_val)",
            "SELECT coalesce(string_agg(name, ', '), 'none') FROM pg_cursors WHERE name <> ''",
            "SELECT coalesce(string_agg(name, ', '), 'none') FROM pg_prepared_statements WHERE from_sql",
            "SELECT coalesce(string_agg(c, ', '), 'none') FROM pg_listening_channels() c",
            "SELECT coalesce(current_setting('x.y', true), 'none')",
        ] {
            let probe = Attack {
                id: "leak".to_owned(),
                family: "leak".to_owned(),
                text: sql.to_owned(),
                moves: Move::Probe { expected: "none".to_owned(), steps: vec![sql.to_owned()], elsewhere: false },
            };
            for protocol in probe.protocols() {
                let outcome = vitrine::verify::attempt(way, &probe, *protocol).await;
                assert!(matches!(outcome, vitrine::verify::Outcome::WithoutEffect { .. }), "{sql}: {outcome}");
            }
        }
    }

    /// Parameter types that bite when something is bound to them: nothing of it stands in the text.
    pub(crate) async fn typed_attacks(&self) -> Vec<Attack> {
        let mut attacks = Vec::new();
        for name in [
            "app.trapped",
            "app.trapped_int",
            "app.over_trapped",
            "app.holds_trapped",
            "app.trapped[]",
            "shadow.int4",
            "app.evil_range",
        ] {
            let oid: u32 = self.ask(&format!("SELECT '{name}'::regtype::oid")).await.parse().unwrap();
            let hex: Vec<String> = oid.to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let values = ["'1'", "'x'", "'(1,x)'", "'{x}'"];
            for value in values {
                let length = value.len() - 2;
                let bind = format!("B(00 00 00 00 00 01 00 00 00 {length:02x} {value} 00 00)");
                for sql in ["SELECT $1", "SELECT 1 WHERE $1 IS NULL", "SELECT ROW($1)", "VALUES ($1)"] {
                    let text =
                        format!("@frames P('' 00 '{sql}' 00 00 01 {}) {bind} E(00 00 00 00 00) S()", hex.join(" "));
                    attacks.extend(vitrine::verify::parse(name, &text).unwrap());
                }
            }
        }
        attacks
    }

    pub(crate) async fn ask(&self, sql: &str) -> String {
        ask(&self.watcher, sql).await
    }
}

/// A session of one role, without the gateway.
pub(crate) async fn client(server: &Server, role: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(role, DATABASE), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn ask(client: &Client, sql: &str) -> String {
    let rows = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut out = Vec::new();
    for row in rows {
        if let SimpleQueryMessage::Row(row) = row {
            out.push((0..row.len()).map(|at| row.get(at).unwrap_or("-")).collect::<Vec<_>>().join(" "));
        }
    }
    out.join("\n")
}

/// The statements of a corpus, when the corpora stand beside the checkout.
pub(crate) fn corpus_statements(name: &str) -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("../../shared/corpora"), here.join("../../../shared/corpora")];
    folders.splice(0..0, std::env::var_os("VITRINE_CORPORA").map(PathBuf::from));
    let Some(text) = folders.iter().find_map(|folder| std::fs::read_to_string(folder.join(name)).ok()) else {
        eprintln!("\n*** the corpus {name} is not here: NOTHING of it is tried. Set VITRINE_CORPORA. ***\n");
        return Vec::new();
    };
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.map(|row| row["sql"].as_str().unwrap().to_owned()).collect()
}
