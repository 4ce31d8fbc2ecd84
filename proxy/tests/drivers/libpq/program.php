<?php // PDO, as Laravel and Doctrine use it, and the pgsql extension.
$db = new PDO('pgsql:host=' . getenv('PGHOST') . ';port=' . getenv('PGPORT') . ';dbname=' . getenv('PGDATABASE'), getenv('PGUSER'), getenv('PGPASSWORD'));
$db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
foreach ([false, true] as $emulated) {
    $db->setAttribute(PDO::ATTR_EMULATE_PREPARES, $emulated);
    $statement = $db->prepare('SELECT id, name FROM customer WHERE id < :id ORDER BY id');
    foreach ([2, 3, 4] as $id) { $statement->execute(['id' => $id]); echo json_encode($statement->fetchAll(PDO::FETCH_NUM)), "\n"; }
}
foreach (['INSERT INTO customer (name) VALUES (1)', 'SELECT nosuch', 'TRUNCATE customer'] as $text) {
    try { $db->exec($text); } catch (PDOException $error) { echo $error->errorInfo[0], "\n"; }
}
$db->beginTransaction();
echo json_encode($db->query('SELECT count(*) FROM million')->fetchAll(PDO::FETCH_NUM)), "\n";
$db->commit();
$cursor = $db->prepare('SELECT id FROM million ORDER BY id LIMIT 3', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
$cursor->execute();
echo json_encode([$cursor->fetch(PDO::FETCH_NUM), $cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST)]), "\n";
$link = pg_connect('host=' . getenv('PGHOST') . ' port=' . getenv('PGPORT'));
echo count(pg_meta_data($link, 'sales.customer')), ' ', pg_parameter_status($link, 'server_version'), "\n";
echo json_encode(pg_fetch_all(pg_query_params($link, 'SELECT $1::text AS t', ['é']))), json_encode(pg_copy_to($link, 'sales.purchase')), "\n";
echo json_encode(pg_select($link, 'sales.customer', ['id' => 1])), "\n";
