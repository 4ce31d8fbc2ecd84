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
