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

-- Every kind of node that a definition can hold.
CREATE TABLE app.parent (a int, b text);
CREATE TABLE app.child (c int) INHERITS (app.parent);
CREATE DOMAIN app.far_place AS app.place CHECK ((VALUE).x > 0);
CREATE TABLE app.t (id int, j jsonb, a int[], n text);
CREATE VIEW app.nodes_4 AS
  SELECT id, count(*) OVER w, first_value(n) OVER (PARTITION BY id ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM app.t WINDOW w AS (ORDER BY id GROUPS 2 PRECEDING);
CREATE VIEW app.nodes_6 AS
  SELECT (t).id, t.a[1:2] b1, t.*::text AS w, ROW(1,2) = ROW(id, 3) AS r, ROW(1,2) < ROW(id,3) AS r2, xmlforest(n AS q) b2, xmlserialize(content xml '<a/>' AS text) b3, xmlparse(document '<a/>') b4, xml '<a/>' IS DOCUMENT AS d, current_user, current_timestamp(2) b5, localtime b6, session_user, current_catalog, id IS NOT DISTINCT FROM 3 AS z, NOT (id > 2) AS nn, id IN (1,2) AS i, id = ALL(a) AS al, (SELECT max(id) FROM app.t) AS sub, ARRAY(SELECT 1) AS arr, (3,4) = (SELECT 1,2) as rc, n SIMILAR TO 'a%' b7, n LIKE 'b' ESCAPE '!' b8, overlay(n PLACING 'a' FROM 1) b9, (id::text)::varchar(3) b10, CASE id WHEN 1 THEN 2 END b11, generate_series(1, id) b12, format('%s', VARIADIC a) b13, make_interval(days => id) b14, id::numeric(3,1) b15, a::text[] b16, '{1}'::text[]::int[] b17, xmlpi(name php), xmlroot(xml '<a/>', version '1.0') b18, xmlconcat('<a/>', '<b/>') b19, greatest(id, 1) b20, (id > 1) IS UNKNOWN b21 FROM (SELECT id, a, n FROM app.t) t;
CREATE VIEW app.nodes_7 AS
  SELECT 1 AS one FROM ROWS FROM (generate_series(1,2), json_to_record('{}') AS (a int)) WITH ORDINALITY, LATERAL (VALUES (1, 'x')) v, app.t TABLESAMPLE system (1);
CREATE VIEW app.nodes_8 AS
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id), rank(3) WITHIN GROUP (ORDER BY id) r, count(DISTINCT n) FILTER (WHERE id > 1) c, grouping(n), n COLLATE "C" FROM app.t GROUP BY ROLLUP (n) HAVING count(*) > 1 ORDER BY 1 LIMIT 3 OFFSET 1;
CREATE VIEW app.nodes_9 AS
  SELECT id FROM app.t UNION SELECT 1 EXCEPT (SELECT 2 INTERSECT ALL SELECT 3) ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES;
CREATE VIEW app.nodes_10 AS
  SELECT a.id FROM app.t a JOIN app.t b USING (id) LEFT JOIN app.t c ON c.id = a.id FULL JOIN (app.t d CROSS JOIN app.t e) ON d.id = e.id;
CREATE VIEW app.nodes_11 AS
  SELECT (ROW(c.*)::app.child::app.parent).a, (ROW(1, 2)::app.place).x, ROW(1, 2)::app.place::app.far_place FROM app.child c;
DO $do$ BEGIN
  IF current_setting('server_version_num')::int >= 170000 THEN
    EXECUTE $q$ CREATE VIEW app.nodes_json_1 AS SELECT jt.* FROM app.t, JSON_TABLE(j, '$[*]' PASSING 1 AS z COLUMNS (o FOR ORDINALITY, a int PATH '$.a' DEFAULT 3 ON EMPTY ERROR ON ERROR, b text FORMAT JSON PATH '$', c boolean EXISTS PATH '$.c', NESTED PATH '$.k[*]' COLUMNS (d text PATH '$.d'))) jt $q$;
    EXECUTE $q$ CREATE VIEW app.nodes_json_2 AS SELECT JSON_VALUE(j, '$.a' RETURNING int DEFAULT 1 ON EMPTY), JSON_QUERY(j, '$.a' WITH WRAPPER KEEP QUOTES), JSON_EXISTS(j, '$.x') FROM app.t $q$;
    EXECUTE $q$ CREATE VIEW app.nodes_json_3 AS SELECT JSON('{}') AS c, JSON_SCALAR(1) AS s, JSON_SERIALIZE('{}') AS se FROM app.t $q$;
  ELSE
    CREATE VIEW app.nodes_json_1 AS SELECT 1; CREATE VIEW app.nodes_json_2 AS SELECT 1; CREATE VIEW app.nodes_json_3 AS SELECT 1;
  END IF;
  IF current_setting('server_version_num')::int >= 160000 THEN
    EXECUTE $q$ CREATE VIEW app.nodes_json_4 AS SELECT JSON_OBJECT('a': 1) a, JSON_ARRAY(1, 2 NULL ON NULL RETURNING jsonb) b, JSON_ARRAYAGG(id ORDER BY id) c, JSON_OBJECTAGG(n: id) d FROM app.t $q$;
    EXECUTE $q$ CREATE VIEW app.nodes_json_5 AS SELECT n IS JSON OBJECT AS isj FROM app.t $q$;
  ELSE
    CREATE VIEW app.nodes_json_4 AS SELECT 1; CREATE VIEW app.nodes_json_5 AS SELECT 1;
  END IF;
  IF current_setting('server_version_num')::int >= 140000 THEN
    EXECUTE $q$ CREATE VIEW app.nodes_cycle AS WITH RECURSIVE r(id, p) AS (SELECT id, n FROM app.t UNION ALL SELECT r.id + 1, p FROM r) SEARCH DEPTH FIRST BY id SET ord CYCLE id SET c TO true DEFAULT false USING path SELECT id, p FROM r $q$;
  ELSE
    CREATE VIEW app.nodes_cycle AS SELECT 1;
  END IF;
END $do$;

-- An index whose comparison bites.
CREATE FUNCTION trap.compare(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('compare')::int $$;
CREATE OPERATOR CLASS trap.int_ops FOR TYPE int USING btree AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 trap.compare(int, int);
CREATE TABLE app.compared (id int);
CREATE INDEX ON app.compared (id trap.int_ops);
CREATE TABLE app.by_email (email citext PRIMARY KEY);
CREATE DOMAIN public.trapped_here AS text CHECK (trap.bite(VALUE));
