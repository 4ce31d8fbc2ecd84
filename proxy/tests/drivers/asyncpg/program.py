"""asyncpg: binary throughout, its catalog questions for arrays, enums and composites, cursors, pool with reset, COPY."""

import asyncio
import hashlib
import os
import ssl

import asyncpg

LONG = "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long"


def section(name):
    print("==", name)


async def fails(asking):
    try:
        print("NO ERROR", await asking)
    except asyncpg.PostgresError as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("asyncpg")]
        print(error.sqlstate, *kinds)


def shown(value):
    if isinstance(value, asyncpg.Record):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


async def simple(connection):
    section("simple")
    print(shown(await connection.fetch("SELECT 1 AS one, 'two' AS two, NULL AS three, 4.5 AS four")))
    print(shown(await connection.fetch("SELECT * FROM customer ORDER BY id")))
    print(await connection.execute("SELECT 1; SELECT 2"))
    print(await connection.fetchval("SELECT $1::text || $2", "a", "b"))
    print(shown(await connection.fetchrow("SELECT * FROM purchase WHERE customer_id = $1", 3)))
    await connection.executemany("SELECT $1::int4", [(turn,) for turn in range(100)])
    print(shown(await connection.fetchmany("SELECT $1::int4 + 1 AS n", [(1,), (2,)])))


async def prepared(connection):
    section("prepared")
    statement = await connection.prepare("SELECT name, home FROM customer WHERE id = $1")
    print([(kind.name, kind.schema) for kind in statement.get_parameters()])
    print([(column.name, column.type.name, column.type.kind) for column in statement.get_attributes()])
    for turn in range(12):
        print(shown(await statement.fetchrow(1 + turn % 3)))
    print(await statement.explain(1) is not None, statement.get_statusmsg())
    # More texts than the cache of the driver keeps.
    for turn in range(150):
        assert await connection.fetchval(f"SELECT $1::int4 + {turn}", 1) == turn + 1
    for turn in range(150):
        assert await connection.fetchval(f"SELECT $1::int4 + {turn}", 2) == turn + 2
    print("many")


async def cursors(connection):
    section("cursors")
    async with connection.transaction():
        cursor = await connection.cursor("SELECT id FROM million WHERE id > $1 ORDER BY id", 10)
        print(shown(await cursor.fetch(3)), await cursor.forward(10), shown(await cursor.fetchrow()))
        digest, count = hashlib.sha256(), 0
        async for record in connection.cursor("SELECT id, label FROM million ORDER BY id", prefetch=20000):
            digest.update(b"%d%s" % (record[0], record[1].encode()))
            count += 1
        print("a million rows", count, digest.hexdigest())
        # Two at once, interleaved.
        one, two = [await connection.cursor("SELECT id FROM million ORDER BY id") for _ in range(2)]
        print([(await one.fetchrow())[0] + (await two.fetchrow())[0] for _ in range(5)])


async def cancel(connection):
    section("cancel")
    try:
        await connection.fetch(LONG, timeout=1)
    except asyncio.TimeoutError as error:
        print(type(error).__name__)
    print(await connection.fetchval("SELECT 'still here'"))
    task = asyncio.create_task(connection.fetch(LONG))
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError as error:
        print(type(error).__name__)
    print(await connection.fetchval("SELECT 'still here'"))


async def errors(connection):
    section("errors")
    statements = [
        "SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM customer", "SELECT 1/0", "SELECT 'x'::int4",
        "DELETE FROM customer", "INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'",
        "CREATE TABLE t (a int4)", "DROP TABLE customer", "SELECT nosuch(1)",
    ]
    for statement in statements:
        await fails(connection.fetch(statement))
        await fails(connection.execute(statement))
        print(await connection.fetchval("SELECT 'goes on'"))
        transaction = connection.transaction()
        await transaction.start()
        await fails(connection.fetch(statement))
        await fails(connection.fetch("SELECT 1"))
        await transaction.rollback()
        print(await connection.fetchval("SELECT 'goes on'"))
    try:
        await connection.fetch("SELECT nosuch\nFROM customer")
    except asyncpg.UndefinedColumnError as error:
        print(error.severity, error.message, error.position)


