"""SQLAlchemy: reflection of everything, streaming and transactions, by psycopg, psycopg2 and asyncpg."""

import asyncio
import os

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


def section(name):
    print("==", name)


def url(driver):
    env = os.environ
    return sa.URL.create(f"postgresql+{driver}", env["PGUSER"], env["PGPASSWORD"], env["PGHOST"], int(env["PGPORT"]), env["PGDATABASE"])


def plain(value):
    """Reflected types by their words; the rest as it is, in one order."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, sa.types.TypeEngine):
        return repr(value)
    return value


def reflect(connection):
    section("reflection")
    inspector = sa.inspect(connection)
    print(inspector.default_schema_name, sorted(inspector.get_schema_names()))
    for what in ("get_table_names", "get_view_names", "get_materialized_view_names", "get_sequence_names",
                 "get_foreign_table_names", "get_temp_table_names", "get_enums", "get_domains"):
        found = getattr(inspector, what)()
        print(what, plain(sorted(found, key=str)))
        print("  in sales", plain(sorted(getattr(inspector, what)(*(["sales"] if "temp" not in what else [])), key=str)))
    for table in ("customer", "purchase", "event", "spender", "month", "kinds"):
        print(table)
        for what in ("get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_unique_constraints",
                     "get_check_constraints", "get_table_comment", "get_table_options"):
            try:
                print(" ", what, plain(getattr(inspector, what)(table, schema="sales")))
            except sa.exc.NoSuchTableError as error:
                print(" ", what, type(error).__name__)
    print(inspector.get_view_definition("spender"), inspector.has_table("customer"), inspector.has_table("nosuch"))
    print(inspector.has_index("customer", "customer_lower_name"), inspector.has_sequence("ticket"))
    print(plain({str(key): value for key, value in inspector.get_multi_columns(kind=sa.engine.reflection.ObjectKind.ANY).items()}))
    print([table.name for table in inspector_tables(connection)])


def inspector_tables(connection):
    metadata = sa.MetaData()
    metadata.reflect(connection, schema="sales", views=True)
    return metadata.sorted_tables


def ask(connection):
    section("queries")
    metadata = sa.MetaData()
    customer = sa.Table("customer", metadata, autoload_with=connection)
    purchase = sa.Table("purchase", metadata, autoload_with=connection)
    for turn in range(8):
        print(connection.scalars(sa.select(customer.c.name).where(customer.c.id == 1 + turn % 3)).all())
    joined = sa.select(customer.c.name, sa.func.sum(purchase.c.total)).join_from(customer, purchase).group_by(customer.c.name)
    print(connection.execute(joined.order_by(customer.c.name)).all())
    ranked = sa.select(purchase.c.price, sa.func.rank().over(order_by=purchase.c.price.desc()))
    print(connection.execute(ranked.order_by(purchase.c.price)).all())
    print(connection.execute(sa.select(customer.c.id).where(customer.c.tags.contains(["new"]))).all())
    event = sa.Table("event", metadata, autoload_with=connection)
    print(connection.execute(sa.select(event.c.body["kind"].astext, event.c.body["n"][1])).all())
    print(connection.execute(sa.select(sa.literal([1, 2], postgresql.ARRAY(sa.Integer)))).all())
    print(connection.execute(sa.select(customer.c.name).where(customer.c.id.in_([1, 3])).order_by(customer.c.id)).all())
    for statement in (customer.delete(), customer.insert().values(name="Eve"), customer.update().values(name="Eve"),
                      sa.text("SELECT * FROM nosuch"), sa.text("SELECT 1/0"), sa.text("SELEC 1")):
        try:
            with connection.begin_nested():
                connection.execute(statement)
            print("NO ERROR")
        except sa.exc.DBAPIError as error:
            print(type(error).__name__, getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None))
    print(connection.execute(sa.text("SELECT 'goes on'")).all())


def stream(connection):
    section("streams")
    million = sa.Table("million", sa.MetaData(), autoload_with=connection)
    result = connection.execution_options(yield_per=20000).execute(sa.select(million.c.id))
    print(sum(row[0] for row in result))


def levels(driver):
    section("isolation levels")
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        # For the whole engine: set on one connection alone, the next user of the pooled one would say READ WRITE.
        engine = sa.create_engine(url(driver), execution_options={"isolation_level": level, "postgresql_readonly": True})
        for turn in range(3):
            with engine.connect() as connection:
                print(level, connection.get_isolation_level(), connection.execute(sa.text("SHOW transaction_read_only")).scalar())
        engine.dispose()
    engine = sa.create_engine(url(driver), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        print(connection.get_isolation_level(), connection.execute(sa.text("SELECT 1")).scalar())
    engine.dispose()


class Base(DeclarativeBase):
    """The mapped classes."""


class Customer(Base):
    """One customer."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    purchases: Mapped[list["Purchase"]] = relationship(order_by="Purchase.line")


