"""psycopg 3: sync and async, client and server cursors, pipelines, prepared statements, binary, COPY, pool, TLS."""

import asyncio
import hashlib
import os
import threading

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg_pool import ConnectionPool

LONG = "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long"


def section(name):
    print("==", name)


def fails(what, *arguments, **options):
    """Prints the driver's own exception class and the SQLSTATE."""
    try:
        print("NO ERROR", what(*arguments, **options))
    except psycopg.Error as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("psycopg")]
        print(error.sqlstate, *kinds)


def simple(connection):
    section("simple")
    row = connection.execute("SELECT 1, 'two', NULL, 4.5").fetchone()
    print(row)
    cursor = connection.execute("SELECT * FROM customer ORDER BY id")
    print([(column.name, column.type_code) for column in cursor.description])
    print(cursor.fetchall(), cursor.rowcount, cursor.statusmessage)
    several = connection.execute("SELECT 1; SELECT 2; SELECT 3")
    print(several.fetchall(), several.nextset(), several.fetchall(), several.nextset(), several.fetchall())
    client = psycopg.ClientCursor(connection)
    print(client.execute("SELECT %s, %s", ["it's", b"\x00\xff"]).fetchone())
    with connection.cursor(row_factory=dict_row) as cursor:
        print(cursor.execute("SELECT id, name FROM customer WHERE id = %(id)s", {"id": 1}).fetchone())
    print(connection.execute(sql.SQL("SELECT {} FROM {}").format(*map(sql.Identifier, ["name", "customer"]))).fetchall())


def prepared(connection):
    section("prepared")
    for binary in (False, True):
        names = [
            connection.execute("SELECT name FROM customer WHERE id = %s", [1 + turn % 3], prepare=True, binary=binary)
            .fetchone()[0]
            for turn in range(20)
        ]
        print(names)
    # Prepared by the driver itself from the sixth time, and more of them than the driver keeps.
    connection.prepared_max = 5
    for turn in range(40):
        connection.execute(f"SELECT {turn % 8} + %s", [turn], prepare=True)
    print(connection.execute("SELECT count(*) FROM customer WHERE id = ANY(%s)", [[1, 2]]).fetchone())
    with connection.cursor() as cursor:
        cursor.executemany("SELECT %s::int4 + 1", [(1,), (2,), (3,)], returning=True)
        print(cursor.fetchone(), cursor.nextset(), cursor.fetchone(), cursor.nextset(), cursor.fetchone())


def cursors(connection):
    section("server cursors")
    with connection.transaction(), connection.cursor(name="c1", scrollable=True) as cursor:
        cursor.execute("SELECT id FROM million WHERE id > %s ORDER BY id", [10])
        print(cursor.fetchone(), cursor.fetchmany(3))
        cursor.scroll(100)
        print(cursor.fetchone())
        cursor.scroll(5, mode="absolute")
        print(cursor.fetchone())
    digest, count = hashlib.sha256(), 0
    with connection.transaction(), connection.cursor(name="c2", binary=True) as cursor:
        cursor.itersize = 20000
        for number, label in cursor.execute("SELECT id, label FROM million ORDER BY id"):
            digest.update(b"%d%s" % (number, label.encode()))
            count += 1
    print("a million rows", count, digest.hexdigest())
    with connection.cursor(name="held", withhold=True) as cursor:
        cursor.execute("SELECT id FROM customer ORDER BY id")
        connection.commit()
        print(cursor.fetchall())
    rows = sum(1 for _ in connection.cursor().stream("SELECT id FROM million WHERE id <= 100000"))
    print("streamed", rows)


def cancel(connection):
    section("cancel")
    for cancelling in (connection.cancel, connection.cancel_safe):
        timer = threading.Timer(1.0, cancelling)
        timer.start()
        fails(connection.execute, LONG)
        timer.join()
        connection.rollback()
        print(connection.execute("SELECT 'still here'").fetchone())


def errors(connection):
    section("errors")
    statements = [
        "SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM customer", "SELECT 1/0", "SELECT 'x'::int4",
        "DELETE FROM customer", "INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'",
        "CREATE TABLE t (a int4)", "DROP TABLE customer", "SELECT nosuch(1)", "SELECT 'x' + 1",
    ]
    for autocommit in (True, False):
        connection.autocommit = autocommit
        for statement in statements:
            for prepare in (False, True):
                fails(connection.execute, statement, prepare=prepare)
                if not autocommit:
                    fails(connection.execute, "SELECT 1")
                    connection.rollback()
                print(connection.execute("SELECT 'goes on'").fetchone()[0])
                connection.rollback()
    connection.autocommit = True
    try:
        connection.execute("SELECT nosuch\nFROM customer")
    except psycopg.errors.UndefinedColumn as error:
        print(error.diag.severity, error.diag.message_primary, error.diag.statement_position)


