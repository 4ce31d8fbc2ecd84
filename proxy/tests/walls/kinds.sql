-- On top of walls/fixture.sql, loaded by a superuser: code that runs for kinds of values rather than for names.
CREATE TYPE app.beast AS (n int);
CREATE FUNCTION trap.beast_cmp(app.beast, app.beast) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('beast cmp')::int - 1 $$;
CREATE FUNCTION trap.beast_is(app.beast, app.beast) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('beast op') $$;
CREATE FUNCTION trap.beast_hash(app.beast) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('beast hash')::int $$;
CREATE OPERATOR app.<< (LEFTARG = app.beast, RIGHTARG = app.beast, FUNCTION = trap.beast_is);
CREATE OPERATOR app.<<= (LEFTARG = app.beast, RIGHTARG = app.beast, FUNCTION = trap.beast_is);
CREATE OPERATOR app.== (LEFTARG = app.beast, RIGHTARG = app.beast, FUNCTION = trap.beast_is, HASHES, MERGES);
CREATE OPERATOR app.>>= (LEFTARG = app.beast, RIGHTARG = app.beast, FUNCTION = trap.beast_is);
CREATE OPERATOR app.>> (LEFTARG = app.beast, RIGHTARG = app.beast, FUNCTION = trap.beast_is);
CREATE OPERATOR CLASS app.beast_btree DEFAULT FOR TYPE app.beast USING btree AS
    OPERATOR 1 app.<<, OPERATOR 2 app.<<=, OPERATOR 3 app.==, OPERATOR 4 app.>>=, OPERATOR 5 app.>>, FUNCTION 1 trap.beast_cmp(app.beast, app.beast);
CREATE OPERATOR CLASS app.beast_hash DEFAULT FOR TYPE app.beast USING hash AS
    OPERATOR 1 app.==, FUNCTION 1 trap.beast_hash(app.beast);
CREATE TABLE app.zoo (id int, b app.beast, many app.beast[]);
INSERT INTO app.zoo VALUES (1, ROW(1), ARRAY[ROW(1), ROW(2)]::app.beast[]), (2, ROW(2), ARRAY[ROW(2), ROW(1)]::app.beast[]);
DELETE FROM public.bites;
CREATE TYPE app.verdict AS ENUM ('y');
CREATE FUNCTION trap.verdict_bool(app.verdict) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('to bool') $$;
CREATE CAST (app.verdict AS boolean) WITH FUNCTION trap.verdict_bool(app.verdict) AS IMPLICIT;
CREATE TYPE app.word AS ENUM ('w');
CREATE FUNCTION trap.word_text(app.word) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('to text')::text $$;
CREATE CAST (app.word AS text) WITH FUNCTION trap.word_text(app.word) AS IMPLICIT;
CREATE TYPE app.amount AS ENUM ('a');
CREATE FUNCTION trap.amount_int8(app.amount) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('to int8')::int::int8 $$;
CREATE CAST (app.amount AS int8) WITH FUNCTION trap.amount_int8(app.amount) AS IMPLICIT;
CREATE TABLE app.kinds (id int, v app.verdict, w app.word, a app.amount);
INSERT INTO app.kinds VALUES (1, 'y', 'w', 'a'), (2, 'y', 'w', 'a');
CREATE TYPE app.opc_range AS RANGE (SUBTYPE = int, SUBTYPE_OPCLASS = trap.int_ops);
CREATE FUNCTION trap.final(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('final')::int $$;
CREATE AGGREGATE public.final_sum(int) (SFUNC = int4pl, STYPE = int, FINALFUNC = trap.final, INITCOND = '0');
CREATE AGGREGATE public.moving_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0',
    MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MFINALFUNC = trap.final, MINITCOND = '0');
