//! How far the role reaches through functions and foreign servers.
//!
//! A function counts as within reach when EXECUTE is granted to the role, a group of it or everybody (the default), and
//! the role may use its schema.

use super::{Check, Severity};

/// Functions of others that run with their owner's rights and that the role can call.
macro_rules! within_reach {
    () => {
        "SELECT format('%s, as %I', p.oid::regprocedure, pg_get_userbyid(p.proowner)),
            format('REVOKE EXECUTE ON ROUTINE %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
            LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x, acting a
         WHERE a.oid = x.grantee AND p.prosecdef AND p.prokind IN ('f', 'p')
            AND p.proowner NOT IN (SELECT oid FROM acting)
            AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
            AND EXISTS (SELECT FROM acting u WHERE u.oid <> 0 AND has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))"
    };
}

/// Whether a function's text has a word in it that writes. A word in a comment counts too: better asked than missed.
macro_rules! writes {
    () => {
        "l.lanname IN ('sql', 'plpgsql')
            AND regexp_replace(CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END,
                '^CREATE OR REPLACE', '') ~*
                '\\m(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|copy|execute|call|nextval|setval)\\M'"
    };
}

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "definer_writes",
        Severity::Write,
        "can run functions that write with the rights of their owner (SECURITY DEFINER)",
        concat!(within_reach!(), " AND ", writes!()),
    ),
    Check::new(
        "definer_acts",
        Severity::Effects,
        "can run functions with the rights of their owner (SECURITY DEFINER)",
        concat!(within_reach!(), " AND NOT (", writes!(), ")"),
    ),
    Check::new(
        "file_functions",
        Severity::Write,
        "can run functions that write files of the server or log in elsewhere without a password",
        "SELECT p.oid::regprocedure::text, format('REVOKE EXECUTE ON FUNCTION %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_proc p, LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x, acting a
         WHERE a.oid = x.grantee AND p.proowner NOT IN (SELECT oid FROM acting)
            AND (p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('lo_import', 'lo_export')
                OR p.proname IN ('dblink_connect_u', 'pg_file_write', 'pg_file_rename', 'pg_file_unlink',
                    'pg_file_sync', 'pg_logdir_ls'))
            AND EXISTS (SELECT FROM acting u WHERE u.oid <> 0 AND has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))",
    ),
    Check::new(
        "server_functions",
        Severity::Effects,
        "can run functions of the server that are not for everybody",
        "SELECT p.oid::regprocedure::text, format('REVOKE EXECUTE ON FUNCTION %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_proc p, LATERAL aclexplode(p.proacl) x, acting a
         WHERE a.oid = x.grantee AND p.pronamespace = 'pg_catalog'::regnamespace
            AND p.proowner NOT IN (SELECT oid FROM acting) AND p.proname NOT IN ('lo_import', 'lo_export')
            AND EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
            AND NOT EXISTS (SELECT FROM pg_init_privs i, LATERAL aclexplode(i.initprivs) y
                WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND y.grantee = x.grantee)",
    ),
    Check::new(
        "large_object_create",
        Severity::Effects,
        "can create large objects (up to PostgreSQL 15 even in a read-only transaction)",
        "SELECT p.oid::regprocedure::text, format('REVOKE EXECUTE ON FUNCTION %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_proc p, LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x, acting a
         WHERE a.oid = x.grantee AND p.pronamespace = 'pg_catalog'::regnamespace
            AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')",
    ),
    Check::new(
        "untrusted_language",
        Severity::Effects,
        "can run functions in languages without a fence",
        "SELECT format('%s (%s)', p.oid::regprocedure, l.lanname),
            format('REVOKE EXECUTE ON ROUTINE %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
            LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x, acting a
         WHERE a.oid = x.grantee AND NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c', 'sql')
            AND p.prokind IN ('f', 'p') AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
            AND p.pronamespace <> 'pg_catalog'::regnamespace
            AND EXISTS (SELECT FROM acting u WHERE u.oid <> 0 AND has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))",
    ),
    Check::new(
        "leaving_extension",
        Severity::Effects,
        "can leave the database through an extension",
        "SELECT format('%s (%s)', p.oid::regprocedure, e.extname),
            format('REVOKE EXECUTE ON ROUTINE %s FROM %s;', p.oid::regprocedure, a.name)
         FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
            JOIN pg_proc p ON p.oid = d.objid,
            LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) x, acting a
         WHERE a.oid = x.grantee AND e.extname IN ('dblink', 'pg_cron', 'pg_net', 'http', 'plproxy', 'pg_background',
                'aws_s3', 'aws_lambda', 'aws_commons', 'azure_storage', 'azure_ai', 'pgsql-http', 'pg_amqp', 'plsh')
            AND EXISTS (SELECT FROM acting u WHERE u.oid <> 0 AND has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))",
    ),
    Check::new(
        "foreign_program",
        Severity::Effects,
        "can run programs on the server by reading a foreign table",
        "SELECT format('%I.%I', n.nspname, c.relname), format('REVOKE SELECT ON %I.%I FROM %s;', n.nspname, c.relname, a.name)
         FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
            acting a
         WHERE has_table_privilege(a.oid, c.oid, 'SELECT') AND a.oid <> 0
            AND EXISTS (SELECT FROM unnest(f.ftoptions) o WHERE o LIKE 'program=%')",
    ),
    Check::new(
        "foreign_server",
        Severity::Effects,
        "can use foreign servers for foreign tables of its own",
        "SELECT s.srvname::text, format('REVOKE USAGE ON FOREIGN SERVER %I FROM %s;', s.srvname, a.name)
         FROM pg_foreign_server s, LATERAL aclexplode(s.srvacl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'USAGE' AND s.srvowner NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "foreign_wrapper",
        Severity::Effects,
        "can create foreign servers",
        "SELECT w.fdwname::text, format('REVOKE USAGE ON FOREIGN DATA WRAPPER %I FROM %s;', w.fdwname, a.name)
         FROM pg_foreign_data_wrapper w, LATERAL aclexplode(w.fdwacl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'USAGE' AND w.fdwowner NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "user_mapping",
        Severity::Notice,
        "is somebody on another server (user mapping): reading foreign tables asks there with those rights",
        "SELECT m.srvname::text, format('DROP USER MAPPING FOR %s SERVER %I;', a.name, m.srvname)
         FROM pg_user_mappings m JOIN acting a ON a.oid = m.umuser",
    ),
];