async def values(connection):
    section("values")
    names = [row[0] for row in await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0 ORDER BY attnum")]
    for name in names:
        rows = await connection.fetch(f'SELECT "{name}" FROM kinds')
        print(name, shown(rows))
        kind = await connection.fetchval(
            "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attname = $1", name)
        back = await connection.fetchval(f"SELECT $1::{kind}", rows[0][0])
        print("  and back", shown(back), shown(back) == shown(rows[0][0]))
    import json
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    print(await connection.fetchval("SELECT $1::jsonb", {"a": [1, None]}))
    await connection.reset_type_codec("jsonb", schema="pg_catalog")
    await connection.reload_schema_state()
    print(shown(await connection.fetch("SELECT array_agg(home) AS homes, array_agg(feels) AS moods FROM customer")))
    print(shown(await connection.fetch("SELECT c FROM customer c WHERE id = 1")))
    print(await connection.fetchval("SELECT $1::mood[]", ["sad", "happy"]), await connection.fetchval("SELECT $1::email", "a@b"))
    await fails(connection.fetchval("SELECT $1::email", "nothing"))


async def large(connection):
    section("large")
    value = await connection.fetchval("SELECT repeat('x', 50000000)")
    print(len(value), set(value))
    rows = await connection.fetch("SELECT id FROM million")
    print(len(rows), sum(row[0] for row in rows))
    print(await connection.fetchval("SELECT length($1)", "y" * 5_000_000))


async def transactions(connection):
    section("transactions")
    for level in ("read_uncommitted", "read_committed", "repeatable_read", "serializable"):
        async with connection.transaction(isolation=level, readonly=True, deferrable=level == "serializable"):
            print(await connection.fetchval("SHOW transaction_isolation"), await connection.fetchval("SHOW transaction_read_only"))
    async with connection.transaction():
        try:
            async with connection.transaction():
                await connection.fetch("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            print("back at the savepoint", await connection.fetchval("SELECT 2"), connection.is_in_transaction())


async def settings(connection):
    section("settings")
    await connection.execute("SET TimeZone = 'Asia/Tokyo'")
    print(await connection.fetchval("SHOW TimeZone"), connection.get_settings().TimeZone)
    await connection.reset()
    print(await connection.fetchval("SHOW TimeZone"), connection.get_settings().TimeZone)
    print(connection.get_server_version().major, connection.get_settings().server_encoding)
    other = await asyncpg.connect(ssl="disable", server_settings={"application_name": "drivers", "statement_timeout": "300", "jit": "off"})
    print(await other.fetchval("SHOW application_name"), await other.fetchval("SHOW statement_timeout"))
    await fails(other.fetch(LONG))
    await other.close()


async def copy(connection):
    section("copy")
    async def digest_of(copying, **options):
        parts = []
        async def take(part):
            parts.append(part)
        print(await copying(output=take, **options), hashlib.sha256(b"".join(parts)).hexdigest())
    await digest_of(lambda **options: connection.copy_from_table("customer", **options), format="csv", header=True)
    await digest_of(lambda **options: connection.copy_from_table("million", **options), format="binary")
    await digest_of(lambda **options: connection.copy_from_query("SELECT * FROM customer WHERE id = $1", 1, **options))
    try:
        await connection.copy_records_to_table("customer", records=[("Eve",)], columns=["name"])
    except asyncpg.PostgresError as error:
        print("COPY FROM", error.sqlstate)
    print(await connection.fetchval("SELECT 'goes on'"))


async def pool():
    section("pool")
    async with asyncpg.create_pool(ssl="disable", min_size=2, max_size=4) as connections:
        async def work(number):
            for turn in range(25):
                async with connections.acquire() as connection:
                    await connection.execute(f"SET application_name = 'n{number}'")
                    assert await connection.fetchval("SELECT $1::int4", number * 1000 + turn) == number * 1000 + turn
        await asyncio.gather(*(work(number) for number in range(10)))
        # Released connections are reset: nothing of the last user's is left.
        print("application_name after reset:", await connections.fetchval("SELECT current_setting('application_name')"))
    print("done")


async def tls():
    section("TLS")
    connection = await asyncpg.connect(ssl="require")
    print(await connection.fetchval("SELECT current_user"))
    await cancel(connection)
    await connection.close()
    connection = await asyncpg.connect(ssl=ssl.create_default_context(cafile=os.environ["AUTHORITY"]), direct_tls=False)
    print(await connection.fetchval("SELECT current_user"))
    await connection.close()
    for options in ({"ssl": ssl.create_default_context(cafile=os.environ["STRANGER"])}, {"ssl": "require", "password": "wrong"}):
        try:
            await asyncpg.connect(**options)
        except (ssl.SSLError, asyncpg.InvalidPasswordError) as error:
            print(type(error).__name__)


async def main():
    connection = await asyncpg.connect(ssl="disable")
    for part in (simple, prepared, cursors, cancel, errors, values, large, transactions, settings, copy):
        await part(connection)
    print(await connection.fetchval("SELECT count(*) FROM customer"))
    await connection.close()
    await pool()
    await tls()


asyncio.run(main())
