-- What the drivers read. Loaded by the superuser into the database `shop`; the drivers come in as `reader`.
CREATE ROLE reader LOGIN PASSWORD 'look';
ALTER ROLE reader SET default_transaction_read_only = on;
CREATE SCHEMA sales;
GRANT USAGE ON SCHEMA sales TO reader;
ALTER DATABASE shop SET search_path = sales, public;
ALTER DATABASE shop SET timezone = 'UTC';
SET search_path = sales;

CREATE TYPE mood AS ENUM ('sad', 'fine', 'happy');
CREATE TYPE place AS (street text, number int4);
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');

CREATE TABLE customer (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email email UNIQUE,
    feels mood NOT NULL DEFAULT 'fine',
    home place,
    tags text[] NOT NULL DEFAULT '{}',
    joined timestamptz NOT NULL DEFAULT '2020-01-02 03:04:05+00',
    CONSTRAINT customer_name_not_empty CHECK (name <> '')
);
COMMENT ON TABLE customer IS 'people who buy';
COMMENT ON COLUMN customer.feels IS 'as last heard';
CREATE INDEX customer_lower_name ON customer (lower(name)) WHERE id > 1;

CREATE TABLE purchase (
    customer_id int4 NOT NULL REFERENCES customer (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    line int2 NOT NULL,
    price numeric(12, 2) NOT NULL,
    quantity int4 NOT NULL DEFAULT 1,
    total numeric GENERATED ALWAYS AS (price * quantity) STORED,
    paid_on date,
    PRIMARY KEY (customer_id, line)
);
CREATE INDEX purchase_paid_on ON purchase (paid_on DESC NULLS LAST) INCLUDE (price);

CREATE TABLE event (at timestamptz NOT NULL, body jsonb) PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE VIEW spender AS
    SELECT c.name, sum(p.total) AS total FROM customer c JOIN purchase p ON p.customer_id = c.id GROUP BY c.name;
CREATE MATERIALIZED VIEW month AS SELECT date_trunc('month', paid_on)::date AS month, count(*) FROM purchase GROUP BY 1;
CREATE SEQUENCE ticket;

INSERT INTO customer (name, email, feels, home, tags) VALUES
    ('Ada', 'ada@example.org', 'happy', ROW ('Long "Lane"', 1), '{new,"with, comma"}'),
    ('Bob', NULL, 'sad', NULL, '{}'),
    ('Zoë 🐘', 'zoe@example.org', 'fine', ROW (NULL, 3), '{NULL}');
INSERT INTO purchase (customer_id, line, price, quantity, paid_on) VALUES
    (1, 1, 9.99, 3, '2025-01-31'), (1, 2, 100000.01, 1, NULL), (3, 1, 0.50, 10, '2025-02-28');
INSERT INTO event VALUES ('2025-06-01 12:00+00', '{"kind": "visit", "n": [1, 2.5, null]}');
REFRESH MATERIALIZED VIEW month;

-- One row, a column for each kind of value; a second row of nulls.
CREATE TABLE kinds (
    b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, c char(3), bin bytea, u uuid,
    j json, jb jsonb, d date, tm time, ts timestamp, tz timestamptz, iv interval,
    r4 int4range, rn numrange, rd daterange, ip inet, net cidr, mac macaddr, bits varbit, pt point,
    a4 int4[], a2 text[][], m mood, p place, am mood[], o oid, big numeric, nan float8, inf timestamptz
);
INSERT INTO kinds VALUES (
    true, -32768, 2147483647, -9223372036854775808, 1.5, 3.141592653589793, -123456789.000123, E'tab\tand ''quote''', 'ab',
    '\x00ff10', '5b0f1d0e-7a3c-4a4e-9d57-1f6f8f9a0b1c', '{"a" : 1}', '{"b": [true, null]}', '2024-02-29', '23:59:59.123456',
    '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+00', '1 year 2 mons 3 days 04:05:06.7', '[1,5)', '(0.5,]', '[2024-01-01,2024-02-01)',
    '192.168.1.5/24', '10.0.0.0/8', '08:00:2b:01:02:03', B'1011', '(1.5,-2)', '{1,NULL,3}', '{{a,b},{c,NULL}}',
    'happy', ROW ('Main', 7), '{sad,happy}', 4294967295, 1e40, 'NaN', 'infinity'
);
INSERT INTO kinds (b) VALUES (NULL);

CREATE TABLE million AS SELECT g AS id, 'row ' || g AS label FROM generate_series(1, 1000000) g;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO reader;
ANALYZE;
