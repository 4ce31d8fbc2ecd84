# ruby-pg, as ActiveRecord uses it.
require 'pg'
db = PG.connect
p db.exec('SELECT 1 AS a, NULL AS b, now() IS NOT NULL AS c').to_a, db.exec_params('SELECT $1::int4 + 1 AS n', [41]).to_a
db.prepare('by_id', 'SELECT name FROM customer WHERE id = $1')
(1..6).each { |turn| p db.exec_prepared('by_id', [1 + turn % 3]).to_a }
p db.describe_prepared('by_id').nparams
['DROP TABLE customer', 'SELECT nosuch', 'SELECT 1/0'].each do |text|
  db.exec(text)
rescue PG::Error => error
  p error.class, error.result.error_field(PG::PG_DIAG_SQLSTATE)
end
db.copy_data('COPY (SELECT id, name FROM customer ORDER BY id) TO STDOUT') { while (row = db.get_copy_data) do p row end }
db.transaction { |block| p block.exec('SHOW transaction_isolation').to_a }
db.send_query('SELECT id FROM million WHERE id <= 5 ORDER BY id')
db.set_single_row_mode
db.get_result.stream_each { |row| p row }
db.get_result
db.enter_pipeline_mode
3.times { |n| db.send_query_params('SELECT $1::int4 AS n', [n]) }
db.pipeline_sync
3.times { p db.get_result.to_a; db.get_result }
p db.get_result.result_status
db.exit_pipeline_mode
db.type_map_for_results = PG::BasicTypeMapForResults.new(db)
p db.exec("SELECT 1::int8 AS i, 1.5::float8 AS f, '{1,2}'::int4[] AS a, '2024-02-29'::date AS d").to_a
db.reset
p db.exec('SELECT 9 AS n').to_a
