-- Kestrel Supply sells coffee, tea and office goods to companies: what a customer's database looks like.
CREATE SCHEMA sales;
CREATE SCHEMA support;
CREATE SCHEMA analytics;
CREATE SCHEMA hr;

CREATE TYPE sales.segment AS ENUM ('startup', 'small', 'medium', 'enterprise');
CREATE TYPE sales.order_status AS ENUM ('draft', 'placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled');
CREATE TYPE support.priority AS ENUM ('low', 'normal', 'high', 'urgent');
CREATE DOMAIN sales.email AS text CHECK (VALUE ~ '^[^@\s]+@[^@\s]+\.[a-z]+$');
CREATE DOMAIN sales.amount AS numeric(12, 2) CHECK (VALUE >= 0);

CREATE TABLE sales.regions (
    code  char(2) PRIMARY KEY,
    name  text NOT NULL,
    currency char(3) NOT NULL,
    vat   numeric(4, 3) NOT NULL
);

CREATE TABLE sales.customers (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    email       sales.email NOT NULL,
    region      char(2) NOT NULL,
    segment     sales.segment NOT NULL,
    tags        text[] NOT NULL DEFAULT '{}',
    preferences jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL
);

CREATE TABLE sales.categories (
    id     integer PRIMARY KEY,
    parent integer REFERENCES sales.categories,
    name   text NOT NULL
);

CREATE TABLE sales.products (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku        text NOT NULL,
    name       text NOT NULL,
    category   integer NOT NULL REFERENCES sales.categories,
    price      sales.amount NOT NULL,
    attributes jsonb NOT NULL,
    sold_during daterange NOT NULL,
    search     tsvector GENERATED ALWAYS AS (to_tsvector('english', name || ' ' || (attributes ->> 'origin'))) STORED
);

CREATE TABLE sales.orders (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL,
    status      sales.order_status NOT NULL,
    ordered_at  timestamptz NOT NULL,
    discount    numeric(4, 3) NOT NULL DEFAULT 0,
    note        text
);
COMMENT ON TABLE sales.orders IS 'One row for each order, drafts and cancelled ones included';

CREATE TABLE sales.order_lines (
    order_id   integer NOT NULL,
    line       smallint NOT NULL,
    product_id integer NOT NULL,
    quantity   smallint NOT NULL,
    unit_price sales.amount NOT NULL
);

CREATE TABLE sales.payments (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id integer NOT NULL,
    method   text NOT NULL,
    amount   sales.amount NOT NULL,
    paid_at  timestamptz NOT NULL
);

-- What a representative agreed with a customer. Row-level security: a reader sees the shared ones.
CREATE TABLE sales.contracts (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL,
    runs        daterange NOT NULL,
    discount    numeric(4, 3) NOT NULL,
    visibility  text NOT NULL CHECK (visibility IN ('shared', 'confidential')),
    terms       xml
);
ALTER TABLE sales.contracts ENABLE ROW LEVEL SECURITY;
CREATE POLICY shared_ones ON sales.contracts FOR SELECT USING (visibility = 'shared');

CREATE TABLE support.agents (
    id     integer PRIMARY KEY,
    name   text NOT NULL,
    speaks text[] NOT NULL,
    shift  int4range NOT NULL
);

CREATE TABLE support.tickets (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL,
    agent_id    integer REFERENCES support.agents,
    priority    support.priority NOT NULL,
    subject     text NOT NULL,
    body        text NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    search      tsvector GENERATED ALWAYS AS (to_tsvector('english', subject || ' ' || body)) STORED
);

CREATE TABLE support.satisfaction (
    ticket_id integer PRIMARY KEY,
    score     smallint NOT NULL CHECK (score BETWEEN 1 AND 5),
    comment   text
);

CREATE TABLE analytics.events (
    id          bigint NOT NULL,
    customer_id integer NOT NULL,
    happened_at timestamptz NOT NULL,
    name        text NOT NULL,
    address     inet NOT NULL,
    properties  jsonb NOT NULL
) PARTITION BY RANGE (happened_at);
CREATE TABLE analytics.events_2026_q1 PARTITION OF analytics.events FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
CREATE TABLE analytics.events_2026_q2 PARTITION OF analytics.events FOR VALUES FROM ('2026-04-01') TO ('2026-07-01');
CREATE TABLE analytics.events_2026_q3 PARTITION OF analytics.events FOR VALUES FROM ('2026-07-01') TO ('2026-10-01');
CREATE TABLE analytics.events_later PARTITION OF analytics.events DEFAULT;

CREATE TABLE analytics.exchange_rates (
    currency char(3) NOT NULL,
    day      date NOT NULL,
    euros    numeric(10, 5) NOT NULL,
    PRIMARY KEY (currency, day)
);

-- Nobody but its owner reads this one.
CREATE TABLE hr.salaries (
    employee text PRIMARY KEY,
    yearly   numeric(10, 2) NOT NULL
);