class Purchase(Base):
    """One line of what a customer bought."""

    __tablename__ = "purchase"
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[float]


def orm(engine):
    section("ORM")
    with Session(engine) as session:
        for customer in session.scalars(sa.select(Customer).options(sa.orm.selectinload(Customer.purchases)).order_by(Customer.id)):
            print(customer.name, [purchase.price for purchase in customer.purchases])
        print(session.get(Customer, 2).name)
        session.add(Customer(name="Eve"))
        try:
            session.commit()
        except sa.exc.DBAPIError as error:
            print(type(error).__name__, getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None))
            session.rollback()
        print(session.scalar(sa.select(sa.func.count()).select_from(Customer)))


def sync(driver):
    section(driver)
    engine = sa.create_engine(url(driver), pool_size=2, pool_pre_ping=True)
    with engine.connect() as connection:
        reflect(connection)
        ask(connection)
        stream(connection)
    levels(driver)
    orm(engine)
    engine.dispose()


async def asynchronous():
    section("asyncpg")
    engine = create_async_engine(url("asyncpg"), pool_pre_ping=True, connect_args={"ssl": "disable"})
    async with engine.connect() as connection:
        await connection.run_sync(reflect)
        await connection.run_sync(ask)
        result = await connection.stream(sa.text("SELECT id FROM million"))
        total = 0
        async for row in result:
            total += row[0]
        print(total)
    await engine.dispose()


def tls():
    section("TLS")
    for driver in ("psycopg", "psycopg2"):
        engine = sa.create_engine(url(driver), connect_args={"sslmode": "verify-full", "sslrootcert": os.environ["AUTHORITY"]})
        with engine.connect() as connection:
            print(connection.execute(sa.text("SELECT current_user")).scalar())
        engine.dispose()


def read_write():
    for driver in ("psycopg", "psycopg2"):
        engine = sa.create_engine(url(driver), pool_size=1, max_overflow=0)
        # The next user of a pooled connection that was set to read only says READ WRITE.
        for options in ({"postgresql_readonly": True}, {"postgresql_readonly": False}, {}, {"isolation_level": "SERIALIZABLE", "postgresql_readonly": False}):
            with engine.connect().execution_options(**options) as connection:
                print(driver, options, connection.execute(sa.text("SELECT name FROM customer WHERE id = 2")).scalar())
                print("transaction_read_only", connection.execute(sa.text("SHOW transaction_read_only")).scalar())
                try:
                    connection.execute(sa.text("DELETE FROM customer"))
                    print("NO ERROR")
                except sa.exc.DBAPIError as error:
                    print("DELETE", getattr(error.orig, "sqlstate", None) or error.orig.pgcode)
                connection.rollback()
        engine.dispose()


if os.environ.get("READ_WRITE"):
    read_write()
    raise SystemExit

sync("psycopg")
sync("psycopg2")
asyncio.run(asynchronous())
tls()
