// SQL as a language model writes it for a person's question: never twice the same, of many shapes, wordy, commented,
// with aliases of its own invention. Every answer has a total order, so that two of the same question can be compared.
// No question takes a whole pass over the million order lines: this is load, not one person's patience.

const REGIONS = ["DE", "FR", "NL", "CH", "GB", "SE", "US", "CA"];
const STATUSES = ["placed", "paid", "shipped", "delivered", "returned", "cancelled"];
const SEGMENTS = ["startup", "small", "medium", "enterprise"];
const EVENTS = ["page_view", "search", "add_to_cart", "checkout", "login"];
const NAMES = ["alder", "birch", "cobalt", "fjord", "harbor", "nimbus", "quartz", "willow", "zephyr", "maple", "opal"];
const WORDS = ["late", "burnt", "invoice", "leaks", "catalogue", "address", "beans", "discount", "Tuesday", "building"];
const PREFIXES = ["", "cust_", "my_", "t_", "q_", "recent_", "top_", "final_", "base_", "monthly_"];
const REMARKS = [
  "Find the numbers for the weekly summary", "Answering the user's question step by step", "First, aggregate by region",
  "We only need a small sample here", "Note: excludes drafts", "Compare with the previous period", "Helper CTE",
];

// A name for a CTE, an alias or a column.
function name(random, stem) {
  return `${random.one(PREFIXES)}${stem}${random.chance(0.5) ? `_${random.integer(1, 99)}` : ""}`;
}

// The same day some days later.
function later(day, days) {
  return new Date(Date.parse(day) + days * 86400000).toISOString().slice(0, 10);
}

const list = (values) => values.map((value) => `'${value}'`).join(", ");

