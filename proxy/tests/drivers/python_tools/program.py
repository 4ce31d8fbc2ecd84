"""What reads into frames and models: pg8000, ADBC, ConnectorX, pandas, Polars, Django, Peewee."""

import io
import os
import warnings

warnings.simplefilter("ignore")
HOST, PORT, USER, WORD, NAME = (os.environ["PG" + name] for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE"))
URL = f"postgresql://{USER}:{WORD}@{HOST}:{PORT}/{NAME}"


def pg8000():
    import pg8000.native as driver

    connection = driver.Connection(USER, host=HOST, port=int(PORT), password=WORD, database=NAME)
    print(connection.run("SELECT id, name, tags FROM customer WHERE id > :id ORDER BY id", id=1))
    prepared = connection.prepare("SELECT :n::int4 + 1")
    print([prepared.run(n=number) for number in range(3)])
    out = io.BytesIO()
    connection.run("COPY (SELECT id FROM customer ORDER BY id) TO STDOUT", stream=out)
    print(out.getvalue())
    for statement in ("DELETE FROM customer", "SELECT nosuch", "SELECT 1/0"):
        try:
            connection.run(statement)
        except driver.DatabaseError as error:
            print(error.args[0]["C"])
    connection.run("START TRANSACTION")
    print(connection.run("SELECT count(*) FROM million"), connection.run("COMMIT"))
    connection.close()


def adbc():
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(URL) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, label FROM million WHERE id <= $1 ORDER BY id", (1000,))
        table = cursor.fetch_arrow_table()
        print(table.num_rows, table.schema.names, table.column(1)[999])
        cursor.execute("SELECT * FROM kinds")
        print(cursor.fetch_arrow_table().num_columns)
        print(connection.adbc_get_objects(depth="all", db_schema_filter="sales").read_all().num_rows)
        print(connection.adbc_get_table_schema("customer", db_schema_filter="sales").names)
        connection.commit()
        try:
            cursor.execute("DELETE FROM customer")
        except Exception as error:
            print(error.sqlstate)


def connectorx():
    import connectorx as reader

    print(reader.read_sql(URL, "SELECT id, label FROM million", partition_on="id", partition_num=3, return_type="arrow").num_rows)
    for protocol in ("binary", "cursor", "csv", "simple"):
        print(protocol, reader.read_sql(URL, "SELECT id, name, joined FROM customer ORDER BY id", protocol=protocol).values.tolist())


def pandas():
    import pandas
    import sqlalchemy

    for dialect in ("psycopg", "psycopg2", "pg8000"):
        source = sqlalchemy.create_engine(URL.replace("postgresql:", f"postgresql+{dialect}:"))
        print(dialect, pandas.read_sql_query("SELECT customer_id, price FROM purchase ORDER BY price", source).values.tolist())
        print(pandas.read_sql_table("customer", source, schema="sales")["name"].tolist())
        with source.connect().execution_options(stream_results=True) as connection:
            print(sum(len(part) for part in pandas.read_sql_query("SELECT id FROM million WHERE id <= 5000", connection, chunksize=1000)))


def polars():
    import polars

    print(polars.read_database_uri("SELECT id, name FROM customer ORDER BY id", URL, engine="adbc").rows())
    print(polars.read_database_uri("SELECT id, name FROM customer ORDER BY id", URL, engine="connectorx").rows())


def django():
    import django as framework
    from django.conf import settings

    database = {"ENGINE": "django.db.backends.postgresql", "NAME": NAME, "USER": USER, "PASSWORD": WORD, "HOST": HOST, "PORT": PORT}
    settings.configure(DATABASES={"default": database}, USE_TZ=True)
    framework.setup()
    from django.core.management import call_command
    from django.db import Error, connection, models, transaction

    models_text = io.StringIO()
    call_command("inspectdb", stdout=models_text)
    print(models_text.getvalue())

    class Customer(models.Model):
        name = models.TextField()

        class Meta:
            app_label, db_table, managed = "shop", "customer", False

    print(list(Customer.objects.filter(id__gt=0).order_by("id").values_list("id", "name")), Customer.objects.count())
    print(len(list(Customer.objects.order_by("id").iterator(chunk_size=2))))
    with transaction.atomic():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::text", ["inner"])
            print(cursor.fetchall())
    try:
        with transaction.atomic():
            Customer(name="Eve").save()
    except Error as error:
        print(type(error).__name__, error.__cause__.sqlstate)


def peewee():
    import peewee as orm
    from playhouse.reflection import Introspector

    database = orm.PostgresqlDatabase(NAME, user=USER, password=WORD, host=HOST, port=PORT)
    models = Introspector.from_database(database, schema="sales").generate_models()
    print(sorted(models), [row.name for row in models["customer"].select().order_by(models["customer"].id)])
    print(database.get_indexes("customer", "sales"), database.get_foreign_keys("purchase", "sales"))
    with database.atomic():
        print(database.execute_sql("SELECT 1").fetchall())


for part in (pg8000, adbc, connectorx, pandas, polars, django, peewee):
    print("==", part.__name__)
    try:
        part()
    except Exception as error:
        print("FAILED", type(error).__name__, str(error).splitlines()[0])
