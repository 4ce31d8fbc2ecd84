"""psycopg2: simple protocol only, named cursors, COPY, cancel, adaptation of every kind, TLS."""

import hashlib
import io
import os
import threading

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from psycopg2 import errors, sql

LONG = "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long"


def section(name):
    print("==", name)


def one(connection, statement, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else cursor.statusmessage


def fails(connection, statement):
    try:
        print("NO ERROR", one(connection, statement))
    except psycopg2.Error as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("psycopg2")]
        print(error.pgcode, *kinds)


def simple(connection):
    section("simple")
    print(one(connection, "SELECT 1, 'two', NULL, 4.5"))
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM customer ORDER BY id")
        print([dict(row) for row in cursor], cursor.rowcount, cursor.statusmessage)
    print(one(connection, "SELECT %s, %s, %s", ["it's \\ 100%", psycopg2.Binary(b"\x00\xff"), [1, None]])[0::2])
    print(one(connection, sql.SQL("SELECT {} FROM customer").format(sql.Identifier("name"))))
    for turn in range(10):
        print(one(connection, "SELECT name FROM customer WHERE id = %s", [1 + turn % 3]))
    with connection.cursor() as cursor:
        cursor.execute("PREPARE by_id (int4) AS SELECT name FROM customer WHERE id = $1")
        psycopg2.extras.execute_batch(cursor, "EXECUTE by_id (%s)", [[1 + turn % 3] for turn in range(20)])
        print(cursor.fetchall())
        cursor.execute("DEALLOCATE by_id")
        psycopg2.extras.execute_values(cursor, "SELECT sum(x) FROM (VALUES %s) AS v (x)", [[1], [2], [3]])
        print(cursor.fetchall())


def cursors(connection):
    section("named cursors")
    with connection.cursor("c1", scrollable=True) as cursor:
        cursor.execute("SELECT id FROM million ORDER BY id")
        print(cursor.fetchone(), cursor.fetchmany(3))
        cursor.scroll(-2)
        print(cursor.fetchone())
    digest, count = hashlib.sha256(), 0
    with connection.cursor("c2") as cursor:
        cursor.itersize = 20000
        cursor.execute("SELECT id, label FROM million ORDER BY id")
        for number, label in cursor:
            digest.update(b"%d%s" % (number, label.encode()))
            count += 1
    print("a million rows", count, digest.hexdigest())
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT id FROM customer ORDER BY id")
        connection.commit()
        print(cursor.fetchall())
    connection.commit()


def cancel(connection):
    section("cancel")
    timer = threading.Timer(1.0, connection.cancel)
    timer.start()
    fails(connection, LONG)
    timer.join()
    connection.rollback()
    print(one(connection, "SELECT 'still here'"))


def failures(connection):
    section("errors")
    statements = [
        "SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM customer", "SELECT 1/0", "SELECT 'x'::int4",
        "DELETE FROM customer", "INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'",
        "CREATE TABLE t (a int4)", "DROP TABLE customer", "SELECT nosuch(1)",
    ]
    for autocommit in (True, False):
        connection.rollback()
        connection.autocommit = autocommit
        for statement in statements:
            fails(connection, statement)
            if not autocommit:
                fails(connection, "SELECT 1")
                connection.rollback()
            print(one(connection, "SELECT 'goes on'"))
    try:
        one(connection, "SELECT nosuch\nFROM customer")
    except errors.UndefinedColumn as error:
        print(error.diag.severity, error.diag.message_primary, error.diag.statement_position)
    connection.rollback()
    print(connection.notices)
    connection.autocommit = True
    one(connection, "COMMIT")
    print(connection.notices)
    connection.autocommit = False


