// node-postgres: pg, its pool, pg-cursor and pg-query-stream.
'use strict'
const crypto = require('crypto')
const fs = require('fs')
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')

const LONG = 'SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long'
const plain = { ssl: false }
const show = (...parts) => console.log(...parts.map(part => typeof part === 'string' ? part : JSON.stringify(part)))
const section = name => show('== ' + name)
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

async function fails(asking) {
  try {
    show('NO ERROR', (await asking).rows)
  } catch (error) {
    show(error.constructor.name, error.code, error.severity || error.message, error.position)
  }
}

async function simple(client) {
  section('simple')
  show((await client.query("SELECT 1 AS one, 'two' AS two, NULL AS three, 4.5 AS four")).rows)
  const result = await client.query('SELECT * FROM customer ORDER BY id')
  show(result.rows, result.rowCount, result.command, result.fields.map(field => [field.name, field.dataTypeID]))
  show((await client.query('SELECT 1 AS a; SELECT 2 AS b; SHOW TimeZone')).map(one => one.rows))
  show((await client.query({ text: 'SELECT id, name FROM customer ORDER BY id', rowMode: 'array' })).rows)
  show((await client.query('SELECT $1::text AS t, $2::int4[] AS a, $3::jsonb AS j', ["it's", [1, null], { b: [true] }])).rows)
  show((await client.query('')).rows)
}

async function prepared(client) {
  section('prepared')
  for (let turn = 0; turn < 12; turn++) {
    const query = { name: 'by-id', text: 'SELECT name FROM customer WHERE id = $1', values: [1 + turn % 3] }
    show((await client.query(query)).rows)
  }
  // Many names, asked at once: the driver queues them.
  const many = Array.from({ length: 300 }, (_, n) =>
    client.query({ name: 'n' + n % 100, text: `SELECT $1::int4 + ${n % 100} AS n`, values: [n] }))
  show((await Promise.all(many)).reduce((sum, result) => sum + result.rows[0].n, 0))
}

async function cursors(client) {
  section('cursors and streams')
  await client.query('BEGIN')
  const cursor = client.query(new Cursor('SELECT id FROM million WHERE id > $1 ORDER BY id', [10]))
  show(await cursor.read(3), (await cursor.read(1000)).length)
  await cursor.close()
  show((await client.query('SELECT 1 AS between')).rows)
  await client.query('COMMIT')
  // Outside of a transaction, too: the portal lives until Sync.
  const open = client.query(new Cursor('SELECT generate_series(1, 10) AS n'))
  show(await open.read(4), await open.read(4), await open.read(4), await open.read(4))
  await open.close()
  const stream = client.query(new QueryStream('SELECT id, label FROM million ORDER BY id', [], { batchSize: 20000 }))
  const digest = crypto.createHash('sha256')
  let count = 0
  for await (const row of stream) {
    digest.update(row.id + row.label)
    count++
  }
  show('a million rows', count, digest.digest('hex'))
  // Given up half way.
  let seen = 0
  for await (const _row of client.query(new QueryStream('SELECT id FROM million', [], { batchSize: 100 }))) {
    if (++seen === 250) break
  }
  show(seen, (await client.query("SELECT 'goes on' AS x")).rows)
  await fails(client.query(new Cursor('SELECT 1/0')).read(1))
  show((await client.query("SELECT 'goes on' AS x")).rows)
}

async function cancel(client, options) {
  section('cancel')
  const running = fails(client.query(LONG))
  await sleep(1000)
  // The driver's own way: a second connection that sends only the CancelRequest.
  const canceller = new Client(options)
  canceller.cancel(client, client._activeQuery)
  await running
  show((await client.query("SELECT 'still here' AS x")).rows)
  await client.query('SET statement_timeout = 300')
  await fails(client.query(LONG))
  await client.query('RESET statement_timeout')
  show((await client.query("SELECT 'still here' AS x")).rows)
}

async function errors(client) {
  section('errors')
  const statements = ['SELEC 1', 'SELECT * FROM nosuch', 'SELECT nosuch FROM customer', 'SELECT 1/0', "SELECT 'x'::int4",
    'DELETE FROM customer', "INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'",
    'CREATE TABLE t (a int4)', 'DROP TABLE customer', 'SELECT nosuch(1)']
  for (const text of statements) {
    for (const query of [{ text }, { text, values: [] }, { text, name: text }]) {
      await fails(client.query(query))
      show((await client.query("SELECT 'goes on' AS x")).rows)
      await client.query('BEGIN')
      await fails(client.query(query))
      await fails(client.query('SELECT 1'))
      await client.query('ROLLBACK')
    }
  }
}

