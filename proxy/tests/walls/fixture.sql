-- On top of tests/policy/live/fixture.sql, loaded by the superuser `builder`: more traps, rows, and a bite that is seen
-- even from a read-only session of a role that may do nothing, because it leaves the transaction.
CREATE EXTENSION lo;
CREATE EXTENSION pageinspect;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION xml2;
CREATE EXTENSION pg_prewarm;
-- Gone in 17.
DO $$ BEGIN IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'adminpack') THEN CREATE EXTENSION adminpack; END IF; END $$;

INSERT INTO app.customer VALUES (1, 'Ada', 'ada@example.org', '{a}', '{"a": 1}', '1815-12-10', 10), (2, 'Bob', NULL, '{}', '{}', NULL, 0);
INSERT INTO app.orders VALUES (1, 1, 10, '2025-02-01'), (2, 2, 20, '2026-02-01');
INSERT INTO app.diary VALUES (1, 'happy', '{sad}');
INSERT INTO app.forecast VALUES (1, 'sun');
INSERT INTO app.paint VALUES (1, 'red');
INSERT INTO app.shop VALUES (1, (1, 2));
INSERT INTO app.secured VALUES (1);
INSERT INTO app.t VALUES (1, '{"a": 1}', '{1}', 'n');
REFRESH MATERIALIZED VIEW app.totals;

-- Exact matches, for a search_path that has this schema before pg_catalog.
CREATE SCHEMA shadow;
CREATE FUNCTION shadow.abs(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('abs')::int $$;
CREATE FUNCTION shadow.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT CASE WHEN trap.bite('now') THEN clock_timestamp() END $$;
CREATE FUNCTION shadow.eq(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('=') $$;
CREATE OPERATOR shadow.= (LEFTARG = int, RIGHTARG = int, FUNCTION = shadow.eq);
CREATE FUNCTION shadow.plus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('+')::int $$;
CREATE OPERATOR shadow.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = shadow.plus);
CREATE DOMAIN shadow.int4 AS pg_catalog.int4 CHECK (trap.bite('int4'));
CREATE DOMAIN shadow.trapped AS text CHECK (trap.bite('shadow domain'));
CREATE VIEW shadow.pg_class AS SELECT trap.bite('pg_class') AS relname;
CREATE VIEW shadow.customer AS SELECT trap.bite('customer') AS id;
CREATE AGGREGATE shadow.sum(int) (SFUNC = trap.step, STYPE = int, INITCOND = '0');

-- The user's own among PostgreSQL's.
CREATE FUNCTION pg_catalog.vitrine_evil() RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('pg_catalog') $$;
CREATE FUNCTION pg_catalog.sign(text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('pg_catalog sign')::int $$;

-- Ranges, generated columns, indexes, rules, triggers, views of every kind.
CREATE FUNCTION trap.difference(int, int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('subtype_diff')::int::float8 $$;
CREATE TYPE app.evil_range AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = trap.difference);
CREATE TABLE app.generated (id int, g text GENERATED ALWAYS AS (app.normal('x')) STORED);
CREATE TABLE app.ruled (id int);
CREATE RULE bites AS ON INSERT TO app.ruled DO ALSO SELECT trap.bite('rule');
CREATE FUNCTION trap.trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.bite('trigger'); RETURN NEW; END $$;
CREATE TRIGGER bites AFTER INSERT ON app.ruled FOR EACH STATEMENT EXECUTE FUNCTION trap.trigger();
CREATE FUNCTION trap.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.bite('event trigger'); END $$;
CREATE VIEW app.v_lock AS SELECT pg_advisory_lock(4711)::text AS l;
CREATE VIEW app.v_sleep AS SELECT pg_sleep(0)::text AS l;
CREATE VIEW app.v_notify AS SELECT pg_notify('walls', 'x')::text AS l;
CREATE VIEW app.v_file AS SELECT pg_read_file('postgresql.conf') AS text;
CREATE VIEW app.v_definer AS SELECT public.definer();
CREATE VIEW app.v_barrier WITH (security_barrier) AS SELECT id FROM app.customer WHERE trap.bite('barrier');
CREATE VIEW app.v_order AS SELECT id FROM app.customer ORDER BY trap.bite(name);
CREATE VIEW app.v_limit AS SELECT id FROM app.customer LIMIT (SELECT trap.bite('limit')::int);
CREATE VIEW app.v_lateral AS SELECT c.id FROM app.customer c, LATERAL (SELECT trap.bite(c.name)) x;
CREATE VIEW app.v_cte AS WITH x AS MATERIALIZED (SELECT trap.bite('cte')) SELECT * FROM x;
CREATE VIEW app.v_locks_rows AS SELECT * FROM app.customer FOR UPDATE;
CREATE VIEW app.v_dblink AS SELECT * FROM dblink('dbname=nosuch', 'SELECT 1') AS t(a int);
CREATE MATERIALIZED VIEW app.honest_copy AS SELECT id FROM app.customer;
CREATE FUNCTION public.note(app.orders) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT trap.bite('attribute') $$;
CREATE FUNCTION public.id(app.shop) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT trap.bite('hidden by the column') $$;
CREATE FUNCTION public.to_json(app.mood) RETURNS json LANGUAGE sql IMMUTABLE AS $$ SELECT to_json(trap.bite('to_json')) $$;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'walls');
CREATE USER MAPPING FOR PUBLIC SERVER loopback OPTIONS (user 'nosuch');
CREATE FOREIGN TABLE app.remote (id int) SERVER loopback OPTIONS (table_name 'customer');
CREATE FOREIGN TABLE app.file (line text) SERVER files OPTIONS (filename '/etc/hostname');
SELECT lo_create(7368);
CREATE TABLE public.bites (what text);
CREATE TABLE public.secret (a int, b text);
INSERT INTO public.secret VALUES (1, 'x');
CREATE TABLE public.x (a int, b int);
INSERT INTO public.x VALUES (1, 2);
CREATE TABLE public.t (a int, b int);
INSERT INTO public.t VALUES (1, 2);
CREATE SEQUENCE public.s;
