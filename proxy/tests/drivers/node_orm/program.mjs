// postgres.js, Kysely, Knex, Sequelize, TypeORM, Drizzle and pg-promise: how each connects, reads, reflects and begins.
import { createRequire } from 'node:module'
const require = createRequire(process.env.CACHE + '/node_orm/package.json')

const url = `postgres://${process.env.PGUSER}:${process.env.PGPASSWORD}@${process.env.PGHOST}:${process.env.PGPORT}/${process.env.PGDATABASE}`
const show = (...parts) => console.log(...parts.map(part => typeof part === 'string' ? part : JSON.stringify(part)))
const code = async asking => { try { await asking; return 'NO ERROR' } catch (error) { return error.code ?? error.parent?.code ?? error.message } }

async function postgresJs() {
  const postgres = require('postgres')
  const sql = postgres(url, { max: 3, onnotice: () => {} })
  show(await sql`SELECT id, name, tags FROM customer WHERE id = ANY(${[1, 3]}) ORDER BY id`)
  show((await Promise.all([1, 2, 3, 4, 5].map(n => sql`SELECT ${n}::int AS n`))).map(rows => rows[0].n))
  show(await sql.begin('read only', async tx => tx`SHOW transaction_read_only`))
  show(await sql.begin(async tx => [await tx`SELECT 1 AS a`, await tx.savepoint(inner => inner`SELECT 2 AS b`)]))
  let rows = 0
  await sql`SELECT id FROM million`.cursor(50000, part => { rows += part.length })
  show(rows, (await sql`SELECT * FROM kinds WHERE i4 > ${5}`.describe()).columns.length, await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b'))
  let copied = ''
  for await (const part of await sql`COPY (SELECT id FROM customer ORDER BY id) TO STDOUT`.readable()) copied += part
  show(copied, await code(sql`DELETE FROM customer`), await code(sql`SELECT nosuch`), await sql`SELECT 'goes on' AS so`)
  const long = sql`SELECT count(*) FROM generate_series(1, 10000000000)`
  setTimeout(() => long.cancel(), 500)
  show(await code(long))
  await sql.end()
}

async function kysely() {
  const { Kysely, PostgresDialect } = require('kysely')
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new (require('pg').Pool)({ connectionString: url }) }) })
  show((await db.introspection.getTables()).map(table => [table.schema, table.name, table.isView, table.columns.length]))
  show(await db.selectFrom('customer').innerJoin('purchase', 'customer_id', 'customer.id').select(['name', 'price']).orderBy('price').execute())
  show(await db.transaction().setIsolationLevel('repeatable read').execute(tx => tx.selectFrom('customer').select('id').orderBy('id').execute()))
  show(await code(db.deleteFrom('customer').execute()), await code(db.insertInto('customer').values({ name: 'Eve' }).returning('id').execute()))
  await db.destroy()
}

async function knex() {
  const db = require('knex')({ client: 'pg', connection: url })
  show(await db('customer').select('id', 'name').orderBy('id'), await db('customer').columnInfo(), await db.schema.hasTable('customer'))
  show(await db.transaction(async tx => (await tx.raw('SELECT 1 AS a')).rows), await db.transaction(async tx => tx('customer').count(), { readOnly: true }))
  let rows = 0
  for await (const _ of db('million').select('id').limit(5000).stream()) rows++
  show(rows, await code(db('customer').update({ name: 'Eve' })), await code(db('customer').forUpdate().select()))
  await db.destroy()
}

async function sequelize() {
  const { Sequelize, QueryTypes, Transaction } = require('sequelize')
  const db = new Sequelize(url, { logging: false, timezone: '+05:30' })
  await db.authenticate()
  const reflection = db.getQueryInterface()
  show(await reflection.showAllSchemas(), (await reflection.showAllTables()).length, await reflection.describeTable({ tableName: 'customer', schema: 'sales' }))
  show((await reflection.showIndex({ tableName: 'customer', schema: 'sales' })).map(index => index.name), await reflection.getForeignKeyReferencesForTable({ tableName: 'purchase', schema: 'sales' }))
  show(await db.query('SELECT name FROM customer WHERE id = :id', { replacements: { id: 1 }, type: QueryTypes.SELECT }))
  show(await db.query('SELECT name, joined::text FROM customer WHERE id = $1', { bind: [1], type: QueryTypes.SELECT }))
  const model = db.define('customer', { name: 'text' }, { tableName: 'customer', timestamps: false })
  show(await model.findAndCountAll({ order: ['id'], limit: 2 }), await code(model.create({ name: 'Eve' })))
  show(await db.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async transaction => (await db.query('SELECT 1 AS a', { transaction }))[0]))
  await db.close()
}

async function typeorm() {
  require('reflect-metadata')
  const { DataSource } = require('typeorm')
  const db = new DataSource({ type: 'postgres', url, schema: 'sales' })
  await db.initialize()
  const runner = db.createQueryRunner()
  const tables = await runner.getTables(['sales.customer', 'sales.million'])
  show(tables.map(table => [table.name, table.columns.map(column => [column.name, column.type]), table.foreignKeys.length, table.indices.length, table.checks.length]))
  await runner.startTransaction('REPEATABLE READ')
  show(await runner.query('SELECT count(*) FROM customer WHERE id > $1', [0]))
  await runner.commitTransaction()
  show(await code(runner.query('UPDATE customer SET name = $1', ['Eve'])), await code(runner.createSchema('nosuch', true)))
  await runner.release()
  await db.destroy()
}

async function drizzle() {
  const { drizzle } = require('drizzle-orm/node-postgres')
  const { pgTable, integer, text } = require('drizzle-orm/pg-core')
  const { sql, eq, gt } = require('drizzle-orm')
  const customer = pgTable('customer', { id: integer().primaryKey(), name: text() })
  const db = drizzle(url)
  show(await db.select().from(customer).where(gt(customer.id, 0)).orderBy(customer.id), (await db.execute(sql`SELECT ${3}::int AS three`)).rows)
  const byId = db.select().from(customer).where(eq(customer.id, sql.placeholder('id'))).prepare('by_id')
  for (const id of [1, 2, 3, 1, 2, 3]) show(await byId.execute({ id }))
  show(await db.transaction(async tx => (await tx.execute(sql`SELECT 1 AS a`)).rows, { accessMode: 'read only', isolationLevel: 'serializable' }))
  const refused = await code(db.insert(customer).values({ id: 9, name: 'Eve' }).catch(error => { throw error.cause ?? error }))
  show(refused)
  await db.$client.end()
}

async function pgPromise() {
  const library = require('pg-promise')()
  const db = library(url)
  show(await db.one('SELECT $1:name, $2:csv AS n', ['id', [1, 2]]).catch(error => error.code), await db.any('SELECT id FROM customer WHERE id IN ($1:csv) ORDER BY id', [[1, 2]]))
  show(await db.multi('SELECT 1 AS a; SELECT 2 AS b'), await db.tx(async tx => tx.batch([tx.one('SELECT 1 AS a'), tx.one('SELECT 2 AS b')])))
  show(await code(db.none('TRUNCATE customer')))
  db.$pool.end()
}

for (const part of [postgresJs, kysely, knex, sequelize, typeorm, drizzle, pgPromise]) {
  show('== ' + part.name)
  try { await part() } catch (error) { show('FAILED', error.message, error.code ?? '') }
}
process.exit(0)
