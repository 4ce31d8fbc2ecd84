//! The SQL that makes a role which can look and not touch.

use std::fmt::Write as _;

/// What a proper role is made of.
#[derive(Clone, Copy, Debug)]
pub struct ProperRole<'a> {
    /// Name of the role.
    pub role: &'a str,
    /// Database it may connect to.
    pub database: &'a str,
    /// Schemas it may read; empty for all (membership in `pg_read_all_data`, PostgreSQL 14 and later).
    pub schemas: &'a [&'a str],
    /// `server_version_num` of the server.
    pub server_version: u32,
}

/// SQL for psql that an administrator reads and runs in the database: the least a reading role needs, and nothing else.
/// What would touch other roles stands there as comments.
#[must_use]
pub fn proper_role_sql(proper: &ProperRole<'_>) -> String {
    let (role, database) = (quoted(proper.role), quoted(proper.database));
    let mut sql = format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 100;\n\
         -- \\password {role}\n\
         ALTER ROLE {role} SET default_transaction_read_only = on;\n\
         ALTER ROLE {role} SET statement_timeout = '60s';\n\
         ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';\n\
         ALTER ROLE {role} SET lock_timeout = '5s';\n\
         GRANT CONNECT ON DATABASE {database} TO {role};\n"
    );
    let all = proper.schemas.is_empty();
    if all && proper.server_version >= 140_000 {
        let _ = writeln!(sql, "GRANT pg_read_all_data TO {role};");
    } else if all {
        let _ = write!(sql, "{}", read_every_schema(&role, proper.role));
    }
    for schema in proper.schemas {
        let schema = quoted(schema);
        let _ = write!(
            sql,
            "GRANT USAGE ON SCHEMA {schema} TO {role};\n\
             GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};\n\
             -- For tables to come, once for each role that creates them:\n\
             -- ALTER DEFAULT PRIVILEGES FOR ROLE owner_of_tables IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};\n"
        );
    }
    let _ = write!(
        sql,
        "\n-- What follows takes rights from everybody (PUBLIC). Grant them back to the roles that need them.\n\
         -- REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;\n\
         -- REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
         -- REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;\n"
    );
    sql
}

/// Before `pg_read_all_data` there was a grant for each schema.
fn read_every_schema(role: &str, name: &str) -> String {
    let name = name.replace('\'', "''");
    format!(
        "DO $grant$\n\
         DECLARE s name;\n\
         BEGIN\n  \
           FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP\n    \
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', s, '{name}');\n    \
             EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', s, '{name}');\n  \
           END LOOP;\n\
         END $grant$;\n\
         -- For tables to come, once for each role that creates them:\n\
         -- ALTER DEFAULT PRIVILEGES FOR ROLE owner_of_tables GRANT SELECT ON TABLES TO {role};\n"
    )
}

/// An identifier, always quoted. A line break would end a comment: it becomes a space, which then is another name and fails.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace(['\n', '\r'], " ").replace('"', "\"\""))
}