def values(connection):
    section("values")
    psycopg2.extras.register_uuid(conn_or_curs=connection)
    psycopg2.extras.register_inet(conn_or_curs=connection)
    psycopg2.extras.register_composite("place", connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kinds LIMIT 0")
        names = [column.name for column in cursor.description]
    for name in names:
        query = sql.SQL("SELECT {} FROM kinds").format(sql.Identifier(name))
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = [[bytes(value) if isinstance(value, memoryview) else value for value in row] for row in cursor]
        print(name, rows)
        try:
            back = one(connection, "SELECT %s", [rows[0][0]])[0]
            print("  and back", bytes(back) if isinstance(back, memoryview) else back)
        except psycopg2.ProgrammingError as error:
            connection.rollback()
            print("  and not back", type(error).__name__)


def large(connection):
    section("large")
    value = one(connection, "SELECT repeat('x', 50000000)")[0]
    print(len(value), set(value))
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM million")
        print(cursor.rowcount, sum(row[0] for row in cursor))
    connection.rollback()


def transactions(connection):
    section("transactions")
    for level in ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        connection.rollback()
        connection.set_session(isolation_level=level, readonly=True, deferrable=level == "SERIALIZABLE")
        print(one(connection, "SHOW transaction_isolation"), one(connection, "SHOW transaction_read_only"),
              one(connection, "SHOW transaction_deferrable"), connection.get_transaction_status())
    connection.rollback()
    connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT", deferrable="DEFAULT")
    # Under autocommit the driver sets the defaults of the session instead.
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=True)
    print(one(connection, "SHOW transaction_isolation"), one(connection, "SHOW transaction_read_only"))
    connection.set_session(isolation_level="DEFAULT", autocommit=False)
    with connection:
        print(one(connection, "SAVEPOINT a"))
        fails(connection, "SELECT 1/0")
        print(one(connection, "ROLLBACK TO a"), one(connection, "SELECT 'back'"))
    print(connection.get_transaction_status())
    connection.reset()


def settings(connection):
    section("settings")
    connection.autocommit = True
    print(one(connection, "SET TimeZone = 'Asia/Tokyo'"), one(connection, "SHOW TimeZone"))
    print(connection.get_parameter_status("TimeZone"))
    connection.set_client_encoding("UTF8")
    print(connection.encoding, connection.server_version, one(connection, "RESET ALL"), one(connection, "SHOW TimeZone"))
    connection.autocommit = False


def copy(connection):
    section("copy")
    with connection.cursor() as cursor:
        for statement in ("COPY customer TO STDOUT", "COPY (SELECT * FROM purchase) TO STDOUT (FORMAT csv, HEADER)"):
            out = io.StringIO()
            cursor.copy_expert(statement, out)
            print(repr(out.getvalue()))
        out = io.StringIO()
        cursor.copy_expert("COPY million TO STDOUT", out)
        print(hashlib.sha256(out.getvalue().encode()).hexdigest())
        cursor.copy_to(out := io.StringIO(), "customer", columns=["id", "name"])
        print(repr(out.getvalue()))
        try:
            cursor.copy_expert("COPY customer (name) FROM STDIN", io.StringIO("Eve\n"))
        except psycopg2.Error as error:
            print("COPY FROM", error.pgcode)
    connection.rollback()
    print(one(connection, "SELECT 'goes on'"))


def tls():
    section("TLS")
    for options in ("sslmode=require", "sslmode=verify-full sslrootcert=" + os.environ["AUTHORITY"]):
        connection = psycopg2.connect(options)
        print(connection.info.ssl_in_use, connection.info.ssl_attribute("protocol"), one(connection, "SELECT current_user"))
        cancel(connection)
        connection.close()
    for options in ("sslmode=verify-full sslrootcert=" + os.environ["STRANGER"], "sslmode=require password=wrong"):
        try:
            psycopg2.connect(options)
        except psycopg2.OperationalError as error:
            print("certificate verify failed" in str(error), "password authentication failed" in str(error))


def read_write(connection):
    connection.rollback()
    for level in ("DEFAULT", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        connection.set_session(isolation_level=level, readonly=False)
        print(level, one(connection, "SELECT name FROM customer WHERE id = 2"), one(connection, "SHOW transaction_isolation"))
        print("transaction_read_only", one(connection, "SHOW transaction_read_only"))
        connection.commit()
        try:
            connection.cursor().execute("DELETE FROM customer")
            print("NO ERROR")
        except psycopg2.Error as error:
            print("DELETE", error.pgcode)
        connection.rollback()
    connection.set_session(isolation_level="READ COMMITTED", readonly=False, autocommit=True)
    print(one(connection, "SELECT count(*) FROM customer"))


def main():
    if os.environ.get("READ_WRITE"):
        connection = psycopg2.connect("")
        read_write(connection)
        connection.close()
        return
    connection = psycopg2.connect("")
    for part in (simple, cursors, cancel, failures, values, large, transactions, settings, copy):
        part(connection)
    print(one(connection, "SELECT count(*) FROM customer"))
    connection.close()
    tls()


main()
