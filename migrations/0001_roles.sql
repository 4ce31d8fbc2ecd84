-- The roles of the insight store. Roles belong to the server, not to one database, and are not in a backup: a restore
-- runs this file first. It may run any number of times.
--
--   vitrine_app     what the HTTP API runs as: reads and writes the records of the tenant that is set
--   vitrine_sql     what SQL users run as: the same, less what only the API may do (kinds, keys, holds)
--   vitrine_keeper  owns the functions that must see more than one tenant (search, feed, retention, keys); nothing
--                   logs in or serves as it
--
-- None may log in, none is a superuser, none passes row-level security by. The owner of the tables is a member of all
-- three: of vitrine_keeper so that a backup by an owner who is no superuser holds every tenant's rows.
DO $roles$
DECLARE
    wanted text;
    there record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vitrine_app', 'vitrine_sql', 'vitrine_keeper'] LOOP
        SELECT rolsuper, rolbypassrls, rolcanlogin INTO there FROM pg_catalog.pg_roles WHERE rolname = wanted;
        IF NOT FOUND THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role "%" is missing and cannot be made by "%"', wanted, current_user
                        USING ERRCODE = 'insufficient_privilege',
                              HINT = format('Let an administrator run: CREATE ROLE %I NOLOGIN; GRANT %I TO %I;', wanted, wanted, current_user);
                -- Another database of this server migrates at the same moment.
                WHEN duplicate_object OR unique_violation THEN
                    NULL;
            END;
        ELSIF there.rolsuper OR there.rolbypassrls OR there.rolcanlogin THEN
            RAISE EXCEPTION 'role "%" exists and is not what it must be', wanted
                USING DETAIL = 'It is a superuser, passes row-level security by, or may log in.',
                      HINT = format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOLOGIN;', wanted);
        END IF;
        BEGIN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            IF NOT pg_has_role(current_user, wanted, 'USAGE') THEN
                RAISE EXCEPTION '"%" is not a member of role "%" and cannot make itself one', current_user, wanted
                    USING ERRCODE = 'insufficient_privilege',
                          HINT = format('Let an administrator run: GRANT %I TO %I;', wanted, current_user);
            END IF;
        END;
    END LOOP;
END
$roles$;
