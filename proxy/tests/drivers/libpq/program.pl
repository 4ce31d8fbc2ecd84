# DBD::Pg.
use strict; use warnings; use DBI;
my $db = DBI->connect("dbi:Pg:", undef, undef, { RaiseError => 1, PrintError => 0 });
print "rows ", scalar $db->selectrow_array("SELECT count(*) FROM million WHERE id > ?", undef, 10), "\n";
$db->begin_work;
my $prepared = $db->prepare("SELECT id, name FROM customer WHERE id <= ? ORDER BY id");
for my $most (1 .. 6) { $prepared->execute($most % 4); print join("|", map { "@$_" } @{ $prepared->fetchall_arrayref }), "\n" }
$db->pg_savepoint("one"); eval { $db->do("SELECT 1/0") }; print $db->state, "\n"; $db->pg_rollback_to("one");
print scalar $db->selectrow_array("SELECT 'goes on'"), "\n";
$db->commit;
for my $write ("DELETE FROM customer", "SELECT nosuch", "CREATE TABLE t (a int)") { eval { $db->do($write) }; print $db->state, "\n" }
print scalar @{ $db->table_info(undef, "sales", "%", "TABLE,VIEW")->fetchall_arrayref }, "\n";
print join(",", map { $_->[3] } @{ $db->column_info(undef, "sales", "customer", "%")->fetchall_arrayref }), "\n";
print join(",", $db->primary_key(undef, "sales", "purchase")), "\n";
print scalar @{ $db->foreign_key_info(undef, "sales", "customer", undef, "sales", "purchase")->fetchall_arrayref }, "\n";
print scalar @{ $db->statistics_info(undef, "sales", "customer", 0, 0)->fetchall_arrayref }, "\n";
$db->do("COPY (SELECT id FROM customer ORDER BY id) TO STDOUT"); my $line; print "copy $line" while $db->pg_getcopydata($line) >= 0;
$prepared = $db->prepare("SELECT tags, home FROM customer ORDER BY id", { pg_async => 1 }); $prepared->execute; print $db->pg_result, "\n";
print $db->ping > 0 ? "alive\n" : "gone\n";