CREATE FUNCTION trap.final_of_two(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('final')::int $$;
CREATE AGGREGATE public.ordered(int ORDER BY int) (SFUNC = int4larger, STYPE = int, FINALFUNC = trap.final_of_two);
CREATE FUNCTION trap.text_final(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('text final')::text $$;
CREATE AGGREGATE public.sum(text) (SFUNC = textcat, STYPE = text, FINALFUNC = trap.text_final);
CREATE VIEW app.v_instead AS SELECT id FROM app.customer;
CREATE RULE swap AS ON UPDATE TO app.v_instead DO INSTEAD SELECT trap.bite('instead');
CREATE VIEW app.v_beasts AS SELECT b FROM app.zoo ORDER BY b;
CREATE VIEW app.v_distinct AS SELECT DISTINCT b FROM app.zoo;
CREATE VIEW app.v_verdict AS SELECT id FROM app.kinds WHERE v;
CREATE TABLE app.row_shape (id int, z app.zoo);
CREATE FUNCTION public.count(app.zoo) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('count')::int $$;
CREATE FUNCTION public.format(text, VARIADIC int[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('format')::text $$;
CREATE FUNCTION public.generate_series(app.amount, int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('series')::int $$;
CREATE FUNCTION public.name(app.kinds) RETURNS text LANGUAGE sql STABLE AS $$ SELECT trap.bite('name')::text $$;
-- Comparisons inside of stored definitions: no function and no operator of theirs is the user's, what they compare is.
CREATE VIEW app.v_b AS SELECT b FROM app.zoo;
CREATE VIEW app.v_many AS SELECT id, many FROM app.zoo ORDER BY many;
CREATE VIEW app.v_many_distinct AS SELECT DISTINCT many FROM app.zoo;
CREATE VIEW app.v_many_row AS SELECT id FROM app.zoo z WHERE id < 3 ORDER BY ROW(many, id);
CREATE VIEW app.v_greatest AS SELECT greatest(many, many) AS g FROM app.zoo;
CREATE VIEW app.v_least AS SELECT least(b, b) AS l FROM app.zoo;
CREATE VIEW app.v_many_eq AS SELECT many = many AS eq FROM app.zoo;
CREATE VIEW app.v_many_union AS SELECT many FROM app.zoo UNION SELECT many FROM app.zoo;
CREATE VIEW app.v_many_max AS SELECT max(many) FROM app.zoo;
CREATE VIEW app.v_many_position AS SELECT array_position(many, b) FROM app.zoo;
CREATE VIEW app.v_many_window AS SELECT count(*) OVER (PARTITION BY many) FROM app.zoo;
CREATE VIEW app.v_many_case AS SELECT CASE z WHEN z THEN 1 END FROM app.zoo z;
CREATE VIEW app.v_many_agg AS SELECT array_agg(DISTINCT many) FROM app.zoo;
CREATE VIEW app.v_many_in AS SELECT id FROM app.zoo WHERE (id, many) IN (SELECT id, many FROM app.zoo);
CREATE VIEW app.v_many_walk AS WITH RECURSIVE r(id, many) AS (SELECT id, many FROM app.zoo UNION SELECT id, many FROM r) SELECT * FROM r;
CREATE VIEW app.v_over_many AS SELECT count(*) FROM app.v_many_distinct;
CREATE VIEW app.v_sub_row AS SELECT count(*) FROM (SELECT id, b FROM app.zoo) s GROUP BY s;
CREATE VIEW app.v_calm AS SELECT id, b, many FROM app.zoo WHERE id > 0 ORDER BY id;
CREATE DOMAIN app.herd AS app.beast[] CHECK (VALUE <> '{}');
CREATE TABLE app.fenced (id int, many app.beast[]);
INSERT INTO app.fenced SELECT id, many FROM app.zoo;
ALTER TABLE app.fenced ENABLE ROW LEVEL SECURITY;
CREATE POLICY fence ON app.fenced USING (many = many);
-- Indexes whose comparison is the user's.
CREATE TABLE app.perch (id int, b app.beast);
INSERT INTO app.perch SELECT n, ROW(n)::app.beast FROM generate_series(1, 3) n;
CREATE INDEX ON app.perch (b, id);
CREATE TABLE app.counted (id int, tally int, mark int);
INSERT INTO app.counted SELECT n, n, n FROM generate_series(1, 3) n;
CREATE INDEX ON app.counted (tally trap.int_ops, mark);
CREATE VIEW app.v_counted AS SELECT id FROM app.counted WHERE tally = 1;
CREATE VIEW app.v_tally AS SELECT tally FROM app.counted;
CREATE TABLE app.counted_child () INHERITS (app.counted);
CREATE INDEX ON app.counted_child USING hash (mark) WHERE tally > 0;
CREATE TABLE app.parted (id int, tally int) PARTITION BY LIST (tally trap.int_ops);


-- What stands beside an operator: negators and commutators that the planner puts in its place, families that sort, hash
-- and merge by it, although its own function is PostgreSQL's.
CREATE FUNCTION trap.twin(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('twin') $$;
CREATE OPERATOR public.=?= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, NEGATOR = OPERATOR(public.<?>));
CREATE OPERATOR public.<?> (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin, NEGATOR = OPERATOR(public.=?=));
CREATE FUNCTION trap.twin_jsonb(jsonb, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('twin of ?') $$;
CREATE OPERATOR public.!? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = trap.twin_jsonb, NEGATOR = OPERATOR(pg_catalog.?));
CREATE OPERATOR public.<%< (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt, COMMUTATOR = OPERATOR(public.>%>));
CREATE OPERATOR public.>%> (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin, COMMUTATOR = OPERATOR(public.<%<));
CREATE OPERATOR public.<%<= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4le);
CREATE OPERATOR public.=%= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = OPERATOR(public.=%=), MERGES);
CREATE OPERATOR public.>%>= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4ge);
CREATE OPERATOR public.>%>> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4gt);
CREATE OPERATOR CLASS trap.merging FOR TYPE int USING btree AS OPERATOR 1 public.<%<, OPERATOR 2 public.<%<=,
    OPERATOR 3 public.=%=, OPERATOR 4 public.>%>=, OPERATOR 5 public.>%>>, FUNCTION 1 trap.compare(int, int);
CREATE FUNCTION trap.hash(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('hash')::int $$;
CREATE OPERATOR public.==> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = OPERATOR(public.==>), HASHES);
CREATE OPERATOR CLASS trap.hashing FOR TYPE int USING hash AS OPERATOR 1 public.==>, FUNCTION 1 trap.hash(int);
CREATE TYPE app.step AS ENUM ('one');
CREATE FUNCTION trap.in_range(int, int, app.step, bool, bool) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('in_range') $$;
ALTER OPERATOR FAMILY integer_ops USING btree ADD FUNCTION 3 (int4, app.step) trap.in_range(int, int, app.step, bool, bool);
CREATE FUNCTION trap.in_range(int, int, numeric, bool, bool) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('in_range') $$;
ALTER OPERATOR FAMILY integer_ops USING btree ADD FUNCTION 3 (int4, numeric) trap.in_range(int, int, numeric, bool, bool);
CREATE TABLE app.numbers (a int, b int, j jsonb);
INSERT INTO app.numbers SELECT n, n, jsonb_build_object('n', n) FROM generate_series(1, 300) n;
CREATE VIEW app.v_negated AS SELECT a FROM app.numbers WHERE NOT (a OPERATOR(public.=?=) 3);

-- Operator classes of the user's own under partitions and indexes, by their operators and from afar.
CREATE FUNCTION trap.hash_extended(int, int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('hash extended')::int::int8 $$;
CREATE OPERATOR CLASS trap.hash_parts FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 2 trap.hash_extended(int, int8);
CREATE TABLE app.hashed (a int) PARTITION BY HASH (a trap.hash_parts);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE OPERATOR trap.< (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin);
CREATE OPERATOR trap.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin);
CREATE OPERATOR trap.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin);
CREATE OPERATOR trap.>= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin);
CREATE OPERATOR trap.> (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.twin);
CREATE OPERATOR CLASS trap.by_operators FOR TYPE int USING btree AS OPERATOR 1 trap.<, OPERATOR 2 trap.<=,
    OPERATOR 3 trap.=, OPERATOR 4 trap.>=, OPERATOR 5 trap.>, FUNCTION 1 btint4cmp(int, int);
