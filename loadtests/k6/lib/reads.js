// What dashboards ask again and again, and what an application asks of one customer at a time.

// Hot: the same texts all the time.
export const HOT = [
  "SELECT region, name, currency FROM sales.regions AS r (region, name) ORDER BY region",
  "SELECT month, sum(revenue) AS revenue, sum(revenue) - lag(sum(revenue)) OVER (ORDER BY month) AS change FROM analytics.monthly_revenue GROUP BY month ORDER BY month",
  "SELECT segment, count(*) AS customers FROM sales.customers GROUP BY segment ORDER BY segment",
  "SELECT status, count(*) AS orders FROM sales.orders WHERE ordered_at >= '2026-10-01' GROUP BY status ORDER BY status",
  "SELECT c.name, count(*) AS products, round(avg(p.price), 2) AS price FROM sales.products AS p JOIN sales.categories AS c ON c.id = p.category GROUP BY c.name ORDER BY c.name",
  "SELECT priority, count(*) AS open FROM support.tickets WHERE closed_at IS NULL GROUP BY priority ORDER BY priority",
  "SELECT currency, euros FROM analytics.exchange_rates WHERE day = '2026-11-20' ORDER BY currency",
  "SELECT score, count(*) FROM support.satisfaction GROUP BY score ORDER BY score",
  "SELECT id, name, speaks FROM support.agents ORDER BY id",
  "SELECT path FROM sales.subcategories(2) ORDER BY path",
  "SELECT visibility, count(*), avg(discount) AS discount FROM sales.contracts GROUP BY visibility ORDER BY visibility",
  "SELECT region, sum(revenue) AS revenue FROM analytics.monthly_revenue WHERE month >= '2026-01-01' GROUP BY region ORDER BY revenue DESC",
];

// Cold: one statement each, another customer or product every time, as parameters.
export const COLD = [
  { sql: "SELECT id, ordered_at, status, total FROM sales.order_totals WHERE customer_id = $1 ORDER BY ordered_at DESC, id LIMIT 20", to: 20000 },
  { sql: "SELECT c.name, c.email, c.segment, c.preferences FROM sales.customers AS c WHERE c.id = $1", to: 20000 },
  { sql: "SELECT sku, name, price, attributes FROM sales.products WHERE id = $1", to: 2000 },
  { sql: "SELECT id, subject, priority, opened_at FROM support.tickets WHERE customer_id = $1 AND closed_at IS NULL ORDER BY id", to: 20000 },
  { sql: "SELECT name, count(*) FROM analytics.events WHERE customer_id = $1 GROUP BY name ORDER BY name", to: 20000 },
  { sql: "SELECT order_id, line, product_id, quantity, unit_price FROM sales.order_lines WHERE order_id = $1 ORDER BY line", to: 201600 },
  { sql: "SELECT id, name, analytics.customer_health(id) AS health FROM sales.customers WHERE id = $1", to: 20000 },
];

// The table that the customer's own application writes while we look: all rows carry the version of the write, and what
// stands in `value` follows from it.
export const BOARD = "SELECT id, version, value FROM pulse.board ORDER BY id";
// The same joined with what stays, for comparing the whole answer with a direct one.
export const BOARD_JOINED =
  "SELECT r.code, r.name, count(*) AS entries, max(b.version) AS version, string_agg(b.value, ',' ORDER BY b.id) AS held FROM pulse.board AS b JOIN sales.regions AS r ON r.code = b.region GROUP BY r.code, r.name ORDER BY r.code";
