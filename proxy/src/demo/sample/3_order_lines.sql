-- More than a million rows in the biggest table, and the payments that follow from them.
SELECT setseed(0.1618);

WITH lines AS MATERIALIZED (
    SELECT o.id AS order_id, line, 1 + floor(2000 * power(random(), 2))::int AS product_id, 1 + floor(12 * power(random(), 3))::int AS quantity
    FROM sales.orders AS o, LATERAL generate_series(1, 1 + (o.id::bigint * 7919 % 9)::int) AS line
)
INSERT INTO sales.order_lines
SELECT order_id, line, product_id, quantity, price
FROM lines JOIN sales.products AS p ON p.id = product_id;

INSERT INTO sales.payments (order_id, method, amount, paid_at)
SELECT o.id, (ARRAY['card','transfer','direct debit'])[1 + o.id % 3], round(sum(l.quantity * l.unit_price) * (1 - o.discount), 2),
       o.ordered_at + o.id % 30 * interval '1 day'
FROM sales.orders AS o JOIN sales.order_lines AS l ON l.order_id = o.id
WHERE o.status IN ('paid', 'shipped', 'delivered')
GROUP BY o.id, o.discount, o.ordered_at
ORDER BY o.id;
