-- A customer's database with every trap that a name can hide, and honest tables beside them.
CREATE SCHEMA app;
CREATE SCHEMA trap;
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION ltree;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION tablefunc;
CREATE EXTENSION dblink;
CREATE EXTENSION file_fdw;
CREATE EXTENSION pg_stat_statements;

CREATE TABLE public.victim (id int PRIMARY KEY, note text);

-- What every trap does: it writes, whatever it declares.
CREATE FUNCTION trap.bite(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM set_config('trap.bite', what, false); INSERT INTO public.victim VALUES (1, what); RETURN true; END $$;

-- Honest tables.
CREATE TABLE app.customer (id int PRIMARY KEY, name text NOT NULL, email citext, tags text[], attributes jsonb,
  born date, balance numeric(12, 2), created_at timestamptz DEFAULT now());
CREATE TABLE app.orders (id bigint, customer_id int REFERENCES app.customer, total numeric, placed timestamptz)
  PARTITION BY RANGE (placed);
CREATE TABLE app.orders_2025 PARTITION OF app.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.orders_rest PARTITION OF app.orders DEFAULT;
CREATE SEQUENCE app.order_number;
CREATE VIEW app.customer_names AS SELECT id, upper(name) AS name, count(*) OVER () AS of_all FROM app.customer;
CREATE VIEW app.nested_honest AS
  SELECT n.name, sum(o.total) AS total FROM app.customer_names n JOIN app.orders o ON o.customer_id = n.id GROUP BY n.name;
CREATE MATERIALIZED VIEW app.totals AS SELECT customer_id, sum(total) AS total FROM app.orders GROUP BY 1;
CREATE TYPE app.mood AS ENUM ('happy', 'sad');
CREATE TABLE app.diary (id int, mood app.mood, moods app.mood[]);
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TABLE app.measured (id int, amount app.positive);
CREATE TYPE app.place AS (x float8, y float8);
CREATE TABLE app.shop (id int, at app.place);

-- Functions of the user's own.
CREATE FUNCTION app.customer_tier(integer) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'gold'::text $$;
CREATE FUNCTION app.full_label(app.customer) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT 'x'::text FROM (SELECT trap.bite('label')) b $$;
CREATE FUNCTION public.full_label(app.customer) RETURNS text LANGUAGE sql STABLE AS $$ SELECT app.full_label($1) $$;
CREATE FUNCTION public.summary(anyelement) RETURNS text LANGUAGE sql STABLE AS $$ SELECT trap.bite('any')::text $$;
CREATE FUNCTION public.lies() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('lies')::int $$;
CREATE FUNCTION public.definer() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT trap.bite('definer')::int $$;
CREATE FUNCTION public.rows_of() RETURNS SETOF app.customer LANGUAGE sql AS
  $$ SELECT c.* FROM app.customer c WHERE trap.bite('rows') $$;
CREATE FUNCTION public.variadic_one(VARIADIC int[]) RETURNS int LANGUAGE sql AS $$ SELECT trap.bite('variadic')::int $$;
CREATE FUNCTION public.defaulted(a int, b int DEFAULT trap.bite('default')::int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE PROCEDURE public.proceed() LANGUAGE sql AS $$ SELECT trap.bite('procedure') $$;
CREATE AGGREGATE public.honest_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION trap.step(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('step')::int $$;
CREATE AGGREGATE public.trapped_sum(int) (SFUNC = trap.step, STYPE = int, INITCOND = '0');

-- Shadowing: better matches than PostgreSQL's own.
CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('lower')::text $$;
CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('hidden')::text $$;
CREATE FUNCTION public.length(app.mood) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('length')::int $$;

-- Operators.
CREATE FUNCTION trap.same(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('===') $$;
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.same);
CREATE FUNCTION trap.plus(text, int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('+')::text $$;
CREATE OPERATOR trap.+ (LEFTARG = text, RIGHTARG = int, FUNCTION = trap.plus);
CREATE FUNCTION trap.minus(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('prefix')::int $$;
CREATE OPERATOR public.@!@ (RIGHTARG = int, FUNCTION = trap.minus);
CREATE OPERATOR public.~== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
-- On an own type: only where the type is in play.
CREATE FUNCTION trap.mood_eq(app.mood, app.mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('mood =') $$;
CREATE OPERATOR public.= (LEFTARG = app.mood, RIGHTARG = app.mood, FUNCTION = trap.mood_eq);
CREATE FUNCTION trap.mood_times(app.mood, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('*')::int::numeric $$;
CREATE OPERATOR public.* (LEFTARG = app.mood, RIGHTARG = numeric, FUNCTION = trap.mood_times);

-- Casts.
CREATE TYPE app.weather AS ENUM ('sun', 'rain');
CREATE TABLE app.forecast (id int, weather app.weather);
CREATE FUNCTION trap.to_weather(text) RETURNS app.weather LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM trap.bite('cast'); RETURN 'sun'; END $$;
CREATE CAST (text AS app.weather) WITH FUNCTION trap.to_weather(text);
CREATE FUNCTION trap.from_weather(app.weather) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('cast')::int $$;
CREATE CAST (app.weather AS int) WITH FUNCTION trap.from_weather(app.weather) AS IMPLICIT;
CREATE TYPE app.colour AS ENUM ('red');
CREATE TABLE app.paint (id int, colour app.colour);
CREATE FUNCTION trap.colour_json(app.colour) RETURNS json LANGUAGE sql IMMUTABLE AS $$ SELECT to_json(trap.bite('json')) $$;
CREATE CAST (app.colour AS json) WITH FUNCTION trap.colour_json(app.colour);

-- Domains.
CREATE DOMAIN app.trapped AS text CHECK (trap.bite(VALUE));
CREATE DOMAIN app.trapped_int AS int CHECK (trap.bite(VALUE::text));
CREATE DOMAIN app.over_trapped AS app.trapped CHECK (VALUE <> '');
CREATE TYPE app.holds_trapped AS (id int, t app.trapped);
CREATE TABLE app.has_trapped (id int, code app.trapped);
CREATE TABLE app.has_trapped_array (id int, codes app.trapped[]);

-- Views.
CREATE VIEW app.v_side AS SELECT id, trap.bite(name) AS hidden FROM app.customer;
CREATE VIEW app.v_over AS SELECT id FROM app.v_side;
CREATE VIEW app.v_deep AS SELECT * FROM (SELECT id FROM app.v_over WHERE id IN (SELECT id FROM app.v_over)) x;
CREATE VIEW app.v_operator AS SELECT id FROM app.customer WHERE id OPERATOR(public.===) 1;
CREATE VIEW app.v_domain AS SELECT name::app.trapped AS name FROM app.customer;
CREATE VIEW app.v_from AS SELECT f.id FROM public.rows_of() f;
CREATE VIEW app.v_agg AS SELECT public.trapped_sum(id) FROM app.customer;
CREATE VIEW app.v_window AS SELECT public.trapped_sum(id) OVER (ORDER BY id) FROM app.customer;
CREATE VIEW app.v_authid AS SELECT rolname, rolpassword FROM pg_authid;
CREATE VIEW app.v_next AS SELECT nextval('app.order_number') AS n;
CREATE VIEW app.v_settings AS SELECT set_config('trap.x', '1', false) AS s;
CREATE VIEW app.v_xml AS SELECT query_to_xml('select 1', true, true, '') AS x;
CREATE VIEW app.v_roles AS SELECT rolname FROM pg_roles;
CREATE VIEW app.v_case AS SELECT CASE WHEN id IS DISTINCT FROM 1 THEN coalesce(nullif(name, ''), greatest(name, 'a')) END AS c,
  ARRAY[id, 1] AS a, ROW(id, name)::text AS r, (ARRAY[1, 2])[id] AS e, (id, 1) < (2, 2) AS cmp, name COLLATE "C" AS col,
  id = ANY (ARRAY[1, 2]) AS any1, EXISTS (SELECT 1) AS ex, born::text AS t, xmlelement(name x, name) AS x,
  current_date AS d, id IS NULL AS n, (id > 1) IS TRUE AS b, grouping(id) AS g
  FROM app.customer GROUP BY GROUPING SETS ((id, name, born), (id));
CREATE VIEW app.v_sample AS SELECT id FROM app.customer TABLESAMPLE bernoulli (10) REPEATABLE (1);
CREATE VIEW app.v_recursive AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r;
CREATE VIEW app.v_xmltable AS SELECT x.a FROM xmltable('/r' PASSING xml '<r/>' COLUMNS a int PATH 'a') x;

-- Row security.
CREATE TABLE app.tenant_rows (id int, tenant text);
ALTER TABLE app.tenant_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY honest ON app.tenant_rows FOR SELECT USING (tenant = current_setting('app.tenant', true));
CREATE TABLE app.secured (id int);
ALTER TABLE app.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY trapped ON app.secured FOR SELECT USING (trap.bite('policy'));
CREATE TABLE app.secured_writes (id int);
ALTER TABLE app.secured_writes ENABLE ROW LEVEL SECURITY;
CREATE POLICY writes ON app.secured_writes FOR INSERT WITH CHECK (trap.bite('policy'));
CREATE POLICY reads ON app.secured_writes FOR SELECT USING (true);

-- Foreign tables.
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE app.program (line text) SERVER files OPTIONS (program 'echo run > /tmp/vitrine-trap');
CREATE VIEW app.v_program AS SELECT * FROM app.program;
CREATE TABLE app.events (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE FOREIGN TABLE app.events_new PARTITION OF app.events FOR VALUES FROM ('2020-01-01') TO ('2030-01-01')
  SERVER files OPTIONS (program 'echo 1');
CREATE TABLE app.base (line text);
CREATE FOREIGN TABLE app.base_child () INHERITS (app.base) SERVER files OPTIONS (program 'echo 1');

-- Planning folds constants that an index or a CHECK holds.
CREATE TABLE app.folded (id int, CHECK (id < public.lies()));
CREATE TABLE app.indexed (id int, name text);
CREATE FUNCTION app.normal(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
CREATE INDEX ON app.indexed (app.normal(name));