async function values(client) {
  section('values')
  const names = (await client.query('SELECT * FROM kinds LIMIT 0')).fields.map(field => field.name)
  for (const binary of [false, true]) {
    for (const name of names) {
      const { rows } = await client.query({ text: `SELECT "${name}" AS v FROM kinds`, binary, queryMode: 'extended' })
      console.log(name, rows.map(row => row.v))
    }
  }
  const given = [true, 12, 1.5, 'text', Buffer.from([0, 255]), new Date(0), [1, 2], null]
  show((await client.query('SELECT $1::bool, $2::int4, $3::float8, $4::text, $5::bytea, $6::timestamptz, $7::int4[], $8::text', given)).rows)
}

async function large(client) {
  section('large')
  const value = (await client.query("SELECT repeat('x', 50000000) AS v")).rows[0].v
  show(value.length, [...new Set(value.slice(0, 1000) + value.slice(-1000))])
  const { rows } = await client.query({ text: 'SELECT id FROM million', rowMode: 'array' })
  show(rows.length, rows.reduce((sum, row) => sum + row[0], 0))
  show((await client.query('SELECT length($1) AS n', ['y'.repeat(5000000)])).rows)
}

async function transactions(client) {
  section('transactions')
  for (const level of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    await client.query(`BEGIN ISOLATION LEVEL ${level} READ ONLY`)
    show((await client.query('SHOW transaction_isolation')).rows, (await client.query('SHOW transaction_read_only')).rows)
    await client.query('SAVEPOINT a')
    await fails(client.query('SELECT 1/0'))
    await client.query('ROLLBACK TO SAVEPOINT a')
    show((await client.query('SELECT 2 AS two')).rows, (await client.query('COMMIT')).command)
  }
  await client.query("SET TimeZone = 'Asia/Tokyo'")
  show((await client.query('SHOW TimeZone')).rows)
  await client.query('DISCARD ALL')
  show((await client.query('SHOW TimeZone')).rows)
}

async function pipeline() {
  section('pipeline')
  const client = new Client({ ...plain, pipeline: true })
  await client.connect()
  const asked = Array.from({ length: 300 }, (_, n) => {
    if (n % 50 === 7) return client.query('SELECT 1/$1::int4 AS n', [0])
    if (n % 50 === 9) return client.query('DELETE FROM customer')
    return client.query({ name: 'add', text: 'SELECT $1::int4 + 1 AS n', values: [n] })
  })
  const answers = await Promise.allSettled(asked)
  show(answers.map(answer => answer.status === 'fulfilled' ? answer.value.rows[0].n : answer.reason.code))
  await client.end()
}

async function pool() {
  section('pool')
  const connections = new Pool({ ...plain, max: 4, application_name: 'drivers', statement_timeout: 20000 })
  const asked = Array.from({ length: 200 }, (_, n) => connections.query('SELECT $1::int4 AS n', [n]))
  show((await Promise.all(asked)).every((result, n) => result.rows[0].n === n))
  show((await connections.query('SHOW application_name')).rows, (await connections.query('SHOW statement_timeout')).rows)
  await connections.end()
}

async function tls() {
  section('TLS')
  const [authority, stranger] = ['AUTHORITY', 'STRANGER'].map(name => fs.readFileSync(process.env[name], 'utf8'))
  const tries = [
    { ssl: { rejectUnauthorized: false } },
    { ssl: { ca: authority } },
    { ssl: { ca: authority }, enableChannelBinding: true },
    { ssl: { ca: stranger } },
    { ssl: { ca: authority }, password: 'wrong' },
  ]
  for (const options of tries) {
    const client = new Client(options)
    try {
      await client.connect()
      show((await client.query('SELECT current_user')).rows)
      if (options.ssl.ca === authority && !options.enableChannelBinding) await cancel(client, options)
      await client.end()
    } catch (error) {
      show(error.constructor.name, error.code)
    }
  }
}

async function main() {
  const client = new Client(plain)
  client.on('notice', notice => show('notice', notice.code, notice.message))
  await client.connect()
  for (const part of [simple, prepared, cursors, one => cancel(one, plain), errors, values, large, transactions]) await part(client)
  show((await client.query('COMMIT')).command, (await client.query('SELECT count(*) FROM customer')).rows)
  await client.end()
  await pipeline()
  await pool()
  await tls()
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
