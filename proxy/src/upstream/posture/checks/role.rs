//! What the role is: attributes, memberships, ownership, settings.

use super::{Check, Severity};

pub(super) const CHECKS: &[Check] = &[
    Check {
        of_superusers: true,
        ..Check::new(
            "superuser",
            Severity::Write,
            "is a superuser, or can become one",
            "SELECT a.name, CASE WHEN r.rolname = session_user THEN format('ALTER ROLE %I NOSUPERUSER;', r.rolname)
                ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END
             FROM acting a JOIN pg_roles r ON r.oid = a.oid WHERE r.rolsuper
                AND (r.rolname = session_user OR NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.rolname = session_user))",
        )
    },
    Check::new(
        "createrole",
        Severity::Write,
        "can create and alter roles (CREATEROLE)",
        "SELECT a.name, CASE WHEN r.rolname = session_user THEN format('ALTER ROLE %I NOCREATEROLE;', r.rolname)
            ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END
         FROM acting a JOIN pg_roles r ON r.oid = a.oid WHERE r.rolcreaterole AND NOT r.rolsuper",
    ),
    Check::new(
        "createdb",
        Severity::Write,
        "can create databases (CREATEDB)",
        "SELECT a.name, CASE WHEN r.rolname = session_user THEN format('ALTER ROLE %I NOCREATEDB;', r.rolname)
            ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END
         FROM acting a JOIN pg_roles r ON r.oid = a.oid WHERE r.rolcreatedb AND NOT r.rolsuper",
    ),
    Check::new(
        "replication",
        Severity::Effects,
        "can replicate: read everything, and hold back the removal of write-ahead log (REPLICATION)",
        "SELECT a.name, CASE WHEN r.rolname = session_user THEN format('ALTER ROLE %I NOREPLICATION;', r.rolname)
            ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END
         FROM acting a JOIN pg_roles r ON r.oid = a.oid WHERE r.rolreplication AND NOT r.rolsuper",
    ),
    Check::new(
        "bypassrls",
        Severity::Notice,
        "reads past row-level security (BYPASSRLS)",
        "SELECT a.name, CASE WHEN r.rolname = session_user THEN format('ALTER ROLE %I NOBYPASSRLS;', r.rolname)
            ELSE format('REVOKE %I FROM %I;', r.rolname, session_user) END
         FROM acting a JOIN pg_roles r ON r.oid = a.oid WHERE r.rolbypassrls AND NOT r.rolsuper",
    ),
    Check::new(
        "member_writes",
        Severity::Write,
        "is a member of a role that writes data, files or runs programs",
        "SELECT a.name, format('REVOKE %s FROM %I;', a.name, session_user) FROM acting a
         WHERE a.name IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program',
            'pg_create_subscription', 'azure_pg_admin', 'rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser')",
    ),
    Check::new(
        "member_effects",
        Severity::Effects,
        "is a member of a role that acts on the server",
        "SELECT a.name, format('REVOKE %s FROM %I;', a.name, session_user) FROM acting a
         WHERE a.name IN ('pg_read_server_files', 'pg_signal_backend', 'pg_signal_autovacuum_worker', 'pg_maintain',
            'pg_checkpoint', 'pg_use_reserved_connections')",
    ),
    Check::new(
        "member_sees",
        Severity::Notice,
        "sees what other sessions do",
        "SELECT a.name, format('REVOKE %s FROM %I;', a.name, session_user) FROM acting a
         WHERE a.name IN ('pg_monitor', 'pg_read_all_stats', 'pg_read_all_settings', 'pg_stat_scan_tables')",
    ),
    Check::new(
        "admin_option",
        Severity::Effects,
        "can make others a member of a role (ADMIN OPTION)",
        "SELECT pg_get_userbyid(m.roleid)::text,
            format('REVOKE ADMIN OPTION FOR %I FROM %s;', pg_get_userbyid(m.roleid), a.name)
         FROM pg_auth_members m JOIN acting a ON a.oid = m.member WHERE m.admin_option",
    ),
    Check::new(
        "owner",
        Severity::Write,
        "owns objects: an owner can do everything with them",
        "SELECT i.type || ' ' || i.identity, format('REASSIGN OWNED BY %s TO CURRENT_USER;', d.name)
         FROM (SELECT s.classid, s.objid, s.objsubid, a.name FROM pg_shdepend s JOIN acting a ON a.oid = s.refobjid
               WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
                  AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) LIMIT 1000) d,
            LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
         WHERE i.identity IS NOT NULL AND i.schema IS DISTINCT FROM 'pg_toast'
            AND NOT COALESCE(i.schema LIKE 'pg\\_temp%' OR i.schema LIKE 'pg\\_toast\\_temp%', false)",
    ),
    Check::new(
        "read_write_by_default",
        Severity::Notice,
        "its sessions are read-write unless they say otherwise",
        "SELECT session_user::text, format('ALTER ROLE %I SET default_transaction_read_only = on;', session_user)
         WHERE NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
            WHERE r.rolname = session_user
                AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                AND 'default_transaction_read_only=on' = ANY (s.setconfig))",
    ),
];