def values(connection):
    section("binary and text values")
    info = CompositeInfo.fetch(connection, "place")
    register_composite(info, connection)
    mood = EnumInfo.fetch(connection, "mood")
    register_enum(mood, connection)
    print(info.field_names, mood.labels)
    columns = connection.execute("SELECT * FROM kinds LIMIT 0").description
    for binary in (False, True):
        for column in columns:
            # psycopg has no value for this one, but says so.
            if column.name == "inf":
                fails(connection.execute("SELECT inf FROM kinds", binary=binary).fetchall)
                continue
            query = sql.SQL("SELECT {} FROM kinds").format(sql.Identifier(column.name))
            rows = connection.execute(query, binary=binary).fetchall()
            print(column.name, rows)
            # And back as a parameter.
            try:
                back = connection.execute("SELECT %b" if binary else "SELECT %t", [rows[0][0]])
                print("  and back", back.fetchone())
            except psycopg.ProgrammingError as error:
                print("  and not back", type(error).__name__)


def pipeline(connection):
    section("pipeline")
    with connection.pipeline() as pipe:
        cursors = [connection.execute("SELECT %s::int4", [turn]) for turn in range(50)]
        pipe.sync()
        bad = connection.execute("SELECT 1/%s", [0])
        after = connection.execute("SELECT 'aborted'")
        try:
            pipe.sync()
            bad.fetchone()
        except psycopg.Error as error:
            print(error.sqlstate)
        fails(after.fetchone)
        print(sum(cursor.fetchone()[0] for cursor in cursors))
    try:
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.execute("DELETE FROM customer")
            connection.execute("SELECT 2")
    except psycopg.Error as error:
        print(error.sqlstate)
    print(connection.execute("SELECT 'goes on'").fetchone())


def large(connection):
    section("large")
    value = connection.execute("SELECT repeat('x', 50000000)").fetchone()[0]
    print(len(value), set(value))
    rows = connection.execute("SELECT id FROM million").fetchall()
    print(len(rows), sum(row[0] for row in rows))
    print(connection.execute("SELECT length(%s)", ["y" * 5_000_000]).fetchone())


def transactions(connection):
    section("transactions")
    connection.autocommit = False
    for level in psycopg.IsolationLevel:
        connection.isolation_level = level
        print(level.name, connection.execute("SHOW transaction_isolation").fetchone())
        connection.commit()
    connection.isolation_level = None
    connection.read_only, connection.deferrable = True, True
    print(connection.execute("SHOW transaction_read_only").fetchone(), connection.info.transaction_status.name)
    connection.rollback()
    connection.read_only = False
    try:
        print("READ WRITE", connection.execute("SELECT 1").fetchone())
    except psycopg.errors.ReadOnlySqlTransaction as error:
        print("READ WRITE", error.sqlstate)
    connection.rollback()
    connection.read_only = connection.deferrable = None
    with connection.transaction():
        print(connection.execute("SELECT 1").fetchone())
        try:
            with connection.transaction():
                connection.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            print("back at the savepoint", connection.execute("SELECT 2").fetchone())
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL TimeZone = 'Asia/Tokyo'")
            print(connection.execute("SHOW TimeZone").fetchone())
        print(connection.execute("SHOW TimeZone").fetchone())
    connection.autocommit = True
    fails(connection.tpc_begin, connection.xid(1, "g", "b"))


def settings(connection):
    section("settings")
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    print(connection.execute("SELECT '2024-01-01 00:00+00'::timestamptz").fetchone(), connection.info.timezone)
    connection.execute("SELECT set_config('TimeZone', %s, false)", ["UTC"])
    print(connection.execute("SHOW TimeZone").fetchone())
    connection.execute("SET DateStyle = 'German'")
    print(connection.execute("SELECT '2024-02-29'::date::text").fetchone())
    connection.execute("RESET ALL")
    names = ["server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings"]
    print({name: connection.info.parameter_status(name) for name in names}, connection.info.server_version)
    with psycopg.connect("application_name=drivers options='-c TimeZone=Asia/Tokyo -c statement_timeout=300'") as other:
        print(other.execute("SELECT current_setting('application_name'), current_setting('TimeZone')").fetchone())
        fails(other.execute, LONG)


