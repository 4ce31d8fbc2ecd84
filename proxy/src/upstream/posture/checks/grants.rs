//! What has been granted: to the role, to its groups, to everybody.

use super::{Check, Severity};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "table_writes",
        Severity::Write,
        "can change the contents of tables or views",
        "SELECT format('%I.%I (%s)', n.nspname, c.relname, string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type)),
            format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON ALL TABLES IN SCHEMA %I FROM %s;',
                n.nspname, a.name)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL aclexplode(c.relacl) x, acting a
         WHERE a.oid = x.grantee AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
            AND c.relowner NOT IN (SELECT oid FROM acting) AND n.nspname NOT LIKE 'pg\\_temp%'
            -- UPDATE on pg_settings is how set_config is spelled there; everybody has it.
            AND NOT (n.nspname = 'pg_catalog' AND c.relname = 'pg_settings')
         GROUP BY n.nspname, c.relname, a.name",
    ),
    Check::new(
        "column_writes",
        Severity::Write,
        "can change single columns of tables",
        "SELECT format('%I.%I.%I (%s)', n.nspname, c.relname, t.attname,
                string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type)),
            format('REVOKE INSERT, UPDATE ON %I.%I FROM %s;', n.nspname, c.relname, a.name)
         FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
            LATERAL aclexplode(t.attacl) x, acting a
         WHERE a.oid = x.grantee AND t.attacl IS NOT NULL AND NOT t.attisdropped
            AND x.privilege_type IN ('INSERT', 'UPDATE') AND c.relowner NOT IN (SELECT oid FROM acting)
         GROUP BY n.nspname, c.relname, t.attname, a.name",
    ),
    Check::new(
        "table_effects",
        Severity::Effects,
        "can lock, maintain or refer to tables",
        "SELECT format('%I.%I (%s)', n.nspname, c.relname, string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type)),
            format('REVOKE %s ON ALL TABLES IN SCHEMA %I FROM %s;',
                string_agg(DISTINCT x.privilege_type, ', ' ORDER BY x.privilege_type), n.nspname, a.name)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL aclexplode(c.relacl) x, acting a
         WHERE a.oid = x.grantee AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND x.privilege_type IN ('REFERENCES', 'MAINTAIN') AND c.relowner NOT IN (SELECT oid FROM acting)
            AND n.nspname NOT LIKE 'pg\\_temp%'
         GROUP BY n.nspname, c.relname, a.name",
    ),
    Check::new(
        "sequence_writes",
        Severity::Write,
        "can move sequences",
        "SELECT format('%I.%I (%s)', n.nspname, c.relname, string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type)),
            format('REVOKE USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA %I FROM %s;', n.nspname, a.name)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL aclexplode(c.relacl) x, acting a
         WHERE a.oid = x.grantee AND c.relkind = 'S' AND x.privilege_type IN ('USAGE', 'UPDATE')
            AND c.relowner NOT IN (SELECT oid FROM acting)
         GROUP BY n.nspname, c.relname, a.name",
    ),
    Check::new(
        "schema_create",
        Severity::Write,
        "can create objects in schemas",
        "SELECT n.nspname::text, format('REVOKE CREATE ON SCHEMA %I FROM %s;', n.nspname, a.name)
         FROM pg_namespace n, LATERAL aclexplode(COALESCE(n.nspacl, acldefault('n', n.nspowner))) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'CREATE' AND n.nspowner NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "database_create",
        Severity::Write,
        "can create schemas in the database",
        "SELECT d.datname::text, format('REVOKE CREATE ON DATABASE %I FROM %s;', d.datname, a.name)
         FROM pg_database d, LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'CREATE' AND d.datname = current_database()
            AND d.datdba NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "database_temporary",
        Severity::Effects,
        "can create temporary tables, even in a read-only transaction",
        "SELECT d.datname::text, format('REVOKE TEMPORARY ON DATABASE %I FROM %s;', d.datname, a.name)
         FROM pg_database d, LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'TEMPORARY' AND d.datname = current_database()
            AND d.datdba NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "tablespace_create",
        Severity::Effects,
        "can place objects in tablespaces",
        "SELECT t.spcname::text, format('REVOKE CREATE ON TABLESPACE %I FROM %s;', t.spcname, a.name)
         FROM pg_tablespace t, LATERAL aclexplode(t.spcacl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'CREATE' AND t.spcowner NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "large_object_writes",
        Severity::Write,
        "can change large objects",
        "SELECT 'large object ' || l.oid, format('REVOKE UPDATE ON LARGE OBJECT %s FROM %s;', l.oid, a.name)
         FROM pg_largeobject_metadata l, LATERAL aclexplode(l.lomacl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'UPDATE' AND l.lomowner NOT IN (SELECT oid FROM acting)",
    ),
    Check::new(
        "large_object_compatibility",
        Severity::Write,
        "can change every large object (lo_compat_privileges is on)",
        "SELECT 'lo_compat_privileges', 'ALTER SYSTEM SET lo_compat_privileges = off;'
         WHERE current_setting('lo_compat_privileges') = 'on'",
    ),
    Check::new(
        "parameter_alter_system",
        Severity::Write,
        "can change the server's configuration (ALTER SYSTEM)",
        "SELECT p.parname, format('REVOKE ALTER SYSTEM ON PARAMETER %s FROM %s;', p.parname, a.name)
         FROM pg_parameter_acl p, LATERAL aclexplode(p.paracl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'ALTER SYSTEM'",
    )
    .since(150_000),
    Check::new(
        "parameter_set",
        Severity::Effects,
        "can set what only superusers may set",
        "SELECT p.parname, format('REVOKE SET ON PARAMETER %s FROM %s;', p.parname, a.name)
         FROM pg_parameter_acl p, LATERAL aclexplode(p.paracl) x, acting a
         WHERE a.oid = x.grantee AND x.privilege_type = 'SET'",
    )
    .since(150_000),
    Check::new(
        "default_privileges",
        Severity::Notice,
        "will be able to change objects that others create later (default privileges)",
        "SELECT format('objects of %I%s', pg_get_userbyid(d.defaclrole),
                CASE WHEN n.nspname IS NULL THEN '' ELSE format(' in schema %I', n.nspname) END),
            format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s;', pg_get_userbyid(d.defaclrole),
                CASE WHEN n.nspname IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END,
                string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type),
                CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' ELSE 'SCHEMAS' END, a.name)
         FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
            LATERAL aclexplode(d.defaclacl) x, acting a
         WHERE a.oid = x.grantee AND d.defaclrole NOT IN (SELECT oid FROM acting)
            AND (d.defaclobjtype = 'r' AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
                OR d.defaclobjtype = 'S' AND x.privilege_type IN ('USAGE', 'UPDATE')
                OR d.defaclobjtype = 'n' AND x.privilege_type = 'CREATE')
         GROUP BY d.defaclrole, n.nspname, d.defaclobjtype, a.name",
    ),
];
