-- The least that a reader needs. `vitrine doctor` asks for exactly this.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO vitrine_reader;
GRANT USAGE ON SCHEMA sales, support, analytics TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales, support, analytics TO vitrine_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA sales, support, analytics GRANT SELECT ON TABLES TO vitrine_reader;
ALTER ROLE vitrine_reader SET default_transaction_read_only = on;