def copy(connection):
    section("copy")
    for options in ("", "(FORMAT csv, HEADER)", "(FORMAT binary)"):
        with connection.cursor() as cursor, cursor.copy(f"COPY (SELECT * FROM customer ORDER BY id) TO STDOUT {options}") as out:
            print(hashlib.sha256(b"".join(bytes(part) for part in out)).hexdigest())
    with connection.cursor() as cursor, cursor.copy("COPY purchase TO STDOUT") as out:
        out.set_types(["int4", "int2", "numeric", "int4", "date"])
        print([row for row in out.rows()])
    with connection.cursor() as cursor, cursor.copy("COPY million TO STDOUT") as out:
        print(sum(len(part) for part in out))
    # Left half way: the rest is thrown away.
    with connection.cursor() as cursor:
        try:
            with cursor.copy("COPY million TO STDOUT") as out:
                out.read()
                raise ZeroDivisionError
        except ZeroDivisionError:
            print(connection.execute("SELECT 'goes on'").fetchone())
    try:
        with connection.cursor() as cursor, cursor.copy("COPY customer (name) FROM STDIN") as into:
            into.write_row(["Eve"])
    except psycopg.Error as error:
        print("COPY FROM", error.sqlstate)
    print(connection.execute("SELECT 'goes on'").fetchone())


def pool():
    section("pool")
    with ConnectionPool("", min_size=2, max_size=4, kwargs={"autocommit": True}) as connections:
        def work(number):
            for turn in range(50):
                with connections.connection() as connection:
                    assert connection.execute("SELECT %s::int4", [number * 1000 + turn]).fetchone()[0] == number * 1000 + turn
        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("done")


def tls():
    section("TLS")
    for options in ("sslmode=require", "sslmode=verify-full sslrootcert=" + os.environ["AUTHORITY"]):
        with psycopg.connect(options) as connection:
            print(connection.pgconn.ssl_in_use, connection.execute("SELECT current_user").fetchone())
    for options in ("sslmode=verify-full sslrootcert=" + os.environ["STRANGER"], "sslmode=require password=wrong"):
        try:
            psycopg.connect(options)
        except psycopg.OperationalError as error:
            print("certificate verify failed" in str(error), "password authentication failed" in str(error))
    with psycopg.connect("sslmode=require") as connection:
        cancel(connection)


async def asynchronous():
    section("async")
    async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
        for turn in range(10):
            cursor = await connection.execute("SELECT name FROM customer WHERE id = %s", [1 + turn % 3])
            print(await cursor.fetchone())
        async with connection.transaction(), connection.cursor(name="c") as cursor:
            await cursor.execute("SELECT id FROM million ORDER BY id")
            print(await cursor.fetchmany(3))
        task = asyncio.create_task(connection.execute(LONG))
        await asyncio.sleep(1)
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, psycopg.errors.QueryCanceled) as error:
            print(type(error).__name__)
        print(await (await connection.execute("SELECT 'still here'")).fetchone())
        async with connection.pipeline():
            results = [await connection.execute("SELECT %s::int4", [turn]) for turn in range(20)]
            print([(await result.fetchone())[0] for result in results])
        try:
            await connection.execute("DELETE FROM customer")
        except psycopg.errors.ReadOnlySqlTransaction as error:
            print(error.sqlstate)


def read_write(connection):
    connection.autocommit = False
    for level in [None, *psycopg.IsolationLevel]:
        connection.isolation_level, connection.read_only = level, False
        print(level and level.name, connection.execute("SELECT name FROM customer WHERE id = %s", [2]).fetchone())
        print(connection.execute("SHOW transaction_isolation").fetchone())
        print("transaction_read_only", connection.execute("SHOW transaction_read_only").fetchone())
        connection.commit()
        try:
            print("NO ERROR", connection.execute("DELETE FROM customer"))
        except psycopg.Error as error:
            print("DELETE", error.sqlstate)
        connection.rollback()
    with connection.transaction():
        print(connection.execute("SELECT count(*) FROM customer").fetchone())


def main():
    if os.environ.get("READ_WRITE"):
        with psycopg.connect() as connection:
            read_write(connection)
        return
    with psycopg.connect(autocommit=True) as connection:
        for part in (simple, prepared, cursors, cancel, errors, values, pipeline, large, transactions, settings, copy):
            part(connection)
        print(connection.execute("SELECT count(*) FROM customer").fetchone())
    pool()
    tls()
    asyncio.run(asynchronous())


main()
