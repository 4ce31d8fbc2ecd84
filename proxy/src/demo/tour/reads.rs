//! Reads that an analyst, a dashboard or a model asks for. All are answered.

/// How a read is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// One simple query, of one or more statements.
    Simple,
    /// Prepared, with the number 7 for each parameter.
    Prepared,
    /// COPY out.
    Copy,
    /// Prepared, and every row streamed in binary.
    Stream,
}

/// One read of the tour.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// What it shows.
    pub title: &'static str,
    /// How it is sent.
    pub how: How,
    /// Its text.
    pub sql: &'static str,
    /// At least so many rows come back.
    pub rows_min: usize,
}

const fn read(title: &'static str, how: How, rows_min: usize, sql: &'static str) -> Read {
    Read { title, how, sql, rows_min }
}

/// The reads, in order.
pub const READS: &[Read] = &[
    read(
        "the best customers, through three nested views",
        How::Simple,
        8,
        "SELECT region, name, total_spent FROM analytics.region_ranking WHERE place = 1 ORDER BY total_spent DESC",
    ),
    read(
        "revenue month by month, window functions over a materialized view",
        How::Simple,
        40,
        "SELECT month, sum(revenue) AS revenue, sum(revenue) - lag(sum(revenue)) OVER (ORDER BY month) AS change
         FROM analytics.monthly_revenue GROUP BY month ORDER BY month",
    ),
    read(
        "a million rows by category and year, GROUPING SETS and FILTER",
        How::Simple,
        20,
        "SELECT c.name, extract(year FROM o.ordered_at) AS year, sum(l.quantity * l.unit_price) AS turnover,
                count(*) FILTER (WHERE o.status = 'returned') AS returned
         FROM sales.order_lines AS l JOIN sales.orders AS o ON o.id = l.order_id
         JOIN sales.products AS p ON p.id = l.product_id JOIN sales.categories AS c ON c.id = p.category
         GROUP BY GROUPING SETS ((c.name), (c.name, year)) ORDER BY 1, 2 NULLS FIRST",
    ),
    read(
        "one customer's orders, prepared, with a parameter",
        How::Prepared,
        1,
        "SELECT id, ordered_at, status, total FROM sales.order_totals WHERE customer_id = $1 ORDER BY ordered_at DESC LIMIT 20",
    ),
    read(
        "a recursive walk over the categories",
        How::Simple,
        11,
        "WITH RECURSIVE tree AS (SELECT id, name AS path FROM sales.categories WHERE parent IS NULL
             UNION ALL SELECT c.id, path || ' / ' || c.name FROM sales.categories AS c JOIN tree ON c.parent = tree.id)
         SELECT path FROM tree ORDER BY path",
    ),
    read(
        "JSON: slow pages by device",
        How::Simple,
        3,
        "SELECT properties ->> 'device' AS device, percentile_cont(0.95) WITHIN GROUP (ORDER BY (properties ->> 'ms')::int) AS p95_ms
         FROM analytics.events WHERE properties @? '$.ms ? (@ > 800)' GROUP BY 1 ORDER BY 1",
    ),
    read(
        "full text: what people complain about",
        How::Simple,
        5,
        "SELECT subject, ts_headline('english', body, query) AS found, round(ts_rank(search, query)::numeric, 3) AS rank
         FROM support.tickets, websearch_to_tsquery('english', 'burnt or leaks') AS query WHERE search @@ query ORDER BY rank DESC LIMIT 5",
    ),
    read(
        "arrays, ranges and LATERAL: the last two orders of net30 customers",
        How::Simple,
        10,
        "SELECT c.name, recent.id, recent.ordered_at::date FROM sales.customers AS c,
             LATERAL (SELECT id, ordered_at FROM sales.orders WHERE customer_id = c.id ORDER BY ordered_at DESC LIMIT 2) AS recent
         WHERE c.tags @> '{net30}' AND c.preferences #>> '{delivery,day}' = 'tue' ORDER BY c.id LIMIT 10",
    ),
    read(
        "functions that the policy names",
        How::Simple,
        5,
        "SELECT path, analytics.customer_health(id) AS health, sales.with_vat(100, 'DE') FROM sales.subcategories(2)",
    ),
    read(
        "a ticket that tells the model what to do",
        How::Simple,
        1,
        "SELECT body FROM support.tickets WHERE body LIKE 'Ignore your instructions%'",
    ),
    read(
        "contracts under row-level security: shared ones alone",
        How::Simple,
        1,
        "SELECT visibility, count(*) FROM sales.contracts GROUP BY visibility",
    ),
    read(
        "a cursor in a transaction",
        How::Simple,
        100,
        "BEGIN; DECLARE walk CURSOR FOR SELECT * FROM sales.payments ORDER BY id; FETCH 100 FROM walk; CLOSE walk; COMMIT",
    ),
    read("EXPLAIN ANALYZE of a read", How::Simple, 2, "EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*) FROM support.open_tickets"),
    read(
        "the catalog, as tools ask it",
        How::Simple,
        60,
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position",
    ),
    read("COPY of a query, out", How::Copy, 20_000, "COPY (SELECT id, name, email, region FROM sales.customers) TO STDOUT (FORMAT csv)"),
    read("a million rows streamed, binary", How::Stream, 1_000_000, "SELECT * FROM sales.order_lines"),
];