CREATE TABLE app.ranged (a int, b int) PARTITION BY RANGE (a trap.by_operators, b trap.by_operators);
CREATE TABLE app.ranged_1 PARTITION OF app.ranged FOR VALUES FROM (1, 1) TO (2, 10);
CREATE OPERATOR CLASS trap.by_blocks FOR TYPE int USING brin AS OPERATOR 1 trap.<, OPERATOR 2 trap.<=, OPERATOR 3 =,
    OPERATOR 4 trap.>=, OPERATOR 5 trap.>, FUNCTION 1 brin_minmax_opcinfo(internal),
    FUNCTION 2 brin_minmax_add_value(internal, internal, internal, internal),
    FUNCTION 3 brin_minmax_consistent(internal, internal, internal), FUNCTION 4 brin_minmax_union(internal, internal, internal);
CREATE TABLE app.blocks (a int);
INSERT INTO app.blocks SELECT generate_series(1, 3000);
CREATE INDEX ON app.blocks USING brin (a trap.by_blocks);

-- Aggregates of PostgreSQL's own parts over a domain, a range with a canonical function.
CREATE AGGREGATE public.largest(app.trapped_int) (SFUNC = int4larger, STYPE = int);
CREATE AGGREGATE public.listed(app.trapped_int) (SFUNC = array_append, STYPE = app.trapped_int[], INITCOND = '{1}');
CREATE TYPE app.canonical;
CREATE FUNCTION trap.canonical(app.canonical) RETURNS app.canonical LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE app.canonical AS RANGE (SUBTYPE = int8, CANONICAL = trap.canonical);
CREATE TABLE app.canonicals (r app.canonical);
INSERT INTO app.canonicals VALUES ('empty');
CREATE OR REPLACE FUNCTION trap.canonical(app.canonical) RETURNS app.canonical LANGUAGE plpgsql IMMUTABLE STRICT AS
  $$ BEGIN PERFORM trap.bite('canonical'); RETURN $1; END $$;

