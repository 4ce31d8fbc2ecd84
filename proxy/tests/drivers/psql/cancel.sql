SELECT 'before';
SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long;
SELECT 'after';
