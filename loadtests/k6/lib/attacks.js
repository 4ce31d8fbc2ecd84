// Attempts to write, to get out, or to see what is somebody else's, during the load. Each aims at what is there: one that
// got through would be seen in the customer's tables afterwards. Every one goes out in another disguise each time, so
// that no remembered verdict answers it.

// Steps of one session, of which one must be refused, through the gateway's customer database.
export const CUSTOMER = [
  ["DELETE FROM sales.orders WHERE id = 17"],
  ["UPDATE sales.products SET price = 0 WHERE id < 10"],
  ["INSERT INTO sales.regions VALUES ('XX', 'Nowhere', 'XXX', 0)"],
  ["INSERT INTO support.satisfaction SELECT id, 1, 'bad' FROM support.tickets WHERE closed_at IS NULL LIMIT 1"],
  ["MERGE INTO sales.regions AS r USING (VALUES ('DE')) AS v(code) ON r.code = v.code WHEN MATCHED THEN UPDATE SET name = 'taken'"],
  ["TRUNCATE support.satisfaction"],
  ["DROP TABLE support.satisfaction"],
  ["ALTER TABLE sales.orders ADD COLUMN owned boolean"],
  ["CREATE TABLE sales.copied AS SELECT * FROM sales.customers LIMIT 1"],
  ["CREATE TEMPORARY TABLE kept AS SELECT 1 AS one"],
  ["SELECT * INTO sales.copied FROM sales.regions"],
  ["CREATE VIEW sales.trap AS SELECT 1 AS one"],
  ["CREATE FUNCTION sales.trap() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
  ["WITH gone AS (DELETE FROM sales.payments WHERE id = 3 RETURNING *) SELECT count(*) FROM gone"],
  ["WITH made AS (INSERT INTO sales.regions VALUES ('YY', 'Y', 'YYY', 0) RETURNING code) SELECT code FROM made"],
  ["SELECT 1; UPDATE sales.customers SET tags = '{}' WHERE id = 1"],
  ["SELECT 1 END; DROP TABLE analytics.exchange_rates"],
  ["COMMIT; BEGIN READ WRITE; UPDATE sales.products SET price = 0 WHERE id = 4; COMMIT"],
  ["BEGIN READ WRITE"],
  ["BEGIN", "SET TRANSACTION READ WRITE", "DELETE FROM sales.orders WHERE id = 21"],
  ["SET default_transaction_read_only = off", "DELETE FROM sales.orders WHERE id = 22"],
  ["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "DELETE FROM sales.orders WHERE id = 23"],
  ["SELECT set_config('default_transaction_read_only', 'off', false)"],
  ["SELECT U&\"set_con\\0066ig\"('transaction_read_only', 'off', true)"],
  ["SELECT * FROM sales.regions, LATERAL set_config('transaction_read_only', 'off', true) AS x"],
  ["SELECT count(*) FROM sales.regions ORDER BY (SELECT set_config('work_mem', '1MB', false))"],
  ["EXPLAIN (ANALYZE) DELETE FROM sales.contracts WHERE id = 5"],
  ["EXPLAIN (ANALYZE) EXECUTE nothing"],
  ["PREPARE p AS UPDATE support.tickets SET closed_at = now() WHERE id = 9", "EXECUTE p"],
  ["DO $$ BEGIN UPDATE sales.customers SET tags = '{}' WHERE id = 2; END $$"],
  ["SELECT sales.place_order(1, 1, 1)"],
  ["SELECT * FROM sales.place_order(2, 2, 2)"],
  ["SELECT (SELECT sales.place_order(3, 3, 3)) FROM sales.regions"],
  ["SELECT sales.forget_customer(4)"],
  ["CALL sales.place_order(1, 1, 1)"],
  ["SELECT nextval('sales.orders_id_seq')"],
  ["SELECT setval('sales.orders_id_seq', 1)"],
  ["SELECT * FROM sales.orders WHERE id = 1 FOR UPDATE"],
  ["SELECT count(*) FROM (SELECT 1 FROM sales.orders WHERE id = 2 FOR SHARE) AS locked"],
  ["BEGIN", "LOCK TABLE sales.orders IN ACCESS EXCLUSIVE MODE"],
  ["SELECT pg_advisory_lock(42)"],
  ["SELECT pg_sleep(30)"],
  ["SELECT query_to_xml('DELETE FROM sales.orders WHERE id = 31 RETURNING id', true, true, '')"],
  ["SELECT * FROM ts_stat('DELETE FROM sales.orders RETURNING id::text::tsvector')"],
  ["SELECT dblink_exec('dbname=shop', 'DELETE FROM sales.orders')"],
  ["SELECT lo_from_bytea(0, 'kept')"],
  ["SELECT lo_import('/etc/passwd')"],
  ["SELECT pg_read_file('/etc/passwd')"],
  ["SELECT pg_ls_dir('.')"],
  ["COPY sales.regions TO '/tmp/vitrine_attack'"],
  ["COPY (SELECT 1) TO PROGRAM 'id'"],
  ["COPY sales.regions FROM PROGRAM 'echo ZZ'"],
  ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"],
  ["SELECT pg_cancel_backend(pid) FROM pg_stat_activity"],
  ["SELECT pg_reload_conf()"],
  ["ALTER SYSTEM SET fsync = off"],
  ["ALTER ROLE vitrine_reader SET default_transaction_read_only = off"],
  ["GRANT ALL ON sales.orders TO PUBLIC"],
  ["SET ROLE postgres", "DELETE FROM sales.orders WHERE id = 41"],
  ["SET SESSION AUTHORIZATION postgres", "DELETE FROM sales.orders WHERE id = 42"],
  ["RESET ALL", "SET transaction_read_only = off"],
  ["DISCARD ALL", "INSERT INTO sales.regions VALUES ('ZZ', 'Z', 'ZZZ', 0)"],
  ["NOTIFY orders, 'look here'"],
  ["LISTEN orders"],
  ["SELECT pg_notify('orders', 'x')"],
  ["REFRESH MATERIALIZED VIEW analytics.monthly_revenue"],
  ["VACUUM sales.regions"],
  ["ANALYZE sales.regions"],
  ["REINDEX TABLE sales.regions"],
  ["COMMENT ON TABLE sales.orders IS 'taken'"],
  ["CREATE EXTENSION IF NOT EXISTS dblink"],
  ["SELECT * FROM hr.salaries"],
  ["TABLE hr.salaries"],
  ["SELECT rolpassword FROM pg_authid"],
  ["DECLARE c CURSOR WITH HOLD FOR DELETE FROM sales.orders RETURNING *"],
  ["SELECT length(repeat(repeat(repeat('x', 1000), 1000), 900))"],
  ["IMPORT FOREIGN SCHEMA public FROM SERVER elsewhere INTO sales"],
  ["UPDATE pulse.board SET value = 'taken'"],
];

// Through the SQL door of the insight store: its tables may be written, nothing else, and only the tenant's own.
export const STORE = [
  ["CREATE TABLE mine (a int)"],
  ["DROP TABLE insights"],
  ["ALTER TABLE insights DISABLE ROW LEVEL SECURITY"],
  ["TRUNCATE insights"],
  ["RESET ROLE", "DELETE FROM vitrine.api_keys"],
  ["SET ROLE postgres"],
  ["SET vitrine.tenant = 'rival'", "SELECT * FROM insights"],
  ["SELECT set_config('vitrine.tenant', 'rival', false)"],
  ["SELECT secret_sha256 FROM vitrine.api_keys"],
  ["INSERT INTO insights (tenant, kind, title, payload) VALUES ('rival', 'load', 'planted', '{}')"],
  ["UPDATE insights SET tenant = 'rival'"],
  ["COPY insights TO PROGRAM 'id'"],
  ["SELECT pg_read_file('/etc/passwd')"],
  ["DO $$ BEGIN DELETE FROM insights; END $$"],
];

// Parameters of a login that must not work.
export const LOGINS = [
  "options='-c default_transaction_read_only=off'",
  "options='-c role=postgres'",
  "default_transaction_read_only=off",
  "transaction_read_only=off",
  "role=postgres",
  "session_authorization=postgres",
  "replication=database",
  "session_preload_libraries=elsewhere",
];

const BLANKS = [" ", " ", "  ", "\n", "\t", "/**/ ", " /* read only */ ", "\r\n", " -- select\n"];

// The same statement, written otherwise: letters, blanks, comments. What stands in quotes stays.
export function disguised(sql, random) {
  let quote = "";
  let text = "";
  for (const character of sql) {
    if (quote) {
      if (character === quote) quote = "";
      text += character;
    } else if (character === "'" || character === '"' || character === "$") {
      quote = character === "$" ? "" : character;
      text += character;
    } else if (character === " ") {
      text += random.one(BLANKS);
    } else {
      text += random.chance(0.5) ? character.toLowerCase() : character.toUpperCase();
    }
  }
  return `/* vitrine attack ${random.integer(0, 999999)} */ ${text}${random.one(["", ";", " ;; ", "\n--"])}`;
}
