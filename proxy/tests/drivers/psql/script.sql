\pset null '(null)'
SELECT 1 AS one, 'two' AS two, NULL AS three;
SELECT * FROM customer ORDER BY id;
\x on
SELECT * FROM kinds;
\x off
SELECT 1 \; SELECT 2 \; SELECT 3;
SELECT name FROM customer WHERE id = 1 \gset
\echo :name
SELECT 'a' AS "crosstab row", 'b' AS "column", 3 AS value \crosstabview
SELECT id FROM purchase \gdesc
SELECT format('SELECT %L', name) FROM customer ORDER BY id \gexec
-- Errors; the session goes on.
SELEC 1;
SELECT * FROM nosuch;
SELECT 1/0;
DELETE FROM customer;
INSERT INTO customer (name) VALUES ('Eve');
UPDATE customer SET name = 'Eve';
CREATE TABLE t (a int4);
DROP TABLE customer;
TRUNCATE customer;
SELECT 'still here';
-- Prepared.
PREPARE by_id (int4) AS SELECT name FROM customer WHERE id = $1;
EXECUTE by_id (1);
EXECUTE by_id (2);
EXECUTE by_id (3);
EXECUTE by_id (1);
EXECUTE by_id (2);
EXECUTE by_id (3);
EXECUTE by_id (1);
DEALLOCATE by_id;
EXECUTE by_id (1);
-- Transactions and savepoints.
BEGIN;
SELECT 1;
SAVEPOINT one;
SELECT 1/0;
SELECT 'not now';
ROLLBACK TO SAVEPOINT one;
SELECT 'again';
RELEASE SAVEPOINT one;
DELETE FROM customer;
SELECT 'failed';
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SHOW transaction_isolation;
SHOW transaction_read_only;
COMMIT;
START TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SHOW transaction_isolation;
ROLLBACK AND CHAIN;
SHOW transaction_isolation;
ROLLBACK;
COMMIT;
-- Cursors.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM million ORDER BY id;
FETCH 3 FROM c;
MOVE FORWARD 10 IN c;
FETCH BACKWARD 2 FROM c;
FETCH ABSOLUTE 1000000 FROM c;
CLOSE c;
FETCH c;
ROLLBACK;
DECLARE nope CURSOR FOR SELECT 1;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM customer ORDER BY id;
FETCH 2 FROM held;
CLOSE held;
-- Settings.
SHOW TimeZone;
SET TimeZone = 'Asia/Tokyo';
SELECT '2024-01-01 00:00+00'::timestamptz;
SET LOCAL TimeZone = 'UTC';
BEGIN;
SET LOCAL TimeZone = 'Europe/Berlin';
SHOW TimeZone;
ROLLBACK;
SHOW TimeZone;
RESET TimeZone;
SHOW TimeZone;
SET statement_timeout = '200ms';
SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long;
SET statement_timeout = 0;
SET search_path = public;
SELECT count(*) FROM customer;
SET search_path = sales, public;
SELECT count(*) FROM customer;
SET nosuch = 1;
SET work_mem = 'lots';
DISCARD ALL;
SELECT count(*) FROM customer;
-- COPY out.
COPY customer TO STDOUT;
COPY (SELECT * FROM purchase ORDER BY 1, 2) TO STDOUT (FORMAT csv, HEADER);
\copy (SELECT name FROM customer ORDER BY id) TO STDOUT
COPY customer (name) FROM STDIN;
-- Plans.
EXPLAIN (COSTS OFF) SELECT * FROM customer WHERE id = 1;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM customer;
EXPLAIN (COSTS OFF) DELETE FROM customer;