const SHAPES = {
  ordersByStatus(r) {
    const [from, total] = [r.day(), name(r, "total")];
    return `SELECT o.status, COUNT(*) AS ${total}, ROUND(AVG(o.discount), 4) AS avg_discount
FROM sales.orders AS o
WHERE o.ordered_at >= '${from}' AND o.ordered_at < DATE '${from}' + INTERVAL '${r.integer(1, 9)} days'
GROUP BY o.status HAVING COUNT(*) > ${r.integer(0, 3)} ORDER BY ${total} DESC, o.status LIMIT ${r.integer(3, 9)}`;
  },
  customerSpend(r) {
    const [cte, alias] = [name(r, "spend"), name(r, "spent")];
    const from = r.integer(1, 19900);
    return `WITH ${cte} AS (
    SELECT o.customer_id, SUM(l.quantity * l.unit_price) AS ${alias}, COUNT(DISTINCT o.id) AS orders
    FROM sales.orders o JOIN sales.order_lines l ON l.order_id = o.id
    WHERE o.customer_id BETWEEN ${from} AND ${from + r.integer(1, 12)} AND o.status IN (${list(r.some(STATUSES, r.integer(1, 4)))})
    GROUP BY o.customer_id
)
SELECT c.id, c.name, c.segment, ${cte}.${alias}, ${cte}.orders
FROM ${cte} JOIN sales.customers c ON c.id = ${cte}.customer_id
ORDER BY ${cte}.${alias} DESC, c.id`;
  },
  runningTotal(r) {
    const customer = r.integer(1, 20000);
    return `SELECT o.id, o.ordered_at::date AS day,
       SUM(p.amount) OVER (PARTITION BY o.customer_id ORDER BY o.ordered_at, o.id) AS ${name(r, "running_total")},
       ${r.one(["RANK()", "DENSE_RANK()", "ROW_NUMBER()"])} OVER (ORDER BY p.amount DESC, o.id) AS ${name(r, "place")},
       LAG(p.amount) OVER (ORDER BY o.ordered_at, o.id) AS previous_amount
FROM sales.orders o JOIN sales.payments p ON p.order_id = o.id
WHERE o.customer_id = ${customer} ORDER BY o.ordered_at, o.id LIMIT ${r.integer(5, 60)}`;
  },
  nameSearch(r) {
    return `SELECT c.id, c.name, c.region, c.preferences ->> 'language' AS ${name(r, "lang")}
FROM sales.customers c
WHERE c.name ILIKE '%${r.one(NAMES)}%' AND c.region IN (${list(r.some(REGIONS, r.integer(1, 4)))})
  AND c.segment ${r.chance(0.5) ? "=" : "<>"} '${r.one(SEGMENTS)}'
ORDER BY c.name, c.id LIMIT ${r.integer(5, 50)} OFFSET ${r.integer(0, 40)}`;
  },
  jsonFilter(r) {
    return `SELECT preferences -> 'delivery' ->> 'day' AS ${name(r, "day")}, (preferences #>> '{delivery,dock}')::boolean AS dock,
       COUNT(*) FILTER (WHERE segment = '${r.one(SEGMENTS)}') AS matching, COUNT(*) AS ${name(r, "everyone")}
FROM sales.customers
WHERE preferences @> '{"language": "${r.one(["de", "fr", "en", "nl", "sv"])}"}' AND id % ${r.integer(2, 9)} = ${r.integer(0, 1)}
GROUP BY 1, 2 ORDER BY 1, 2`;
  },
  slowPages(r) {
    const customer = r.integer(1, 20000);
    return `SELECT e.name, e.properties ->> 'device' AS device, COUNT(*) AS hits, MAX((e.properties ->> 'ms')::int) AS ${name(r, "slowest")}
FROM analytics.events e
WHERE e.customer_id BETWEEN ${customer} AND ${customer + r.integer(1, 15)} AND e.happened_at >= TIMESTAMPTZ '2026-0${r.integer(1, 9)}-01 00:00:00+00'
  AND e.name = ANY (ARRAY[${list(r.some(EVENTS, r.integer(1, 3)))}])
GROUP BY e.name, device ORDER BY hits DESC, e.name, device`;
  },
  ticketSearch(r) {
    const words = r.some(WORDS, 2);
    return `SELECT t.id, t.subject, t.priority, t.opened_at::date AS opened
FROM support.tickets t
WHERE t.search @@ websearch_to_tsquery('english', '${words[0]} ${r.one(["or", "", "-"])}${words[1]}')
  AND t.opened_at BETWEEN '${r.day()}' AND '2026-12-31' AND t.priority::text <> '${r.one(["low", "normal", "high", "urgent"])}'
ORDER BY t.opened_at DESC, t.id LIMIT ${r.integer(3, 25)}`;
  },
  ratesTrend(r) {
    const [cte, from] = [name(r, "rates"), r.day()];
    return `WITH ${cte} AS (
    SELECT currency, day, euros, AVG(euros) OVER (PARTITION BY currency ORDER BY day ROWS BETWEEN ${r.integer(2, 30)} PRECEDING AND CURRENT ROW) AS smooth
    FROM analytics.exchange_rates WHERE day BETWEEN '${from}' AND '${later(from, r.integer(10, 90))}'
)
SELECT currency, MIN(euros) AS low, MAX(euros) AS high, ROUND(AVG(smooth), ${r.integer(2, 6)}) AS ${name(r, "trend")}
FROM ${cte} GROUP BY currency ORDER BY currency`;
  },
  latestOrders(r) {
    const customer = r.integer(1, 19000);
    return `SELECT c.id, c.name, latest.id AS order_id, latest.status
FROM sales.customers c
CROSS JOIN LATERAL (
    SELECT o.id, o.status FROM sales.orders o WHERE o.customer_id = c.id ORDER BY o.ordered_at DESC, o.id LIMIT ${r.integer(1, 4)}
) AS latest
WHERE c.id IN (${Array.from({ length: r.integer(2, 9) }, () => customer + r.integer(0, 900)).join(", ")})
ORDER BY c.id, latest.id`;
  },
  categoryTree(r) {
    const tree = name(r, "tree");
    return `WITH RECURSIVE ${tree} AS (
    SELECT id, name::text AS path, 0 AS depth FROM sales.categories WHERE id = ${r.integer(1, 5)}
    UNION ALL
    SELECT c.id, ${tree}.path || ' > ' || c.name, depth + 1 FROM sales.categories c JOIN ${tree} ON c.parent = ${tree}.id
)
SELECT ${tree}.path, COUNT(p.id) AS products, MIN(p.price) AS cheapest
FROM ${tree} LEFT JOIN sales.products p ON p.category = ${tree}.id AND p.price < ${r.integer(5, 80)}.${r.integer(0, 99)}
GROUP BY ${tree}.path ORDER BY ${tree}.path`;
  },
  quartiles(r) {
    return `SELECT CASE WHEN price < ${r.integer(3, 9)} THEN 'cheap' WHEN price < ${r.integer(10, 40)} THEN 'fair' ELSE 'dear' END AS ${name(r, "band")},
       COUNT(*) AS products, PERCENTILE_DISC(0.${r.integer(10, 95)}) WITHIN GROUP (ORDER BY price) AS ${name(r, "price")},
       STRING_AGG(DISTINCT attributes ->> 'origin', ', ' ORDER BY attributes ->> 'origin') AS origins
FROM sales.products
WHERE attributes -> 'labels' ? '${r.one(["organic", "fair", "bulk"])}' OR (attributes ->> 'weight_g')::int > ${r.integer(200, 2000)}
GROUP BY 1 ORDER BY 1`;
  },
  unionOfEvents(r) {
    const customer = r.integer(1, 20000);
    return `SELECT kind, MIN(at) AS first_seen, COUNT(*) AS times FROM (
    SELECT 'order' AS kind, ordered_at AS at FROM sales.orders WHERE customer_id = ${customer}
    UNION ALL SELECT 'event', happened_at FROM analytics.events WHERE customer_id = ${customer} AND happened_at > '2026-0${r.integer(1, 9)}-15'
    ${r.chance(0.5) ? `UNION ALL SELECT 'contract', LOWER(runs)::timestamptz FROM sales.contracts WHERE customer_id = ${customer}` : ""}
) AS ${name(r, "activity")} GROUP BY kind ORDER BY kind`;
  },
  revenueShare(r) {
    return `SELECT region, TO_CHAR(month, 'YYYY-MM') AS ${name(r, "month")}, revenue,
       ROUND(100 * revenue / NULLIF(SUM(revenue) OVER (PARTITION BY month), 0), ${r.integer(1, 3)}) AS share_pct,
       NTILE(${r.integer(2, 5)}) OVER (ORDER BY revenue, region, month) AS tier
FROM analytics.monthly_revenue
WHERE month >= '${r.day()}'::date AND region = ANY ('{${r.some(REGIONS, r.integer(1, 5)).join(",")}}')
ORDER BY month, region FETCH FIRST ${r.integer(5, 80)} ROWS ONLY`;
  },
  subtotals(r) {
    return `SELECT region, segment, COUNT(*) AS ${name(r, "customers")}, GROUPING(region, segment) AS level
FROM sales.customers WHERE id BETWEEN ${r.integer(1, 9000)} AND ${r.integer(9001, 20000)} AND tags && ARRAY['${r.one(["vip", "trial", "net30"])}', '${r.one(["net60", "newsletter"])}']
GROUP BY ${r.one(["ROLLUP (region, segment)", "CUBE (region, segment)", "GROUPING SETS ((region), (segment), ())"])}
ORDER BY level, region NULLS LAST, segment NULLS LAST`;
  },
  happyAgents(r) {
    const scores = name(r, "scores");
    return `WITH ${scores} AS MATERIALIZED (
    SELECT t.agent_id, s.score FROM support.tickets t INNER JOIN support.satisfaction s ON s.ticket_id = t.id
    WHERE t.id BETWEEN ${r.integer(1, 15000)} AND ${r.integer(15001, 30000)} AND s.score >= ${r.integer(1, 3)}
)
SELECT a.name, ROUND(AVG(score), 3) AS mood, COUNT(*) AS answers, BOOL_OR(score = 5) AS ever_five
FROM ${scores} JOIN support.agents a ON a.id = agent_id WHERE '${r.one(["en", "de", "fr"])}' = ANY (a.speaks)
GROUP BY a.id, a.name HAVING COUNT(*) >= ${r.integer(1, 5)} ORDER BY mood DESC, a.name LIMIT ${r.integer(3, 12)}`;
  },
};

export const SHAPE_NAMES = Object.keys(SHAPES);

// One question; the same never comes back.
export function question(random) {
  const sql = SHAPES[random.one(SHAPE_NAMES)](random);
  if (random.chance(0.4)) return `-- ${random.one(REMARKS)} (${random.integer(1, 99999)})\n${sql}`;
  return random.chance(0.3) ? `${sql};` : sql;
}
