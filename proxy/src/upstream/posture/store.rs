//! Wall 6 for the insight store: that the role of its SQL users cannot rise above its tenant.
//!
//! Asked as the role itself, by its own connection. There is no lenient mode: what is found closes the SQL door.

use tokio_postgres::Client;

use super::checks::{Check, SUMMARY};
use super::{Finding, LOOK, Posture, Severity};

/// Whether the tables are there at all.
const IS_MIGRATED: &str = "SELECT count(*) = 3 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (('public', 'insights'), ('public', 'memory'), ('vitrine_copy', 'insights'))";

const WHO: &str = "SELECT current_user::text, current_database()::text, current_setting('server_version_num')::int4";

const CHECKS: &[Check] = &[
    Check::new(
        "store_attributes",
        Severity::Write,
        "is more than a role that cannot log in: it passes row-level security by, makes roles or databases, or replicates",
        "SELECT quote_ident(rolname), format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION NOLOGIN;', rolname)
         FROM pg_roles WHERE rolname = current_user
            AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin)",
    ),
    Check::new(
        "store_membership",
        Severity::Write,
        "is a member of another role",
        "SELECT quote_ident(rolname), format('REVOKE %I FROM %I;', rolname, current_user) FROM pg_roles
         WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')",
    ),
    Check::new(
        "store_ownership",
        Severity::Write,
        "owns something, and could change it",
        "SELECT owned, 'ALTER … OWNER TO the owner of the store;' FROM (
            SELECT relowner, format('%I', relname) FROM pg_class
            UNION ALL SELECT proowner, format('%I()', proname) FROM pg_proc
            UNION ALL SELECT nspowner, format('schema %I', nspname) FROM pg_namespace
            UNION ALL SELECT datdba, format('database %I', datname) FROM pg_database WHERE datname = current_database()) o(owner, owned)
         WHERE owner = (SELECT oid FROM pg_roles WHERE rolname = current_user)",
    ),
    Check::new(
        "store_row_security",
        Severity::Write,
        "may use a table whose rows are not told apart by tenant",
        "SELECT place, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;', place) FROM (
            SELECT c.oid::regclass::text, c.relrowsecurity AND c.relforcerowsecurity AND NOT EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
                    AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = ANY (p.polroles) AND r.rolname = current_user))
                    AND (coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''))
                        NOT LIKE '%vitrine.tenant%')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                AND n.nspname NOT LIKE 'pg\\_toast%' AND (n.nspname, c.relname) <> ('public', 'service_health')
                AND has_schema_privilege(n.oid, 'USAGE')
                AND (has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
                    OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))) t(place, told_apart)
         WHERE NOT told_apart",
    ),
    Check::new(
        "store_views",
        Severity::Write,
        "reads a view or a materialized view as somebody else",
        "SELECT c.oid::regclass::text, format('REVOKE SELECT ON %s FROM %I;', c.oid::regclass, current_user)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND NOT coalesce(c.reloptions::text LIKE '%security_invoker=true%' OR c.reloptions::text LIKE '%security_invoker=on%', false)
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')",
    ),
    Check::new(
        "store_schemas",
        Severity::Write,
        "may use a schema that is not for SQL users, or make objects",
        "SELECT quote_ident(nspname), format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, %I;', nspname, current_user) FROM pg_namespace
         WHERE (nspname LIKE 'vitrine%' AND nspname <> 'vitrine_copy' AND has_schema_privilege(oid, 'USAGE'))
            OR (nspname NOT LIKE 'pg\\_temp%' AND nspname NOT LIKE 'pg\\_toast\\_temp%' AND has_schema_privilege(oid, 'CREATE'))",
    ),
    Check::new(
        "store_definers",
        Severity::Write,
        "may call a function that runs as somebody else",
        "SELECT p.oid::regprocedure::text, format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I;', p.oid::regprocedure, current_user)
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE p.prosecdef AND n.nspname <> 'pg_catalog' AND has_schema_privilege(n.oid, 'USAGE')
            AND has_function_privilege(p.oid, 'EXECUTE') AND p.prorettype <> 'trigger'::regtype",
    ),
];

/// What a look at the store's role showed.
pub(super) enum Seen {
    /// The tables are not there.
    NotMigrated,
    Posture(Posture),
}

/// Looks at what the role of SQL users could do. The client must be one of the store's and have nothing in flight.
pub(super) async fn inspect(client: &Client) -> Result<Seen, tokio_postgres::Error> {
    client.batch_execute(LOOK).await?;
    let outcome = look(client).await;
    client.batch_execute("ROLLBACK").await?;
    outcome
}

async fn look(client: &Client) -> Result<Seen, tokio_postgres::Error> {
    let migrated: bool = client.query_one(IS_MIGRATED, &[]).await?.try_get(0)?;
    if !migrated {
        return Ok(Seen::NotMigrated);
    }
    let who = client.query_one(WHO, &[]).await?;
    let mut findings = Vec::new();
    for check in CHECKS {
        findings.extend(found(client, check).await?);
    }
    let server_version = u32::try_from(who.try_get::<_, i32>(2)?).unwrap_or(0);
    Ok(Seen::Posture(Posture { role: who.try_get(0)?, database: who.try_get(1)?, server_version, findings }))
}

async fn found(client: &Client, check: &Check) -> Result<Option<Finding>, tokio_postgres::Error> {
    let row = client.query_one(&format!("WITH found(place, fix) AS ({}) {SUMMARY}", check.sql), &[]).await?;
    super::finding(check, &row)
}