-- Bodies that look names up when they run.
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance;
CREATE FUNCTION shadow.earth() RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('earth')::int::float8 $$;
CREATE FUNCTION public.same_class(oid, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('oid = int') $$;
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = int, FUNCTION = public.same_class);

-- Predicates that planning proves with; JSON out of what has a cast to it, without a function's name.
CREATE FUNCTION trap.not_less(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT trap.bite('predicate') IS NOT NULL $$;
CREATE OPERATOR trap.>=? (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.not_less);
CREATE OPERATOR CLASS trap.proving FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
    OPERATOR 4 trap.>=?, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE TABLE app.proved (a int, b int);
INSERT INTO app.proved SELECT n, n FROM generate_series(1, 3000) n;
CREATE INDEX ON app.proved (b) WHERE a OPERATOR(trap.>=?) 5;
CREATE TABLE app.checked (a int CHECK (a OPERATOR(trap.>=?) 5));
CREATE VIEW app.v_painted AS SELECT id FROM app.paint;
DO $do$ BEGIN
  IF current_setting('server_version_num')::int >= 160000 THEN
    EXECUTE $q$ CREATE OR REPLACE VIEW app.v_painted AS SELECT id, JSON_ARRAY(colour) AS j FROM app.paint $q$;
  END IF;
END $do$;
CREATE TABLE app.alone (b app.beast);
INSERT INTO app.alone VALUES (ROW(1)), (ROW(2));
